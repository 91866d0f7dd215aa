"""How small an arena can be at best: bytes live at each step, less what overlaps may save."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from firmware_glue.compiler.planner.fit import Pair, forbidden, usable
from firmware_glue.compiler.planner.program import Allowance, Buffer


def lower_bound(buffers: Sequence[Buffer], allowances: Sequence[Allowance]) -> int:
    """Bytes that no plan of these buffers can go below.

    Proof. All offsets are multiples of g, the smallest alignment (alignments are powers of two), so
    the arena may be cut into cells of g bytes, and a buffer covers its first byte's cell and the
    following ones: ``nbytes`` rounded up to g, which is its size from here on. Take one step.

    1. Two live buffers that may not overlap share no byte, so they share no cell either: the
       lower one ends at or before the start of the other, which is a multiple of g.
    2. So the cells covered are at least those of all live buffers but the written ones (a whole
       and its parts count once, as the union that they are), plus, for each written buffer w,
       the cells of w outside of all others. The written ones are disjoint. w may share cells
       only with the dying inputs r that it has an allowance for. These are disjoint from each
       other, so w loses at most Σ_r s(r, w) cells, and at most itself; likewise r gives at most
       itself. s is the largest overlap of w and r over all distances that the allowance permits
       (:func:`shared`). All of w's losses together are at most min(Σ_w min(|w|, Σ_r s),
       Σ_r min(|r|, Σ_w s)).
    3. The highest covered cell ends at or above the number of covered cells, and some live buffer
       ends in it, at most its rounding below the cell's end. So the arena is at least the covered
       cells less the largest rounding of a live buffer.

    The bound is the largest of these numbers over all steps.
    """
    if not buffers:
        return 0
    cell = min(buffer.align for buffer in buffers)
    pairs: dict[int, list[Pair]] = {}
    allowed = usable(buffers, allowances)
    for (read, written), allowance in allowed.items():
        pairs.setdefault(allowance.step, []).append((read, written))
    best = 0
    for now in range(min(b.first for b in buffers), max(b.last for b in buffers) + 1):
        live = [i for i, b in enumerate(buffers) if b.first <= now <= b.last]
        if not live:
            continue
        saved = _saved(buffers, allowed, pairs.get(now, []), cell)
        rounding = max(-buffers[i].nbytes % cell for i in live)
        best = max(best, live_cells(buffers, live, cell) - saved - rounding)
    return best


def live_cells(buffers: Sequence[Buffer], live: Iterable[int], cell: int = 1) -> int:
    """Bytes of some buffers, each rounded up to ``cell``; a whole and its parts count once."""
    alive = list(live)
    wholes = {buffers[i].parent for i in alive} - {None}
    total = 0
    parts: dict[int, list[Pair]] = {}
    for i in alive:
        buffer = buffers[i]
        size = -(-buffer.nbytes // cell) * cell
        if buffer.parent is not None:
            parts.setdefault(buffer.parent, []).append((buffer.inner, buffer.inner + size))
        elif i in wholes:
            parts.setdefault(i, []).append((buffer.inner, buffer.inner + size))
        else:
            total += size
    for spans in parts.values():
        end = -math.inf
        for start, stop in sorted(spans):
            total += max(0, stop - int(max(start, end)))
            end = max(end, stop)
    return total


def shared(read: Buffer, written: Buffer, allowance: Allowance, cell: int = 1) -> int:
    """Most bytes, in whole cells, that the two may share.

    With d = offset(written) − offset(read), they share f(d) = min(d + |w|, |r|) − max(d, 0), which
    rises to min(|r|, |w|) and falls again. Forwards d ≤ low: f is largest at min(low, 0).
    Backwards d ≥ high: f is largest at max(high, |r| − |w|). See :func:`fit.forbidden`. Where the
    same start is fine, d = 0 is too.
    """
    r = -(-read.nbytes // cell) * cell
    w = -(-written.nbytes // cell) * cell
    low, high = forbidden(read, written, allowance)
    low, high = low // cell * cell, -(-high // cell) * cell
    best = 0
    same = (0,) if allowance.same else ()
    for distance in (min(low, 0), max(high, r - w), *same):
        best = max(best, min(distance + w, r) - max(distance, 0))
    return best


def _saved(
    buffers: Sequence[Buffer], allowed: Mapping[Pair, Allowance], pairs: Sequence[Pair], cell: int
) -> int:
    by_read: dict[int, int] = {}
    by_written: dict[int, int] = {}
    for read, written in pairs:
        most = shared(buffers[read], buffers[written], allowed[read, written], cell)
        by_read[read] = by_read.get(read, 0) + most
        by_written[written] = by_written.get(written, 0) + most

    def capped(sums: Mapping[int, int]) -> int:
        return sum(min(s, -(-buffers[i].nbytes // cell) * cell) for i, s in sums.items())

    return min(capped(by_read), capped(by_written))
