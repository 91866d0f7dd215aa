"""Temporary files beside the ones that they become."""

from __future__ import annotations

import secrets
from pathlib import Path

from edgecnn.core.errors import UsageError
from edgecnn.core.files import make_folder


def temporary_name(path: Path) -> Path:
    """A hidden name beside ``path`` with the same suffix."""
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")


def checked_temporary(path: Path, what: str) -> Path:
    """Makes the folder and a temporary file in it.

    Raises:
        UsageError: it cannot be written to.
    """
    make_folder(path.parent)
    temporary = temporary_name(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise UsageError(
            f"cannot write the {what} '{path}': {error.strerror or error}",
            hint="choose a file in a folder that you may write to",
        ) from error
    return temporary


def keep_incomplete(temporary: Path, path: Path) -> Path:
    """Gives an unfinished file a name of its own beside ``path``: ``video.incomplete.mp4``.

    Returns:
        Its new name, or ``temporary`` where the folder takes none.
    """
    name = f"{path.stem}.incomplete"
    kept, number = path.with_name(name + path.suffix), 2
    while kept.exists():
        kept = path.with_name(f"{name}-{number}{path.suffix}")
        number += 1
    try:
        return temporary.rename(kept)
    except OSError:
        return temporary
