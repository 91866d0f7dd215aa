"""Ops that something refuses, as the lines and the hint of one error: each cause once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_NAME = 80
"""Characters of a layer's name that a message shows."""
_NUMBERS = 8
"""Further ops of one cause that a line names."""
_CURES = 3
"""Different cures that a hint names."""


@dataclass(frozen=True)
class Rejection:
    """One op that is refused, or with index −1 something of the model as a whole.

    Attributes:
        op, name: its code and the layer's name.
        reason: why, with the value found.
        cause: the limit without the value: what ops of one cause have in common.
        rewrite: what to change in the model, or None.
    """

    index: int
    op: str
    name: str
    reason: str
    cause: str
    rewrite: str | None = None


def rejection_lines(rejections: Sequence[Rejection]) -> tuple[str, ...]:
    """One line per cause: the first op it holds for with its values, and the others' numbers.

    Ops have a cause in common where code, limit and rewrite are the same.
    """
    return tuple(_line(rows) for rows in by_cause(rejections))


def by_cause(rejections: Sequence[Rejection]) -> tuple[tuple[Rejection, ...], ...]:
    """The ops of each cause, in the order of the first ones."""
    groups: dict[tuple[object, ...], list[Rejection]] = {}
    for row in rejections:
        # What is wrong with the interface names its tensors: each counts.
        key = (row.op, row.cause, row.rewrite) if row.index >= 0 else (row.op, row.name, row.reason)
        groups.setdefault(key, []).append(row)
    return tuple(map(tuple, groups.values()))


def numbers(indices: Sequence[int], most: int = _NUMBERS) -> str:
    """``#1, #4, #7 and 12 more``."""
    shown = ", ".join(f"#{index}" for index in indices[:most])
    more = len(indices) - most
    return f"{shown} and {more} more" if more > 0 else shown


def cure(rejections: Sequence[Rejection], otherwise: str) -> str:
    """What to change, each change once: the hint of the error."""
    rewrites = list(dict.fromkeys(row.rewrite for row in rejections if row.rewrite))
    more = len(rewrites) - _CURES
    if more > 0:
        rewrites[_CURES:] = [f"and {more} more changes, see edgecnn check"]
    return "; ".join(rewrites) or otherwise


def _line(rows: Sequence[Rejection]) -> str:
    first = rows[0]
    where = f"#{first.index} {first.op}" if first.index >= 0 else first.op
    # TensorFlow joins the names of all layers that it fused: the first says where it is.
    line = f"{where} '{first.name.split(';')[0][:_NAME]}': {first.reason}"
    return f"{line} (so too {numbers([row.index for row in rows[1:]])})" if rows[1:] else line
