"""Buffers → constraints between their offsets, and first fit under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firmware_glue.compiler.planner.program import Allowance, Buffer

Pair = tuple[int, int]


@dataclass(frozen=True)
class Unit:
    """Buffers that lie at fixed distances: one alone, or a whole and the parts inside it.

    Attributes:
        members: (buffer, its bytes from the start of the unit).
    """

    members: tuple[Pair, ...]
    size: int
    align: int
    first: int
    last: int


class Constraints:
    """What the offsets of all units must keep to.

    Attributes:
        units: in the order of their first buffers.
        size, align: per unit.
        near: per unit u: (v, low, high): offset(u) − offset(v) must not lie strictly between.
    """

    def __init__(self, buffers: Sequence[Buffer], allowances: Sequence[Allowance]) -> None:
        self.units = _units(buffers)
        self.size = [unit.size for unit in self.units]
        self.align = [unit.align for unit in self.units]
        self.near: list[list[tuple[int, int, int]]] = [[] for _ in self.units]
        allowed = usable(buffers, allowances)
        plain = _plain(self.units, allowed)
        for u, v in _meeting(self.units):
            if plain[u] and plain[v]:
                # Apart from each other: nearly all pairs of a large model.
                between = [(-self.size[u], self.size[v])] if self.size[u] + self.size[v] else []
            else:
                between = _between(self.units[u], self.units[v], buffers, allowed)
            for low, high in between:
                self.near[u].append((v, low, high))
                self.near[v].append((u, -high, -low))

    @property
    def work(self) -> int:
        """What one placement of all units costs, in neighbours looked at."""
        return len(self.units) + sum(map(len, self.near))

    def place(
        self, order: Sequence[int], known: Sequence[int] = (), start: int = 0
    ) -> tuple[int, list[int]]:
        """First fit: each unit at the lowest offset that its placed neighbours leave free.

        Args:
            order: all units.
            known: offsets under an order that begins with the same ``start`` units.
            start: how many units need not be placed again.

        Returns:
            The end of the highest unit, and the offset of each.
        """
        offsets = [-1] * len(self.units)
        for u in order[:start]:
            offsets[u] = known[u]
        for u in order[start:]:
            offsets[u] = self.lowest(u, offsets)
        ends = (at + size for at, size in zip(offsets, self.size, strict=True))
        return max(ends, default=0), offsets

    def lowest(self, u: int, offsets: Sequence[int]) -> int:
        """The lowest offset of a unit among neighbours; those at −1 are not placed yet."""
        taken = []
        for v, low, high in self.near[u]:
            base = offsets[v]
            if base >= 0 and base + high > 0:
                taken.append((base + low, base + high))
        taken.sort()
        at, align = 0, self.align[u]
        for start, end in taken:
            # Once an interval starts behind, all further ones do.
            if start >= at:
                break
            if at < end:
                at = -(-end // align) * align
        return at

    def spread(self, offsets: Sequence[int], count: int) -> list[int]:
        """Offsets of units as offsets of ``count`` buffers."""
        result = [0] * count
        for unit, offset in zip(self.units, offsets, strict=True):
            for buffer, inner in unit.members:
                result[buffer] = offset + inner
        return result


def usable(buffers: Sequence[Buffer], allowances: Sequence[Allowance]) -> dict[Pair, Allowance]:
    """(read, written) → allowance, where the one dies in the step that writes the other."""
    return {
        (a.read, a.written): a
        for a in allowances
        if buffers[a.read].last == a.step == buffers[a.written].first
    }


def forbidden(read: Buffer, written: Buffer, allowance: Allowance) -> Pair:
    """(low, high): offset(written) − offset(read) must not lie strictly between.

    Up to ``low`` the step runs forwards, from ``high`` on it runs backwards or they are apart.
    """
    low = -min(allowance.lead, written.nbytes)
    high = read.nbytes
    if allowance.reverse_lead is not None:
        high += min(allowance.reverse_lead, written.nbytes) - written.nbytes
    return low, high


def _units(buffers: Sequence[Buffer]) -> list[Unit]:
    inside: dict[int, list[int]] = {}
    for index, buffer in enumerate(buffers):
        inside.setdefault(index if buffer.parent is None else buffer.parent, []).append(index)
    result = []
    for whole, members in inside.items():
        result.append(
            Unit(
                tuple((i, buffers[i].inner) for i in members),
                buffers[whole].nbytes,
                max(buffers[i].align for i in members),
                min(buffers[i].first for i in members),
                max(buffers[i].last for i in members),
            )
        )
    return result


def _meeting(units: Sequence[Unit]) -> list[Pair]:
    """Pairs of units that live at the same time."""
    alive: list[int] = []
    pairs = []
    for u in sorted(range(len(units)), key=lambda u: units[u].first):
        alive = [v for v in alive if units[v].last >= units[u].first]
        pairs += [(u, v) for v in alive]
        alive.append(u)
    return pairs


def _plain(units: Sequence[Unit], allowed: Mapping[Pair, Allowance]) -> list[bool]:
    """Which units are one buffer alone that no allowance names."""
    named = {buffer for pair in allowed for buffer in pair}
    return [len(unit.members) == 1 and unit.members[0][0] not in named for unit in units]


def _between(
    one: Unit, other: Unit, buffers: Sequence[Buffer], allowed: Mapping[Pair, Allowance]
) -> list[Pair]:
    """Forbidden open intervals of offset(one) − offset(other)."""
    result = []
    for i, inner_i in one.members:
        for j, inner_j in other.members:
            a, b = buffers[i], buffers[j]
            if a.first > b.last or b.first > a.last:
                continue
            low, high, same = -a.nbytes, b.nbytes, False
            if (j, i) in allowed:  # i is written over the dying j
                low, high = forbidden(b, a, allowed[j, i])
                same = allowed[j, i].same
            elif (i, j) in allowed:  # j is written over the dying i
                high, low = (-edge for edge in forbidden(a, b, allowed[i, j]))
                same = allowed[i, j].same
            edges = (low, 0, high) if same and low < 0 < high else (low, high)
            shift = inner_j - inner_i
            between = zip(edges, edges[1:], strict=False)
            result += [(start + shift, end + shift) for start, end in between if start < end]
    return result
