"""check, compile and bench: the verbs that a target answers. Bundles keep what was found."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.core.bundle import Bundle, BundleEdit
from edgecnn.core.errors import GateMissedError, UsageError
from edgecnn.core.files import make_folder
from edgecnn.jobs.numerics import REFERENCE, quality_beside_reference
from edgecnn.jobs.reference import ModelRef, model_file
from targets.base import BenchReport, CheckReport, CompileResult, RunOptions
from targets.table import get_target


@dataclass(frozen=True)
class Gates:
    """Limits that the user set; None: not gated."""

    min_mapped: int | None = None
    max_p95_ms: float | None = None
    max_ram: int | None = None
    max_flash: int | None = None


def check(
    reference: ModelRef, names: Sequence[str], *, variant: str | None, record: bool = True
) -> tuple[CheckReport, ...]:
    """Asks every target op by op; a bundle keeps ``check.json``."""
    targets = [get_target(name) for name in names]
    model = model_file(reference, variant)
    reports = tuple(target.check(model) for target in targets)
    if reference.bundle is not None and record:
        with reference.bundle.edit() as edit:
            for report in reports:
                edit.write_json(_place(report.target, model.recipe, "check.json"), report.to_json())
    return reports


def compile_for(
    reference: ModelRef,
    name: str,
    output_dir: Path | None,
    options: RunOptions,
    *,
    variant: str | None,
    force: bool = False,
) -> CompileResult:
    """Compiles into ``output_dir``, or into the bundle where none is given.

    Everything is made in a temporary folder first, so that a failure leaves nothing behind.

    Raises:
        UsageError: a bare file and no output folder, or files are in the way.
    """
    target = get_target(name)
    model = model_file(reference, variant)
    options = _named(options, reference)
    if output_dir is None and reference.bundle is None:
        raise UsageError(
            "compiling a bare file needs a folder to write to", hint="add -o/--output-dir DIR"
        )
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        made = target.compile(model, Path(scratch), options)
        if output_dir is not None:
            _move_files(made, output_dir, force=force)
            return _moved(made, output_dir)
        bundle = reference.bundle_or_fail("compile")
        prefix = _place(target.name, model.recipe, "files")
        with bundle.edit() as edit:
            edit.remove(prefix)
            for file in made.files:
                edit.add(f"{prefix}/{file}", Path(scratch) / file)
            _keep_memory_map(edit, made, model.recipe)
        return _moved(made, bundle.root / prefix)


def bench(
    reference: ModelRef, names: Sequence[str], options: RunOptions, *, variant: str | None
) -> tuple[BenchReport, ...]:
    """Measures on every target; a bundle keeps ``bench.json``."""
    targets = [get_target(name) for name in names]
    model = model_file(reference, variant)
    options = _named(options, reference)
    reports = []
    for target in targets:
        options.progress.stage(f"bench {target.name}")
        report = target.benchmark(model, options)
        if report.numerics not in (None, REFERENCE):
            quality = quality_beside_reference(
                reference, variant, options.numerics, options.progress
            )
            report = replace(report, accuracy=quality)
        reports.append(report)
        if reference.bundle is not None:
            with Bundle.load(reference.bundle.root, verify=False).edit() as edit:
                edit.write_json(_place(report.target, model.recipe, "bench.json"), report.to_json())
                if report.compile is not None:
                    _keep_memory_map(edit, report.compile, model.recipe)
    return tuple(reports)


def _keep_memory_map(edit: BundleEdit, made: CompileResult, recipe: str) -> None:
    if made.memory_map is not None:
        edit.write_json(_place(made.target, recipe, "memory.json"), dict(made.memory_map))


def gate_check(report: CheckReport, gates: Gates) -> None:
    """Raises GateMissedError where the model does not fit, or fewer ops map than asked for."""
    if gates.min_mapped is not None and report.mapped < gates.min_mapped:
        raise GateMissedError(
            f"{report.target}: {report.mapped} of {len(report.ops)} ops map,"
            f" --min-mapped asks for {gates.min_mapped}",
            hint="change the ops named above, or lower --min-mapped",
        )
    if report.fits is False:
        memory = ", ".join(f"{key} {value}" for key, value in report.memory.items())
        rejected = [
            f"#{op.index} {op.op} '{op.name}': {op.reason}" for op in report.ops if not op.mapped
        ]
        raise GateMissedError(
            f"the model does not fit {report.target} ({memory})",
            hint="change the ops named above, use a smaller model, or another target",
            details=rejected,
        )


def gate_bench(report: BenchReport, gates: Gates) -> None:
    """Raises GateMissedError where a measured figure is over its limit."""
    ram = [report.arena_bytes, report.static_bytes, report.stack_bytes]
    flash = [report.code_bytes, report.weight_bytes]
    p95 = report.percentile(95) if report.unit == "ms" else None
    for flag, limit, value, unit in (
        ("--max-p95-ms", gates.max_p95_ms, p95, "ms"),
        ("--max-ram", gates.max_ram, _total(ram), "bytes"),
        ("--max-flash", gates.max_flash, _total(flash), "bytes"),
    ):
        if limit is None:
            continue
        if value is None:
            raise GateMissedError(
                f"{report.target} gives no figure for {flag}",
                hint=f"leave {flag} out, or use a target that measures it",
            )
        if value > limit:
            raise GateMissedError(
                f"{report.target}: {value:,.6g} {unit}, {flag} allows {limit:,.6g}",
                hint="use a smaller model or width, or raise the gate",
            )


def _named(options: RunOptions, reference: ModelRef) -> RunOptions:
    """The C symbols of a bundle carry the bundle's name, unless the user gave another."""
    if options.name is not None or reference.bundle is None:
        return options
    return replace(options, name=reference.bundle.manifest.name)


def _total(parts: Sequence[int | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return float(sum(known)) if known else None


def _place(target: str, recipe: str, name: str) -> str:
    return f"targets/{target}/{recipe}/{name}"


def _moved(made: CompileResult, folder: Path) -> CompileResult:
    return replace(made, output_dir=folder)


def _move_files(made: CompileResult, output_dir: Path, *, force: bool) -> None:
    make_folder(output_dir)
    taken = [file for file in made.files if (output_dir / file).is_dir()]
    if taken and not force:
        raise UsageError(
            f"'{output_dir / taken[0]}' is a folder, a file goes there",
            hint="choose another folder with -o/--output-dir",
        )
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
