"""check, compile and bench: the verbs that a target answers. Bundles keep what was found."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from edgecnn.core.bundle import Bundle, BundleEdit
from edgecnn.core.errors import GateMissedError, UnsupportedModelError, UsageError
from edgecnn.core.files import check_writable, make_folder
from edgecnn.core.rejections import cure, rejection_lines
from edgecnn.jobs.elsewhere import elsewhere, with_elsewhere
from edgecnn.jobs.numerics import REFERENCE, QualityData, quality_beside_reference
from edgecnn.jobs.reference import ModelRef, model_file
from firmware_glue.compiler.problems import SUPPORTED
from targets.base import (
    BenchReport,
    CheckReport,
    ChecksWithOptions,
    CompileResult,
    ModelFile,
    RunOptions,
    Target,
)
from targets.table import chosen_target, chosen_targets

_DEFAULTS = RunOptions()
_SMALLER = "use a smaller model, input or width, or raise the limit"
R = TypeVar("R", CheckReport, CompileResult)


@dataclass(frozen=True)
class Gates:
    """Limits that the user set; None: not gated. RAM and flash in bytes."""

    min_mapped: int | None = None
    max_p95_ms: float | None = None
    max_ram: int | None = None
    max_flash: int | None = None


def check(
    reference: ModelRef,
    names: Sequence[str],
    options: RunOptions = _DEFAULTS,
    *,
    variant: str | None,
    record: bool = True,
    board_file: Path | None = None,
) -> tuple[CheckReport, ...]:
    """Asks every target op by op; a bundle keeps ``check.json``."""
    targets = chosen_targets(names, board_file)
    model = model_file(reference, variant)
    options = named_options(options, reference)
    reports = tuple(_with_notes(_checked(target, model, options), model) for target in targets)
    if reference.bundle is not None and record:
        with reference.bundle.edit() as edit:
            for report in reports:
                edit.write_json(_place(report.target, model.recipe, "check.json"), report.to_json())
    return reports


def _checked(target: Target, model: ModelFile, options: RunOptions) -> CheckReport:
    report = (
        target.check_with(model, options)
        if isinstance(target, ChecksWithOptions)
        else target.check(model)
    )
    if report.fits is False and any(not op.mapped for op in report.ops):
        return replace(report, elsewhere=elsewhere(model, target.name))
    return report


def compile_for(
    reference: ModelRef,
    name: str | None,
    output_dir: Path | None,
    options: RunOptions,
    *,
    variant: str | None,
    force: bool = False,
    dry_run: bool = False,
    board_file: Path | None = None,
) -> CompileResult:
    """Compiles into ``output_dir``, or into the bundle where none is given.

    A dry run takes every decision, compiles, and keeps nothing.

    Everything is made in a temporary folder first, so that a failure leaves nothing behind.

    Raises:
        UsageError: a bare file and no output folder, or files are in the way.
    """
    target = chosen_target(name, board_file)
    model = model_file(reference, variant)
    options = named_options(options, reference)
    if output_dir is None and reference.bundle is None:
        raise UsageError(
            "compiling a bare file needs a folder to write to", hint="add -o/--output-dir DIR"
        )
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        try:
            made = target.compile(model, Path(scratch), options)
        except UnsupportedModelError as error:
            raise with_elsewhere(error, model, target.name) from error
        made = _with_notes(made, model)
        gate_compile(made, options)
        _require_selftest(made, options)
        if output_dir is not None:
            _check_place(made, output_dir, force=force)
            if not dry_run:
                _move_files(made, output_dir)
            return _moved(made, output_dir)
        bundle = reference.bundle_or_fail("compile")
        prefix = _place(target.name, model.recipe, "files")
        if dry_run:
            check_writable(bundle.root)
            return _moved(made, bundle.root / prefix)
        with bundle.edit() as edit:
            edit.remove(prefix)
            for file in made.files:
                edit.add(f"{prefix}/{file}", Path(scratch) / file)
            _keep_memory_map(edit, made, model.recipe)
        return _moved(made, bundle.root / prefix)


def _require_selftest(made: CompileResult, options: RunOptions) -> None:
    if options.selftest and not any(file.endswith("_selftest.c") for file in made.files):
        raise UsageError(
            f"target '{made.target}' makes no C, so there is nothing to test with --selftest",
            hint="leave --selftest out, or compile for a microcontroller (-t cortex-m4)",
        )


def bench(
    reference: ModelRef,
    names: Sequence[str],
    options: RunOptions,
    *,
    variant: str | None,
    data: QualityData | None = None,
    board_file: Path | None = None,
) -> tuple[BenchReport, ...]:
    """Measures on every target; a bundle keeps ``bench.json``.

    Args:
        reference: the model.
        names: of the targets.
        options: how to run.
        variant: of a bundle; None: its default.
        data: labelled data to measure the quality on; None: a bundle's own, and only for other
            numerics than the reference's.
        board_file: the user's own board.
    """
    targets = chosen_targets(names, board_file)
    model = model_file(reference, variant)
    options = named_options(options, reference)
    reports = []
    for target in targets:
        options.progress.stage(f"bench {target.name}")
        try:
            report = target.benchmark(model, options)
        except UnsupportedModelError as error:
            raise with_elsewhere(error, model, target.name) from error
        if model.model.notes:
            conditions = {**report.conditions, "model_notes": list(model.model.notes)}
            report = replace(report, conditions=conditions)
        other = report.bit_exact is not None and report.numerics not in (None, REFERENCE)
        if other or data is not None:
            quality = quality_beside_reference(
                reference, variant, report.numerics if other else None, options.progress, data
            )
            report = replace(report, accuracy=quality)
        reports.append(report)
        keep_bench(reference, model, report)
    return tuple(reports)


def keep_bench(reference: ModelRef, model: ModelFile, report: BenchReport) -> None:
    """A bundle keeps ``bench.json`` and the memory map; a bare file has no place for them."""
    if reference.bundle is None:
        return
    with Bundle.load(reference.bundle.root, verify=False).edit() as edit:
        edit.write_json(_place(report.target, model.recipe, "bench.json"), report.to_json())
        if report.compile is not None:
            _keep_memory_map(edit, report.compile, model.recipe)


def _with_notes(report: R, model: ModelFile) -> R:
    """The report with what the reader took otherwise than the file says, first."""
    return replace(report, notes=(*model.model.notes, *report.notes))


def _keep_memory_map(edit: BundleEdit, made: CompileResult, recipe: str) -> None:
    if made.memory_map is not None:
        edit.write_json(_place(made.target, recipe, "memory.json"), dict(made.memory_map))


def gate_check(report: CheckReport, gates: Gates, *, detailed: bool = True) -> None:
    """Raises GateMissedError where the model does not run, misses a limit, or too few ops map.

    Args:
        report: what the target said.
        gates: what the user asked for.
        detailed: with a line per cause; without, they are on the screen already.
    """
    if gates.min_mapped is not None and report.mapped < gates.min_mapped:
        raise GateMissedError(
            f"{report.target}: {report.mapped} of {len(report.ops)} ops map,"
            f" --min-mapped asks for {gates.min_mapped}",
            hint="change the ops named above, or lower --min-mapped",
        )
    if report.fits is False:
        refused = report.refused
        count = sum(not op.mapped for op in report.ops)
        message = f"{count} of {len(report.ops)} ops do not run on {report.target}"
        if report.why is not None:
            message = f"the model does not fit {report.target}: {report.why}"
        elif not count:
            message = f"the model does not run on {report.target}"
        raise GateMissedError(
            message,
            hint=cure(refused, _SMALLER if not refused else SUPPORTED) + report.elsewhere,
            details=rejection_lines(refused) if detailed else (),
        )
    _gate_memory(report.target, report.ram_bytes, report.flash_bytes, gates)


def gate_compile(made: CompileResult, options: RunOptions) -> None:
    """Raises GateMissedError where a target does not plan for limits, and misses one."""
    ram = _total([made.arena_bytes, made.static_bytes, made.stack_bytes])
    flash = _total([made.code_bytes, made.weight_bytes])
    if not made.limits:
        gates = Gates(max_ram=options.max_ram, max_flash=options.max_flash)
        _gate_memory(made.target, ram, flash, gates)


def gate_bench(report: BenchReport, gates: Gates) -> None:
    """Raises GateMissedError where a measured figure is over its limit."""
    p95 = report.percentile(95) if report.unit == "ms" else None
    _gate(report.target, "--max-p95-ms", gates.max_p95_ms, p95, "ms")
    ram = _total([report.arena_bytes, report.static_bytes, report.stack_bytes])
    flash = _total([report.code_bytes, report.weight_bytes])
    _gate_memory(report.target, ram, flash, gates)


def _gate_memory(target: str, ram: int | None, flash: int | None, gates: Gates) -> None:
    _gate(target, "--max-ram", gates.max_ram, ram, "bytes")
    _gate(target, "--max-flash", gates.max_flash, flash, "bytes")


def _gate(target: str, flag: str, limit: float | None, value: float | None, unit: str) -> None:
    """One figure against its limit, if there is one."""
    if limit is None:
        return
    if value is None:
        raise GateMissedError(
            f"{target} gives no figure for {flag}",
            hint=f"leave {flag} out, or use a target that measures it",
        )
    if value > limit:
        raise GateMissedError(
            f"{target}: {_number(value)} {unit}, {flag} allows {_number(limit)}", hint=_SMALLER
        )


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def named_options(options: RunOptions, reference: ModelRef) -> RunOptions:
    """The C symbols of a bundle carry the bundle's name, unless the user gave another."""
    if options.name is not None or reference.bundle is None:
        return options
    return replace(options, name=reference.bundle.manifest.name)


def _total(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _place(target: str, recipe: str, name: str) -> str:
    return f"targets/{target}/{recipe}/{name}"


def _moved(made: CompileResult, folder: Path) -> CompileResult:
    return replace(made, output_dir=folder)


def _check_place(made: CompileResult, output_dir: Path, *, force: bool) -> None:
    check_writable(output_dir)
    taken = [file for file in made.files if (output_dir / file).is_dir()]
    if taken and not force:
        raise UsageError(
            f"'{output_dir / taken[0]}' is a folder, a file goes there",
            hint="choose another folder with -o/--output-dir",
        )


def _move_files(made: CompileResult, output_dir: Path) -> None:
    for file in made.files:
        goal = output_dir / file
        make_folder(goal.parent)
        staged = goal.with_name(f".{goal.name}.new")
        try:
            shutil.copyfile(made.output_dir / file, staged)
            staged.replace(goal)
        except OSError as error:
            raise UsageError(
                f"cannot write '{goal}': {error.strerror or error}",
                hint="choose a folder that you may write to with -o/--output-dir",
            ) from error
        finally:
            staged.unlink(missing_ok=True)
