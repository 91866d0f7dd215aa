"""The confusion matrix as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from edgecnn.report.markup import Html, el
from edgecnn.report.svg import clip
from edgecnn.report.text import is_number

_MOST_CLASSES = 60
_NUMBERED = 20


def valid_matrix(matrix: Any) -> TypeGuard[list[list[float]]]:
    """A square list of lists of numbers, not empty."""
    return (
        isinstance(matrix, list)
        and bool(matrix)
        and all(isinstance(row, list) and len(row) == len(matrix) for row in matrix)
        and all(is_number(value) for row in matrix for value in row)
    )


def confusion(matrix: Sequence[Sequence[float]], labels: Sequence[str]) -> Html | None:
    """Rows are true classes, columns predictions, shades the share of the row.

    None when there are too many classes to draw.
    """
    count = len(matrix)
    if count > _MOST_CLASSES:
        return None
    names = [labels[k] if k < len(labels) else f"class {k}" for k in range(count)]
    cell = max(9.0, min(40.0, 460.0 / count))
    longest = max(min(len(name), 16) for name in names)
    left, top = 30 + 6.4 * longest, 26 + 4.8 * longest
    parts: list[Html] = []
    for r, row in enumerate(matrix):
        whole = sum(row)
        for c, value in enumerate(row):
            share = value / whole if whole > 0 else 0.0
            parts.append(_cell(left + c * cell, top + r * cell, cell, value, share, r == c))
            hint = f"{names[r]} taken for {names[c]}: {value:g} of {whole:g} ({share * 100:.1f} %)"
            parts[-1] = el("g", el("title", hint), parts[-1])
    if cell >= 9:
        for k, name in enumerate(names):
            middle = (k + 0.5) * cell
            shown = clip(name, 16)
            parts.append(el("text", shown, x=left - 6, y=top + middle + 4, text_anchor="end"))
            x, y = left + middle + 3, top - 6
            turn = f"rotate(-50 {x:.1f} {y:.1f})"
            parts.append(el("text", shown, x=x, y=y, transform=turn))
    side = cell * count
    middle = top + side / 2
    parts.append(
        el("text", "true class", x=12.0, y=middle, transform=f"rotate(-90 12 {middle:.0f})",
           text_anchor="middle", class_="axis")
    )  # fmt: skip
    parts.append(
        el("text", "predicted class", x=left + side / 2, y=top + side + 18, text_anchor="middle",
           class_="axis")
    )  # fmt: skip
    width, height = left + side + 6 + 3.2 * longest, top + side + 26
    return el(
        "svg", el("title", "Confusion matrix"), parts, viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img", aria_label="Confusion matrix", class_="plot", style=f"max-width:{width:.0f}px",
    )  # fmt: skip


def _cell(x: float, y: float, cell: float, value: float, share: float, right: bool) -> Html:
    tone = "heat-right" if right else "heat-wrong"
    # A single mistake among hundreds must still be seen.
    opacity = 0.0 if value == 0 else max(0.10, share)
    gap = 1.0 if cell > 14 else 0.5
    parts = [
        el("rect", x=x, y=y, width=cell - gap, height=cell - gap, class_="hole"),
        el("rect", x=x, y=y, width=cell - gap, height=cell - gap, class_=tone,
           fill_opacity=opacity),
    ]  # fmt: skip
    if value and cell >= 460 / _NUMBERED - 0.5:
        kind = "heat-ink" if opacity > 0.55 else "val"
        parts.append(
            el("text", f"{value:g}", x=x + (cell - gap) / 2, y=y + cell / 2 + 4,
               text_anchor="middle", class_=kind)
        )  # fmt: skip
    return el("g", parts)


def worst_pairs(
    matrix: Sequence[Sequence[float]], labels: Sequence[str], most: int = 5
) -> list[tuple[str, str, float]]:
    """(true, predicted, how often) of the commonest mistakes."""
    names = [labels[k] if k < len(labels) else f"class {k}" for k in range(len(matrix))]
    pairs = [
        (names[r], names[c], value)
        for r, row in enumerate(matrix)
        for c, value in enumerate(row)
        if r != c and value > 0
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:most]
