"""Looks at what a folder or archive holds before its folders are taken for classes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.core.errors import DataError
from edgecnn.data.annotations import Annotations, find_annotations, is_coco
from edgecnn.data.decode import EXTENSIONS
from edgecnn.data.images import Files
from edgecnn.data.layout import SHAPE_HINT, read_layout
from edgecnn.data.masks import Masks, find_masks
from edgecnn.data.unread import described
from edgecnn.data.wav import EXTENSIONS as AUDIO

_SPLIT = r"(train|training|trainval|val|valid|validation|minival|dev|test|testing|eval|unlabell?ed)"
_SPLITS = re.compile(rf"{_SPLIT}[-_ ]?(images?|imgs?|set|data)?[-_ ]?\d*", re.IGNORECASE)
# Folder names that say nothing of what an image shows.
_GENERIC = re.compile(
    r"images?|imgs?|jpegimages|photos?|pictures?|pics|frames?|jpe?gs?|pngs?|data(set)?|annotations?"
    rf"|labels?|obj(_\w+)?_data|obj|{_SPLITS.pattern}",
    re.IGNORECASE,
)
_HEAD = 1 << 20


@dataclass(frozen=True)
class DataKind:
    """What a set of files is that is no folder per class.

    Attributes:
        what: with figures, for messages.
        cure: the command for it, or that there is none.
        masks: images that are no photos.
    """

    what: str
    cure: str
    masks: frozenset[str] = field(default=frozenset(), repr=False)

    def refused(self, source: str) -> DataError:
        """The error of whoever needs labelled images."""
        return DataError(f"'{source}' is no folder per class: it holds {self.what}", hint=self.cure)

    def note(self, source: str) -> str:
        """What is said where the photos are taken without labels."""
        left = f"; its {len(self.masks):,} masks are left out" if self.masks else ""
        return f"'{source}' holds {self.what}: its photos are taken without labels{left}"


def look(files: Files) -> DataKind | None:
    """What is there, where it is images, but no folder per class; None where it may be one.

    Reads a few images and the beginnings of annotation files, and only where names suggest them.
    """
    masks = find_masks(files)
    left_out = masks.paths if masks else frozenset()
    labels = _labels(files, left_out)
    meaningful = not all(map(_GENERIC.fullmatch, labels))
    boxes = find_annotations(files) if files.others and not meaningful else None
    if boxes is not None:
        return _detection(files, boxes, left_out)
    if masks is not None:
        return _segmentation(files, masks, meaningful=meaningful)
    if labels and all(map(_SPLITS.fullmatch, labels)):
        folders = " and ".join(f"{label}/" for label in labels)
        return DataKind(f"images directly in {folders}, without class folders", SHAPE_HINT)
    return None


def mostly_recordings(files: Files) -> bool:
    """Whether a set is one of recordings; the fewer images beside them are covers or plots."""
    return len(files.recordings) > len(files.images)


def beside(files: Files) -> tuple[str, ...]:
    """A note where images and recordings stand side by side and one kind is left out."""
    kinds = sorted(((len(files.images), "images"), (len(files.recordings), "recordings")))
    (few, left), (many, taken) = kinds
    if not few:
        return ()
    return (
        f"'{files.source}' holds {many:,} {taken} and {few:,} of {left}: the {left} are left out",
    )


def explained(files: Files, error: DataError) -> DataError:
    """``error`` of a set that has no usable class folders, with what was found instead."""
    if not files.images and not files.recordings:
        found, cure = described(files.others)
        return DataError(
            f"'{files.source}' holds no images ({', '.join(EXTENSIONS)}) and no recordings"
            f" ({', '.join(AUDIO)}): it holds {found}",
            hint=cure or SHAPE_HINT,
        )
    tables = [path for path in files.others if path.lower().endswith((".csv", ".tsv"))]
    if tables:
        hint = f"labels in a table ('{tables[0]}') are not read: {error.hint}"
        return DataError(error.message, hint=hint, details=error.details)
    return error


def no_boxes(files: Files, kind: DataKind | None, form: str | None) -> DataError:
    """The error of a source without annotations that are read, saying what was found."""
    found = kind.what if kind else f"{len(files.images):,} images without annotations"
    if kind is None and not files.images:
        found = described(files.others)[0]
    wanted = f"boxes of the form {form}" if form else "boxes that are read"
    hint = "boxes are read from Pascal VOC XML, COCO JSON, YOLO and CSV (docs/data.md)"
    if kind is None and files.images:
        hint += "; folders per class are for --task classify"
    return DataError(f"'{files.source}' holds no {wanted}: it holds {found}", hint=hint)


def no_data(path: Path) -> DataError:
    """The error of an existing file that is no data source, saying what it is."""
    name = path.name.lower()
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        head = b""
    found, cure = described([path.name])
    found = f"one {found.removeprefix('1 ')}"
    if name.endswith(EXTENSIONS) or name.endswith(AUDIO):
        found, cure = "one image or recording", "give the folder that holds it"
    elif name.endswith(".json") and is_coco(head):
        found, cure = "COCO annotations", _FOLDER
    elif name.endswith((".yaml", ".yml")) and b"names:" in head and b"train:" in head:
        found, cure = "a YOLO data set's description", _FOLDER
    return DataError(
        f"'{path}' is neither a folder nor an archive, but {found}",
        hint=cure or "give a folder or an archive of images or .wav files, a .npy or a .npz",
    )


_DETECTION = "train a detector on it: edgecnn train --task detect --data {source}"
_FOLDER = "give the folder that holds it and the images"
_LABELME = "convert them to COCO, VOC or YOLO: LabelMe's own form is not read"


def _labels(files: Files, left_out: Collection[str]) -> tuple[str, ...]:
    """The class folders' names; () where there are no class folders."""
    images = [path for path in files.images if path not in left_out]
    try:
        return read_layout(images, (), source=files.source, seed=0).labels
    except DataError:
        return ()


def _detection(files: Files, boxes: Annotations, left_out: frozenset[str]) -> DataKind:
    count = len(files.images) - len(left_out)
    images = f"{count:,} images with " if count else ""
    use = _LABELME if boxes.form == "LabelMe" else _DETECTION.format(source=_quoted(files.source))
    cure = f"{use}; its images can calibrate: {_calibrate(files.source)}"
    return DataKind(
        f"{images}boxes for detection: {boxes.described()}",
        cure if count else _FOLDER,
        left_out,
    )


def _segmentation(files: Files, masks: Masks, *, meaningful: bool) -> DataKind:
    what = (
        f"images and segmentation masks: {masks.pairs:,} pairs such as {masks.photo} and"
        f" {masks.mask} (sampled masks hold up to {masks.values} values)"
    )
    if meaningful:
        cure = "the photos have class folders: take the masks out and give the photos alone"
    else:
        cure = (
            "edgecnn does not train or evaluate segmentation; the photos can calibrate:"
            f" {_calibrate(files.source)} (two classes after all? name their files differently)"
        )
    return DataKind(what, cure, masks.paths)


def _calibrate(source: str) -> str:
    return f"edgecnn quantize MODEL --calibration {_quoted(source)}"


def _quoted(source: str) -> str:
    return shlex.quote(source)
