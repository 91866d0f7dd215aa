"""The cheapest grouping of ops into chains under a limit of bytes: a shortest path."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_glue.compiler.stream.segments import Segment

STEP = 0.985
"""Two groupings on the curve differ by at least this factor of bytes."""
Way = tuple[Segment, ...]


def cheapest(segments: Sequence[Segment], limit: int) -> Way | None:
    """The segments that cover all ops, none above ``limit`` bytes, with the least cost.

    Of several, the one with the lowest peak; None if there is none.

    Args:
        segments: sorted by their start.
        limit: of their ``peak``.
    """
    best: dict[int, tuple[int, int, Way]] = {0: (0, 0, ())}
    count = max((segment.end for segment in segments), default=0)
    for segment in segments:
        before = best.get(segment.start)
        if before is None or segment.peak > limit:
            continue
        cost, peak, path = before
        new = (cost + segment.cost, max(peak, segment.peak), (*path, segment))
        old = best.get(segment.end)
        if old is None or new[:2] < old[:2]:
            best[segment.end] = new
    found = best.get(count)
    return None if found is None else found[2]


def smallest(segments: Sequence[Segment]) -> Way:
    """The segments with the lowest peak; of several, those with the least cost."""
    best: dict[int, int] = {0: 0}
    count = max((segment.end for segment in segments), default=0)
    for segment in segments:
        if segment.start in best:
            peak = max(best[segment.start], segment.peak)
            best[segment.end] = min(peak, best.get(segment.end, peak))
    return cheapest(segments, best.get(count, 0)) or ()


def peak_of(path: Way) -> int:
    """Bytes at its largest segment."""
    return max((segment.peak for segment in path), default=0)


def cost_of(path: Way) -> int:
    """Instructions more than without chains."""
    return sum(segment.cost for segment in path)


def curve(segments: Sequence[Segment]) -> tuple[Way, ...]:
    """Groupings from the one without cost to the smallest, each smaller and dearer."""
    found: list[Way] = []
    limit = max((segment.peak for segment in segments), default=0)
    while (path := cheapest(segments, limit)) is not None:
        found.append(path)
        limit = int(peak_of(path) * STEP)
        if peak_of(path) <= 0:
            break
    end = smallest(segments)
    if not found or peak_of(end) < peak_of(found[-1]):
        found.append(end)
    return tuple(found)
