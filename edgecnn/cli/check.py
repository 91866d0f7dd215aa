"""``edgecnn check``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import (
    common,
    model_argument,
    project_option,
    target_option,
    variant_option,
)
from edgecnn.cli.output import layer_name, print_json, print_table, thousands
from edgecnn.jobs.project import load_project
from targets.base import CheckReport

MAX_ROWS = 200
"""Of the table that --verbose does not ask for."""


@click.command("check")
@model_argument
@target_option(multiple=True)
@variant_option
@click.option("--min-mapped", type=int, default=None, help="Gate: at least so many ops map.")
@project_option
@common
def command(
    model: Path | None,
    targets: tuple[str, ...],
    variant: str | None,
    min_mapped: int | None,
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Say op by op what will not run on a target, why, and what to change.

    With several -t, --json prints a list of objects.
    """
    from edgecnn.jobs.on_targets import Gates, check, gate_check
    from edgecnn.jobs.reference import resolve

    reference = resolve(model, project)
    names = targets or tuple(load_project(project).get("targets", "names"))
    reports = check(reference, names, variant=variant)
    if as_json:
        objects = [report.to_json() for report in reports]
        print_json(objects[0] if len(objects) == 1 else objects)
    elif not quiet:
        for report in reports:
            _print(report, verbose=verbose)
    for report in reports:
        gate_check(report, Gates(min_mapped=min_mapped))


def _print(report: CheckReport, *, verbose: bool) -> None:
    shown = [op for op in report.ops if verbose or not op.mapped]
    fits = {True: "fits", False: "does not fit", None: ""}[report.fits]
    click.echo(f"{report.target}: {report.mapped} of {len(report.ops)} ops map  {fits}".rstrip())
    rows = shown if verbose else shown[:MAX_ROWS]
    if rows:
        print_table(
            "",
            ("#", "op", "layer", "maps", "reason", "what to change"),
            [
                (
                    str(op.index),
                    op.op,
                    layer_name(op.name),
                    "yes" if op.mapped else "no",
                    op.reason or "",
                    op.rewrite or "",
                )
                for op in rows
            ],
            numeric=(0,),
        )
    if len(rows) < len(shown):
        click.echo(f"  … and {len(shown) - len(rows)} more: see them all with --verbose")
    for key, value in report.memory.items():
        if isinstance(value, bool):
            click.echo(f"  {key}: {'yes' if value else 'no'}")
        elif value is not None:
            click.echo(f"  {key}: {thousands(value) if isinstance(value, int | float) else value}")
    for note in report.notes:
        click.echo(f"  {note}")
