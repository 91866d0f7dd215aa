"""Programs that fit a limit of memory.

Pairs (``planner/pairs.py``) are faster than their ops and are taken where they fit; chains, and
kernels that need less scratch memory, are slower, and are taken where nothing else fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.planner.layout import WORK
from firmware_glue.compiler.planner.pairs import Pair, plan_pairs
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Region
from firmware_glue.compiler.planner.regions import ARENA, plan_memory
from firmware_glue.compiler.stream.build import programs
from firmware_glue.compiler.stream.options import Kernels, Options, options_of
from firmware_glue.compiler.stream.search import Way, cheapest, curve, peak_of, smallest

_QUICK = 400_000
"""What laying out one of many groupings may cost: see :func:`plan_memory`."""
_TRIES = 10
"""Groupings that are laid out for one limit: what fits in theory may not fit in one piece."""
_LESS = 16
"""What is estimated to take a sixteenth too much may fit: leads are estimated from above."""
Plan = tuple[Program, MemoryPlan]


class ArenaTooSmallError(PlanError):
    """No plan keeps the limit; ``arena_bytes`` is what the smallest one takes."""

    def __init__(self, arena_bytes: int, max_ram: int) -> None:
        super().__init__(
            f"the model does not fit an arena of {max_ram:,} bytes: the smallest plan takes"
            f" {arena_bytes:,} bytes",
            hint="allow that much, or use a smaller input or fewer channels",
        )
        self.arena_bytes = arena_bytes


def planned(
    program: Program,
    kernels: Sequence[Kernels],
    pairs: Sequence[Pair] = (),
    max_ram: int | None = None,
    regions: Sequence[Region] = ARENA,
) -> Plan:
    """A program with pairs where they fit, with chains as far as a limit or the regions need them.

    Args:
        program: without either.
        kernels: of its ops, the fastest first; the program's are those.
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
        return _squeezed(program, kernels, pairs, max_ram, regions)
    limit = plain[1].arena_bytes if max_ram is None else max_ram
    found = plan_pairs(program, kernels[0].lower, pairs, limit, regions, thrifty=max_ram is None)
    if found is not None:
        return found.program, found.plan
    return plain if plain[1].arena_bytes <= limit else fit(program, kernels, limit, regions)


def _squeezed(
    program: Program,
    kernels: Sequence[Kernels],
    pairs: Sequence[Pair],
    max_ram: int | None,
    regions: Sequence[Region],
) -> Plan:
    """A program that does not fit the regions as it is."""
    sizes = [region.nbytes for region in regions if region.nbytes is not None]
    limit = sum(sizes) if max_ram is None and len(sizes) == len(regions) else max_ram
    if limit is not None:
        found = plan_pairs(program, kernels[0].lower, pairs, limit, regions)
        if found is not None:
            return found.program, found.plan
    if max_ram is not None:
        return fit(program, kernels, max_ram, regions)
    if limit is not None:
        with suppress(PlanError):
            return fit(program, kernels, limit, regions)
    return program, plan_memory(program, regions)  # tells what the regions lack


def fit(
    program: Program, kernels: Sequence[Kernels], max_ram: int, regions: Sequence[Region] = ARENA
) -> Plan:
    """The fastest plan of a program whose arena takes at most ``max_ram`` bytes.

    Args:
        program: without chains, in the order that they are to keep to.
        kernels: of its ops, the fastest first; the program's are those.
        max_ram: bytes.
        regions: as :func:`plan_memory` takes them; they must hold the plan, too.

    Raises:
        ArenaTooSmallError: there is none; names the smallest arena.
        PlanError: the regions do not hold any.
    """
    first = _laid_out([program], regions, WORK)
    if first is not None and first[1].arena_bytes <= max_ram:
        return first
    options = options_of(program.graph, kernels)
    limit, least = max_ram + max_ram // _LESS, first
    for _ in range(_TRIES):
        way = cheapest(options.segments, limit)
        if way is None:
            break
        plan = way_plan(options, way, regions)
        if plan is not None and plan[1].arena_bytes <= max_ram:
            return plan
        least = _smaller(least, plan)
        above = 0 if plan is None else plan[1].arena_bytes - max_ram
        limit = min(peak_of(way) - 1, limit - above // 2)
    least = _smaller(least, _smallest(options, regions))
    if least is not None and least[1].arena_bytes <= max_ram:
        return least
    if least is None:
        plan_memory(program, regions)  # tells what the regions lack
    raise ArenaTooSmallError(0 if least is None else least[1].arena_bytes, max_ram)


def _smallest(options: Options, regions: Sequence[Region]) -> Plan | None:
    """The smallest plan: of the groupings that should be small, one that is when laid out."""
    least = way_plan(options, smallest(options.segments), regions, WORK)
    for way in reversed(curve(options.segments)):
        if least is not None and peak_of(way) >= least[1].arena_bytes:
            break
        least = _smaller(least, way_plan(options, way, regions))
    return least


def way_plan(
    options: Options, way: Way, regions: Sequence[Region], work: int = _QUICK
) -> Plan | None:
    """The plan of a grouping, ``work`` as for planning; None if the regions do not hold it."""
    groups = [segment.group for segment in way if segment.band]
    return _laid_out(programs(options.net(way), groups), regions, work)


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
