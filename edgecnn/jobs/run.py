"""``edgecnn run``: from a model to a device that was seen to compute it, step by step.

On a board: compile → fits → link → flash (or emulate) → golden → bench. Elsewhere: golden → bench.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.jobs.board_line import (
    ReachedBoard,
    emulated_board,
    real_board,
    require_emulation,
    require_line,
)
from edgecnn.jobs.flash import FlashRequest, flash_firmware
from edgecnn.jobs.on_targets import keep_bench, named_options
from edgecnn.jobs.reference import ModelRef, model_file
from firmware_glue.device.firmware import Firmware
from targets.base import BenchReport, ModelFile, RunOptions, Target
from targets.golden import Verdict
from targets.mcu.board_plan import BoardPlan
from targets.mcu.board_target import BoardTarget
from targets.mcu.on_board import EMULATED_RUNS, measure_on_board, replay, require_ours
from targets.table import chosen_target


@dataclass(frozen=True)
class RunRequest:
    """What ``edgecnn run`` was asked for.

    Attributes:
        target: its name; None: that of ``board_file``.
        options: how to compile and measure; ``device`` is the board's line.
        emulate: on an emulated board.
        board_file: the user's own board.
        flash: how to flash; its device is the options'.
    """

    reference: ModelRef
    target: str | None
    options: RunOptions
    variant: str | None = None
    emulate: bool = False
    board_file: Path | None = None
    flash: FlashRequest = field(default_factory=FlashRequest)


@dataclass(frozen=True)
class RunStep:
    """One step of the way, and whether it went well."""

    name: str
    passed: bool
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """``edgecnn.run/1``.

    Attributes:
        device: where it ran: ``emulator:<name>``, a port, or this machine.
        fits: who takes what of the board's memory; None off boards.
        golden: ``replayed``, ``max_diff_lsb`` and more; None where that was not reached.
        failed: why it ended early or badly; None where all went well.
    """

    target: str
    device: str | None
    emulated: bool
    steps: tuple[RunStep, ...]
    fits: dict[str, Any] | None = None
    golden: dict[str, Any] | None = None
    bench: BenchReport | None = None
    failed: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn run --json``."""
        return {
            "schema": "edgecnn.run/1",
            "target": self.target,
            "device": self.device,
            "emulated": self.emulated,
            "steps": [
                {"name": step.name, "passed": step.passed, "seconds": round(step.seconds, 3)}
                for step in self.steps
            ],
            "fits": self.fits,
            "golden": self.golden,
            "bench": self.bench.to_json() if self.bench else None,
            "failed": self.failed,
        }


class _Way:
    """The steps gone so far."""

    def __init__(self, options: RunOptions) -> None:
        self.steps: list[RunStep] = []
        self._progress = options.progress

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times a step; one that raises is not recorded, since the error is the answer."""
        self._progress.stage(name)
        started = time.monotonic()
        yield
        self.steps.append(RunStep(name, True, time.monotonic() - started))


def run(request: RunRequest) -> RunResult:
    """Goes the whole way, and says how far it came.

    Raises:
        UnsupportedModelError: ops without a kernel, all of them named.
        TargetError: the device is not there, or does not answer.
        MissingExtraError, ToolError: a program is not installed, or failed.
    """
    target = chosen_target(request.target, request.board_file)
    model = model_file(request.reference, request.variant)
    options = named_options(request.options, request.reference)
    request = replace(request, options=options)
    if isinstance(target, BoardTarget):
        return _on_board(request, target, model)
    if request.emulate:
        raise UsageError(
            f"--emulate is for boards, '{target.name}' is none",
            hint="leave --emulate out, or choose a board (edgecnn targets)",
        )
    return _on_target(request, target, model)


def _on_target(request: RunRequest, target: Target, model: ModelFile) -> RunResult:
    """Golden, then bench, wherever the target's benchmark runs the model."""
    way = _Way(request.options)
    with way.step("golden"):
        once = replace(request.options, runs=1, warmup=0)
        report = target.benchmark(model, once)
    golden = _golden(report)
    emulated = "emulator" in report.conditions
    device = f"emulator:{target.name}" if emulated else request.options.device or "local"
    if not report.replayed:
        way.steps[-1] = replace(way.steps[-1], passed=False)
        why = "; ".join(report.tainted) or "the golden vector was not replayed"
        steps = tuple(way.steps)
        return RunResult(target.name, device, emulated, steps, None, golden, None, why)
    with way.step("bench"):
        report = target.benchmark(model, request.options)
    keep_bench(request.reference, model, report)
    return RunResult(target.name, device, emulated, tuple(way.steps), None, golden, report)


def _on_board(request: RunRequest, target: BoardTarget, model: ModelFile) -> RunResult:
    way, options = _Way(request.options), request.options
    if request.emulate:
        require_emulation(target.board)
    else:
        require_line(options.device)  # refused before anything is built
    with way.step("compile"):
        plan = target.plan(model, options)
    way.steps.append(RunStep("fits", plan.fits.fits is not False, 0.0))
    result = RunResult(target.name, None, request.emulate, (), plan.fits.to_json())
    if plan.fits.fits is False:
        why = f"'{plan.compiled.name}' does not fit {target.name}: {plan.fits.why}"
        return replace(result, steps=tuple(way.steps), failed=why)
    with way.step("link"):
        firmware = target.program(plan, options)
    with ExitStack() as stack:
        if request.emulate:
            with way.step("emulate"):
                board = stack.enter_context(emulated_board(firmware))
                require_ours(board.client, firmware)
        else:
            with way.step("flash"):
                flash_firmware(firmware, request.flash, options)
                board = stack.enter_context(real_board(target.board, options.device))
                require_ours(board.client, firmware)
        emulated = board.clock.unit != "ms"
        result = replace(result, device=board.clock.device, emulated=emulated)
        return _measured(request, _Programmed(target, model, plan, firmware), board, way, result)


@dataclass(frozen=True)
class _Programmed:
    """A board's program, and what it was made of."""

    target: BoardTarget
    model: ModelFile
    plan: BoardPlan
    firmware: Firmware


def _measured(
    request: RunRequest, made: _Programmed, board: ReachedBoard, way: _Way, result: RunResult
) -> RunResult:
    """Golden and bench on a board that answers."""
    options = request.options
    with way.step("golden"):
        verdict = replay(board.client, made.model, made.plan.compiled)
    if verdict is None or not verdict.replayed:
        way.steps[-1] = replace(way.steps[-1], passed=False)
        why = "LiteRT does not run this model, so there is nothing to compare with"
        why = "; ".join(verdict.reasons) if verdict else why
        return replace(result, steps=tuple(way.steps), golden=_golden(verdict), failed=why)
    with way.step("bench"):
        report = _bench(made, board, verdict, options)
        fits = result.fits | {"measured": _memory(report, made)} if result.fits else None
    overflow = _overflow(report, made)
    if overflow is not None:
        way.steps[-1] = replace(way.steps[-1], passed=False)
    keep_bench(request.reference, made.model, report)
    return replace(
        result,
        steps=tuple(way.steps),
        fits=fits,
        golden=_golden(verdict),
        bench=report,
        failed=overflow,
    )


def _bench(
    made: _Programmed,
    board: ReachedBoard,
    verdict: Verdict,
    options: RunOptions,
) -> BenchReport:
    clock, target = board.clock, made.target
    emulated = clock.unit != "ms"
    runs = min(options.runs, EMULATED_RUNS) if emulated else options.runs
    conditions = {
        "board": target.board.part,
        "reached_by": board.description,
        "compiler": target.compiler(options),
        "core": target.board.cpu,
        "clock_hz": target.board.clock.hz,
        "counted": f"{clock.unit} from the first step's start to the last one's end, by the"
        " board's own clock of 1 µs",
    }
    if emulated:
        conditions["resolution"] = f"{clock.per_us:g} {clock.unit}: a microsecond of that clock"
    compiled = target.report(made.model, Path(), made.plan, options)
    return measure_on_board(
        board.client, made.firmware, verdict, clock, compiled, runs, conditions
    )  # fmt: skip


def _memory(report: BenchReport, made: _Programmed) -> dict[str, int | None]:
    """RAM as the board itself saw it, beside what was planned."""
    parts = (report.arena_bytes, report.static_bytes, report.stack_bytes)
    return {
        "arena_bytes": report.arena_bytes,
        "static_bytes": report.static_bytes,
        "stack_bytes": report.stack_bytes,
        "total_bytes": sum(part or 0 for part in parts),
        "planned_bytes": made.plan.fits.ram_bytes,
    }


def _overflow(report: BenchReport, made: _Programmed) -> str | None:
    """What took more RAM than was planned; None: nothing did."""
    used, planned = _memory(report, made)["total_bytes"] or 0, made.plan.fits.ram_bytes
    if used <= planned:
        return None
    return f"the board measured {used:,} bytes of RAM, {planned:,} were planned"


def _golden(verdict: Verdict | BenchReport | None) -> dict[str, Any]:
    """The object ``golden`` of a replay."""
    if verdict is None:
        return {"replayed": False, "max_diff_lsb": None}
    return {
        "replayed": verdict.replayed,
        "max_diff_lsb": verdict.max_diff_lsb,
        "max_abs_diff": verdict.max_abs_diff,
        "bit_exact": verdict.bit_exact,
        "samples": verdict.golden_samples,
        "decoded_equal": verdict.decoded_equal,
    }
