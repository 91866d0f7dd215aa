"""``edgecnn bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import (
    board_file_option,
    common,
    device_option,
    emulator_option,
    input_options,
    limit_options,
    model_argument,
    numerics_option,
    optimize_option,
    project_option,
    region_option,
    target_option,
    toolchain_option,
    tune_option,
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
from edgecnn.core.errors import UsageError
from targets.base import BenchReport

if TYPE_CHECKING:
    from edgecnn.jobs.numerics import QualityData


@click.command("bench")
@model_argument
@target_option(multiple=True)
@device_option("local, or user@host.")
@board_file_option
@variant_option
@click.option("--threads", type=click.IntRange(1, 256), default=None, help="Interpreter threads.")
@click.option("--runs", type=click.IntRange(1, 100000), default=50, show_default=True,
              help="Timed inferences.")  # fmt: skip
@click.option("--warmup", type=click.IntRange(0, 10000), default=5, show_default=True,
              help="Inferences before them.")  # fmt: skip
@toolchain_option
@region_option
@emulator_option
@optimize_option
@tune_option
@numerics_option("Whose integer arithmetic the C follows.", default="litert-ref")
@click.option("--max-p95-ms", type=float, default=None, help="Gate: p95 latency in ms.")
@limit_options
@click.option("--data", default=None, help="Labelled data to measure the quality on; default: a"
              " bundle's own, for other --numerics.")  # fmt: skip
@input_options
@project_option
@common
def command(
    model: Path | None,
    targets: tuple[str, ...],
    device: str | None,
    board_file: Path | None,
    variant: str | None,
    threads: int | None,
    runs: int,
    warmup: int,
    toolchain: str,
    regions: tuple[tuple[str, int], ...],
    emulator: str,
    numerics: str,
    optimize: str,
    tune: bool,
    max_p95_ms: float | None,
    max_ram: int | None,
    max_flash: int | None,
    data: str | None,
    input_range: str | None,
    colour: str | None,
    project: Path,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Measure latency or instructions, memory and exactness on a target.

    With several -t, --json prints a list of objects.
    """
    from edgecnn.jobs.on_targets import Gates, bench, gate_bench
    from edgecnn.jobs.project import load_project
    from edgecnn.jobs.reference import resolve
    from targets.base import RunOptions

    reference = resolve(model, project)
    names = targets or (() if board_file else load_project(project).get("targets", "names"))
    with progress(silent=as_json or quiet) as bar:
        options = RunOptions(
            device=device, threads=threads, runs=runs, warmup=warmup, toolchain=toolchain,
            emulator=emulator, numerics=numerics,
        optimize=optimize,
        tune=tune,
            regions=regions, max_ram=max_ram, max_flash=max_flash, progress=bar,
        )  # fmt: skip
        quality = _quality(data, input_range, colour)
        reports = bench(
            reference, names, options, variant=variant, data=quality, board_file=board_file
        )
    if as_json:
        objects = [report.to_json() for report in reports]
        print_json(objects[0] if len(objects) == 1 else objects)
    elif not quiet:
        for report in reports:
            print_report(report, verbose=verbose)
    for report in reports:
        gate_bench(report, Gates(max_p95_ms=max_p95_ms, max_ram=max_ram, max_flash=max_flash))


def _quality(data: str | None, input_range: str | None, colour: str | None) -> QualityData | None:
    """What to measure the quality on; None: what a bundle has.

    Raises:
        UsageError: what an image means is said, and no images are given.
    """
    from edgecnn.jobs.input_range import RangeOptions
    from edgecnn.jobs.numerics import QualityData

    if data is not None:
        return QualityData(data, RangeOptions(input_range, colour))
    if input_range or colour:
        flag = "--input-range" if input_range else "--colour"
        raise UsageError(
            f"{flag} says what the images of --data mean, and there is no --data",
            hint="add --data FOLDER, or leave it out",
        )
    return None


def print_report(report: BenchReport, *, verbose: bool) -> None:
    """One report as a table of figures; ``verbose`` adds steps and conditions."""
    rows: list[tuple[str, str]] = []
    if report.unit == "ms":
        rows += (
            [(f"p{q}", thousands(report.percentile(q), "ms")) for q in (50, 90, 95, 99)]
            if report.samples
            else []
        )
        if report.first is not None:
            rows.insert(0, ("first inference", thousands(report.first, "ms")))
    for label, value, unit in (
        ("instructions", report.instructions, ""),
        ("cycles (estimate)", report.cycles_estimate, ""),
        ("arena", report.arena_bytes, "bytes"),
        ("static RAM", report.static_bytes, "bytes"),
        ("stack", report.stack_bytes, "bytes"),
        ("code", report.code_bytes, "bytes"),
        ("weights", report.weight_bytes, "bytes"),
    ):
        if value is not None:
            rows.append((label, thousands(value, unit)))
    rows += _agreement(report)
    if report.accuracy:
        row = report.accuracy
        beside = f"{row['compiled']:.4f} (reference {row['reference']:.4f}, n = {row['n']})"
        rows.append((f"{row['metric']}, {report.numerics or 'LiteRT'}", beside))
    rows.append(("golden vector", _golden(report)))
    print_table(report.target, ("figure", "value"), rows, numeric=(1,))
    if verbose and report.per_step:
        _print_steps(report)
    if verbose:
        for key, value in report.conditions.items():
            click.echo(f"  {key}: {value}")
    for reason in report.tainted:
        click.echo(f"  tainted: {reason}")
    left_out = report.compile.left_out if report.compile else ()
    print_notes(report.notes, left_out, verbose=verbose)


def _agreement(report: BenchReport) -> list[tuple[str, str]]:
    """How the outputs compare with LiteRT's; nothing where they were compared with nothing."""
    if report.bit_exact is None:
        return []
    if report.bit_exact:
        return [("bit-exact", "yes")]
    rows = []
    if report.max_diff_lsb is not None:
        rows.append(("bit-exact", f"no (max difference {report.max_diff_lsb} LSB)"))
    if report.max_abs_diff is not None and report.max_rel_diff is not None:
        far = f"{report.max_abs_diff:.2g} at most, {report.max_rel_diff:.2g} of the largest value"
        rows.append(("difference from LiteRT", far))
    return rows or [("bit-exact", "no")]


def _golden(report: BenchReport) -> str:
    if report.bit_exact is None:
        return "not replayed"
    agrees = "agrees" if report.replayed else "disagrees"
    if report.golden_samples:
        return f"{report.golden_samples} samples replayed, {agrees}"
    return f"none; lcg:1 {agrees} with LiteRT"


def _print_steps(report: BenchReport) -> None:
    made = report.compile.steps if report.compile else ()
    kernels = [step.kernel for step in made] if len(made) == len(report.per_step) else []
    rows = [
        (
            ", ".join(map(str, step.ops)),
            layer_name(step.name),
            *kernels[number : number + 1],
            thousands(getattr(step, report.unit)),
        )
        for number, step in enumerate(report.per_step)
    ]
    columns = ("ops", "step", *(("kernel",) if kernels else ()), report.unit)
    print_table("", columns, rows, numeric=(len(columns) - 1,))
