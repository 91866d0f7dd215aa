"""Graph → Program: steps in the best order, buffers with lifetimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.fast.choose import Lower, own
from firmware_glue.compiler.ir import VIEW, Graph, Lifetime, Op
from firmware_glue.compiler.ops.spec import Lowered
from firmware_glue.compiler.planner.bound import lower_bound
from firmware_glue.compiler.planner.inline import Placement, alignment, placements
from firmware_glue.compiler.planner.layout import plan_layout
from firmware_glue.compiler.planner.program import BEFORE, Allowance, Buffer, Program, Step
from firmware_glue.compiler.planner.reorder import better_order
from firmware_glue.compiler.stream.chain import Chain

_WIDE = 8
"""Alignment of variables: of the widest dtype that there is."""


@dataclass
class _Homes:
    """Buffers while they are collected; a view shares its input's."""

    graph: Graph
    buffers: list[Buffer] = field(default_factory=list)
    of: dict[int, int] = field(default_factory=dict)
    constants: dict[int, int] = field(default_factory=dict)
    variables: dict[int, int] = field(default_factory=dict)
    variable_bytes: int = 0
    joined: set[int] = field(default_factory=set)
    """Parts that live on in a whole, whatever their own last use."""

    def __post_init__(self) -> None:
        tensors = self.graph.tensors
        self.constants = {i: i for i, t in tensors.items() if t.is_constant}
        for tensor_id in sorted(i for i, t in tensors.items() if t.lifetime is Lifetime.STATE):
            self.variables[tensor_id] = self.variable_bytes
            self.variable_bytes += -(-tensors[tensor_id].nbytes // _WIDE) * _WIDE

    def create(self, tensor_id: int, time: int) -> None:
        if tensor_id in self.variables:
            return
        tensor = self.graph.tensors[tensor_id]
        align = alignment(self.graph, tensor_id)
        self.of[tensor_id] = self.add(Buffer(tensor.name, tensor.nbytes, time, time, align))

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

    def place(self, placement: Placement, now: int) -> None:
        """Parts and whole in the place of an op that would have run before step ``now``."""
        if placement.joins:
            self.create(placement.whole, now)
            whole = self.of[placement.whole]
            for tensor_id, inner in placement.parts:
                self.use(tensor_id, now - 1)
                part = self.of[tensor_id]
                self.joined.add(part)
                self.buffers[part] = replace(self.buffers[part], parent=whole, inner=inner)
            return
        # The parts take over while the last step before is still at work: what it writes may
        # then cover the rest of the whole, but not them.
        whole = self.of[placement.whole]
        before = max(self.buffers[whole].first, now - 1)
        self.use(placement.whole, before)
        for tensor_id, inner in placement.parts:
            self.create(tensor_id, before)
            part = self.of[tensor_id]
            self.buffers[part] = replace(self.buffers[part], parent=whole, inner=inner)

    def find(self, tensor_ids: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.of[i] for i in tensor_ids if i in self.of))


def schedule(graph: Graph, lower: Lower = own) -> Program:
    """One step per op that does something, in the order that needs the least memory.

    That is the file's order unless another one was found with a smaller arena. Dependencies hold,
    and ops that touch variables keep the file's order among themselves. Joins and splits are left
    out where their parts can lie inside their whole, unless that takes more memory.

    Args:
        graph: what to run.
        lower: the kernels of an op.
    """
    lowered = _lower_all(graph, lower)
    candidates = [_program(graph, lowered)]
    order = better_order(candidates[0], lowered)
    if order is not None:
        other = replace(graph, ops=tuple(graph.ops[i] for i in order))
        candidates.append(_program(other, tuple(lowered[i] for i in order)))
    for position, candidate in enumerate(list(candidates)):
        placed = placements(candidate.graph)
        if placed:
            kernels = lowered if position == 0 or order is None else [lowered[i] for i in order]
            candidates.append(_program(candidate.graph, kernels, placed))
    return _smallest(candidates)


def _smallest(candidates: Sequence[Program]) -> Program:
    """At equal size fewer steps are better, then the file's order."""
    if len(candidates) == 1:
        return candidates[0]
    bounds = [lower_bound(p.buffers, p.allowances) for p in candidates]
    best: tuple[int, int, int] | None = None
    for number in sorted(range(len(candidates)), key=lambda number: (bounds[number], number)):
        candidate = candidates[number]
        if best is None or bounds[number] <= best[0]:
            plan = plan_layout(candidate.buffers, candidate.allowances)
            rank = (plan.arena_bytes, len(candidate.steps), number)
            best = rank if best is None else min(best, rank)
    return candidates[0 if best is None else best[2]]


def in_given_order(graph: Graph, lower: Lower = own) -> Program:
    """One step per op that does something, in the graph's order."""
    return _program(graph, _lower_all(graph, lower))


def chained_programs(
    graph: Graph, lowered: Sequence[Lowered | None], chains: Mapping[int, Chain]
) -> tuple[Program, ...]:
    """Programs in the graph's order in which some ops are chains.

    Args:
        graph: what to run.
        lowered: the kernels of its ops; None for views.
        chains: position of an op → the chain that it stands for.

    Returns:
        One with every join and split as a step, and, if some can be left out, one without these.
    """
    found = [_program(graph, lowered, chains=chains)]
    if placed := placements(graph):
        found.append(_program(graph, lowered, placed, chains))
    return tuple(found)


def _lower_all(graph: Graph, lower: Lower) -> tuple[Lowered | None, ...]:
    """The kernels of all ops; None for views."""
    return tuple(None if op.code == VIEW else lower(graph, op) for op in graph.ops)


def _program(
    graph: Graph,
    lowered: Sequence[Lowered | None],
    placed: Mapping[int, Placement] = MappingProxyType({}),
    chains: Mapping[int, Chain] = MappingProxyType({}),
) -> Program:
    """Steps and buffers in the graph's order, without steps for placed ops."""
    homes = _Homes(graph)
    for tensor_id in graph.inputs:
        homes.create(tensor_id, BEFORE)
    steps: list[Step] = []
    overlaps: list[tuple[int, Op, Lowered]] = []
    for position, (op, kernel) in enumerate(zip(graph.ops, lowered, strict=True)):
        now = len(steps)
        if position in placed:
            homes.place(placed[position], now)
            continue
        if kernel is None:
            homes.share(op.outputs[0], op.inputs[0])
            continue
        for tensor_id in op.inputs:
            homes.use(tensor_id, now)
        for tensor_id in op.outputs:
            homes.create(tensor_id, now)
        scratch = None
        if kernel.scratch_bytes:
            scratch = homes.add(Buffer(f"{op.name} scratch", kernel.scratch_bytes, now, now))
        overlaps.append((now, op, kernel))
        step = _step(op, kernel, homes, scratch)
        steps.append(replace(step, chain=chains.get(position)))
    for tensor_id in graph.outputs:
        homes.use(tensor_id, len(steps))
    return Program(
        graph, tuple(steps), tuple(homes.buffers), MappingProxyType(homes.of),
        MappingProxyType(homes.constants),
        tuple(a for now, op, low in overlaps for a in _allowances(now, op, low, homes)),
        MappingProxyType(homes.variables), homes.variable_bytes,
    )  # fmt: skip


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
        found = {o.input: o for o in lowered.overlaps if o.output == output}
        written = homes.of[output]
        for read in homes.find(op.inputs):
            tensors = [i for i in op.inputs if homes.of.get(i) == read]
            dies = homes.buffers[read].last == now and read not in homes.joined
            if dies and all(i in found for i in tensors):
                lead = max(found[i].lead for i in tensors)
                backwards = [lowered.reverse_lead(found[i]) for i in tensors]
                reverse = max((n for n in backwards if n is not None), default=None)
                reverse = None if None in backwards else reverse
                same = all(found[i].same for i in tensors)
                result.append(Allowance(now, read, written, lead, reverse, same))
    return result
