"""data convert and data split: a set of images with boxes, written anew."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.core.errors import DataError, UnknownNameError, UsageError
from edgecnn.core.files import check_writable, make_folder, write_atomic
from edgecnn.core.progress import Progress
from edgecnn.data.boxes.dataset import fault_notes
from edgecnn.data.boxes.parts import BoxParts, CutShares, part_images
from edgecnn.data.boxes.settle import SettledBoxes
from edgecnn.data.boxes.writers import WRITTEN, PlacedImage, kept_in, losses, placed_images
from edgecnn.data.images import Files
from edgecnn.data.table import boxed_source


@dataclass(frozen=True)
class DataConvertRequest:
    """What to write anew.

    Attributes:
        source: a folder or an archive.
        folder: where to; it must not exist or be empty.
        to: ``voc``, ``coco``, ``yolo`` or ``csv``; None: as the source is.
        form: of the source; None: the one that says the most.
    """

    source: str
    folder: Path
    to: str | None
    form: str | None = None


@dataclass(frozen=True)
class DataSplitRequest:
    """How to cut a set anew.

    Attributes:
        source: a folder or an archive.
        folder: where a copy with these splits is written; None: nothing is written.
        shares: of val and test.
        to, form: as in :class:`DataConvertRequest`.
    """

    source: str
    folder: Path | None = None
    shares: CutShares = CutShares()
    seed: int = 42
    to: str | None = None
    form: str | None = None


@dataclass(frozen=True)
class DataWritten:
    """What was read, and written where there is a folder.

    Attributes:
        folder: None: nothing was written.
        form: of the source; ``to``: of what was written.
        boxes: that were written.
        splits: split → images and boxes of each class; empty: the set is not split.
        similar: groups of near-duplicates that were kept together.
    """

    schema: str
    source: str
    folder: Path | None
    form: str
    to: str
    images: int
    boxes: int
    splits: Mapping[str, Mapping[str, Any]]
    similar: tuple[tuple[str, ...], ...]
    faults: tuple[dict[str, str], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn data convert --json`` and ``edgecnn data split --json``."""
        return {
            "schema": self.schema,
            "source": self.source,
            "folder": str(self.folder) if self.folder else None,
            "from": self.form,
            "to": self.to,
            "images": self.images,
            "boxes": self.boxes,
            "splits": {part: dict(facts) for part, facts in self.splits.items()},
            "similar": [list(group) for group in self.similar],
            "faults": list(self.faults),
            "notes": list(self.notes),
        }


def convert(request: DataConvertRequest, progress: Progress) -> DataWritten:
    """Writes a set in another form, with the splits that it brings itself.

    Raises:
        UnknownNameError: no such form.
        UsageError: the folder is taken or cannot be written to.
        DataError: the source cannot be read.
    """
    _check_folder(request.folder)
    files, settled = boxed_source(request.source, request.form)
    to = _form(request.to, settled.form)
    parts = part_images(settled, seed=0)
    own = BoxParts(parts.parts if parts.own else {}, parts.own)
    if parts.own:  # what was cut here stays in train: it is not the set's own word
        kept = {part: parts.parts[part] for part in parts.own}
        cut_here = [p for part in parts.parts if part not in kept for p in parts.parts[part]]
        if "train" in kept:
            kept["train"] = (*kept["train"], *cut_here)
        own = BoxParts(kept, parts.own)
    return _write("edgecnn.data-convert/1", request.folder, files, settled, own, to, progress)


def split(request: DataSplitRequest, progress: Progress) -> DataWritten:
    """Cuts a set by image, near-duplicates together, and writes it where a folder is given.

    Raises:
        UsageError: shares that leave nothing to train on; else as :func:`convert`.
    """
    shares = request.shares
    if not (0 <= shares.val < 1 and 0 <= shares.test < 1 and shares.val + shares.test <= 0.9):
        raise UsageError(
            f"val {shares.val:g} and test {shares.test:g} are given, expected shares from 0 to 1"
            " that leave a tenth for train",
            hint="for example --val 0.15 --test 0.15",
        )
    if request.folder is not None:
        _check_folder(request.folder)
    files, settled = boxed_source(request.source, request.form)
    to = _form(request.to, settled.form)
    parts = part_images(settled, request.seed, shares)
    return _write("edgecnn.data-split/1", request.folder, files, settled, parts, to, progress)


def _form(to: str | None, own: str) -> str:
    if to is not None and to not in WRITTEN:
        raise UnknownNameError("form of annotations", to, tuple(WRITTEN))
    return to or own


def _check_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"'{folder}' exists and is not an empty folder",
            hint="choose a new folder with -o/--output-dir",
        )
    check_writable(folder)


def _write(
    schema: str,
    folder: Path | None,
    files: Files,
    settled: SettledBoxes,
    parts: BoxParts,
    to: str,
    progress: Progress,
) -> DataWritten:
    part_of = {path: part for part, paths in parts.parts.items() for path in paths}
    images = [image for image in settled.images if not part_of or image.path in part_of]
    if not images:
        raise DataError(
            f"'{files.source}' holds no usable image",
            hint="see what is wrong with it: edgecnn data check",
            details=[fault.line() for fault in settled.faults],
        )
    placed = placed_images(images, part_of)
    notes = [*settled.notes, *fault_notes(settled), *parts.notes, *losses(to, images)]
    if folder is not None:
        _write_files(folder, files, placed, settled.labels, to, progress)
    written = [box for one in placed for box in one.image.boxes if kept_in(to, box)]
    return DataWritten(
        schema, files.source, folder, settled.form, to, len(placed), len(written),
        _splits(placed, settled.labels), parts.similar,
        tuple(fault.to_json() for fault in settled.faults), tuple(notes),
    )  # fmt: skip


def _splits(placed: tuple[PlacedImage, ...], labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    splits: dict[str, dict[str, Any]] = {}
    for part in ("train", "val", "test"):
        found = [one.image for one in placed if one.part == part]
        if found:
            boxes = [box.label for image in found for box in image.boxes]
            counts = {label: boxes.count(label) for label in labels}
            splits[part] = {"images": len(found), "boxes": counts}
    return splits


def _write_files(
    folder: Path,
    files: Files,
    placed: tuple[PlacedImage, ...],
    labels: tuple[str, ...],
    to: str,
    progress: Progress,
) -> None:
    """Whole or not at all: into a folder beside the wanted one, which is renamed at the end."""
    form = WRITTEN[to]
    make_folder(folder.parent)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        progress.stage("write", len(placed))
        for one in placed:
            place = work / form.folder(one.part) / one.name
            try:
                data = files.read(one.image.path)
            except OSError as error:
                raise DataError(
                    f"cannot read '{one.image.path}': {error.strerror or error}",
                    hint="the data changed while it was read: start again",
                ) from error
            write_atomic(place, data)
            progress.advance()
        for name, text in form.texts(placed, labels).items():
            write_atomic(work / name, text)
        work.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
