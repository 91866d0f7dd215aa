"""``edgecnn flash``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options import (
    board_file_option,
    common,
    dry_run_option,
    flash_options,
    line_option,
    model_argument,
    program_options,
    project_option,
    target_option,
)
from edgecnn.cli.output import print_json, progress, thousands


@click.command("flash")
@model_argument
@target_option(multiple=False, required=False)
@line_option
@board_file_option
@flash_options
@program_options
@dry_run_option
@project_option
@common
def command(
    model: Path | None,
    target: str | None,
    device: str | None,
    board_file: Path | None,
    method: str | None,
    force: bool,
    variant: str | None,
    program: dict[str, Any],
    dry_run: bool,
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Bring a model's program onto a board, and ask the board for its hash."""
    from edgecnn.jobs.flash import FlashRequest, flash
    from edgecnn.jobs.reference import resolve
    from targets.base import RunOptions

    reference = resolve(model, project)
    with progress(silent=as_json or quiet) as bar:
        options = RunOptions(device=device, **program, progress=bar)
        request = FlashRequest(method=method, force=force, dry_run=dry_run)
        result = flash(
            reference, target, options, request, variant=variant, board_file=board_file
        )  # fmt: skip
    if as_json:
        print_json(result.to_json())
        return
    if quiet:
        return
    for sentence in result.steps:
        click.echo(("would " if dry_run else "") + sentence)
    if not dry_run:
        size = thousands(result.bytes, "bytes")
        click.echo(f"{result.target}: {size} flashed by {result.method}")
        told = "verified, by the board's own hash of its flash or read back by its probe"
        click.echo(f"  {told}: SHA-256 {result.hash[:16]}…")
