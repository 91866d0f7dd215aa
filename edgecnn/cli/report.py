"""``edgecnn report``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import common, output_option, project_option
from edgecnn.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from edgecnn.report.model import ReportData


@click.command("report")
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@output_option("Folder for report.html; one bundle keeps it itself where this is left out.")
@project_option
@common
def command(
    models: tuple[Path, ...],
    output_dir: Path | None,
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write one HTML file with everything measured on one or several bundles."""
    from dataclasses import asdict

    from edgecnn.jobs.reference import resolve
    from edgecnn.jobs.report import run
    from edgecnn.report.table import summary_rows

    references = [resolve(model, project) for model in models] or [resolve(None, project)]
    with progress(silent=as_json or quiet) as bar:
        outcome = run(references, output_dir, bar)
    if as_json:
        print_json(
            {
                "schema": "edgecnn.report/1",
                "file": str(outcome.path),
                "bundles": [
                    {"name": data.name, "rows": [asdict(row) for row in summary_rows(data)]}
                    for data in outcome.data
                ],
                "notes": list(outcome.notes),
            }
        )
        return
    if not quiet:
        print_table("", *_columns(outcome.data), numeric=range(1, len(outcome.data) + 1))
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"wrote {outcome.path}")


def _columns(
    bundles: Sequence[ReportData],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and lines of one table, a column a bundle; the rows of all bundles are alike."""
    from edgecnn.report.table import summary_rows

    lines = []
    for rows in zip(*(summary_rows(data) for data in bundles), strict=True):
        names = dict.fromkeys(row.what.rpartition(", ")[0] for row in rows)
        label = f"{' / '.join(names)}, {rows[0].what.rpartition(', ')[2]}"
        cells = (
            f"{row.shown} ({row.note.split(',')[0]})" if row.note.startswith("n = ") else row.shown
            for row in rows
        )
        lines.append((label, *cells))
    return ("figure", *(data.name for data in bundles)), lines
