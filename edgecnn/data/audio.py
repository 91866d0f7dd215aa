"""Recordings from files: how they are read, and which classes and splits their names tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from edgecnn.core.errors import DataError
from edgecnn.core.sample import Sample
from edgecnn.data.images import Files, FileSplits, Medium
from edgecnn.data.layout import Layout, natural_key, read_layout
from edgecnn.data.splits import PARTS, cut
from edgecnn.data.wav import EXTENSIONS, read_wav

# {label}_{speaker}_{index}.wav, as the Free Spoken Digit Dataset names its files: the recordings 0
# to 4 of each speaker and label are its test set.
_NAMED = re.compile(r"([^_]+)_([^_]+)_(\d+)")
_TEST_BELOW = 5
_VAL_SHARE = 0.1


def _decoded(name: str, data: bytes, label: int | None) -> Sample:
    return Sample(name, label=label, audio=read_wav(data, name))


def _unreadable(names: Sequence[str], read: Callable[[str], bytes]) -> tuple[str, ...]:
    def broken(name: str) -> bool:
        try:
            read_wav(read(name), name)
        except (OSError, DataError):
            return True
        return False

    return tuple(name for name in names if broken(name))


RECORDINGS = Medium("recording", EXTENSIONS, _decoded, _unreadable)


def audio_splits(files: Files, seed: int, notes: tuple[str, ...] = ()) -> FileSplits:
    """Labels from folders, or from names as ``7_theo_12.wav``.

    Raises:
        DataError: neither tells two classes.
    """
    layout = _from_names(files.recordings, seed) or read_layout(
        files.recordings, files.folders, source=files.source, seed=seed, noun="recordings"
    )
    return FileSplits(files, layout, RECORDINGS, notes)


def _from_names(paths: Sequence[str], seed: int) -> Layout | None:
    """The layout that the names tell; None where they follow another pattern."""
    parents = {str(PurePosixPath(path).parent) for path in paths}
    found = {path: _NAMED.fullmatch(PurePosixPath(path).stem) for path in paths}
    if len(parents) != 1 or not all(found.values()):
        return None
    told = {path: match.groups() for path, match in found.items() if match}
    labels = tuple(sorted({label for label, _, _ in told.values()}, key=natural_key))
    test = {path for path, (_, _, index) in told.items() if int(index) < _TEST_BELOW}
    if len(labels) < 2 or not 0 < len(test) < len(paths):
        return None
    rest: dict[str, list[str]] = {}
    for path, (label, _, _) in told.items():
        if path not in test:
            rest.setdefault(label, []).append(path)
    val = cut(rest, _VAL_SHARE, seed)
    parts = {"test": test, "val": val, "train": set(paths) - test - val}
    return Layout(
        labels,
        {path: labels.index(label) for path, (label, _, _) in told.items()},
        {part: tuple(sorted(parts[part], key=natural_key)) for part in PARTS},
        own_test=True,
    )
