"""``edgecnn compile``."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli.options import (
    board_file_option,
    common,
    dry_run_option,
    force_option,
    limit_options,
    model_argument,
    numerics_option,
    optimize_option,
    output_option,
    project_option,
    region_option,
    target_option,
    toolchain_option,
    tune_option,
    variant_option,
)
from edgecnn.cli.output import layer_name, print_json, print_notes, print_table, thousands
from targets.base import CompileResult


@click.command("compile")
@model_argument
@target_option(multiple=False, required=False)
@board_file_option
@output_option("Folder for the files; a bundle keeps them itself where this is left out.")
@click.option("--name", default=None, help="Prefix of all C symbols; default: the file's name.")
@toolchain_option
@region_option
@limit_options
@optimize_option
@tune_option
@numerics_option("Whose integer arithmetic the C follows.", default="litert-ref")
@click.option(
    "--weights",
    type=click.Choice(["c", "blob"]),
    default="c",
    show_default=True,
    help="Constant data in the C code, or in a checked file of its own.",
)
@click.option("--c-only", is_flag=True, help="Write C files only, no ELF.")
@click.option("--selftest", is_flag=True, help="Add a main: cc *.c && ./a.out prints PASS.")
@variant_option
@force_option
@dry_run_option
@project_option
@common
def command(
    model: Path | None,
    target: str | None,
    board_file: Path | None,
    output_dir: Path | None,
    name: str | None,
    toolchain: str,
    regions: tuple[tuple[str, int], ...],
    max_ram: int | None,
    max_flash: int | None,
    numerics: str,
    optimize: str,
    tune: bool,
    weights: str,
    c_only: bool,
    selftest: bool,
    variant: str | None,
    force: bool,
    dry_run: bool,
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Make what a target runs: C and ELF for microcontrollers, .tflite for the others."""
    from edgecnn.jobs.on_targets import compile_for
    from edgecnn.jobs.reference import resolve
    from targets.base import RunOptions

    reference = resolve(model, project)
    options = RunOptions(
        name=name,
        numerics=numerics,
        optimize=optimize,
        tune=tune,
        weights=weights,
        regions=regions,
        max_ram=max_ram,
        max_flash=max_flash,
        toolchain=toolchain,
        c_only=c_only,
        selftest=selftest,
    )
    made = compile_for(
        reference,
        target,
        output_dir,
        options,
        variant=variant,
        force=force,
        dry_run=dry_run,
        board_file=board_file,
    )
    if as_json:
        print_json(made.to_json())
    elif not quiet:
        _print(made, verbose=verbose, dry_run=dry_run)


def _print(made: CompileResult, *, verbose: bool, dry_run: bool) -> None:
    if verbose and made.steps:
        print_table(
            "",
            ("ops", "step", "kernel"),
            [(", ".join(map(str, s.ops)), layer_name(s.name), s.kernel) for s in made.steps],
        )
    click.echo(f"{made.target}: {len(made.files)} files {'would go' if dry_run else 'written'} to"
               f" {made.output_dir}")  # fmt: skip
    for file in made.files:
        click.echo(f"  {file}")
    for label, value in (
        ("arena", made.arena_bytes),
        ("static RAM", made.static_bytes),
        ("stack", made.stack_bytes),
        ("code", made.code_bytes),
        ("weights", made.weight_bytes),
    ):
        if value is not None:
            click.echo(f"  {label:<11}{thousands(value, 'bytes'):>18}")
    print_notes(made.notes, made.left_out, verbose=verbose)
