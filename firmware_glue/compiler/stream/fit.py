"""Programs that fit a limit of memory, and the trade between bytes and instructions.

Pairs (``planner/pairs.py``) are faster than their ops and are taken where they fit; chains are
slower, and are taken where nothing else fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.fast.choose import Lower
from firmware_glue.compiler.ir import VIEW
from firmware_glue.compiler.planner.layout import WORK
from firmware_glue.compiler.planner.pairs import PAIR, Pair, plan_pairs
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Region
from firmware_glue.compiler.planner.regions import ARENA, plan_memory
from firmware_glue.compiler.stream import cost
from firmware_glue.compiler.stream.build import Net, net_of, programs
from firmware_glue.compiler.stream.search import Way, cheapest, cost_of, curve, peak_of, smallest
from firmware_glue.compiler.stream.segments import segments
from firmware_glue.compiler.stream.stages import find_stages

_QUICK = 400_000
"""What laying out one of many groupings may cost: see :func:`plan_memory`."""
_TRIES = 10
"""Groupings that are laid out for one limit: what fits in theory may not fit in one piece."""


Plan = tuple[Program, MemoryPlan]


@dataclass(frozen=True)
class Point:
    """One trade.

    Attributes:
        arena_bytes: memory of the plan.
        chains: how many steps are chains.
        turns: their turns, all together.
        factor: instructions over those of the plan of whole layers, an estimate.
        pairs: how many steps are pairs.
    """

    arena_bytes: int
    chains: int
    turns: int
    factor: float
    pairs: int = 0


def planned(
    program: Program,
    lower: Lower,
    pairs: Sequence[Pair] = (),
    max_ram: int | None = None,
    regions: Sequence[Region] = ARENA,
) -> Plan:
    """A program with pairs where they fit, with chains as far as a limit or the regions need them.

    Args:
        program: without either.
        lower: the kernels of an op.
        pairs: of the program's graph.
        max_ram: bytes that the arena may take; None: no more than without pairs, or what the
            regions hold.
        regions: as :func:`plan_memory` takes them.

    Raises:
        PlanError: nothing fits.
    """
    try:
        plain = program, plan_memory(program, regions)
    except PlanError:
        return _squeezed(program, lower, pairs, max_ram, regions)
    limit = plain[1].arena_bytes if max_ram is None else max_ram
    found = plan_pairs(program, lower, pairs, limit, regions, thrifty=max_ram is None)
    if found is not None:
        return found.program, found.plan
    return plain if plain[1].arena_bytes <= limit else fit(program, lower, limit, regions)


def _squeezed(
    program: Program,
    lower: Lower,
    pairs: Sequence[Pair],
    max_ram: int | None,
    regions: Sequence[Region],
) -> Plan:
    """A program that does not fit the regions as it is."""
    sizes = [region.nbytes for region in regions if region.nbytes is not None]
    limit = sum(sizes) if max_ram is None and len(sizes) == len(regions) else max_ram
    if limit is not None:
        found = plan_pairs(program, lower, pairs, limit, regions)
        if found is not None:
            return found.program, found.plan
    if max_ram is not None:
        return fit(program, lower, max_ram, regions)
    if limit is not None:
        with suppress(PlanError):
            return fit(program, lower, limit, regions)
    return program, plan_memory(program, regions)  # tells what the regions lack


def fit(program: Program, lower: Lower, max_ram: int, regions: Sequence[Region] = ARENA) -> Plan:
    """The fastest plan of a program whose arena takes at most ``max_ram`` bytes.

    Args:
        program: without chains, in the order that they are to keep to.
        lower: the kernels of an op.
        max_ram: bytes.
        regions: as :func:`plan_memory` takes them; they must hold the plan, too.

    Raises:
        PlanError: there is none; names the smallest arena, or what the regions lack.
    """
    first = _laid_out([program], regions, WORK)
    if first is not None and first[1].arena_bytes <= max_ram:
        return first
    net = _net(program, lower)
    known = segments(net)
    limit, least = max_ram, first
    for _ in range(_TRIES):
        way = cheapest(known, limit)
        if way is None:
            break
        plan = _plan(net, way, regions)
        if plan is not None and plan[1].arena_bytes <= max_ram:
            return plan
        least = _smaller(least, plan)
        above = 0 if plan is None else plan[1].arena_bytes - max_ram
        limit = min(peak_of(way) - 1, limit - above // 2)
    least = _smaller(least, _plan(net, smallest(known), regions, WORK))
    if least is not None and least[1].arena_bytes <= max_ram:
        return least
    if least is None:
        plan_memory(program, regions)  # tells what the regions lack
    raise _too_small(least, max_ram)


def curve_of(program: Program, lower: Lower, pairs: Sequence[Pair] = ()) -> tuple[Point, ...]:
    """All trades worth having: whole layers, pairs if there are any, chains down to the smallest.

    Args:
        program: without pairs and chains.
        lower: the kernels of an op.
        pairs: of the program's graph.
    """
    net = _net(program, lower)
    base = max(1, cost.instructions(net))
    found: list[Point] = []
    for way in curve(segments(net)):
        plan = _plan(net, way, ARENA)
        if plan is None or (found and plan[1].arena_bytes >= found[-1].arena_bytes):
            continue
        chains = [step.chain for step in plan[0].steps if step.chain is not None]
        turns = sum(len(chain.turns) for chain in chains)
        found.append(Point(plan[1].arena_bytes, len(chains), turns, 1 + cost_of(way) / base))
    limit = max((point.arena_bytes for point in found if not point.chains), default=0)
    paired = plan_pairs(program, lower, pairs, limit, ARENA, thrifty=True)
    if paired is None:
        return tuple(found)
    # Slower ones that take as much are none. Whole layers stay, to compare with.
    arena, count = paired.plan.arena_bytes, sum(step.code == PAIR for step in paired.program.steps)
    larger = [point for point in found if not point.chains and point.arena_bytes > arena]
    smaller = [point for point in found if point.arena_bytes < arena]
    return (*larger, Point(arena, 0, 0, 1 - paired.saved / base, count), *smaller)


def _net(program: Program, lower: Lower) -> Net:
    graph = program.graph
    lowered = [None if op.code == VIEW else lower(graph, op) for op in graph.ops]
    return net_of(graph, lowered, find_stages(graph, lowered, lower))


def _plan(net: Net, way: Way, regions: Sequence[Region], work: int = _QUICK) -> Plan | None:
    groups = [segment.group for segment in way if segment.band]
    return _laid_out(programs(net, groups), regions, work)


def _laid_out(candidates: Sequence[Program], regions: Sequence[Region], work: int) -> Plan | None:
    """The smallest of some programs; None if the regions hold none of them."""
    best: Plan | None = None
    for program in candidates:
        try:
            best = _smaller(best, (program, plan_memory(program, regions, work)))
        except PlanError:
            continue
    return best


def _smaller(one: Plan | None, other: Plan | None) -> Plan | None:
    if one is None or other is None:
        return other if one is None else one
    return other if other[1].arena_bytes < one[1].arena_bytes else one


def _too_small(least: Plan | None, max_ram: int) -> PlanError:
    smallest_bytes = 0 if least is None else least[1].arena_bytes
    return PlanError(
        f"the model does not fit an arena of {max_ram:,} bytes: the smallest plan takes"
        f" {smallest_bytes:,} bytes",
        hint="allow that much, or use a smaller input or fewer channels",
    )
