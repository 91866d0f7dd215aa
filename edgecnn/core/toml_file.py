"""A TOML file of the user's, read with one clear error."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edgecnn.core.errors import DataError


def read_toml(path: Path, what: str, hint: str, most: int) -> dict[str, Any]:
    """Reads the file.

    Args:
        path: the file; never trusted.
        what: what messages call it.
        hint: what to do.
        most: bytes that it may have.

    Raises:
        DataError: it cannot be read, is too large, or is no TOML.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(most + 1)
        if len(raw) > most:
            raise DataError(f"{what} '{path}' is over {most} bytes", hint=hint)
        return tomllib.loads(raw.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {what} '{path}': {getattr(error, 'strerror', None) or error}", hint=hint
        ) from error
