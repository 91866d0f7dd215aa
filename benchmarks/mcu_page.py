"""``python -m benchmarks.mcu_page``: docs/microcontrollers.md and its picture from the records."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.record import RESULTS
from benchmarks.tflm import CORES
from edgecnn.cli.output import thousands
from edgecnn.core.files import write_atomic

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURE = DOCS / "microcontrollers.md", DOCS / "img" / "mcu.svg"
Row = dict[str, Any]
_TITLES = {"cortex-m4": "Cortex-M4F", "cortex-m0plus": "Cortex-M0+", "cortex-m55": "Cortex-M55"}
_BAR, _GAP, _LEFT, _WIDTH = 14, 6, 150, 420

_TEXT = """\
# Microcontrollers: what a model costs

Written by `python -m benchmarks.mcu_page` from what `python -m benchmarks mcu mcu_steps`
recorded ([the figures](../benchmarks/results/mcu.json), [how](../benchmarks/mcu.py)). {note}

![Instructions per inference](img/mcu.svg)

## Full speed (`--optimize speed`)

{speed}

## Early layers streamed (`--max-ram`)

Layers at the start of a net hold most of the memory. As chains over a few rows they need far less:

{streamed}

## Small code (`--optimize size`)

{size}

## Where the instructions go

{steps}

{steps_note}
"""


def main() -> int:
    """Writes both files; 2 where a record is missing."""
    try:
        found = [read(name) for name in ("mcu", "mcu_steps")]
    except OSError as error:
        sys.stderr.write(f"error: no record: {error.filename}\nhint: python -m benchmarks mcu\n")
        return 2
    (rows, note), (steps, steps_note) = found
    write_atomic(PICTURE, picture(rows))
    text = _TEXT.format(
        note=note, speed=tables(rows, "speed"), streamed=tables(rows, "streamed"),
        size=tables(rows, "size"),
        steps=plain(steps), steps_note=steps_note,
    )  # fmt: skip
    write_atomic(PAGE, text)
    return 0


def read(subject: str) -> tuple[list[Row], str]:
    """The rows by column name, and the note."""
    record = json.loads((RESULTS / f"{subject}.json").read_text("utf-8"))
    return [dict(zip(record["columns"], row, strict=True)) for row in record["rows"]], record[
        "note"
    ]


def tables(rows: Sequence[Row], mode: str) -> str:
    """One table per core."""
    parts = []
    for core in CORES:
        chosen = [row for row in rows if (row["core"], row["mode"]) == (core, mode)]
        parts += [f"### {_TITLES[core]}", plain([_without(row) for row in chosen])]
    return "\n\n".join(parts)


def plain(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    if not rows:
        return "(not measured)"
    return table(tuple(rows[0]), [[_cell(value) for value in row.values()] for row in rows])


def _without(row: Row) -> Row:
    return {key: value for key, value in row.items() if key not in ("core", "mode")}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return thousands(value) if isinstance(value, int) else str(value)


def picture(rows: Sequence[Row]) -> str:
    """Bars: each model's instructions on each core as a share of TensorFlow Lite Micro's."""
    body: list[str] = []
    y = 30
    for core in CORES:
        chosen = [row for row in rows if (row["core"], row["mode"]) == (core, "speed")]
        body.append(_label(0, y + 4, _TITLES[core], bold=True))
        for row in chosen:
            share = 1 / row["fewer instructions"]
            mean = row["model"] == "geometric mean"
            body.append(_label(20, y + _BAR + 18, row["model"]))
            top = y + 6 + _BAR
            body.append(_bar(top, 1.0, "#c9ced6"))
            body.append(_bar(top, share, "#0b6e4f" if mean else "#2a9d74"))
            told = f"{row['fewer instructions']:.2f} × fewer"
            body.append(_label(int(_LEFT + _WIDTH + 8), top + _BAR - 3, told))
            y += _BAR + _GAP
        y += 2 * _BAR + 10
    title = "Instructions per inference, TensorFlow Lite Micro with CMSIS-NN = full width"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 130}" height="{y}"'
        ' font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{_label(0, 14, title)}\n'
        + "\n".join(body) + "\n</svg>\n"
    )  # fmt: skip


def _label(x: int, y: int, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x + 8}" y="{y}" fill="#1f2933"{weight}>{escape(text)}</text>'


def _bar(y: int, share: float, colour: str) -> str:
    width = max(1.0, min(1.0, share) * _WIDTH)
    return f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'


if __name__ == "__main__":
    sys.exit(main())
