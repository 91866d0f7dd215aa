"""Writing files so that an interrupted command leaves the old file or the new one."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from edgecnn.core.errors import UsageError


def sha256_bytes(data: bytes) -> str:
    """The hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The hex SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def make_folder(path: Path) -> Path:
    """Creates ``path`` with its parents.

    Raises:
        UsageError: it cannot be created or is not a folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot create the output folder '{path}': {error.strerror or error}",
            hint="choose another folder with -o/--output-dir",
        ) from error
    return path


def check_writable(path: Path) -> None:
    """Whether the folder ``path`` is there or could be made, and be written to, without making it.

    Raises:
        UsageError: something that is no folder is in the way, or it may not be written to.
    """
    place = path
    while not place.exists() and place.parent != place:
        place = place.parent
    reason = None
    if not place.is_dir():
        reason = "Not a directory"
    elif not os.access(place, os.W_OK):
        reason = "Permission denied"
    if reason is not None:
        raise UsageError(
            f"cannot create '{path}': {reason}: '{place}'",
            hint="choose another folder with -o/--output-dir",
        )


def write_atomic(path: Path, data: bytes | str) -> None:
    """Writes ``data`` to a temporary name beside ``path``, syncs it and renames it over ``path``.

    Raises:
        UsageError: the folder cannot be written to; nothing is left behind.
    """
    raw = data.encode("utf-8") if isinstance(data, str) else data
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot write '{path}': {error.strerror or error}",
            hint="choose a folder that you may write to with -o/--output-dir",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def dump_json(data: Any) -> str:
    """Stable, readable JSON text (sorted keys stay out: the writer's order is the reader's)."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, data: Any) -> None:
    """Writes ``data`` as JSON, atomically."""
    write_atomic(path, dump_json(data))
