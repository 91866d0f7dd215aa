"""Numbers out of untrusted annotations."""

from __future__ import annotations

import math
from typing import Any

_FAR = 1e7  # no image is that wide, and float32 is still exact to a pixel's half


def coordinate(value: Any) -> float:
    """A finite number of a size that an image may have.

    Raises:
        ValueError: it is none; the text says what was given.
    """
    shown = repr(value)[:40] if not isinstance(value, str) else f"'{value.strip()[:40]}'"
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{shown} is no number")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{shown} is no number") from None
    if not math.isfinite(number) or abs(number) > _FAR:
        raise ValueError(f"{shown} is no coordinate")
    return number


def extent(value: Any) -> int | None:
    """A width or height in whole pixels; None where it says nothing (missing, 0, no number)."""
    try:
        number = coordinate(value)
    except ValueError:
        return None
    return int(number) if number >= 1 else None
