"""Counts a built model on an emulated core, and judges its outputs to the last bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn.core.errors import ModelError
from edgecnn.core.lcg import lcg_inputs, outputs_fnv1a
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.api import CompiledModel
from firmware_glue.compiler.ir import Numerics
from firmware_glue.device.board import Board
from firmware_glue.device.emulate.base import EmulationResult, Emulator, Session
from firmware_glue.device.image import BuiltModel
from targets.base import BenchReport, CompileResult, ModelFile, StepCost
from targets.golden import ACCELERATOR_LSB, Arrays, Verdict, judge, lcg_reference

TOLERANCE_LSB = 0
OTHER_NUMERICS_LSB = ACCELERATOR_LSB
"""Other roundings than the reference's: as much as an accelerator may differ."""


def measure(
    model: ModelFile,
    built: BuiltModel,
    board: Board,
    emulator: Emulator,
    compiled: CompileResult,
    conditions: Mapping[str, Any],
) -> BenchReport:
    """Counts one inference on lcg:1, then replays lcg:1 and the golden vector.

    Where LiteRT refuses the model there is no reference: it is counted, and not replayed.

    Raises:
        ToolError: the program crashed or hit the time limit.
    """
    try:
        inputs, reference = lcg_reference(model)
    except ModelError as error:
        return _unjudged(built, board, emulator, compiled, conditions, error)
    tolerance = tolerance_of(built.compiled)
    with emulator.open(built.program, board) as session:
        counted = session.run(raw_bytes(inputs), count=True)
        verdict = judge(
            lambda sample: _replay(session, sample, inputs, reference), model, tolerance
        )
    return judged(_counted(built, board, counted, compiled, conditions), verdict)


def tolerance_of(compiled: CompiledModel) -> int:
    """LSB that the model's outputs may differ from the reference kernels' by."""
    exact = compiled.numerics == Numerics.LITERT_REF.value
    return TOLERANCE_LSB if exact else OTHER_NUMERICS_LSB


def judged(report: BenchReport, verdict: Verdict) -> BenchReport:
    """A report with what the replay found."""
    return replace(
        report,
        output_fnv1a=verdict.output_fnv1a,
        bit_exact=verdict.bit_exact,
        max_diff_lsb=verdict.max_diff_lsb,
        max_abs_diff=verdict.max_abs_diff,
        max_rel_diff=verdict.max_rel_diff,
        replayed=verdict.replayed,
        golden_samples=verdict.golden_samples,
        decoded_equal=verdict.decoded_equal,
        tainted=verdict.reasons,
    )


def _unjudged(
    built: BuiltModel,
    board: Board,
    emulator: Emulator,
    compiled: CompileResult,
    conditions: Mapping[str, Any],
    error: ModelError,
) -> BenchReport:
    """The counts of a model that LiteRT does not run."""
    model = built.compiled
    infos = [TensorInfo(io.name, io.shape, io.dtype) for io in model.inputs]
    with emulator.open(built.program, board) as session:
        counted = session.run(raw_bytes(lcg_inputs(infos)), count=True)
    outputs = [
        np.frombuffer(raw, io.dtype) for io, raw in zip(model.outputs, counted.outputs, strict=True)
    ]
    return replace(
        _counted(built, board, counted, compiled, conditions),
        output_fnv1a=outputs_fnv1a(outputs),
        tainted=(f"compared with nothing: LiteRT does not run this model ({error.message})",),
    )


def _counted(
    built: BuiltModel,
    board: Board,
    counted: EmulationResult,
    compiled: CompileResult,
    conditions: Mapping[str, Any],
) -> BenchReport:
    """What a run cost, its outputs not judged yet."""
    instructions = counted.instructions
    return BenchReport(
        board.name,
        "instructions",
        samples=() if instructions is None else (instructions,),
        first=instructions,
        compile=compiled,
        instructions=instructions,
        cycles_estimate=counted.cycles_estimate,
        arena_bytes=compiled.arena_bytes,
        static_bytes=compiled.static_bytes,
        stack_bytes=counted.stack_bytes,
        code_bytes=compiled.code_bytes,
        weight_bytes=compiled.weight_bytes,
        per_step=_per_step(built, counted),
        numerics=built.compiled.numerics,
        conditions=conditions,
    )


def _per_step(built: BuiltModel, counted: EmulationResult) -> tuple[StepCost, ...]:
    steps = zip(built.compiled.steps, counted.per_step, strict=True)
    return tuple(StepCost(step.ops, step.name, instructions=n) for step, n in steps)


def _replay(session: Session, sample: Arrays, inputs: Arrays, reference: Arrays) -> Arrays:
    """One inference by name."""
    result = session.run(raw_bytes({name: sample[name] for name in inputs}))
    return like(reference, result.outputs)


def like(reference: Arrays, outputs: Sequence[bytes]) -> Arrays:
    """Raw outputs with the names, shapes and dtypes of the reference's, in its order."""
    return {
        name: np.frombuffer(raw, array.dtype).reshape(array.shape)
        for (name, array), raw in zip(reference.items(), outputs, strict=True)
    }


def raw_bytes(arrays: Arrays) -> list[bytes]:
    """The bytes of each array, in order."""
    return [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
