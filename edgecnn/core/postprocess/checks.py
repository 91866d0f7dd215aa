"""What the fields of a postprocess spec may hold: one message for all of them."""

from __future__ import annotations

import math
from typing import NoReturn

from edgecnn.core.errors import BundleError

HINT = "make the bundle again, or use the edgecnn version that wrote it"
MOST_CANDIDATES = 1 << 22
_MOST_COLUMNS = 65535


def bad(key: str, value: object, expected: object) -> NoReturn:
    """Raises BundleError: the field ``key`` holds ``value``, not what was expected."""
    text = repr(value)
    shown = text if len(text) <= 200 else text[:200] + " …"
    raise BundleError(f"postprocess spec: {key} = {shown}, expected {expected}", hint=HINT)


def one_of(key: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raises BundleError unless the value is one of the allowed words."""
    if value not in allowed:
        bad(key, value, " | ".join(allowed))


def strings(key: str, value: object) -> None:
    """Raises BundleError unless the value is a tuple of strings."""
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        bad(key, value, "a list of strings")


def name(key: str, value: object) -> None:
    """Raises BundleError unless the value is the name of an output."""
    if not isinstance(value, str) or not value:
        bad(key, value, "the name of an output")


def optional_name(key: str, value: object) -> None:
    """Raises BundleError unless the value is the name of an output, or empty."""
    if not isinstance(value, str):
        bad(key, value, "the name of an output, or nothing")


def numbers(key: str, value: object, count: int, *, signed: bool = False) -> None:
    """Raises BundleError unless the value is so many positive (or any finite) numbers."""
    if isinstance(value, tuple) and len(value) == count and all(map(_is_number, value)):
        good = all(-1e9 < item < 1e9 and (signed or item > 0) for item in value)
        if good:
            return
    bad(key, value, f"{count} {'' if signed else 'positive '}number{'s' * (count != 1)}")


def fraction(key: str, value: object) -> None:
    """Raises BundleError unless the value is a number from 0 to 1."""
    if not _is_number(value) or not 0 <= value <= 1:  # type: ignore[operator]
        bad(key, value, "0 to 1")


def whole(key: str, value: object, low: int, high: int) -> None:
    """Raises BundleError unless the value is a whole number in the range, ends included."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        bad(key, value, str(low) if low == high else f"{low} to {high}")


def column(key: str, value: object) -> None:
    """Raises BundleError unless the value is the number of a column."""
    whole(key, value, 0, _MOST_COLUMNS)


def flag(key: str, value: object) -> None:
    """Raises BundleError unless the value is true or false."""
    if not isinstance(value, bool):
        bad(key, value, "true or false")


def per_label(key: str, given: object, labels: tuple[str, ...]) -> None:
    """Raises BundleError unless there is no threshold, or one per label."""
    if not isinstance(given, tuple) or not all(_is_number(v) and 0 <= v <= 1 for v in given):
        bad(key, given, "a list of numbers from 0 to 1")
    if given and len(given) != len(labels):
        bad(key, given, f"none, or {len(labels)}: one per label")


def _is_number(value: object) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value)  # type: ignore[arg-type]
