"""Reads Pascal VOC: an XML file per image, splits in ImageSets/Main.

Corners count pixels from 1 and include the last one, so a box that covers the first pixel alone
has xmin = xmax = 1 (VOC 2007 devkit, section 4.2). Inside edgecnn 0 is the outer edge of the first
pixel: x1 = xmin − 1, x2 = xmax. Tools that count from 0 are a pixel off by that, which is cut at
the image's edge. A box whose corners are equal is an accidental click and not a box of one pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from edgecnn.data.boxes.index import AmbiguousImageError, ImageIndex, OutsideFolderError
from edgecnn.data.boxes.numbers import coordinate, extent
from edgecnn.data.boxes.types import AnnotatedBox, AnnotationFault, AnnotationReading, ImageRecord
from edgecnn.data.boxes.xml_tree import MAX_XML_BYTES, XmlError, child_text, parse_xml
from edgecnn.data.images import Files

_MAX_LIST_BYTES = 16 << 20
_LISTS = {"train": "train", "val": "val", "test": "test", "trainval": "train"}


def read_voc(files: Files, paths: Sequence[str], index: ImageIndex) -> AnnotationReading:
    """Reads the XML files ``paths`` and the lists of ImageSets/Main.

    Args:
        files: the source.
        paths: of the XML files.
        index: of the images.
    """
    reader = _Reader(files, index)
    for path in paths:
        reader.read(path)
    parts = reader.lists()
    return AnnotationReading(
        "voc", tuple(reader.records), None, tuple(reader.faults), tuple(reader.notes), parts,
        frozenset(reader.broken), reader.lost,
    )  # fmt: skip


class _Reader:
    """Collects records and faults."""

    def __init__(self, files: Files, index: ImageIndex) -> None:
        self._files = files
        self._index = index
        self.records: list[ImageRecord] = []
        self.faults: list[AnnotationFault] = []
        self.notes: list[str] = []
        self.broken: set[str] = set()
        self.lost = 0

    def read(self, path: str) -> None:
        """One XML file."""
        try:
            root = parse_xml(self._files.head(path, MAX_XML_BYTES + 1))
            if root.tag != "annotation":
                raise XmlError(f"its root is <{root.tag[:40]}>, expected <annotation>")
        except XmlError as error:
            self._fault(path, "", f"{error}")
            self._broken(path)
            return
        name = child_text(root, "filename") or child_text(root, "path")
        try:
            image = self._image(path, name)
        except LookupError as error:
            self._fault(path, name or "<filename>", str(error.args[0]))
            return
        size = root.find("size")
        stated = None
        if size is not None:
            width, height = (extent(child_text(size, key)) for key in ("width", "height"))
            stated = (width, height) if width and height else None
        boxes = self._boxes(path, root)
        self.records.append(ImageRecord(image, path, boxes, stated))

    def _image(self, path: str, name: str) -> str:
        """The image of an XML file: the one with its name, else the one that <filename> names.

        The names agree where a set is in order. Where they do not, mostly the images were renamed
        together with their XML files, and <filename> stayed.
        """
        own: str | None = None
        try:
            own = self._index.by_stem(PurePosixPath(path).name, path)
        except AmbiguousImageError:
            if not name:
                raise
        found = own or (self._index.find(name, path) if name else None)
        if found is None:
            stem = PurePosixPath(path).stem
            what = f"'{name}'" if name else f"'{stem}' with an image's extension"
            raise LookupError(f"there is no image {what}")
        return found

    def _broken(self, path: str) -> None:
        """The image of a file that cannot be read shows nobody knows what: it is left out."""
        try:
            image = self._index.by_stem(PurePosixPath(path).name, path)
        except (AmbiguousImageError, OutsideFolderError):
            return
        if image is not None:
            self.broken.add(image)

    def _boxes(self, path: str, root: Element) -> tuple[AnnotatedBox, ...]:
        found = []
        for number, element in enumerate(root.findall("object"), 1):
            label = child_text(element, "name")
            item = f"box {number} ({label[:60]})" if label else f"box {number}"
            try:
                if not label:
                    raise ValueError("it has no class (<name>)")
                box = element.find("bndbox")
                if box is None:
                    raise ValueError("it has no <bndbox>")
                corners = [_corner(box, key) for key in ("xmin", "ymin", "xmax", "ymax")]
                if corners[0] == corners[2] or corners[1] == corners[3]:
                    shown = [f"{value:g}" for value in corners]
                    raise ValueError("it has no area: {}, {} to {}, {}".format(*shown))
            except ValueError as error:
                self._fault(path, item, str(error))
                self.lost += 1
                continue
            # Swapped corners are put in order first: the 1 belongs to the smaller one.
            swapped = corners[0] > corners[2] or corners[1] > corners[3]
            x1, x2 = sorted(corners[::2])
            y1, y2 = sorted(corners[1::2])
            if swapped:
                self._fault(path, item, "its corners are swapped: read the other way round")
            hard = child_text(element, "difficult").lower() in ("1", "true")
            found.append(AnnotatedBox(label, (x1 - 1, y1 - 1, x2, y2), item, hard))
        return tuple(found)

    def lists(self) -> dict[str, str] | None:
        """ImageSets/Main: image → split; None where there are no lists.

        trainval is used only where train and val are not listed apart.
        """
        lists: dict[str, str] = {}
        for path in self._files.others:
            pure = PurePosixPath(path)
            if pure.suffix.lower() == ".txt" and [p.lower() for p in pure.parts[-3:-1]] == [
                "imagesets",
                "main",
            ]:
                lists.setdefault(pure.stem.lower(), path)
        if "train" in lists:
            lists.pop("trainval", None)
        by_stem = {PurePosixPath(row.file).stem.lower(): row.image for row in self.records}
        parts: dict[str, str] = {}
        for name in ("train", "trainval", "val", "test"):  # of two lists the later one holds
            if name in lists:
                self._list(lists[name], _LISTS[name], parts, by_stem)
        return parts or None

    def _list(self, path: str, part: str, parts: dict[str, str], by_stem: dict[str, str]) -> None:
        text = self._files.head(path, _MAX_LIST_BYTES).decode("utf-8", "replace")
        again = 0
        for line in text.splitlines():
            name = line.split()[0] if line.split() else ""
            if not name:
                continue
            try:
                image = by_stem.get(name.lower()) or self._index.find(name, path)
            except LookupError as error:
                self._fault(path, name[:200], str(error.args[0]))
                continue
            if image is None:
                self._fault(path, name[:200], "there is no image of this name")
                continue
            again += int(parts.get(image, part) != part)
            parts[image] = part
        if again:
            self.notes.append(f"{again:,} images of '{path}' stand in another list too")

    def _fault(self, path: str, item: str, why: str) -> None:
        self.faults.append(AnnotationFault(path, item, why))


def _corner(box: Element, key: str) -> float:
    text = child_text(box, key)
    if not text:
        raise ValueError(f"<bndbox> has no <{key}>")
    return coordinate(text)
