"""``edgecnn check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from edgecnn.cli.options import (
    board_file_option,
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
from edgecnn.cli.output import (
    layer_name,
    print_json,
    print_notes,
    print_table,
    progress,
    thousands,
)
from edgecnn.core.rejections import by_cause, numbers
from edgecnn.jobs.project import load_project
from targets.base import CheckReport

MAX_ROWS = 10
"""Causes that --verbose does not ask for."""


@click.command("check")
@model_argument
@target_option(multiple=True)
@board_file_option
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
    board_file: Path | None,
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

    Without -t: on the project's targets, and which boards the model fits. With several -t, or
    without one, --json prints a list of objects.
    """
    from edgecnn.jobs.on_targets import Gates, check, gate_check
    from edgecnn.jobs.reference import resolve
    from edgecnn.jobs.survey import survey_boards
    from targets.base import RunOptions

    reference = resolve(model, project)
    survey = not targets and board_file is None
    in_project = survey and project.is_file()
    names = load_project(project).get("targets", "names") if in_project else targets
    boards: tuple[CheckReport, ...] = ()
    with progress(silent=as_json or quiet) as bar:
        options = RunOptions(
            toolchain=toolchain, regions=regions, max_ram=max_ram, max_flash=max_flash,
            optimize=optimize, numerics=numerics, progress=bar,
        )  # fmt: skip
        asked = names or board_file is not None
        reports = (
            check(reference, names, options, variant=variant, board_file=board_file)
            if asked
            else ()
        )
        if survey:
            boards = survey_boards(reference, options, variant=variant)
    if as_json:
        objects = [report.to_json() for report in (*reports, *boards)]
        print_json(objects[0] if len(objects) == 1 else objects)
    elif not quiet:
        for report in reports:
            _print(report, verbose=verbose)
        if boards:
            _print_boards(boards)
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


def _print_boards(boards: Sequence[CheckReport]) -> None:
    rows = [
        (
            report.target,
            {True: "yes", False: "no", None: "as far as known"}[report.fits],
            _of(report, "flash"),
            _of(report, "ram"),
            report.why or _first_reason(report),
        )
        for report in boards
    ]
    print_table("boards", ("board", "fits", "flash", "RAM", "why not"), rows, numeric=(2, 3))


def _of(report: CheckReport, memory: str) -> str:
    """``31,200 of 262,144``: bytes of flash or RAM."""
    needed, there = (report.memory.get(f"{memory}{end}_bytes") for end in ("", "_limit"))
    return f"{thousands(needed)} of {thousands(there)}" if needed is not None else ""


def _first_reason(report: CheckReport) -> str:
    refused = report.refused
    return f"{len(refused)} ops have no kernel: {refused[0].reason}" if refused else ""


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
