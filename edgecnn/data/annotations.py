"""Recognises detection annotations beside images: Pascal VOC, COCO, YOLO, LabelMe, CSV.

Only told apart and counted, never used: from bounded reads of untrusted text. XML is searched, not
parsed, so that there are no entities to expand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from edgecnn.data.boxes.csv_boxes import csv_columns
from edgecnn.data.images import Files

_HEAD, _COCO_HEAD, _MAX_JSON = 64 << 10, 1 << 20, 8 << 20
_MAX_READS = 2000
_SAMPLES = 16
# One way only to read a number: what does not match must not be tried in every other one.
_YOLO_LINE = re.compile(rb"\d+(?:[ \t]+-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?){4,}")
_COCO_KEYS = {key: re.compile(rb'"%s"\s*:\s*\[' % key.encode())
              for key in ("images", "annotations", "categories")}  # fmt: skip


@dataclass(frozen=True)
class Annotations:
    """What was found.

    Attributes:
        form: ``Pascal VOC``, ``COCO``, ``YOLO``, ``LabelMe`` or ``CSV``.
        files: how many annotation files there are.
        example: one of them.
        boxes: how many boxes they hold; None: not all were read.
    """

    form: str
    files: int
    example: str
    boxes: int | None = None

    def described(self) -> str:
        """``364 Pascal VOC files with 4,888 boxes (Annotations/a.xml)``."""
        count = f" with {self.boxes:,} boxes" if self.boxes is not None else ""
        plural = "s" if self.files != 1 else ""
        return f"{self.files:,} {self.form} file{plural}{count}, such as {self.example}"


def find_annotations(files: Files) -> Annotations | None:
    """The annotations beside the images; None where there are none that we know."""
    stems = {PurePosixPath(path).stem for path in files.images}
    for find in (_voc, _yolo, _labelme):
        found = find(files, stems)
        if found is not None:
            return found
    return _coco(files) or _csv(files)


def is_coco(text: bytes) -> bool:
    """Whether the beginning of a JSON text reads like COCO's."""
    there = {key for key, pattern in _COCO_KEYS.items() if pattern.search(text)}
    return (
        text.lstrip()[:1] == b"{"
        and "images" in there
        and (len(there) > 1 or b'"file_name"' in text)
    )


def _voc(files: Files, stems: set[str]) -> Annotations | None:
    paths = _of(files, ".xml", stems)
    marks = (b"<annotation", b"<object", b"<bndbox")
    if _share(files, paths, lambda text: all(mark in text for mark in marks)) < 0.5:
        return None
    boxes = _count(files, paths, lambda text: text.count(b"<bndbox"))
    return Annotations("Pascal VOC", len(paths), paths[0], boxes)


def _yolo(files: Files, stems: set[str]) -> Annotations | None:
    paths = _of(files, ".txt", stems)
    if _share(files, paths, is_yolo) < 0.5:
        return None
    return Annotations("YOLO", len(paths), paths[0], _count(files, paths, lambda t: len(_lines(t))))


def _labelme(files: Files, stems: set[str]) -> Annotations | None:
    paths = _of(files, ".json", stems)
    if _share(files, paths, lambda text: b'"shapes"' in text and b'"imagePath"' in text) < 0.5:
        return None
    return Annotations("LabelMe", len(paths), paths[0])


def _coco(files: Files) -> Annotations | None:
    names = {PurePosixPath(path).name for path in files.images}
    found = []
    for path in [path for path in files.others if path.lower().endswith(".json")][:_SAMPLES]:
        if is_coco(files.head(path, _COCO_HEAD)):
            found.append((path, _coco_boxes(files.head(path, _MAX_JSON), names)))
    if not found or (names and all(boxes == -1 for _, boxes in found)):
        return None
    counts = [boxes for _, boxes in found if boxes != -1]
    known = [boxes for boxes in counts if boxes is not None]
    total = sum(known) if len(known) == len(counts) else None
    example = max(found, key=lambda row: row[1] or 0)[0]
    return Annotations("COCO", len(counts), example, total)


def _csv(files: Files) -> Annotations | None:
    tables = [path for path in files.others if path.lower().endswith((".csv", ".tsv"))]
    found = [path for path in tables if csv_columns(files.head(path, _HEAD)) is not None]
    return Annotations("CSV", len(found), found[0]) if found else None


def _coco_boxes(text: bytes, names: set[str]) -> int | None:
    """Boxes of a whole file; None: cut off, so unknown; −1: it speaks of other images."""
    try:
        data: Any = json.loads(text)
        images, annotations = data["images"], data.get("annotations", [])
        listed = {PurePosixPath(str(row.get("file_name"))).name for row in images[:1000]}
        if names and not listed & names:
            return -1
        return sum("bbox" in row for row in annotations)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _of(files: Files, suffix: str, stems: set[str]) -> list[str]:
    """Files with this ending that have an image's name; none where that is not most of them."""
    every = [path for path in files.others if path.lower().endswith(suffix)]
    named = [path for path in every if PurePosixPath(path).stem in stems]
    return named if 2 * len(named) >= min(len(every), len(stems)) else []


def _share(files: Files, paths: Sequence[str], matches: Any) -> float:
    """The share of sampled files that match; empty files say nothing."""
    step = max(1, len(paths) // _SAMPLES)
    texts = [files.head(path, _HEAD) for path in paths[::step]]
    flags = [bool(matches(text)) for text in texts if text.strip()]
    return sum(flags) / len(flags) if flags else 0.0


def _count(files: Files, paths: Sequence[str], count: Any) -> int | None:
    if len(paths) > _MAX_READS:
        return None
    return sum(count(files.head(path, _HEAD)) for path in paths)


def _lines(text: bytes) -> list[bytes]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_yolo(text: bytes) -> bool:
    """Whether the lines of a text read like YOLO's: a class number and shares."""
    lines = _lines(text)
    return all(_YOLO_LINE.fullmatch(line) for line in lines[:50])
