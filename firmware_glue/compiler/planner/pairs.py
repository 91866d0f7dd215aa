"""A convolution and the depthwise convolution that reads it, as one step: the layout between them.

What lies between two kernels is NHWC, unless both gain by another layout: depthwise kernels of some
sets read planes, one per channel, and otherwise make them of NHWC. In a pair, the convolution
writes planes, for a few rows at a time; then the depthwise convolution reads them. That saves what
making them takes, and the tensor between the two is never there as a whole.

Pairs are taken where estimates say that they are faster, as far as memory allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.choose import Choice, Lower
from firmware_glue.compiler.ir import VIEW, Graph, Op
from firmware_glue.compiler.planner.bound import lower_bound
from firmware_glue.compiler.planner.layout import WORK
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Region
from firmware_glue.compiler.planner.regions import plan_memory
from firmware_glue.compiler.planner.schedule import chained_programs

_CODES = ("CONV_2D", "DEPTHWISE_CONV_2D")
PAIR = " + ".join(_CODES)
"""Op code of a pair while a program is made."""
_WORTH = 0.98
"""What a pair may take of the instructions of its ops: estimates are no better."""
_TRIES = 8
"""Programs that are laid out: what fits in theory may not fit in one piece."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two ops that can be one step.

    Attributes:
        first, second: their positions in the graph.
        op: both: inputs and outputs of the step, ``options`` the two ops.
        apart: instructions of the two steps, an estimate.
        ways: how the step can be run, all of them faster.
    """

    first: int
    second: int
    op: Op
    apart: int
    ways: tuple[Candidate, ...]


def find_pairs(graph: Graph, choice: Choice) -> tuple[Pair, ...]:
    """All pairs of a graph that kernels are offered for, and that are faster than their ops."""
    return tuple(_offered(graph, choice))


def _offered(graph: Graph, choice: Choice) -> Iterator[Pair]:
    for first, second in _neighbours(graph):
        ops = graph.ops[first], graph.ops[second]
        op = _both(*ops)
        found = choice.pairs(graph, op)
        alone = [choice.best(graph, each) for each in ops] if found else []
        apart = sum(each.instructions for each in alone if each is not None)
        ways = tuple(way for way in found if way.instructions <= _WORTH * apart)
        if ways and None not in alone:
            yield Pair(first, second, op, apart, ways)


def _neighbours(graph: Graph) -> Iterator[tuple[int, int]]:
    """Positions of convolutions whose output nothing but a depthwise convolution reads."""
    readers: dict[int, list[int]] = {}
    for position, op in enumerate(graph.ops):
        for tensor_id in op.inputs:
            readers.setdefault(tensor_id, []).append(position)
    for position, op in enumerate(graph.ops):
        found = readers.get(op.outputs[0], []) if op.code == _CODES[0] else []
        if len(found) == 1 and op.outputs[0] not in graph.outputs:
            reader = graph.ops[found[0]]
            if reader.code == _CODES[1] and reader.inputs[0] == op.outputs[0]:
                yield position, found[0]


def _both(first: Op, second: Op) -> Op:
    return Op(
        PAIR, (*first.inputs, *second.inputs[1:]), second.outputs, (first, second),
        (*first.sources, *second.sources), second.name,
    )  # fmt: skip


@dataclass(frozen=True)
class PairPlan:
    """A program with pairs.

    Attributes:
        saved: instructions that they save, an estimate.
    """

    program: Program
    plan: MemoryPlan
    saved: int


def plan_pairs(
    program: Program,
    lower: Lower,
    pairs: Sequence[Pair],
    limit: int,
    regions: Sequence[Region],
    *,
    thrifty: bool = False,
    work: int = WORK,
) -> PairPlan | None:
    """The fastest plan of a program with pairs, as many as fit.

    Args:
        program: without pairs, in the order that they are to keep to.
        lower: the kernels of an op.
        pairs: of the program's graph.
        limit: bytes that the arena may take.
        regions: as :func:`plan_memory` takes them.
        thrifty: first make the arena small, then the pairs as fast as they can be in that.
        work: what laying out one program may cost: see :func:`plan_memory`.

    Returns:
        The plan; None where no pair fits.
    """
    sized = [_sized(program, pair) for pair in pairs]
    search = partial(_search, program, lower, sized, regions=regions, work=work)
    least = search(limit, _worth) if thrifty else None
    if thrifty and least is None:
        return None
    most = limit if least is None else least.plan.arena_bytes
    return search(most, _fastest) or least or search(limit, _worth)


@dataclass(frozen=True)
class _Way:
    """A way to run a pair, and the bytes that live while it runs."""

    candidate: Candidate
    held: int


_Ways = tuple[_Way, ...]
_Chosen = dict[Pair, _Way]


def _fastest(ways: Sequence[_Way]) -> _Way:
    return min(ways, key=lambda way: (way.candidate.instructions, way.held))


def _worth(ways: Sequence[_Way]) -> _Way:
    """The one with the least instructions² · bytes."""
    return min(ways, key=lambda way: way.candidate.instructions**2 * way.held)


def _search(
    program: Program,
    lower: Lower,
    sized: Sequence[tuple[Pair, _Ways]],
    limit: int,
    pick: Callable[[Sequence[_Way]], _Way],
    regions: Sequence[Region],
    work: int,
) -> PairPlan | None:
    """The picked ways of all pairs; where they do not fit, the largest give way."""
    fitting = {pair: [way for way in ways if way.held <= limit] for pair, ways in sized}
    chosen = {pair: pick(ways) for pair, ways in fitting.items() if ways}
    for _ in range(_TRIES):
        if not chosen:
            return None
        found = _planned(program, lower, chosen, limit, regions, work)
        if found is not None:
            return found
        largest = max(chosen, key=lambda pair: chosen[pair].held)
        smaller = min(fitting[largest], key=lambda way: way.held)
        if smaller.held < chosen[largest].held:
            chosen[largest] = smaller
        else:
            del chosen[largest]
    return None


def _sized(program: Program, pair: Pair) -> tuple[Pair, _Ways]:
    """A pair with what its ways hold, as far as can be told before buffers have their places."""
    graph, homes, buffers = program.graph, program.homes, program.buffers
    data, out = pair.op.inputs[0], pair.op.outputs[0]
    inner = pair.op.options[0].outputs[0]
    known = {homes[i] for op in graph.ops[: pair.second] for i in op.outputs if i in homes}
    known |= {homes[i] for i in graph.inputs if i in homes}
    later = {i for op in graph.ops[pair.second + 1 :] for i in op.inputs} | set(graph.outputs)
    living = {homes[i] for i in later if i in homes} & known
    # What is remembered from one inference to the next has no buffer.
    own = {homes[i] for i in (data, out, inner) if i in homes}
    beside = sum(buffers[i].nbytes for i in living - own)
    sizes = graph.tensors[data].nbytes, graph.tensors[out].nbytes
    dies = data in homes and homes[data] not in living
    return pair, tuple(
        _Way(way, beside + _span(*sizes, way, dies=dies) + way.lowered.scratch_bytes)
        for way in pair.ways
    )


def _span(in_bytes: int, out_bytes: int, way: Candidate, *, dies: bool) -> int:
    """Bytes of input and output, one over the other as far as they may be."""
    leads = [found.lead for found in way.lowered.overlaps] if dies else []
    over = [max(in_bytes, out_bytes - lead) + max(lead, 0) for lead in leads]
    return min([in_bytes + out_bytes, *over])


def _planned(
    program: Program,
    lower: Lower,
    chosen: _Chosen,
    limit: int,
    regions: Sequence[Region],
    work: int,
) -> PairPlan | None:
    """The smallest plan with these pairs; None if it does not fit the limit or the regions."""
    graph = program.graph
    firsts = {pair.first for pair in chosen}
    seconds = {pair.second: (pair.op, way.candidate.lowered) for pair, way in chosen.items()}
    steps = [
        seconds.get(position) or (op, None if op.code == VIEW else lower(graph, op))
        for position, op in enumerate(graph.ops)
        if position not in firsts
    ]
    ops, lowered = zip(*steps, strict=True)
    saved = sum(pair.apart - way.candidate.instructions for pair, way in chosen.items())
    best: PairPlan | None = None
    for found in chained_programs(graph.with_ops(ops), lowered, {}):
        if lower_bound(found.buffers, found.allowances) > limit:
            continue
        try:
            plan = plan_memory(found, regions, work)
        except PlanError:
            continue
        if plan.arena_bytes <= limit and (best is None or plan.arena_bytes < best.plan.arena_bytes):
            best = PairPlan(replace(found, graph=graph), plan, saved)
    return best


def pair_notes(program: Program) -> tuple[str, ...]:
    """What a user should know of a program's pairs: a sentence, if there are any."""
    steps = [step for step in program.steps if step.code == PAIR]
    if not steps:
        return ()
    between = {op.outputs: op.inputs[0] for op in program.graph.ops if op.inputs}
    whole = max(program.graph.tensors[between[step.outputs]].nbytes for step in steps)
    scratch = (program.buffers[step.scratch].nbytes for step in steps if step.scratch is not None)
    return (
        f"{len(steps)} depthwise convolutions run together with the convolution before them, on"
        f" planes of some rows: at most {max(scratch):,} bytes instead of tensors of up to"
        f" {whole:,} bytes",
    )
