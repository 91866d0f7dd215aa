"""What the CLI prints: tables and progress bars for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from edgecnn.core.progress import Progress, SilentProgress


def print_json(data: Any) -> None:
    """Prints one JSON value on stdout."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Sequence[int] = (),
) -> None:
    """Prints a table; ``numeric`` columns are right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        # A pipe has no width: print whole cells; the table takes no more than it needs.
        console = Console(width=400)
    console.print(table)


def print_notes(notes: Sequence[str], left_out: Sequence[str], *, verbose: bool) -> None:
    """Prints what a target has to say of a model; ``left_out``, a line per layer, if verbose."""
    for note in (*notes, *(left_out if verbose else ())):
        click.echo(f"  {note}")
    if left_out and not verbose:
        click.echo("  -v names the layers that lost channels")


def thousands(value: float | None, unit: str = "") -> str:
    """``1234567`` → ``1,234,567``; None → ``–``."""
    if value is None:
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
    return f"{text} {unit}".rstrip()


def layer_name(name: str, width: int = 56) -> str:
    """A layer's name for a table cell: of names that TensorFlow fused, the first; its end if long.

    >>> layer_name("conv1/Relu;conv1/bias")
    'conv1/Relu'
    """
    first = name.split(";")[0]
    return first if len(first) <= width else f"…{first[1 - width :]}"


@contextmanager
def progress(*, silent: bool) -> Iterator[Progress]:
    """A progress bar on stderr, or silence."""
    if silent:
        yield SilentProgress()
        return
    from edgecnn.cli.progress import RichProgress

    with RichProgress() as bar:
        yield bar


def print_warnings(warnings: Sequence[str]) -> None:
    """Prints one line per warning on stderr."""
    for line in warnings:
        click.echo(f"warning: {line}", err=True)
