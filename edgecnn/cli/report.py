"""``edgecnn report``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import common, output_option, project_option
from edgecnn.cli.output import print_json, print_table, progress


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
        columns = [summary_rows(data) for data in outcome.data]
        names = list(dict.fromkeys(row.what for rows in columns for row in rows))
        table = [
            (name, *(next((r.shown for r in rows if r.what == name), "–") for rows in columns))
            for name in names
        ]
        print_table(
            "",
            ("figure", *(data.name for data in outcome.data)),
            table,
            numeric=range(1, len(columns) + 1),
        )
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"wrote {outcome.path}")
