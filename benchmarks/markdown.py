"""``python -m benchmarks.markdown [SUBJECT …]``: recorded results as Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.record import RESULTS
from edgecnn.cli.output import thousands

Row = dict[str, Any]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is aligned right.

    >>> print(table(("net", "drop"), [("a", "0.1")]))
    | net | drop |
    |---|--:|
    | a | 0.1 |
    """
    rule = "|---|" + "--:|" * (len(columns) - 1)
    lines = ["| " + " | ".join(cells) + " |" for cells in (columns, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def pivot(rows: Sequence[Row], cell: Callable[[Row], str], skip: Sequence[str] = ()) -> str:
    """Nets down, tools across."""
    tools = [tool for tool in dict.fromkeys(row["tool"] for row in rows) if tool not in skip]
    found = {(row["net"], row["tool"]): cell(row) for row in rows}
    nets = dict.fromkeys(row["net"] for row in rows)
    lines = [(net, *(found.get((net, tool), "") for tool in tools)) for net in nets]
    return table(("net", *tools), lines)


def quantization(rows: Sequence[Row]) -> str:
    """Three tables: points lost, how much better ours is, bytes and seconds."""
    parts = [
        pivot(rows, lost),
        "Points by which ours --auto is better (negative: worse):",
        pivot(rows, better, ("ours --auto",)),
        "KiB and seconds:",
        pivot(rows, cost),
    ]
    return "\n\n".join(parts)


def lost(row: Row) -> str:
    """``0.12 (−0.05 … 0.29)``; the float model's own figure in per cent."""
    if row["value"] is None:
        return "failed"
    if row["drop_points"] is None:
        return f"{100 * row['value']:.2f} %"
    return interval(row["drop_points"], row["low"], row["high"])


def better(row: Row) -> str:
    """Points with their interval, or nothing."""
    keys = ("ours_is_better_by", "better_low", "better_high")
    values = [row[key] for key in keys]
    return "" if None in values else interval(*values)


def cost(row: Row) -> str:
    """``124 KiB, 2.1 s``."""
    if row["bytes"] is None:
        return "failed"
    return f"{row['bytes'] / 1024:.0f}, {row['seconds']:.1f} s"


def interval(points: float, low: float, high: float) -> str:
    """Points with the 95 % interval; a true minus sign.

    >>> interval(0.1, -0.05, 0.25)
    '0.10 (−0.05 … 0.25)'
    """
    return f"{points:.2f} ({low:.2f} … {high:.2f})".replace("-", "−")


def plain(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Any other subject's table as it was recorded."""
    return table(columns, [[_text(cell) for cell in row] for row in rows])


def _text(value: Any) -> str:
    if value is None:
        return ""
    return thousands(value) if isinstance(value, int) else str(value)


def render(subject: str) -> str:
    """The recorded table of ``subject``, its note below; OSError where there is none."""
    record = json.loads((RESULTS / f"{subject}.json").read_text("utf-8"))
    if subject == "quantization":
        named = [dict(zip(record["columns"], row, strict=True)) for row in record["rows"]]
        body = quantization(named)
    else:
        body = plain(record["columns"], record["rows"])
    return f"{body}\n\n{record['note']}\n"


def main(subjects: list[str]) -> int:
    """Prints the named subjects, or all that are recorded."""
    for name in subjects or sorted(path.stem for path in RESULTS.glob("*.json")):
        try:
            print(render(name))
        except OSError:
            print(f"error: no record of '{name}'\nhint: python -m benchmarks {name}",
                  file=sys.stderr)  # fmt: skip
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
