"""``edgecnn run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.bench import print_report
from edgecnn.cli.fits import print_fits
from edgecnn.cli.options import (
    board_file_option,
    common,
    flash_options,
    line_option,
    model_argument,
    program_options,
    project_option,
    target_option,
)
from edgecnn.cli.output import print_json, print_table, progress
from edgecnn.core.errors import GateMissedError, UsageError

if TYPE_CHECKING:
    from edgecnn.jobs.run import RunResult

_HINT = "the steps above say how far it came; edgecnn check says more of memory, -v of the rest"


@click.command("run")
@model_argument
@target_option(multiple=False, required=False)
@line_option
@click.option("--emulate", is_flag=True, help="On an emulated board: no board is needed.")
@board_file_option
@click.option("--logs", is_flag=True, help="Afterwards print what the board says, until Ctrl-C.")
@flash_options
@click.option("--runs", type=click.IntRange(1, 100000), default=50, show_default=True,
              help="Timed inferences; an emulated board runs at most 3.")  # fmt: skip
@program_options
@project_option
@common
def command(
    model: Path | None,
    target: str | None,
    device: str | None,
    emulate: bool,
    board_file: Path | None,
    logs: bool,
    method: str | None,
    force: bool,
    variant: str | None,
    runs: int,
    program: dict[str, Any],
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Compile, flash, check and measure on a board, or on an emulated one.

    On a board: compile, fits, link, flash, golden, bench; elsewhere: golden, bench.
    """
    from edgecnn.jobs.flash import FlashRequest
    from edgecnn.jobs.reference import resolve
    from edgecnn.jobs.run import RunRequest, run
    from targets.base import RunOptions

    if logs and emulate:
        raise UsageError(
            "--logs follows a real board's line, and --emulate uses none",
            hint="leave one of them out; edgecnn emulate keeps an emulated board's line open",
        )
    reference = resolve(model, project)
    with progress(silent=as_json or quiet) as bar:
        options = RunOptions(device=device, runs=runs, **program, progress=bar)
        flashing = FlashRequest(method=method, force=force)
        result = run(
            RunRequest(reference, target, options, variant, emulate, board_file, flashing)
        )  # fmt: skip
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        _print(result, verbose=verbose)
    if result.failed is not None:
        raise GateMissedError(f"{result.target}: {result.failed}", hint=_HINT)
    if logs:
        from edgecnn.cli.logs import follow

        follow(target, board_file, device)


def _print(result: RunResult, *, verbose: bool) -> None:
    where = result.device or "no device"
    click.echo(f"{result.target} on {where}")
    print_table(
        "",
        ("step", "", "s"),
        [
            (step.name, "passed" if step.passed else "failed", f"{step.seconds:.1f}")
            for step in result.steps
        ],
        numeric=(2,),
    )
    if result.fits is not None:
        print_fits(result.fits)
    if result.bench is not None:
        print_report(result.bench, verbose=verbose)
