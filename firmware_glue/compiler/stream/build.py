"""Groups of ops → a program in which each group is one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ir import VIEW, Graph, Op
from firmware_glue.compiler.ops.spec import Lowered, Overlap
from firmware_glue.compiler.planner.program import Program
from firmware_glue.compiler.planner.schedule import chained_programs
from firmware_glue.compiler.stream.chain import MAX_BAND, Chain, Ring, Stage, rows_of
from firmware_glue.compiler.stream.flow import Flow, flow

CHAIN = "CHAIN"
"""Op code of a chain while a program is made."""
_ALIGN = 8
"""Of rings: the widest elements that there are."""


@dataclass(frozen=True)
class Net:
    """A graph in a fixed order with what chains need to know of it.

    Attributes:
        lowered: the ops' kernels; None for views.
        stages: the ops as stages; None where one cannot be.
        first, last: tensor id → positions of the op that makes it (−1: the model's input) and of
            the last that reads it (the number of ops: it outlives them).
        shown: tensors with views, which share their bytes: always whole.
    """

    graph: Graph
    lowered: tuple[Lowered | None, ...]
    stages: tuple[Stage | None, ...]
    first: Mapping[int, int]
    last: Mapping[int, int]
    shown: frozenset[int]


def net_of(graph: Graph, lowered: Sequence[Lowered | None], stages: Sequence[Stage | None]) -> Net:
    """What chains need to know of a graph whose ops are in their final order."""
    first: dict[int, int] = dict.fromkeys(graph.inputs, -1)
    last: dict[int, int] = {}
    shown: set[int] = set()
    for position, op in enumerate(graph.ops):
        first.update(dict.fromkeys(op.outputs, position))
        last.update({i: position for i in op.inputs if i != NO_TENSOR})
        if op.code == VIEW:
            shown.update((op.inputs[0], op.outputs[0]))
    last.update(dict.fromkeys(graph.outputs, len(graph.ops)))
    return Net(
        graph, tuple(lowered), tuple(stages), MappingProxyType(first), MappingProxyType(last),
        frozenset(shown),
    )  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Ops [start, end) of a net as one chain.

    Attributes:
        bands: rows of a turn, one per op.
    """

    start: int
    end: int
    bands: tuple[int, ...]


def inner(net: Net, start: int, end: int) -> tuple[int, ...]:
    """Tensors that ops [start, end) make and that nothing else reads."""
    made = (i for op in net.graph.ops[start:end] for i in op.outputs)
    return tuple(i for i in made if net.last.get(i, -1) < end and i not in net.shown)


def stages_of(net: Net, group: Group) -> tuple[Stage, ...]:
    """The stages of a group, with its bands.

    Raises:
        ValueError: an op of the group cannot be a stage.
    """
    found = []
    for stage, band in zip(net.stages[group.start : group.end], group.bands, strict=True):
        if stage is None:
            raise ValueError("a chain holds an op that cannot work row by row")
        found.append(replace(stage, band=min(band, stage.height, MAX_BAND)))
    return tuple(found)


def flow_of(net: Net, stages: Sequence[Stage], rings: Sequence[int]) -> Flow:
    """The turns of some stages; ``rings`` are the tensors that need not be whole."""
    tensors = {r.input for s in stages for r in s.reads} | {s.output for s in stages}
    extents = {i: rows_of(net.graph.tensors[i]) for i in tensors}
    whole = frozenset(s.output for s in stages if s.output not in rings)
    return flow(stages, extents, whole)


def programs(net: Net, groups: Sequence[Group]) -> tuple[Program, ...]:
    """Programs with these chains; other ops are steps of their own.

    There may be two: joins and splits may be steps, or only a place inside their whole.
    """
    ops: list[Op] = []
    lowered: list[Lowered | None] = []
    chains: dict[int, Chain] = {}
    at = 0
    for group in sorted(groups, key=lambda g: g.start):
        ops += net.graph.ops[at : group.start]
        lowered += net.lowered[at : group.start]
        op, kernel, chain = _fused(net, group)
        chains[len(ops)] = chain
        ops.append(op)
        lowered.append(kernel)
        at = group.end
    ops += net.graph.ops[at:]
    lowered += net.lowered[at:]
    found = chained_programs(net.graph.with_ops(ops), lowered, MappingProxyType(chains))
    return tuple(replace(program, graph=net.graph) for program in found)


def _fused(net: Net, group: Group) -> tuple[Op, Lowered, Chain]:
    """A group as one op with its kernels."""
    stages = stages_of(net, group)
    kept = inner(net, group.start, group.end)
    found = flow_of(net, stages, kept)
    scratch = max(stage.scratch_bytes for stage in stages)
    rings: dict[int, Ring] = {}
    for tensor_id, rows in found.rings.items():
        row_bytes = rows_of(net.graph.tensors[tensor_id])[1]
        scratch = -(-scratch // _ALIGN) * _ALIGN
        rings[tensor_id] = Ring(rows, row_bytes, scratch)
        scratch += rows * row_bytes
    made = {stage.output for stage in stages}
    ops = net.graph.ops[group.start : group.end]
    read = (i for op in ops for i in op.inputs if i != NO_TENSOR and i not in made)
    inputs = dict.fromkeys(i for i in read if not net.graph.tensors[i].is_constant)
    outputs = tuple(stage.output for stage in stages if stage.output not in rings)
    op = Op(
        CHAIN, tuple(inputs), outputs, None, tuple(n for op in ops for n in op.sources),
        stages[-1].name,
    )  # fmt: skip
    kernel = Lowered(
        f"chain of {len(stages)} ops", tuple(call for stage in stages for call in stage.calls),
        scratch, tuple(Overlap(i, j, lead) for (i, j), lead in found.leads.items()),
    )  # fmt: skip
    return op, kernel, Chain(stages, MappingProxyType(rings), found.turns)


def chain_notes(program: Program) -> tuple[str, ...]:
    """What a user should know of a program's chains, a sentence each."""
    notes = []
    for number, step in enumerate(program.steps):
        if step.chain is None:
            continue
        rows = sum(ring.rows * ring.row_bytes for ring in step.chain.rings.values())
        whole = sum(program.graph.tensors[i].nbytes for i in step.chain.rings)
        first, last = (text.split(";")[0] for text in _ends(step.chain))
        notes.append(
            f"step {number}: '{first}' to '{last}', {len(step.chain.stages)} ops, run row by row:"
            f" {rows:,} bytes of rows instead of {whole:,} bytes of tensors"
        )
    return tuple(notes)


def _ends(chain: Chain) -> tuple[str, str]:
    return chain.stages[0].name, chain.stages[-1].name
