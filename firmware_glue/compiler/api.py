"""The compiler's front door: :func:`compile_model` and :func:`check_ops`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from edgecnn.core.errors import UnknownNameError
from edgecnn.core.tflite.model import TfModel
from firmware_glue.compiler.emit.header import ARENA_ALIGN, Shell, model_h
from firmware_glue.compiler.emit.io_info import IoInfo
from firmware_glue.compiler.emit.memory import Memory
from firmware_glue.compiler.emit.model_c import model_c, shell_headers, step_function
from firmware_glue.compiler.emit.origin import UNKNOWN, Origin, signed
from firmware_glue.compiler.emit.stages import stage_files, stage_headers, stage_notes
from firmware_glue.compiler.emit.text import sanitize_name
from firmware_glue.compiler.emit.weights import (
    blob_crc,
    collect,
    weight_blob,
    weights_c,
    weights_h,
)
from firmware_glue.compiler.fast.candidate import KernelSet, Optimize
from firmware_glue.compiler.fast.choose import Choice, Lower
from firmware_glue.compiler.fast.generic import generic_notes
from firmware_glue.compiler.fast.tuning import tuned
from firmware_glue.compiler.importer import Imported, import_model
from firmware_glue.compiler.ir import Graph, Numerics
from firmware_glue.compiler.limits import check_arena
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.passes import FIRST, run_passes
from firmware_glue.compiler.passes.constant_channels import left_out_note
from firmware_glue.compiler.planner.check import check_plan
from firmware_glue.compiler.planner.pairs import find_pairs, pair_notes
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Region
from firmware_glue.compiler.planner.regions import ARENA
from firmware_glue.compiler.planner.schedule import schedule
from firmware_glue.compiler.planner.timeline import memory_timeline
from firmware_glue.compiler.problems import OpProblem, raise_problems
from firmware_glue.compiler.specs import Stages, read_stages
from firmware_glue.compiler.stream.build import chain_notes
from firmware_glue.compiler.stream.check import check_chains
from firmware_glue.compiler.stream.fit import ArenaTooSmallError, planned
from firmware_glue.compiler.stream.options import Kernels
from firmware_glue.compiler.stream.trades import Point, curve_of
from firmware_glue.compiler.verify import check_limits, is_sound, verify
from firmware_glue.kernels import with_includes

NUMERICS = tuple(kind.value for kind in Numerics)
KERNELS = tuple(kind.value for kind in KernelSet)
OPTIMIZE = tuple(kind.value for kind in Optimize)
WEIGHTS = ("c", "blob")
"""Where constant data goes: arrays of the C code, or a file of its own."""


@dataclass(frozen=True)
class StepSummary:
    """One step: .tflite op indices, layer name, kernel, C function."""

    ops: tuple[int, ...]
    name: str
    kernel: str
    function: str


@dataclass(frozen=True)
class CompiledModel:
    """C text and what is known about it.

    Attributes:
        name: prefix of all C symbols.
        files: relative file name → text; the folder compiles on its own.
        arena_bytes, static_bytes: RAM: the arena, and the state struct on a 32-bit core.
        weight_bytes: filters, biases and constant operands as stored.
        lower_bound_bytes: no arena of this program can be smaller.
        plan: offsets of all buffers.
        notes: what to know of its ops; why there is no preprocess or postprocess.
        stage_notes: those of the notes that say why there is no preprocess or postprocess.
        left_out: layers that lost channels that never change, a sentence each.
        optimize: a value of :class:`firmware_glue.compiler.fast.candidate.Optimize`.
        blob: ``<name>_weights.bin``, where constant data is not part of the C code; else empty.
        trades: works out :func:`stream_curve` of this model, which takes a moment.
    """

    name: str
    files: Mapping[str, str]
    arena_bytes: int
    static_bytes: int
    weight_bytes: int
    lower_bound_bytes: int
    inputs: tuple[IoInfo, ...]
    outputs: tuple[IoInfo, ...]
    steps: tuple[StepSummary, ...]
    plan: MemoryPlan
    program: Program
    numerics: str = "litert-ref"
    notes: tuple[str, ...] = ()
    stage_notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    optimize: str = "speed"
    blob: bytes = field(default=b"", repr=False)
    trades: Callable[[], tuple[Point, ...]] = field(default=tuple, repr=False, compare=False)


def check_ops(model: TfModel, numerics: Numerics = Numerics.LITERT_REF) -> tuple[OpProblem, ...]:
    """Everything that keeps a model from being compiled, in the file's order. Never raises.

    One row per op at most; index −1 stands for the interface or the graph as a whole.
    """
    return _checked(model, numerics)[1]


def channels_left_out(model: TfModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The channels of a model that never change, which the compiler leaves out.

    Returns:
        (one sentence for all, a sentence per layer), both empty where there are none, and for a
        model that cannot be compiled.
    """
    imported, problems = _checked(model, Numerics.LITERT_REF)
    if problems:
        return (), ()
    graph = run_passes(imported.graph)
    return left_out_note(graph), graph.notes


# Absurd scales overflow on the way to a limit that refuses them: no reason to warn.
@np.errstate(all="ignore")
def _checked(model: TfModel, numerics: Numerics) -> tuple[Imported, tuple[OpProblem, ...]]:
    imported = import_model(model, numerics)
    problems = list(imported.problems)
    if not problems:
        unsound = is_sound(imported.graph)
        if unsound is not None:
            return imported, (unsound,)
    graph = FIRST(imported.graph)
    problems += check_limits(graph)
    ordered = sorted(problems, key=lambda problem: problem.index)
    return Imported(graph, ()), tuple(ordered)


@np.errstate(all="ignore")
def compile_model(
    model: TfModel,
    *,
    name: str,
    numerics: str = "litert-ref",
    weights: str = "c",
    regions: Sequence[Region] = ARENA,
    kernels: str = "generic",
    optimize: str = "speed",
    max_ram: int | None = None,
    tune: Callable[[CompiledModel], Sequence[int]] | None = None,
    origin: Origin = UNKNOWN,
) -> CompiledModel:
    """Compiles a .tflite to C. Writes no files.

    Args:
        model: the parsed file.
        name: prefix of all C symbols; made a valid identifier.
        numerics: a value of :class:`firmware_glue.compiler.ir.Numerics`.
        weights: one of :data:`WEIGHTS`.
        regions: memory for the arena, the preferred (fastest) first.
        kernels: a value of :class:`firmware_glue.compiler.fast.candidate.KernelSet`.
        optimize: a value of :class:`firmware_glue.compiler.fast.candidate.Optimize`.
        max_ram: bytes that the arena may take; layers then run row by row as far as that needs.
        tune: compiled model → what each of its steps costs: kernels are chosen by that, and not by
            estimates.
        origin: what every file says about where it comes from.

    Raises:
        UnsupportedModelError: some ops have no kernel, or miss a limit; all are listed.
        UnknownNameError: unknown ``numerics``, ``weights``, ``kernels`` or ``optimize``.
        PlanError: the regions do not hold what is live at once, or no plan takes ``max_ram`` bytes
            or less; the smallest there is is named.
        ModelError, BundleError: an embedded preprocess or postprocess spec cannot be read.
    """
    for what, given, known in (
        ("numerics", numerics, NUMERICS),
        ("place for the weights", weights, WEIGHTS),
        ("set of kernels", kernels, KERNELS),
        ("optimization", optimize, OPTIMIZE),
    ):
        if given not in known:
            raise UnknownNameError(what, given, known)
    graph = _graph(model, numerics)
    job = _Job(
        sanitize_name(name), graph, read_stages(model, graph),
        Choice(KernelSet(kernels), Optimize(optimize)), weights == "blob", origin,
    )  # fmt: skip
    lower: Lower = job.choice
    if tune is not None:
        run = partial(job.compiled, max_ram=None, regions=ARENA, paired=False)
        lower = tuned(job.graph, job.choice, lambda tried: _costs(run(tried), tune))
    return job.compiled(lower, max_ram, regions)


@dataclass(frozen=True)
class _Job:
    """What is compiled, whatever kernels are tried."""

    name: str
    graph: Graph
    stages: Stages
    choice: Choice
    blob: bool
    origin: Origin

    def compiled(
        self, lower: Lower, max_ram: int | None, regions: Sequence[Region], *, paired: bool = True
    ) -> CompiledModel:
        """The model with some kernels. Pairs go by estimates, also where kernels are measured."""
        whole = schedule(self.graph, lower)
        pairs = find_pairs(whole.graph, self.choice) if paired else ()
        kernels = _kernels(lower, self.choice)
        program, plan = planned(whole, kernels, pairs, max_ram, regions)
        check_arena(plan.arena_bytes)
        check_plan(program, plan)
        check_chains(program, plan)
        memory = Memory(program, plan, collect(program, self.name), blob=self.blob)
        made = _emit(memory, self.name, self.stages, self.choice.optimize, self.origin)
        notes = (*generic_notes(whole.graph, self.choice), *made.notes)
        return replace(made, notes=notes, trades=partial(curve_of, whole, kernels, pairs))


def _kernels(lower: Lower, choice: Choice) -> tuple[Kernels, ...]:
    """Some kernels, and those of the choice that need less scratch memory."""
    others = (Kernels(each, each.instructions) for each in choice.thriftier())
    return Kernels(lower, choice.instructions), *others


def _costs(trial: CompiledModel, tune: Callable[[CompiledModel], Sequence[int]]) -> dict[int, int]:
    """Output tensor → what its step took."""
    costs = zip(trial.program.steps, tune(trial), strict=True)
    return {output: cost for step, cost in costs for output in step.outputs}


@np.errstate(all="ignore")
def stream_curve(
    model: TfModel,
    *,
    numerics: str = "litert-ref",
    kernels: str = "generic",
    optimize: str = "speed",
) -> tuple[Point, ...]:
    """The trades between bytes of the arena and instructions, the largest arena first.

    The first one is the plan without chains. Each arena's size is a ``max_ram`` that fits.

    Args:
        model: the parsed file.
        numerics: as for :func:`compile_model`.
        kernels: as there.
        optimize: as there.

    Raises:
        UnsupportedModelError: some ops have no kernel, or miss a limit.
    """
    choice = Choice(KernelSet(kernels), Optimize(optimize))
    program = schedule(_graph(model, numerics), choice)
    return curve_of(program, _kernels(choice, choice), find_pairs(program.graph, choice))


def _graph(model: TfModel, numerics: str) -> Graph:
    imported, problems = _checked(model, Numerics(numerics))
    raise_problems(problems, len(model.main.operators))
    return run_passes(verify(imported.graph, "fold_constants"))


def _emit(
    memory: Memory, name: str, stages: Stages, optimize: Optimize, origin: Origin
) -> CompiledModel:
    program, plan, constants = memory.program, memory.plan, memory.constants
    inputs = _interface(program, plan, name, "input", program.graph.inputs)
    outputs = _interface(program, plan, name, "output", program.graph.outputs)
    headers = {call.header for step in program.steps for call in step.calls}
    blob = weight_blob(constants) if memory.blob else b""
    shell = Shell(
        # A region of 0 bytes would be no array.
        tuple(zip(plan.region_names, (max(n, 1) for n in plan.region_bytes), strict=True)),
        len(program.steps), program.variable_bytes, len(blob), blob_crc(blob),
    )  # fmt: skip
    linked = {
        f"{name}_weights.h": weights_h(constants, name),
        f"{name}_weights.c": weights_c(constants, name),
    }
    headers |= {"edgecnn_common.h"} | stage_headers(stages) | shell_headers(shell)
    files = {
        f"{name}.h": model_h(name, shell, inputs, outputs, stage_notes(stages, name), origin),
        f"{name}.c": model_c(memory, name, shell, shared=optimize is not Optimize.SPEED),
        **({} if memory.blob else linked),
        **stage_files(stages, name),
    }
    files = {file: signed(file, body, origin) for file, body in files.items()}
    steps = tuple(
        StepSummary(step.sources, step.name, step.kernel, step_function(name, number, step))
        for number, step in enumerate(program.steps)
    )
    return CompiledModel(
        name, MappingProxyType(files | with_includes(headers)),
        sum(size for _, size in shell.regions), shell.state_bytes,
        constants.weight_bytes, plan.lower_bound_bytes, inputs, outputs, steps, plan, program,
        program.graph.numerics.value,
        (
            *left_out_note(program.graph), *_op_notes(program), *pair_notes(program),
            *chain_notes(program), *stages.notes,
        ),
        stages.notes, program.graph.notes,
        optimize.value, blob,
    )  # fmt: skip


def memory_map(compiled: CompiledModel, *, curve: bool = False) -> dict[str, Any]:
    """Who holds which bytes during each step: the object ``edgecnn.memory/1``.

    Args:
        compiled: a model.
        curve: with the trades between memory and instructions.
    """
    result = memory_timeline(compiled.program, compiled.plan).to_json()
    if curve:
        result["curve"] = [asdict(point) for point in compiled.trades()]
    return result


def _op_notes(program: Program) -> tuple[str, ...]:
    """What users of this model's ops have to know."""
    found = {
        f"{op.code} '{op.name.split(';')[0]}': {variant.note}": None
        for op in program.graph.ops
        if (variant := OPS[op.code].variant(program.graph, op)) is not None and variant.note
    }
    return tuple(found)


def _interface(
    program: Program, plan: MemoryPlan, name: str, kind: str, tensor_ids: tuple[int, ...]
) -> tuple[IoInfo, ...]:
    rows = []
    for k, tensor_id in enumerate(tensor_ids):
        tensor = program.graph.tensors[tensor_id]
        quantized = tensor.quantization is not None
        rows.append(
            IoInfo(
                tensor.name, tensor.shape, tensor.dtype.value, tensor.nbytes,
                plan.offsets[program.homes[tensor_id]], f"{name}_{kind}{k}",
                tensor.scale if quantized else None, tensor.zero_point if quantized else None,
                plan.region_names[plan.regions[program.homes[tensor_id]]],
            )
        )  # fmt: skip
    return tuple(rows)


__all__ = [
    "ARENA",
    "ARENA_ALIGN",
    "OPTIMIZE",
    "ArenaTooSmallError",
    "CompiledModel",
    "IoInfo",
    "OpProblem",
    "Origin",
    "Point",
    "Region",
    "StepSummary",
    "channels_left_out",
    "check_ops",
    "compile_model",
    "memory_map",
    "sanitize_name",
    "signed",
    "stream_curve",
]
