"""Buffers → offsets: first fit in several orders, then a small seeded search over orders."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from firmware_glue.compiler.planner.program import Allowance, Buffer, MemoryPlan

_SEED = 1
_ROUNDS = 600
"""Orders tried by the search; it stops early at the lower bound."""


def lower_bound(buffers: Sequence[Buffer], allowances: Sequence[Allowance]) -> int:
    """Bytes that are live at once, less what buffers may share: no plan is smaller."""
    times = range(-1, max((b.last for b in buffers), default=0) + 1)
    best = 0
    for now in times:
        live = sum(b.nbytes for b in buffers if b.first <= now <= b.last)
        saved: dict[int, int] = {}
        for a in (a for a in allowances if a.step == now):
            read, written = buffers[a.read].nbytes, buffers[a.written].nbytes
            together = max(written, min(a.lead, written) + read)
            saved[a.written] = saved.get(a.written, 0) + read + written - together
        best = max(best, live - sum(min(s, buffers[w].nbytes) for w, s in saved.items()))
    return best


def plan_layout(buffers: Sequence[Buffer], allowances: Sequence[Allowance] = ()) -> MemoryPlan:
    """Offsets with a small peak. Deterministic."""
    bound = lower_bound(buffers, allowances)
    fit = _Fit(buffers, allowances)
    indices = range(len(buffers))
    orders = {
        "by size": sorted(indices, key=lambda i: (-buffers[i].nbytes, buffers[i].first)),
        "by lifetime": sorted(indices, key=lambda i: buffers[i].first - buffers[i].last),
        "by time": sorted(indices, key=lambda i: (buffers[i].first, -buffers[i].nbytes)),
        "by area": sorted(
            indices, key=lambda i: -buffers[i].nbytes * (buffers[i].last - buffers[i].first + 1)
        ),
        "backwards": sorted(indices, key=lambda i: (-buffers[i].last, -buffers[i].nbytes)),
    }
    best = min(
        ((*fit.place(order), name, order) for name, order in orders.items()), key=lambda r: r[0]
    )
    peak, offsets, strategy, order = best
    random = Random(_SEED)
    for _ in range(_ROUNDS if len(buffers) > 1 else 0):
        if peak <= bound:
            break
        candidate = _neighbour(order, random)
        found, placed = fit.place(candidate)
        if found <= peak:
            strategy = strategy if found == peak else "search"
            peak, offsets, order = found, placed, candidate
    return MemoryPlan(tuple(offsets), peak, bound, strategy)


def _neighbour(order: list[int], random: Random) -> list[int]:
    """One buffer moved to another place in the order."""
    result = list(order)
    buffer = result.pop(random.randrange(len(result)))
    result.insert(random.randrange(len(result) + 1), buffer)
    return result


class _Fit:
    """First fit: each buffer at the lowest offset that its placed neighbours leave free."""

    def __init__(self, buffers: Sequence[Buffer], allowances: Sequence[Allowance]) -> None:
        self._buffers = buffers
        leads = {(a.read, a.written): a.lead for a in allowances}
        self._before: list[dict[int, tuple[int, int]]] = [{} for _ in buffers]
        for i, a in enumerate(buffers):
            for j, b in enumerate(buffers):
                if i != j and a.first <= b.last and b.first <= a.last:
                    self._before[i][j] = _margins(i, j, buffers, leads)

    def place(self, order: Sequence[int]) -> tuple[int, list[int]]:
        """Peak and offsets for one order."""
        offsets = [-1] * len(self._buffers)
        peak = 0
        for i in order:
            taken = sorted(
                (offsets[j] - below, offsets[j] + above)
                for j, (below, above) in self._before[i].items()
                if offsets[j] >= 0
            )
            at = _lowest(taken, self._buffers[i].align)
            offsets[i] = at
            peak = max(peak, at + self._buffers[i].nbytes)
        return peak, offsets


def _lowest(taken: list[tuple[int, int]], align: int) -> int:
    """The lowest aligned offset ≥ 0 strictly inside no interval; ``taken`` is sorted."""
    at = 0
    for start, end in taken:
        # Once an interval starts behind, all further ones do.
        if start >= at:
            break
        if at < end:
            at = -(-end // align) * align
    return at


def _margins(
    i: int, j: int, buffers: Sequence[Buffer], leads: dict[tuple[int, int], int]
) -> tuple[int, int]:
    """(below, above): buffer i must not start strictly between j − below and j + above."""
    size_i, size_j = buffers[i].padded, buffers[j].padded
    if (j, i) in leads:  # i is written over the dying j
        return min(leads[j, i], size_i), size_j
    if (i, j) in leads:  # j is written over the dying i
        return size_i, min(leads[i, j], size_j)
    return size_i, size_j
