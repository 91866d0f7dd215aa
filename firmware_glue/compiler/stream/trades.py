"""The trades between bytes of the arena and instructions: what ``--max-ram`` could give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from firmware_glue.compiler.fast.choose import Lower
from firmware_glue.compiler.planner.pairs import PAIR, Pair, plan_pairs
from firmware_glue.compiler.planner.program import Program
from firmware_glue.compiler.planner.regions import ARENA
from firmware_glue.compiler.stream.fit import way_plan
from firmware_glue.compiler.stream.options import Kernels, Options, options_of
from firmware_glue.compiler.stream.search import STEP, cost_of, curve

_WORK = 100_000
"""What laying out one of many programs with pairs may cost: see :func:`plan_pairs`."""


@dataclass(frozen=True)
class Point:
    """One trade.

    Attributes:
        arena_bytes: memory of the plan.
        chains: how many steps are chains.
        turns: their turns, all together.
        factor: instructions over those of the plan of whole layers, an estimate.
        pairs: how many steps are pairs.
        thrifty: how many steps take slower kernels that need less scratch memory.
    """

    arena_bytes: int
    chains: int
    turns: int
    factor: float
    pairs: int = 0
    thrifty: int = 0


def curve_of(
    program: Program, kernels: Sequence[Kernels], pairs: Sequence[Pair] = ()
) -> tuple[Point, ...]:
    """All trades worth having: whole layers, pairs if there are any, chains down to the smallest.

    Args:
        program: without pairs and chains.
        kernels: of its ops, the fastest first; the program's are those.
        pairs: of the program's graph.
    """
    options = options_of(program.graph, kernels)
    base = max(1, options.instructions)
    whole, *chained = _chained(options, base)
    paired = _paired(program, kernels[0].lower, pairs, whole.arena_bytes, base)
    smaller = (point for point in chained if point.arena_bytes < whole.arena_bytes)
    worth = _worth((whole, *paired, *smaller))
    # Slower whole layers that take as much are no trade; larger ones stay, to compare with.
    larger = (whole,) if worth[0].arena_bytes < whole.arena_bytes else ()
    return *larger, *worth


def _chained(options: Options, base: int) -> Iterator[Point]:
    """Whole layers, and plans with chains and slower kernels."""
    for way in curve(options.segments):
        plan = way_plan(options, way, ARENA)
        if plan is None:
            continue
        chains = [step.chain for step in plan[0].steps if step.chain is not None]
        turns = sum(len(chain.turns) for chain in chains)
        thrifty = sum(segment.kernels > 0 for segment in way)
        factor = 1 + cost_of(way) / base
        yield Point(plan[1].arena_bytes, len(chains), turns, factor, thrifty=thrifty)


def _paired(
    program: Program, lower: Lower, pairs: Sequence[Pair], limit: int, base: int
) -> Iterator[Point]:
    """Plans with pairs: the one that is taken without a limit, and smaller ones."""
    found = plan_pairs(program, lower, pairs, limit, ARENA, thrifty=True)
    while found is not None:
        count = sum(step.code == PAIR for step in found.program.steps)
        yield Point(found.plan.arena_bytes, 0, 0, 1 - found.saved / base, count)
        limit = int(found.plan.arena_bytes * STEP)
        found = plan_pairs(program, lower, pairs, limit, ARENA, work=_WORK)


def _worth(points: Iterable[Point]) -> tuple[Point, ...]:
    """Those that no smaller or faster one makes useless, the largest first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.arena_bytes, point.factor)):
        if not kept or point.factor < kept[-1].factor:
            kept.append(point)
    return tuple(reversed(kept))
