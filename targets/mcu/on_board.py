"""Measures a model on a board that answers: real, or emulated as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecnn.core.errors import ModelError, TargetError
from edgecnn.core.lcg import lcg_inputs, outputs_fnv1a
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.api import CompiledModel
from firmware_glue.device.firmware import Firmware
from firmware_glue.device.link.client import BoardClient, BoardRun
from targets.base import BenchReport, CompileResult, ModelFile, StepCost
from targets.golden import Arrays, Verdict, judge, lcg_reference
from targets.mcu.measure import judged, like, raw_bytes, tolerance_of

EMULATED_RUNS = 3
"""An emulated board takes the same for each inference: more of them say nothing more."""


@dataclass(frozen=True)
class DeviceClock:
    """What the board's microseconds stand for.

    Attributes:
        unit: ``ms`` on hardware; ``instructions`` or ``cycles`` in an emulator.
        per_us: how many of the unit a microsecond of the board's clock stands for.
        device: ``emulator:<name>``, or the line's name.
    """

    unit: str
    per_us: float
    device: str

    def convert(self, microseconds: int) -> float:
        """A time of the board in the unit; whole numbers where it counts something."""
        value = microseconds * self.per_us
        return value if self.unit == "ms" else round(value)


def require_ours(client: BoardClient, firmware: Firmware) -> None:
    """Refuses a board that runs another program than the one just made.

    Raises:
        TargetError: another model or board answers, or nothing does.
    """
    said = client.hello()
    wanted = (firmware.board.name, firmware.identity.sha256)
    if (said.board, said.model_sha256) != wanted:
        raise TargetError(
            f"the board runs '{said.model_id}' ({said.model_sha256[:12]}) for {said.board},"
            f" not the model given ({wanted[1][:12]}) for {wanted[0]}",
            hint=f"flash it first: edgecnn flash -t {wanted[0]}",
        )


def replay(client: BoardClient, model: ModelFile, compiled: CompiledModel) -> Verdict | None:
    """Replays lcg:1 and the golden vector; None where LiteRT does not run the model itself.

    Raises:
        TargetError: the board stopped answering.
        BundleError: the golden vector is not of this model.
    """
    try:
        inputs, reference = lcg_reference(model)
    except ModelError:
        return None

    def run(sample: Arrays) -> Arrays:
        done = client.infer(raw_bytes({name: sample[name] for name in inputs}))
        return like(reference, done.outputs)

    return judge(run, model, tolerance_of(compiled))


def measure_on_board(
    client: BoardClient,
    firmware: Firmware,
    verdict: Verdict | None,
    clock: DeviceClock,
    compiled: CompileResult,
    runs: int,
    conditions: Mapping[str, Any],
) -> BenchReport:
    """Times inferences on lcg:1 by the board's own clock, as a whole and step by step.

    Args:
        client: the board.
        firmware: what runs there.
        verdict: what :func:`replay` found.
        clock: what its times stand for.
        compiled: for the report.
        runs: inferences.
        conditions: of the measurement.

    Raises:
        TargetError: the board stopped answering.
    """
    model = firmware.compiled
    infos = [TensorInfo(io.name, io.shape, io.dtype) for io in model.inputs]
    done = client.infer(raw_bytes(lcg_inputs(infos)), runs=runs, profile=True)
    memory = client.memory()
    outputs = [
        np.frombuffer(raw, io.dtype) for raw, io in zip(done.outputs, model.outputs, strict=True)
    ]
    samples = tuple(clock.convert(us) for us in done.run_us)
    report = BenchReport(
        firmware.board.name,
        clock.unit,
        samples=samples,
        first=samples[0] if samples else None,
        compile=compiled,
        instructions=int(samples[-1]) if samples and clock.unit == "instructions" else None,
        cycles_estimate=int(samples[-1]) if samples and clock.unit == "cycles" else None,
        arena_bytes=memory.arena_bytes,
        static_bytes=memory.static_bytes,
        stack_bytes=memory.stack_used_bytes,
        code_bytes=compiled.code_bytes,
        weight_bytes=compiled.weight_bytes,
        per_step=_per_step(model, done, clock),
        output_fnv1a=outputs_fnv1a(outputs),
        numerics=model.numerics,
        conditions={"device": clock.device, **conditions},
    )
    if verdict is None:
        return replace(report, tainted=("compared with nothing: LiteRT does not run this model",))
    return judged(report, verdict)


def _per_step(model: CompiledModel, done: BoardRun, clock: DeviceClock) -> tuple[StepCost, ...]:
    rows = []
    for step, microseconds in zip(model.steps, done.step_us, strict=False):
        value = clock.convert(microseconds)
        cost = {"ms": value} if clock.unit == "ms" else {clock.unit: int(value)}
        rows.append(StepCost(step.ops, step.name, **cost))
    return tuple(rows)
