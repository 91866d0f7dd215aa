"""Which split a path speaks of: a folder ``train/``, a file ``instances_val2017.json``."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_WORDS = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "minival", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}  # fmt: skip
_PIECES = re.compile(r"[a-z]+")


def named_part(path: str) -> str | None:
    """``train``, ``val`` or ``test`` where a folder or the file's name says one; None: none.

    The file's own name counts only in annotation files, never in images, whose names say nothing
    of a split.

    >>> named_part("annotations/instances_val2017.json"), named_part("a/training_plan.jpg")
    ('val', None)
    """
    pure = PurePosixPath(path.lower())
    for folder in reversed(pure.parent.parts):
        found = _of(folder)
        if found is not None:
            return found
    if pure.suffix in (".json", ".csv", ".txt", ".tsv"):
        return _of(pure.stem)
    return None


def _of(name: str) -> str | None:
    found = {_WORDS[piece] for piece in _PIECES.findall(name) if piece in _WORDS}
    return found.pop() if len(found) == 1 else None
