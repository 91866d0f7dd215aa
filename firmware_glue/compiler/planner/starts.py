"""Orders of units to begin with: sorted ones, and what a skyline heuristic makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from firmware_glue.compiler.planner.fit import Unit

Order = list[int]
Key = Callable[[int], tuple[int, ...]]


def orders(units: Sequence[Unit]) -> Iterator[tuple[str, Order]]:
    """Names and orders, the cheap ones first."""
    load: dict[int, int] = {}
    for unit in units:
        for now in range(unit.first, unit.last + 1):
            load[now] = load.get(now, 0) + unit.size
    crowd = [max(load[now] for now in range(unit.first, unit.last + 1)) for unit in units]
    top = max(load, key=lambda now: (load[now], -now), default=0)
    life = [unit.last - unit.first + 1 for unit in units]

    def away(u: int) -> int:
        return max(units[u].first - top, top - units[u].last, 0)

    keys: dict[str, Key] = {
        "by time": lambda u: (units[u].first, -units[u].size),
        "by size": lambda u: (-units[u].size, units[u].first),
        "by crowd": lambda u: (-crowd[u], -units[u].size),
        "from the peak": lambda u: (away(u), -units[u].size),
        "by lifetime": lambda u: (-life[u], -units[u].size),
        "by area": lambda u: (-units[u].size * life[u],),
        "backwards": lambda u: (-units[u].last, -units[u].size),
    }
    for name, key in keys.items():
        yield name, sorted(range(len(units)), key=key)
    for name in ("by lifetime", "by area", "by size"):
        yield f"skyline {name}", skyline(units, keys[name])


def skyline(units: Sequence[Unit], key: Key) -> Order:
    """Units in the order in which they settle on the lowest stretch of time.

    The heights of all steps form a skyline. Its lowest stretch takes the first unit, by ``key``,
    that lives within it; if there is none, it is lifted to its lower neighbour. After the
    best-fit heuristic of Sekiyama et al., "Profile-guided memory optimization for deep neural
    networks" (2018). Overlaps are left to first fit, which follows.
    """
    if not units:
        return []
    begin = min(unit.first for unit in units)
    height = [0] * (max(unit.last for unit in units) - begin + 1)
    waiting = sorted(range(len(units)), key=key)
    order: Order = []
    while waiting:
        low = min(height)
        left = right = height.index(low)
        while right + 1 < len(height) and height[right + 1] == low:
            right += 1
        fitting = (
            u for u in waiting if left <= units[u].first - begin and units[u].last - begin <= right
        )
        u = next(fitting, None)
        if u is None:
            walls = [height[k] for k in (left - 1, right + 1) if 0 <= k < len(height)]
            height[left : right + 1] = [min(walls)] * (right - left + 1)
            continue
        waiting.remove(u)
        order.append(u)
        first, last = units[u].first - begin, units[u].last - begin
        height[first : last + 1] = [low + units[u].size] * (last - first + 1)
    return order
