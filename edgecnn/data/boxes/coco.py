"""Reads COCO JSON: images, categories, annotations with bbox = x, y, width, height from 0.

``iscrowd`` boxes stand for a group: they are kept, and neither trained on nor counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from edgecnn.data.boxes.index import ImageIndex
from edgecnn.data.boxes.numbers import coordinate, extent
from edgecnn.data.boxes.split_names import named_part
from edgecnn.data.boxes.types import AnnotatedBox, AnnotationFault, AnnotationReading, ImageRecord
from edgecnn.data.images import Files
from edgecnn.data.splits import PRIORITY

MAX_JSON_BYTES = 512 << 20


def read_coco(files: Files, paths: Sequence[str], index: ImageIndex) -> AnnotationReading:
    """Reads the JSON files ``paths``.

    The file's name or folder says the split (``instances_val2017.json``, ``valid/…coco.json``).
    Where two files speak of the same images, one is taken: that of a split before that of all, then
    ``instances`` before others (captions, key points), then the one with more boxes.
    """
    faults: list[AnnotationFault] = []
    notes: list[str] = []
    read = [found for path in paths if (found := _read(files, path, index, faults))]
    whole = [one for one in read if one.annotated]
    notes += [f"'{one.path}' has no annotations: left out" for one in read if not one.annotated]
    taken = _chosen(whole, notes)
    labels = _labels([one for one, _ in taken])
    records = [record for _, rows in taken for record in rows]
    faults += [fault for one, _ in taken for fault in one.faults]
    lost = sum(one.lost for one, _ in taken)
    return AnnotationReading("coco", tuple(records), labels, tuple(faults), tuple(notes), lost=lost)


@dataclass
class _CocoFile:
    """One JSON file on its way."""

    path: str
    annotated: bool
    categories: dict[str, dict[str, Any]]
    records: list[ImageRecord] = field(default_factory=list)
    faults: list[AnnotationFault] = field(default_factory=list)
    lost: int = 0

    @property
    def boxes(self) -> int:
        return sum(len(record.boxes) for record in self.records)


def _read(
    files: Files, path: str, index: ImageIndex, faults: list[AnnotationFault]
) -> _CocoFile | None:
    text = files.head(path, MAX_JSON_BYTES + 1)
    why = None
    data: Any = None
    if len(text) > MAX_JSON_BYTES:
        why = f"larger than {MAX_JSON_BYTES >> 20} MiB"
    else:
        try:
            data = json.loads(text)
        except RecursionError:
            why = "it is nested too deeply"
        except ValueError as error:
            why = f"it is no JSON: {error}"
    if why is None and not isinstance(data, dict):
        why = f"it holds a {type(data).__name__}, expected an object with images and annotations"
    if why is None and not isinstance(data.get("images"), list):
        why = "it has no list 'images'"
    if why is not None:
        faults.append(AnnotationFault(path, "", why))
        return None
    annotations = data.get("annotations")
    rows = data.get("categories")
    categories = {
        str(row["id"]): row
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and "id" in row and str(row.get("name") or "").strip()
    }
    found = _CocoFile(path, isinstance(annotations, list), categories)
    if isinstance(annotations, list):
        _fill(found, data["images"], annotations, index)
    return found


def _fill(found: _CocoFile, images: list[Any], annotations: list[Any], index: ImageIndex) -> None:
    path, faults = found.path, found.faults
    known: dict[str, tuple[str, tuple[int, int] | None]] = {}
    listed: set[str] = set()
    for number, row in enumerate(images, 1):
        name = row.get("file_name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name.strip() or "id" not in row:
            faults.append(AnnotationFault(path, f"image {number}", "it has no id or file_name"))
            continue
        key = str(row["id"])
        if key in listed:
            faults.append(AnnotationFault(path, name[:200], f"its id {key[:40]} is taken already"))
            continue
        listed.add(key)
        try:
            image = index.find(name, path)
            why = "there is no image of this name"
        except LookupError as error:
            image, why = None, str(error.args[0])
        if image is None:
            faults.append(AnnotationFault(path, name[:200], why))
            continue
        width, height = extent(row.get("width")), extent(row.get("height"))
        known[key] = image, ((width, height) if width and height else None)
    boxes: dict[str, list[AnnotatedBox]] = defaultdict(list)
    for number, row in enumerate(annotations, 1):
        item = _item(row, number, found.categories)
        try:
            key, box = _box(row, item, found.categories, listed)
        except ValueError as error:
            faults.append(AnnotationFault(path, item, str(error)))
            found.lost += 1
            continue
        if key in known:  # else the missing image has been named
            boxes[key].append(box)
    part = named_part(path)
    found.records += [
        ImageRecord(image, path, tuple(boxes[key]), size, part=part)
        for key, (image, size) in known.items()
    ]


def _item(row: Any, number: int, categories: dict[str, dict[str, Any]]) -> str:
    if not isinstance(row, dict):
        return f"annotation {number}"
    category = categories.get(str(row.get("category_id")), {})
    label = f" ({str(category['name']).strip()[:60]})" if category else ""
    return f"annotation {str(row.get('id', number))[:40]}{label}"


def _box(
    row: Any, item: str, categories: dict[str, dict[str, Any]], listed: set[str]
) -> tuple[str, AnnotatedBox]:
    if not isinstance(row, dict):
        raise ValueError("it is no object")
    key = str(row.get("image_id"))
    if key not in listed:
        raise ValueError(f"there is no image with the id {key[:40]}")
    category = categories.get(str(row.get("category_id")))
    if category is None:
        raise ValueError(f"there is no category with the id {str(row.get('category_id'))[:40]}")
    bbox = row.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError("it has no bbox of four numbers")
    x, y, width, height = (coordinate(value) for value in bbox)
    if width <= 0 or height <= 0:
        raise ValueError(f"it has no area: width {width:g}, height {height:g}")
    corners = (x, y, x + width, y + height)
    crowd = row.get("iscrowd") in (1, True, "1")
    hard = row.get("difficult") in (1, True, "1") or row.get("ignore") in (1, True, "1")
    return key, AnnotatedBox(str(category["name"]).strip(), corners, item, hard, crowd)


def _chosen(read: list[_CocoFile], notes: list[str]) -> list[tuple[_CocoFile, list[ImageRecord]]]:
    """The files that are taken, each with its records whose images no other file has taken."""

    def rank(one: _CocoFile) -> tuple[bool, bool, int]:
        name = PurePosixPath(one.path).name.lower()
        return named_part(one.path) is None, "instances" not in name, -one.boxes

    taken: dict[str, _CocoFile] = {}
    chosen: list[_CocoFile] = []
    for one in sorted(read, key=rank):
        part = named_part(one.path)
        images = {record.image for record in one.records}
        if not images:
            chosen.append(one)  # for its faults
            continue
        rivals = {
            image for image in images
            if image in taken and (part is None or named_part(taken[image].path) == part)
        }  # fmt: skip
        if 2 * len(rivals) > len(images):
            other = taken[next(iter(sorted(rivals)))].path
            notes.append(f"'{one.path}' speaks of the images of '{other}' too: left out")
            continue
        chosen.append(one)
        taken.update({image: one for image in images if image not in taken})
    return _without_repeats(chosen, notes)


def _without_repeats(
    chosen: list[_CocoFile], notes: list[str]
) -> list[tuple[_CocoFile, list[ImageRecord]]]:
    """Leaves an image of several splits in the one that flatters the least."""
    order = {part: place for place, part in enumerate(PRIORITY)}
    chosen.sort(key=lambda one: order.get(named_part(one.path) or "train", len(order)))
    result, seen = [], set[str]()
    for one in chosen:
        rows = [record for record in one.records if record.image not in seen]
        if len(rows) < len(one.records):
            again = len(one.records) - len(rows)
            notes.append(f"{again:,} images of '{one.path}' stand in another split too: left out")
        seen.update(record.image for record in rows)
        result.append((one, rows))
    return result


def _labels(files: list[_CocoFile]) -> tuple[str, ...]:
    """Category names by id; a heading that only groups the others is none."""
    used = {box.label for one in files for record in one.records for box in record.boxes}
    names: dict[str, None] = {}
    for one in files:
        rows = sorted(one.categories.items(), key=lambda item: _id_key(item[0]))
        headings = {str(row.get("supercategory")).strip() for _, row in rows}
        for _, row in rows:
            name = str(row["name"]).strip()
            if name in used or name not in headings or len(headings) == len(rows):
                names[name] = None
    return tuple(names)


def _id_key(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdecimal() and len(text) < 18 else (1, 0, text)
