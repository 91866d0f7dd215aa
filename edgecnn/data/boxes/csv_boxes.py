"""Reads boxes from CSV: a row per box.

With a header, in any order and under the usual names: ``filename,width,height,class,xmin,ymin,xmax,
ymax`` (TensorFlow object detection), ``image,x,y,w,h,label`` and the like. Without one:
``path,x1,y1,x2,y2,class`` (keras-retinanet). Corners count from 0; a set whose corners all lie
between 0 and 1 holds shares of the size. A row with a name alone is an image without boxes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn.data.boxes.index import ImageIndex
from edgecnn.data.boxes.numbers import coordinate, extent
from edgecnn.data.boxes.split_names import named_part
from edgecnn.data.boxes.types import AnnotatedBox, AnnotationFault, AnnotationReading, ImageRecord
from edgecnn.data.images import Files

MAX_CSV_BYTES = 128 << 20
_CORNERS = ("x1", "y1", "x2", "y2")
_NAMES = {
    "image": ("filename", "file_name", "file", "image", "image_name", "image_path", "img",
              "img_name", "path", "filepath", "file_path", "imageid", "image_id"),
    "label": ("class", "label", "class_name", "classname", "labelname", "label_name", "category",
              "category_name", "object", "name"),
    "x1": ("xmin", "x_min", "x1", "left", "bbox_x1", "bbox_xmin", "x_1"),
    "y1": ("ymin", "y_min", "y1", "top", "bbox_y1", "bbox_ymin", "y_1"),
    "x2": ("xmax", "x_max", "x2", "right", "bbox_x2", "bbox_xmax", "x_2"),
    "y2": ("ymax", "y_max", "y2", "bottom", "bbox_y2", "bbox_ymax", "y_2"),
    "x": ("x", "bbox_x"),
    "y": ("y", "bbox_y"),
    "w": ("w", "bbox_w", "bbox_width", "box_width"),
    "h": ("h", "bbox_h", "bbox_height", "box_height"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
    "difficult": ("difficult",),
    "crowd": ("iscrowd", "crowd", "isgroupof"),
}  # fmt: skip


@dataclass(frozen=True)
class CsvColumns:
    """Where a table has what.

    Attributes:
        places: our name of a column → its place.
        header: the first line is one.
        delimiter: between the columns.
    """

    places: Mapping[str, int]
    header: bool
    delimiter: str


def csv_columns(text: bytes) -> CsvColumns | None:
    """The columns of a table of boxes, from its beginning; None: it is none."""
    lines = text[:65536].decode("utf-8-sig", "replace").splitlines()
    if not lines:
        return None
    for delimiter in (",", ";", "\t"):
        rows = list(csv.reader(lines[:50], delimiter=delimiter))
        rows = [row for row in rows if any(cell.strip() for cell in row)]
        if not rows or len(rows[0]) < 6:
            continue
        places = _header(rows[0])
        if places is not None:
            return CsvColumns(places, True, delimiter)
        if all(len(row) == 6 for row in rows[:-1]) and any(_numbers(row[1:5]) for row in rows):
            plain = ("image", *_CORNERS, "label")
            return CsvColumns({name: i for i, name in enumerate(plain)}, False, delimiter)
    return None


def read_csv(files: Files, paths: Sequence[str], index: ImageIndex) -> AnnotationReading:
    """Reads the tables ``paths``; of two that speak of the same images the split's one is taken."""
    faults: list[AnnotationFault] = []
    notes: list[str] = []
    tables = [_Table(path, files, index) for path in paths]
    tables.sort(key=lambda table: (named_part(table.path) is None, -table.boxes))
    records: list[ImageRecord] = []
    taken: dict[str, str] = {}
    lost = 0
    for table in tables:
        again = [image for image in table.images if image in taken]
        if table.images and 2 * len(again) > len(table.images):
            other = taken[again[0]]
            notes.append(f"'{table.path}' speaks of the images of '{other}' too: left out")
            continue
        taken.update(dict.fromkeys(table.images, table.path))
        records += table.records()
        faults += table.faults
        if table.relative:
            notes.append(f"'{table.path}': its corners are shares of the size")
        lost += table.lost
    return AnnotationReading("csv", tuple(records), None, tuple(faults), tuple(notes), lost=lost)


class _Table:
    """One CSV file, read."""

    def __init__(self, path: str, files: Files, index: ImageIndex) -> None:
        self.path = path
        self.faults: list[AnnotationFault] = []
        self.images: dict[str, list[AnnotatedBox]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._missing: set[str] = set()
        self.lost = 0
        text = files.head(path, MAX_CSV_BYTES + 1)
        columns = csv_columns(text)
        if len(text) > MAX_CSV_BYTES or columns is None:
            why = "it is no table of boxes" if columns is None else "larger than 128 MiB"
            self._fault("", why)
            return
        self._columns = columns
        lines = io.StringIO(text.decode("utf-8-sig", "replace"), newline="")
        rows = csv.reader(lines, delimiter=columns.delimiter)
        try:
            for row in rows:
                number = rows.line_num
                if any(cell.strip() for cell in row) and not (columns.header and number == 1):
                    self._row(row, f"line {number}", index)
        except csv.Error as error:
            self._fault(f"line {rows.line_num}", f"the table ends here: {error}")

    @property
    def boxes(self) -> int:
        """How many boxes were read."""
        return sum(map(len, self.images.values()))

    @property
    def relative(self) -> bool:
        """Whether every corner is between 0 and 1."""
        corners = [box.corners for boxes in self.images.values() for box in boxes]
        return bool(corners) and all(0 <= value <= 1 for row in corners for value in row)

    def records(self) -> list[ImageRecord]:
        """A record per image."""
        part, relative = named_part(self.path), self.relative
        return [
            ImageRecord(image, self.path, tuple(boxes), self._sizes.get(image), relative, part)
            for image, boxes in self.images.items()
        ]

    def _row(self, row: Sequence[str], item: str, index: ImageIndex) -> None:
        cells = {
            name: row[place].strip() if place < len(row) else ""
            for name, place in self._columns.places.items()
        }
        label = cells["label"]
        item = f"{item} ({label[:60]})" if label else item
        name = cells["image"]
        try:
            image = index.find(name, self.path) if name else None
            why = f"there is no image '{name[:200]}'" if name else "it names no image"
        except LookupError as error:
            image, why = None, str(error.args[0])
        if image is None:
            if name not in self._missing or not name:  # a line per image, not per box
                self._fault(item, why)
            self._missing.add(name)
            return
        boxes = self.images.setdefault(image, [])
        width, height = extent(cells.get("width")), extent(cells.get("height"))
        if width and height:
            self._sizes[image] = width, height
        keys = _CORNERS if "x1" in cells else ("x", "y", "w", "h")
        if not label and not any(cells[key] for key in keys):
            return
        try:
            if not label:
                raise ValueError("it has no class")
            corners, swapped = _corners([coordinate(cells[key]) for key in keys], keys == _CORNERS)
        except ValueError as error:
            self._fault(item, str(error))
            self.lost += 1
            return
        if swapped:
            self._fault(item, "its corners are swapped: read the other way round")
        marks = [cells.get(key, "").lower() in ("1", "true") for key in ("difficult", "crowd")]
        boxes.append(AnnotatedBox(label, corners, item, *marks))

    def _fault(self, item: str, why: str) -> None:
        self.faults.append(AnnotationFault(self.path, item, why))


def _corners(
    values: Sequence[float], as_corners: bool
) -> tuple[tuple[float, float, float, float], bool]:
    a, b, c, d = (
        values if as_corners else (*values[:2], values[0] + values[2], values[1] + values[3])
    )
    if a == c or b == d:
        raise ValueError(f"it has no area: {a:g}, {b:g} to {c:g}, {d:g}")
    swapped = a > c or b > d
    if swapped and not as_corners:
        raise ValueError(f"its width or height is negative: {values[2]:g}, {values[3]:g}")
    return (min(a, c), min(b, d), max(a, c), max(b, d)), swapped


def _header(row: Sequence[str]) -> dict[str, int] | None:
    cells = [cell.strip().lower().replace(" ", "_") for cell in row]
    places: dict[str, int] = {}
    for ours, names in _NAMES.items():
        found = next((cells.index(name) for name in names if name in cells), None)
        if found is not None and found not in places.values():
            places[ours] = found
    corners = all(key in places for key in _CORNERS)
    sides = all(key in places for key in ("x", "y", "w", "h"))
    return places if {"image", "label"} <= set(places) and (corners or sides) else None


def _numbers(cells: Sequence[str]) -> bool:
    try:
        return all(coordinate(cell) is not None for cell in cells)
    except ValueError:
        return False
