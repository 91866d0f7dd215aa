"""Data sources by name or path: the one door to data."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from edgecnn.core.errors import DataError, UnknownNameError, UsageError
from edgecnn.core.sample import Dataset
from edgecnn.data.archive import ArchiveFiles, archive_stamp, is_archive
from edgecnn.data.arrays import ArraySplits, is_arrays
from edgecnn.data.audio import RECORDINGS, audio_splits
from edgecnn.data.boxes.dataset import BOXES_HINT, BoxSplits, settled_boxes
from edgecnn.data.boxes.settle import SettledBoxes
from edgecnn.data.digits import digits_record, open_digits
from edgecnn.data.folder import FolderFiles
from edgecnn.data.images import IMAGES, Files, FileSplits, split_facts, unlabelled
from edgecnn.data.joined import JoinedSet
from edgecnn.data.kind import beside, explained, look, mostly_recordings, no_boxes, no_data
from edgecnn.data.layout import read_layout
from edgecnn.data.splits import PARTS

# Built-in sources → the task that they are for.
SOURCES = {"digits": "classify", "scenes": "detect"}
TASKS = ("classify", "detect")
T = TypeVar("T")
_GIVE = "give a folder or an archive of images or .wav files, a .npy or a .npz"


def load_dataset(source: str, task: str, split: str, *, seed: int) -> Dataset:
    """Opens one split of a data source.

    Args:
        source: ``digits``, ``scenes``, a folder of images or .wav with a folder per class (with
            ``train/``, ``val/``, ``test/`` above or without), an archive of one, or a .npy or .npz
            (see :mod:`edgecnn.data.arrays`); for detection a folder or archive of images with boxes
            (see :mod:`edgecnn.data.boxes`).
        task: ``classify`` or ``detect``.
        split: ``train``, ``val``, ``test``; several with a plus between (``val+test``); ``all`` for
            files and digits.
        seed: of the cuts; the same seed gives the same splits.

    Raises:
        UnknownNameError: no such task, source or split.
        UsageError: the source is not for that task.
        DataError: there is nothing to learn from, or it cannot be read.
    """
    if "+" in split:
        names = split.split("+")
        return JoinedSet(tuple(load_dataset(source, task, name, seed=seed) for name in names))
    kind = source_kind(source, task)
    if kind == "digits":
        return open_digits(split, seed)
    if kind == "scenes":
        scenes = importlib.import_module("edgecnn.data.scenes")
        return scenes.open_scenes(split, seed)
    return _splits(source, task, seed).get(split)


def same_source(one: str, other: str) -> bool:
    """Whether two names mean the same data: equal, or two ways to the same file or folder."""
    if one == other or not other or one in SOURCES or other in SOURCES:
        return one == other
    paths = [Path(name).expanduser() for name in (one, other)]
    return all(path.exists() for path in paths) and paths[0].samefile(paths[1])


def evaluation_split(source: str, task: str, seed: int) -> str:
    """Which split judges a model that was not trained on ``source``.

    Its test split where the data set brings one; all images of plain class folders or of a set of
    boxes without splits, since none of them was trained on.

    Raises:
        As :func:`load_dataset`.
    """
    if source_kind(source, task) != "files" or _splits(source, task, seed).own_test:
        return "test"
    return "all"


def split_record(source: str, task: str, seed: int) -> dict[str, Any]:
    """What a bundle keeps about its data, so that it can be seen which images were test.

    Returns:
        ``{"source", "task", "seed", "splits": {"train": {"count", "ids_sha256", "skipped",
        "duplicates"}, "val": …, "test": …}}``.

    Raises:
        As :func:`load_dataset`.
    """
    kind = source_kind(source, task)
    if kind == "digits":
        splits = digits_record(seed)
    elif kind == "scenes":
        splits = {p: split_facts(load_dataset(source, task, p, seed=seed)) for p in PARTS}
    else:
        splits = _splits(source, task, seed).record()
    return {"source": source, "task": task, "seed": seed, "splits": splits}


def load_unlabelled(source: str, seed: int = 0) -> Dataset:
    """All images, else all recordings, of a folder or archive, or all rows of a .npy or .npz.

    Without labels: for calibration.

    Raises:
        DataError: nothing is there, or nothing readable.
    """
    path = Path(source).expanduser()
    if path.is_file() and is_arrays(path):
        return ArraySplits(path, seed).get("all")
    files = _files(path)
    notes = beside(files)
    if mostly_recordings(files):
        return unlabelled(files, RECORDINGS, files.recordings, notes)
    finding = look(files)
    if finding is None:
        return _explained(files, lambda: unlabelled(files, IMAGES, files.images, notes))
    photos = [path for path in files.images if path not in finding.masks]
    return unlabelled(files, IMAGES, photos, (finding.note(files.source), *notes))


def source_kind(source: str, task: str) -> str:
    """``digits``, ``scenes`` or ``files``, without opening it.

    Raises:
        UnknownNameError: no such task or source.
        UsageError: the source is not for that task.
        DataError: there is no such file or folder.
    """
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if source in SOURCES:
        if SOURCES[source] != task:
            raise UsageError(
                f"the data source '{source}' is for {SOURCES[source]}, expected one for {task}",
                hint=f"use --task {SOURCES[source]}, or another source",
            )
        return source
    path = Path(source).expanduser()
    if not path.exists():
        looks_like_path = "/" in source or "\\" in source or is_archive(path) or is_arrays(path)
        if not looks_like_path:
            paths = "the path of a folder, an archive, a .npy or a .npz"
            raise UnknownNameError("data source", source, (*SOURCES, paths))
        raise DataError(f"there is no '{source}'", hint=_GIVE)
    return "files"


def _files(path: Path) -> Files:
    if path.is_dir():
        return FolderFiles(path)
    if path.is_file() and is_archive(path):
        return ArchiveFiles(path)
    if not path.exists():
        raise DataError(f"there is no '{path}'", hint=_GIVE)
    raise no_data(path)


def boxed_source(source: str, form: str | None = None) -> tuple[Files, SettledBoxes]:
    """The files and the checked boxes of a folder or archive of one's own.

    Args:
        source: a folder or an archive.
        form: ``voc``, ``coco``, ``yolo`` or ``csv``; None: the one that says the most.

    Raises:
        UsageError: the source is built in.
        DataError: there is no such source, or it holds no boxes.
    """
    if source in SOURCES:
        raise UsageError(f"'{source}' is built in, expected data of your own", hint=BOXES_HINT)
    path = Path(source).expanduser()
    if path.is_file() and is_arrays(path):
        raise DataError(f"'{source}' holds arrays, expected images with boxes", hint=BOXES_HINT)
    return _boxed(str(path), _stamp(path), form)


def _stamp(path: Path) -> str:
    if path.is_dir():
        return FolderFiles(path).stamp
    return archive_stamp(path) if path.is_file() else ""


def _splits(source: str, task: str, seed: int) -> FileSplits | ArraySplits | BoxSplits:
    path = Path(source).expanduser()
    if task == "detect":
        boxed_source(source)  # its errors, and a whole look at the images only once
        return _box_splits(str(path), _stamp(path), seed)
    return _opened(str(path), _stamp(path), seed)


@lru_cache(maxsize=1)
def _box_splits(path: str, stamp: str, seed: int) -> BoxSplits:
    """Cached like :func:`_opened`."""
    files, settled = _boxed(path, stamp, None)
    return BoxSplits(files, settled, seed)


@lru_cache(maxsize=1)
def _boxed(path: str, stamp: str, form: str | None) -> tuple[Files, SettledBoxes]:
    """Cached like :func:`_opened`: every image is looked at once."""
    files = _files(Path(path))
    settled = settled_boxes(files, form)
    if settled is None:
        raise no_boxes(files, look(files), form)
    return files, settled


@lru_cache(maxsize=1)
def _opened(path: str, stamp: str, seed: int) -> FileSplits | ArraySplits:
    """Cached, since a command opens train, val and test one after the other.

    Unpacking an archive and checking every image once is enough; the stamp makes a changed folder
    or archive a new entry.
    """
    if is_arrays(Path(path)) and Path(path).is_file():
        return ArraySplits(Path(path), seed)
    files = _files(Path(path))
    notes = beside(files)
    if mostly_recordings(files):
        return audio_splits(files, seed, notes)
    finding = look(files)
    if finding is not None:
        raise finding.refused(files.source)
    layout = _explained(
        files, lambda: read_layout(files.images, files.folders, source=files.source, seed=seed)
    )
    return FileSplits(files, layout, notes=notes)


def _explained(files: Files, read: Callable[[], T]) -> T:
    """What ``read`` gives; its error says what was found instead of images in class folders."""
    try:
        return read()
    except DataError as error:
        raise explained(files, error) from error
