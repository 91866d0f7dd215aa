"""Corners of places in the frame, as words of the command line and in files; never trusted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.toml_file import read_toml

#: A polygon has at most so many.
MOST_CORNERS = 200

_MAX_BYTES = 1 << 20


def is_file(text: str) -> bool:
    """Whether a value of an option is the path of a file of places."""
    return Path(text).suffix.lower() in (".toml", ".json")


def coordinate(what: str, word: str, hint: str) -> tuple[float, bool]:
    """A number, and whether it was a percentage: then it is a share.

    >>> coordinate("region 'door'", "50%", "")
    (0.5, True)

    Args:
        what: the place, for messages.
        word: as it was given.
        hint: what to do.

    Raises:
        UsageError: it is no number.
    """
    word = word.strip()
    try:
        value = float(word.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{what} has the coordinate '{word}', expected a number", hint=hint)
    return (value / 100, True) if word.endswith("%") else (value, False)


def read_places(path: Path, what: str, hint: str) -> Any:
    """What a TOML or JSON file holds.

    Args:
        path: of the file.
        what: what messages call it.
        hint: what to do.

    Raises:
        DataError: it cannot be read, is too large, or is neither.
    """
    if path.suffix.lower() == ".toml":
        return read_toml(path, what, hint, _MAX_BYTES)
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise DataError(f"{what} '{path}' is over {_MAX_BYTES} bytes", hint=hint)
        return json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {what} '{path}': {getattr(error, 'strerror', None) or error}", hint=hint
        ) from error


def flat(corners: Any) -> list[float] | None:
    """Numbers x, y, x, y …; None where the value is something else."""
    if not isinstance(corners, list):
        return None
    pairs = all(isinstance(corner, list) and len(corner) == 2 for corner in corners)
    found = [value for corner in corners for value in corner] if pairs else corners
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
        for value in found
    )
    return [float(value) for value in found] if numbers and len(found) % 2 == 0 else None


def _finite(value: float) -> bool:
    """Whether it is a number that a float can hold; JSON has whole numbers without end."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
