"""Buffers → offsets in one region: first fit in several orders, then a seeded search over orders.

Every layout worth having is first fit in some order: let all buffers of a plan sink as far as
they can, from the lowest to the highest, and first fit in that order ends no higher. So the
search is over orders, and it stops at the lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from firmware_glue.compiler.planner.bound import lower_bound
from firmware_glue.compiler.planner.fit import Constraints, Pair, usable
from firmware_glue.compiler.planner.program import Allowance, Buffer, MemoryPlan
from firmware_glue.compiler.planner.starts import orders

_SEED = 1
WORK = 6_000_000
"""Neighbours that the search may look at: about a second."""
_PATIENCE = 25
"""Rounds per unit without a better layout after which a start is given up."""
_STARTS = 4
_CLOSE = 0.001
"""Within this of the bound a tenth of the work has to do."""
_MEMORY = 12
"""A new order is kept if it is no worse than the one this many rounds ago."""


def plan_layout(
    buffers: Sequence[Buffer], allowances: Sequence[Allowance] = (), work: int = WORK
) -> MemoryPlan:
    """Offsets with a small peak in one region without limit. Deterministic.

    Args:
        buffers: of a program.
        allowances: its allowances; they name buffers by position.
        work: how many neighbouring units the search may look at before it settles for a plan
            above the bound.
    """
    bound = lower_bound(buffers, allowances)
    constraints = Constraints(buffers, allowances)
    best = _search(constraints, bound, work)
    offsets = constraints.spread(best.offsets, len(buffers))
    return MemoryPlan(
        tuple(offsets), best.peak, bound, best.strategy,
        reversed_steps(buffers, allowances, offsets),
    )  # fmt: skip


def reversed_steps(
    buffers: Sequence[Buffer], allowances: Sequence[Allowance], offsets: Sequence[int]
) -> frozenset[int]:
    """Steps that have to run backwards under these offsets."""
    found = set()
    for (read, written), allowance in usable(buffers, allowances).items():
        start, at = offsets[written], offsets[read]
        apart = start >= at + buffers[read].nbytes or at >= start + buffers[written].nbytes
        fine = apart or start <= at - allowance.lead or (allowance.same and start == at)
        if allowance.reverse_lead is not None and not fine:
            found.add(allowance.step)
    return frozenset(found)


@dataclass(frozen=True)
class _Layout:
    """An order of units and where first fit puts them."""

    order: list[int]
    peak: int
    offsets: list[int]
    strategy: str


def _search(constraints: Constraints, bound: int, work: int) -> _Layout:
    """The best start, or what hill climbing makes of the best few; ends at the bound."""
    starts = []
    for name, order in orders(constraints.units):
        starts.append(_Layout(order, *constraints.place(order), name))
        if starts[-1].peak <= bound:
            return starts[-1]
    starts.sort(key=lambda start: start.peak)
    best = starts[0]
    if best.peak - bound < bound * _CLOSE:
        work //= 10
    rounds = work // (constraints.work * _STARTS)
    for start in starts[:_STARTS]:
        best = min(best, _climb(constraints, bound, start, rounds), key=lambda found: found.peak)
        if best.peak <= bound:
            break
    return best


def _climb(constraints: Constraints, bound: int, start: _Layout, rounds: int) -> _Layout:
    """Late-acceptance hill climbing over orders."""
    if len(start.order) < 2:
        return start
    random = Random(_SEED)
    best = current = start
    cost = _cost(constraints, bound, current)
    history = [cost] * _MEMORY
    waiting = 0
    for number in range(rounds):
        waiting += 1
        if waiting > _PATIENCE * len(start.order):
            break
        order, same = _neighbour(constraints, bound, current, random)
        found = _Layout(order, *constraints.place(order, current.offsets, same), "search")
        new = _cost(constraints, bound, found)
        if new <= cost or new <= history[number % _MEMORY]:
            current, cost = found, new
        if found.peak < best.peak:
            best, waiting = found, 0
            if best.peak <= bound:
                break
        history[number % _MEMORY] = min(cost, history[number % _MEMORY])
    return best


def _cost(constraints: Constraints, bound: int, layout: _Layout) -> Pair:
    """The peak, then how much reaches above the bound."""
    ends = (at + size for at, size in zip(layout.offsets, constraints.size, strict=True))
    return layout.peak, sum(end - bound for end in ends if end > bound)


def _neighbour(
    constraints: Constraints, bound: int, layout: _Layout, random: Random
) -> tuple[list[int], int]:
    """A unit that ends too high, or one in its way, is placed earlier.

    Returns:
        The new order, and how many units at its start are the same.
    """
    order, near = layout.order, constraints.near
    ends = [at + size for at, size in zip(layout.offsets, constraints.size, strict=True)]
    position = [0] * len(order)
    for place, u in enumerate(order):
        position[u] = place
    high = [u for u in order if ends[u] > bound]
    tops = [u for u in high if ends[u] == layout.peak]
    u = random.choice(tops if random.random() < 0.7 else high)
    for _ in range(random.randrange(4)):
        earlier = [v for v, _, _ in near[u] if position[v] < position[u]]
        if not earlier:
            break
        u = random.choice(earlier)
    result = list(order)
    earlier = [v for v, _, _ in near[u] if position[v] < position[u]]
    kind = random.random()
    if earlier and kind < 0.4:
        other = random.choice(earlier)
        result[position[u]], result[position[other]] = other, u
        return result, position[other]
    target = random.randrange(position[u] + 1)
    if earlier and kind < 0.8:
        target = position[random.choice(earlier)]
    result.insert(target, result.pop(position[u]))
    return result, target
