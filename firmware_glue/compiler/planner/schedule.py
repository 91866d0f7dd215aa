"""Graph → Program: steps in the file's order, buffers with lifetimes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ir import VIEW, Graph, Lifetime, Op
from firmware_glue.compiler.ops.spec import Lowered
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.planner.program import BEFORE, Allowance, Buffer, Program, Step

_ALIGN = 8
"""Of variables: the widest dtype that there is."""


@dataclass
class _Homes:
    """Buffers while they are collected; a view shares its input's."""

    graph: Graph
    buffers: list[Buffer] = field(default_factory=list)
    of: dict[int, int] = field(default_factory=dict)
    constants: dict[int, int] = field(default_factory=dict)
    variables: dict[int, int] = field(default_factory=dict)
    variable_bytes: int = 0

    def __post_init__(self) -> None:
        tensors = self.graph.tensors
        self.constants = {i: i for i, t in tensors.items() if t.is_constant}
        for tensor_id in sorted(i for i, t in tensors.items() if t.lifetime is Lifetime.STATE):
            self.variables[tensor_id] = self.variable_bytes
            self.variable_bytes += -(-tensors[tensor_id].nbytes // _ALIGN) * _ALIGN

    def create(self, tensor_id: int, time: int) -> None:
        if tensor_id in self.variables:
            return
        tensor = self.graph.tensors[tensor_id]
        self.of[tensor_id] = self.add(Buffer(tensor.name, tensor.nbytes, time, time))

    def add(self, buffer: Buffer) -> int:
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def share(self, view: int, source: int) -> None:
        if source in self.constants:
            self.constants[view] = self.constants[source]
        elif source in self.variables:
            self.variables[view] = self.variables[source]
        else:
            self.of[view] = self.of[source]

    def use(self, tensor_id: int, time: int) -> None:
        if tensor_id in self.of:
            index = self.of[tensor_id]
            last = max(self.buffers[index].last, time)
            self.buffers[index] = replace(self.buffers[index], last=last)

    def find(self, tensor_ids: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.of[i] for i in tensor_ids if i in self.of))


def schedule(graph: Graph) -> Program:
    """One step per op that does something, in the file's order."""
    homes = _Homes(graph)
    for tensor_id in graph.inputs:
        homes.create(tensor_id, BEFORE)
    steps: list[Step] = []
    overlaps: list[tuple[int, Op, Lowered]] = []
    for op in graph.ops:
        if op.code == VIEW:
            homes.share(op.outputs[0], op.inputs[0])
            continue
        now = len(steps)
        lowered = _lower(graph, op)
        for tensor_id in op.inputs:
            homes.use(tensor_id, now)
        for tensor_id in op.outputs:
            homes.create(tensor_id, now)
        scratch = None
        if lowered.scratch_bytes:
            scratch = homes.add(Buffer(f"{op.name} scratch", lowered.scratch_bytes, now, now))
        overlaps.append((now, op, lowered))
        steps.append(_step(op, lowered, homes, scratch))
    for tensor_id in graph.outputs:
        homes.use(tensor_id, len(steps))
    return Program(
        graph, tuple(steps), tuple(homes.buffers), MappingProxyType(homes.of),
        MappingProxyType(homes.constants),
        tuple(a for now, op, low in overlaps for a in _allowances(now, op, low, homes)),
        MappingProxyType(homes.variables), homes.variable_bytes,
    )  # fmt: skip


def _lower(graph: Graph, op: Op) -> Lowered:
    lower = OPS[op.code].known_variant(graph, op).lower
    if lower is None:
        raise ValueError(f"{op.code} '{op.name}' has no kernel and was not folded away")
    return lower(graph, op)


def _step(op: Op, lowered: Lowered, homes: _Homes, scratch: int | None) -> Step:
    inputs = tuple(i for i in op.inputs if i != NO_TENSOR)
    return Step(
        op.name, op.code, lowered.kernel, op.sources, lowered.calls, inputs, op.outputs,
        homes.find(inputs), homes.find(op.outputs), scratch,
    )  # fmt: skip


def _allowances(now: int, op: Op, lowered: Lowered, homes: _Homes) -> list[Allowance]:
    """Overlaps of tensors as overlaps of buffers; all readings of a buffer must allow it."""
    result = []
    for output in (i for i in op.outputs if i in homes.of):
        leads = {o.input: o.lead for o in lowered.overlaps if o.output == output}
        written = homes.of[output]
        for read in homes.find(op.inputs):
            tensors = [i for i in op.inputs if homes.of.get(i) == read]
            if homes.buffers[read].last == now and all(i in leads for i in tensors):
                lead = max(leads[i] for i in tensors)
                result.append(Allowance(now, read, written, lead))
    return result
