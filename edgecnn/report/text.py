"""Numbers as people read them. None and non-finite values read "not measured"."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

MISSING = "not measured"
MINUS = "\u2212"


def is_number(value: Any) -> TypeGuard[int | float]:
    """A finite int or float (bool is none).

    >>> is_number(1), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def percent(value: Any, digits: int = 1) -> str:
    """A share of 1 as a percentage.

    >>> percent(0.9712)
    '97.1 %'
    """
    return f"{value * 100:.{digits}f} %" if is_number(value) else MISSING


def interval(pair: Any, scale: float = 100.0, digits: int = 1) -> str:
    """Two bounds in brackets, or an empty string.

    >>> interval([0.951, 0.99])
    '[95.1, 99.0]'
    """
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(is_number, pair)):
        return ""
    low, high = (f"{value * scale:.{digits}f}".replace("-", MINUS) for value in pair)
    return f"[{low}, {high}]"


def number(value: Any, digits: int = 2) -> str:
    """A plain number, with a thin grouping of thousands for large ones.

    >>> number(1234567), number(0.5), number(None)
    ('1,234,567', '0.50', 'not measured')
    """
    if not is_number(value):
        return MISSING
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{value:.{digits}f}".replace("-", MINUS)


def short(value: Any) -> str:
    """Three digits and k, M or G.

    >>> short(1234567), short(950)
    ('1.23 M', '950')
    """
    if not is_number(value):
        return MISSING
    for limit, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= limit:
            scaled = value / (limit if suffix != " k" else 1e3)
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{suffix}"
    return number(value)


def size(value: Any) -> str:
    """Bytes.

    >>> size(512), size(20480), size(3 << 20)
    ('512 B', '20.0 KiB', '3.00 MiB')
    """
    if not is_number(value):
        return MISSING
    if value < 1024:
        return f"{value:.0f} B"
    if value < 1 << 20:
        return f"{value / 1024:.1f} KiB"
    return f"{value / (1 << 20):.2f} MiB"


def milliseconds(value: Any) -> str:
    """Milliseconds with three significant digits.

    >>> milliseconds(0.1234), milliseconds(12.34)
    ('0.123 ms', '12.3 ms')
    """
    if not is_number(value):
        return MISSING
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} ms"


def yes_no(value: Any) -> str:
    """Yes, no, or not measured."""
    return {True: "yes", False: "no"}.get(value, MISSING) if isinstance(value, bool) else MISSING


def total(*values: Any) -> int | float | None:
    """The sum of the numbers; None when there is none."""
    known = [value for value in values if is_number(value)]
    return sum(known) if known else None
