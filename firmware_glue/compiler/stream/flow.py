"""The turns of a chain: which stage computes when, and what that asks of memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firmware_glue.compiler.ops.spec import RowReach
from firmware_glue.compiler.stream.chain import Stage, Turn

Extent = tuple[int, int]
"""(rows, bytes of each) of a tensor."""


@dataclass(frozen=True)
class Flow:
    """A replay of all turns.

    Attributes:
        turns: (stage number, rows that it computes).
        rings: tensor id → rows that its ring must have; tensors that only the chain reads.
        leads: (input, output) tensors → bytes that the output must start before the input, at
            least, if it is written over it. May be negative.
    """

    turns: tuple[Turn, ...]
    rings: Mapping[int, int]
    leads: Mapping[tuple[int, int], int]


def flow(stages: Sequence[Stage], extents: Mapping[int, Extent], whole: frozenset[int]) -> Flow:
    """The turns that keep every row for the shortest time.

    The last stage asks for what its next band is made of, the stages that make these rows ask in
    turn, and none computes more than it is asked for, or than its band. Stages beside the way to
    the last one go on whenever they can.

    Args:
        stages: in an order in which they could run one after the other.
        extents: of all tensors that they read and write.
        whole: tensors that they write and that others read; the last stage's is one.
    """
    run = _Run(stages, extents, whole)
    last = len(stages) - 1
    while run.made[last] < stages[last].height:
        run.aside()
        run.turn(*run.asked(last))
    run.aside()
    for number, stage in enumerate(stages):
        # What nobody in the chain asks for, to the last row.
        while stage.output in whole and run.made[number] < stage.height:
            run.turn(*run.asked(number))
    return Flow(tuple(run.turns), run.rings, run.leads)


class _Run:
    """How far each stage has got.

    Attributes:
        made: rows that each stage has computed.
    """

    def __init__(
        self, stages: Sequence[Stage], extents: Mapping[int, Extent], whole: frozenset[int]
    ) -> None:
        self.stages, self.extents, self.whole = stages, extents, whole
        self.made = [0] * len(stages)
        self.turns: list[Turn] = []
        self.maker = {stage.output: number for number, stage in enumerate(stages)}
        self.readers: dict[int, list[tuple[int, RowReach]]] = {}
        for number, stage in enumerate(stages):
            for reach in stage.reads:
                self.readers.setdefault(reach.input, []).append((number, reach))
        self.given = [i for i in self.readers if i not in self.maker]
        self.rings = {i: 0 for i in self.maker if i not in whole}
        self.leads = {
            (i, j): -_nbytes(extents[i]) for i in self.given for j in self.maker if j in whole
        }
        # For each stage: (maker of an input, its rows, which of them).
        self.needs = [
            [
                (self.maker[r.input], extents[r.input][0], r)
                for r in stage.reads
                if r.input in self.maker
            ]
            for stage in stages
        ]
        self._sides = self._beside()

    def _beside(self) -> list[int]:
        """Stages that the last one does not depend on: the last of them first."""
        reached = {len(self.stages) - 1}
        for number in reversed(range(len(self.stages))):
            if number in reached:
                reached.update(maker for maker, _, _ in self.needs[number])
        return [n for n in reversed(range(len(self.stages))) if n not in reached]

    def missing(self, number: int, end: int) -> tuple[int, int] | None:
        """(a stage, the row up to which it must go on) before this one can go on up to ``end``."""
        for maker, rows, reach in self.needs[number]:
            need = min(rows, (end - 1) * reach.stride - reach.pad + reach.span)
            if self.made[maker] < need:
                return maker, need
        return None

    def band(self, number: int) -> int:
        """The row that a stage's next band ends before."""
        stage = self.stages[number]
        return min(stage.height, self.made[number] + stage.band)

    def asked(self, number: int) -> tuple[int, int]:
        """The stage that has to take a turn for this one to get on, and up to which row."""
        end = self.band(number)
        while (found := self.missing(number, end)) is not None:
            number, need = found
            end = min(need, self.band(number))
        return number, end

    def aside(self) -> None:
        """All turns that stages beside the way to the last one can take now."""
        while True:
            ready = [
                n
                for n in self._sides
                if self.made[n] < self.stages[n].height and self.missing(n, self.band(n)) is None
            ]
            if not ready:
                return
            self.turn(ready[0], self.band(ready[0]))

    def turn(self, number: int, end: int) -> None:
        """One turn of a stage, and what it asks of memory."""
        output, first = self.stages[number].output, self.made[number]
        if output in self.rings:
            low = min(self._low(output), first)
            self.rings[output] = max(self.rings[output], end - low)
        else:
            for given in self.given:
                lead = max(self.leads[given, output], self._lead(given, number, end))
                self.leads[given, output] = lead
        self.made[number] = end
        self.turns.append((number, end - first))

    def _lead(self, given: int, number: int, end: int) -> int:
        """How many bytes before an input the output must start for a stage's turn up to ``end``."""
        stage, first = self.stages[number], self.made[number]
        (rows, row_bytes), out_bytes = self.extents[given], self.extents[stage.output][1]
        own = [r for r in stage.reads if r.input == given and r.stride]
        over = [o.lead for o in stage.overlaps if o.input == given]
        beside = number if stage.by_row and own and over else -1
        low = self._low(given, beside)
        lead = end * out_bytes - low * row_bytes if low < rows else -rows * row_bytes
        if beside == number:
            # Row by row: over its own row as far as the kernel allows, and behind it.
            drift = out_bytes - row_bytes
            lead = max(lead, *(y * drift + over[0] for y in (first, end - 1)))
            lead = max(lead, (first + 1) * drift, min(end, rows - 1) * drift)
        return lead

    def _low(self, tensor_id: int, beside: int = -1) -> int:
        """The first row that a reader other than ``beside`` needs; else the number of rows."""
        rows = self.extents[tensor_id][0]
        low = rows
        for number, reach in self.readers.get(tensor_id, ()):
            made = self.made[number]
            if made < self.stages[number].height and number != beside:
                low = min(low, max(0, made * reach.stride - reach.pad))
        return low


def _nbytes(extent: Extent) -> int:
    return extent[0] * extent[1]
