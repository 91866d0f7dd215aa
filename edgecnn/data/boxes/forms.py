"""Which form of annotations a source holds; of several, the one that says the most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from edgecnn.data.annotations import is_coco, is_yolo
from edgecnn.data.boxes.coco import read_coco
from edgecnn.data.boxes.csv_boxes import csv_columns, read_csv
from edgecnn.data.boxes.index import ImageIndex
from edgecnn.data.boxes.types import AnnotationReading
from edgecnn.data.boxes.voc import read_voc
from edgecnn.data.boxes.yolo import read_yolo
from edgecnn.data.images import Files

FORM_NAMES = {"voc": "Pascal VOC", "coco": "COCO", "yolo": "YOLO", "csv": "CSV"}
_HEAD, _JSON_HEAD, _JSON_SEARCH = 64 << 10, 1 << 20, 64 << 20
_SAMPLES = 16
# A form that comes later in the table is taken where it has boxes of so many times the images.
_MORE = 1.05
_NO_LABELS = {"classes", "train", "val", "valid", "test", "trainval", "readme", "requirements",
              "license", "licence", "notes", "labels", "predefined_classes"}  # fmt: skip
_Reader = Callable[[Files, Sequence[str], ImageIndex], AnnotationReading]


def read_forms(
    files: Files, index: ImageIndex, only: str | None = None
) -> tuple[AnnotationReading, ...]:
    """Reads every form of annotations that is there, the one to take first.

    Args:
        files: the source.
        index: of its photos.
        only: read this form alone.

    Returns:
        Empty where there are no annotations.
    """
    finders: dict[str, tuple[Callable[[Files], list[str]], _Reader]] = {
        "voc": (_voc_paths, read_voc),
        "coco": (_coco_paths, read_coco),
        "yolo": (_yolo_paths, read_yolo),
        "csv": (_csv_paths, read_csv),
    }
    readings = []
    for form, (find, read) in finders.items():
        paths = find(files) if only in (None, form) else []
        if paths:
            readings.append(read(files, paths, index))
    best: AnnotationReading | None = None
    for reading in readings:
        if best is None or _covered(reading) > _MORE * _covered(best):
            best = reading
    return tuple(sorted(readings, key=lambda reading: reading is not best))


def form_note(readings: Sequence[AnnotationReading]) -> tuple[str, ...]:
    """Says which form was taken where there are several."""
    if len(readings) < 2:
        return ()
    taken, *others = readings
    left = ", ".join(
        f"{FORM_NAMES[one.form]} (boxes on {_covered(one):,} images)" for one in others
    )
    return (
        f"boxes are read from {FORM_NAMES[taken.form]}, which has them on {_covered(taken):,}"
        f" images; left out: {left}",
    )


def _covered(reading: AnnotationReading) -> int:
    return len({record.image for record in reading.records if record.boxes})


def _voc_paths(files: Files) -> list[str]:
    def is_voc(text: bytes) -> bool:
        return b"<annotation" in text and (b"<object" in text or b"<filename" in text)

    return _in_folders(files, ".xml", is_voc, least=1 / _SAMPLES)


def _yolo_paths(files: Files) -> list[str]:
    found = _in_folders(files, ".txt", lambda text: is_yolo(text[:_HEAD]), least=0.5)
    return [path for path in found if PurePosixPath(path).stem.lower() not in _NO_LABELS]


def _coco_paths(files: Files) -> list[str]:
    found = []
    for path in files.others:
        if not path.lower().endswith(".json"):
            continue
        head = files.head(path, _JSON_HEAD)
        if is_coco(head) or (b'"bbox"' in head and is_coco(files.head(path, _JSON_SEARCH))):
            found.append(path)
    return found


def _csv_paths(files: Files) -> list[str]:
    tables = [path for path in files.others if path.lower().endswith((".csv", ".tsv"))]
    return [path for path in tables if csv_columns(files.head(path, _HEAD)) is not None]


def _in_folders(
    files: Files, ending: str, matches: Callable[[bytes], bool], *, least: float
) -> list[str]:
    """All files with an ending in those folders where a share of a sample matches.

    By folders, so that a damaged file among good ones is read, and named.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for path in files.others:
        pure = PurePosixPath(path)
        if pure.suffix.lower() == ending and pure.stem.lower() not in _NO_LABELS:
            folders[str(pure.parent)].append(path)
    found = []
    for name, paths in folders.items():
        if ending == ".txt" and "imagesets" in name.lower():
            continue
        step = max(1, len(paths) // _SAMPLES)
        flags = [
            matches(text) for path in paths[::step] if (text := files.head(path, _HEAD)).strip()
        ]
        empty_labels = not flags and "labels" in name.lower().split("/")
        if empty_labels or (flags and sum(flags) / len(flags) >= least):
            found += paths
    return sorted(found)
