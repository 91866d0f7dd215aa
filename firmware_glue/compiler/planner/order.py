"""The order of steps that needs the least memory at its peak.

What is live between two steps depends only on the set of steps that have run, not on their order.
So the search goes through sets, one step more at a time, and keeps for each set the smallest peak
on any way there: dynamic programming, exact as long as all sets are kept. Between two points
where a single set is possible (a chain, the ends of a block of branches) there are few. Where
there are more than the budget allows, only the best go on: a beam search.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_STATES = 20_000
"""Sets that may be kept in all: about a second."""
_MOST, _LEAST = 2_048, 16
"""Sets kept per level."""


@dataclass(frozen=True)
class Task:
    """A step, as far as its place in the order matters.

    Attributes:
        reads, writes: buffers.
        after: tasks that must have run.
        scratch: bytes.
        overlaps: (read, written, bytes that they may share if the read one dies here).
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    after: tuple[int, ...] = ()
    scratch: int = 0
    overlaps: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class _State:
    """The best way to a set of tasks.

    Attributes:
        peak: the most that was live on it, since the last point where one set was possible.
        area: the sum of what was live at each step: of two ways with one peak, the leaner one
            leaves the layout more room.
        live: bytes that are live now.
        ready: tasks that may run next, as bits.
        last: the task that ran last.
        before: the set before it.
    """

    peak: int
    area: int
    live: int
    ready: int
    last: int
    before: int

    @property
    def cost(self) -> tuple[int, int]:
        return self.peak, self.area


class _Tasks:
    """Tasks with their sets as bits of integers."""

    def __init__(
        self, tasks: Sequence[Task], sizes: Mapping[int, int], kept: frozenset[int]
    ) -> None:
        self.tasks, self.sizes, self.kept = tasks, sizes, kept
        self.needs = [_bits(task.after) for task in tasks]
        self.users: dict[int, int] = {}
        for number, task in enumerate(tasks):
            for buffer in task.reads:
                self.users[buffer] = self.users.get(buffer, 0) | 1 << number
        self.followers: list[list[int]] = [[] for _ in tasks]
        for number, task in enumerate(tasks):
            for other in task.after:
                self.followers[other].append(number)
        self.written = [sum(sizes[b] for b in task.writes) + task.scratch for task in tasks]

    def step(self, done: int, live: int, number: int) -> tuple[int, int]:
        """(bytes live while a task runs, bytes live after it)."""
        task, ran = self.tasks[number], done | 1 << number
        dying = {b for b in task.reads if b not in self.kept and not self.users[b] & ~ran}
        saved: dict[int, int] = {}
        for read, written, most in task.overlaps:
            if read in dying:
                saved[written] = saved.get(written, 0) + most
        during = live + self.written[number]
        peak = during - sum(min(s, self.sizes[written]) for written, s in saved.items())
        gone = sum(self.sizes[b] for b in dying) + task.scratch
        unread = (b for b in task.writes if b not in self.users and b not in self.kept)
        return peak, during - gone - sum(self.sizes[b] for b in unread)

    def ready(self, done: int, ready: int, number: int) -> int:
        """What may run once ``number`` has."""
        ran = done | 1 << number
        ready &= ~(1 << number)
        for other in self.followers[number]:
            if not self.needs[other] & ~ran:
                ready |= 1 << other
        return ready


def find_order(
    tasks: Sequence[Task], sizes: Mapping[int, int], inputs: Sequence[int], outputs: Sequence[int]
) -> tuple[int, ...]:
    """An order with a small peak, as numbers of tasks; the given one if none is smaller.

    Args:
        tasks: in an order that works.
        sizes: bytes of each buffer.
        inputs: buffers that are there before the first task.
        outputs: buffers that must outlive the last one.
    """
    given = tuple(range(len(tasks)))
    known = _Tasks(tasks, sizes, frozenset(outputs))
    start = sum(sizes[b] for b in set(inputs) if b in known.users or b in known.kept)
    worst = _peak(known, start)
    if not tasks or worst <= _floor(known):
        return given
    levels = _levels(known, start, worst)
    if not levels:
        return given
    order: list[int] = []
    done = (1 << len(tasks)) - 1
    for states in reversed(levels):
        order.append(states[done].last)
        done = states[done].before
    return tuple(reversed(order))


def _peak(known: _Tasks, start: int) -> int:
    """The peak of the given order."""
    peak = live = start
    done = 0
    for number in range(len(known.tasks)):
        during, live = known.step(done, live, number)
        peak, done = max(peak, during), done | 1 << number
    return peak


def _floor(known: _Tasks) -> int:
    """What the largest task needs for itself: no order is below."""
    everything = (1 << len(known.tasks)) - 1
    best = 0
    for number, task in enumerate(known.tasks):
        own = sum(known.sizes[b] for b in task.reads)
        best = max(best, known.step(everything, own, number)[0])
    return best


def _levels(known: _Tasks, start: int, worst: int) -> list[dict[int, _State]]:
    """Sets of 1, 2, … tasks with the best way to each; empty if no way is below ``worst``."""
    count = len(known.tasks)
    width = min(_MOST, max(_LEAST, _STATES // count))
    first = _bits(n for n, needs in enumerate(known.needs) if not needs)
    states = {0: _State(0, 0, start, first, -1, 0)}
    levels: list[dict[int, _State]] = []
    for _ in range(count):
        found: dict[int, _State] = {}
        for done, state in states.items():
            for number in _numbers(state.ready):
                during, live = known.step(done, state.live, number)
                peak = max(state.peak, during)
                if peak >= worst:
                    continue
                ran = done | 1 << number
                area = state.area + during
                if ran in found and found[ran].cost <= (peak, area):
                    continue
                ready = known.ready(done, state.ready, number)
                found[ran] = _State(peak, area, live, ready, number, done)
        if not found:
            return []
        if len(found) > width:
            best = sorted(found, key=lambda s: (found[s].peak, found[s].live, found[s].area, s))
            found = {ran: found[ran] for ran in best[:width]}
        levels.append(found)
        states = found
        if len(found) == 1:
            # All ways meet here: what comes next is chosen for its own sake.
            ((ran, state),) = found.items()
            states = {ran: _State(0, 0, state.live, state.ready, state.last, state.before)}
    return levels


def _bits(numbers: Iterable[int]) -> int:
    result = 0
    for number in numbers:
        result |= 1 << number
    return result


def _numbers(bits: int) -> list[int]:
    result = []
    while bits:
        low = bits & -bits
        result.append(low.bit_length() - 1)
        bits ^= low
    return result
