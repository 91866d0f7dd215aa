"""``edgecnn check``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import (
    common,
    limit_options,
    model_argument,
    numerics_option,
    optimize_option,
    project_option,
    region_option,
    target_option,
    toolchain_option,
    variant_option,
)
from edgecnn.cli.output import layer_name, print_json, print_notes, print_table, thousands
from edgecnn.core.rejections import by_cause, numbers
from edgecnn.jobs.project import load_project
from targets.base import CheckReport

MAX_ROWS = 10
"""Causes that --verbose does not ask for."""


@click.command("check")
@model_argument
@target_option(multiple=True)
@variant_option
@click.option("--min-mapped", type=int, default=None, help="Gate: at least so many ops map.")
@toolchain_option
@region_option
@limit_options
@optimize_option
@numerics_option("Whose integer arithmetic the C would follow.", default="litert-ref")
@project_option
@common
def command(
    model: Path | None,
    targets: tuple[str, ...],
    variant: str | None,
    min_mapped: int | None,
    toolchain: str,
    regions: tuple[tuple[str, int], ...],
    max_ram: int | None,
    max_flash: int | None,
    optimize: str,
    numerics: str,
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
    from targets.base import RunOptions

    reference = resolve(model, project)
    names = targets or tuple(load_project(project).get("targets", "names"))
    options = RunOptions(
        toolchain=toolchain, regions=regions, max_ram=max_ram, max_flash=max_flash,
        optimize=optimize, numerics=numerics,
    )  # fmt: skip
    reports = check(reference, names, options, variant=variant)
    if as_json:
        objects = [report.to_json() for report in reports]
        print_json(objects[0] if len(objects) == 1 else objects)
    elif not quiet:
        for report in reports:
            _print(report, verbose=verbose)
    gates = Gates(min_mapped=min_mapped, max_ram=max_ram, max_flash=max_flash)
    for report in reports:
        gate_check(report, gates, detailed=as_json or quiet)


def _print(report: CheckReport, *, verbose: bool) -> None:
    fits = {True: "fits", False: "does not fit", None: ""}[report.fits]
    click.echo(f"{report.target}: {report.mapped} of {len(report.ops)} ops map  {fits}".rstrip())
    if verbose:
        _print_ops(report)
    elif report.refused:
        _print_causes(report)
    for key, value in report.memory.items():
        if isinstance(value, bool):
            click.echo(f"  {key}: {'yes' if value else 'no'}")
        elif value is not None:
            click.echo(f"  {key}: {thousands(value) if isinstance(value, int | float) else value}")
    print_notes(report.notes, report.left_out, verbose=verbose)


def _print_ops(report: CheckReport) -> None:
    print_table(
        "",
        ("#", "op", "layer", "maps", "reason", "what to change"),
        [
            (
                str(op.index) if op.index >= 0 else "",
                op.op,
                layer_name(op.name),
                "yes" if op.mapped else "no",
                op.reason or "",
                op.rewrite or "",
            )
            for op in (*report.interface, *report.ops)
        ],
        numeric=(0,),
    )


def _print_causes(report: CheckReport) -> None:
    causes = by_cause(report.refused)
    print_table(
        "",
        ("#", "op", "first layer", "ops", "reason", "what to change"),
        [
            (
                numbers([row.index for row in rows], 4) if rows[0].index >= 0 else "",
                rows[0].op,
                layer_name(rows[0].name),
                str(len(rows)),
                rows[0].reason,
                rows[0].rewrite or "",
            )
            for rows in causes[:MAX_ROWS]
        ],
        numeric=(3,),
    )
    more = len(causes) - MAX_ROWS
    if more > 0:
        click.echo(f"  … and {more} more causes: see them all with --verbose")
