"""``edgecnn flash``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import (
    board_file_option,
    common,
    dry_run_option,
    flash_options,
    limit_options,
    line_option,
    model_argument,
    model_id_option,
    numerics_option,
    optimize_option,
    project_option,
    region_option,
    target_option,
    toolchain_option,
    variant_option,
)
from edgecnn.cli.output import print_json, progress, thousands


@click.command("flash")
@model_argument
@target_option(multiple=False, required=False)
@line_option
@board_file_option
@flash_options
@variant_option
@model_id_option
@toolchain_option
@region_option
@limit_options
@optimize_option
@numerics_option("Whose integer arithmetic the C follows.", default="litert-ref")
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
    model_id: str | None,
    toolchain: str,
    regions: tuple[tuple[str, int], ...],
    max_ram: int | None,
    max_flash: int | None,
    optimize: str,
    numerics: str,
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
        options = RunOptions(
            model_id=model_id, device=device, toolchain=toolchain, regions=regions, max_ram=max_ram,
            max_flash=max_flash, optimize=optimize, numerics=numerics, progress=bar,
        )  # fmt: skip
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
        told = "the board's own hash of its flash agrees" if result.verified else "not verified"
        click.echo(f"  {told}: {result.hash[:16]}…")
