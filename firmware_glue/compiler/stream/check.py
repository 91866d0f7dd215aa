"""The independent verifier of chains: replays all turns on a plan's bytes. Always run."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Step
from firmware_glue.compiler.stream.chain import Chain, Stage

_Row = tuple[int, int]
"""(tensor id, row)."""


def check_chains(program: Program, plan: MemoryPlan) -> None:
    """Computes nothing, but follows every row of every chain through memory.

    A turn's input rows must have been written, and not been written over since; what it writes must
    not lie over any of them, whatever order the kernel works in; whole outputs must be complete in
    the end, and nothing may have covered them.

    Raises:
        PlanError: the plan does not hold.
    """
    for number, step in enumerate(program.steps):
        if step.chain is not None:
            _Replay(program, plan, number, step, step.chain).run()


@dataclass
class _Span:
    """Bytes of a region that hold one row."""

    region: int
    start: int
    end: int


class _Replay:
    """One chain."""

    def __init__(
        self, program: Program, plan: MemoryPlan, number: int, step: Step, chain: Chain
    ) -> None:
        self._program, self._plan, self._number = program, plan, number
        self._step, self._chain = step, chain
        self._made = [0] * len(chain.stages)
        self._valid: set[_Row] = set()
        self._written: dict[int, int] = {}
        self._outputs = {stage.output for stage in chain.stages}
        for tensor_id in {r.input for s in chain.stages for r in s.reads} - self._outputs:
            if tensor_id in program.homes:
                self._valid.update((tensor_id, row) for row in range(self._rows(tensor_id)))

    def run(self) -> None:
        """All turns. What else lives beside the chain is the planner's verifier's to look after."""
        for number, rows in self._chain.turns:
            if not 0 <= number < len(self._chain.stages) or not 0 < rows < 256:
                self._fail(f"a turn of {rows} rows of stage {number}")
            self._turn(number, self._made[number], self._made[number] + rows)
        for stage, made in zip(self._chain.stages, self._made, strict=True):
            if stage.output in self._chain.rings:
                continue
            whole = {(stage.output, row) for row in range(stage.height)}
            if made != stage.height or not whole <= self._valid:
                self._fail(f"'{stage.name}' is not complete in the end")

    def _turn(self, number: int, first: int, end: int) -> None:
        stage = self._chain.stages[number]
        if end > stage.height:
            self._fail(f"'{stage.name}' runs to row {end} of {stage.height}")
        height = 1 if stage.by_row else end - first
        for at in range(first, end, height):
            self._band(stage, at, at + height)
        self._made[number] = end

    def _band(self, stage: Stage, first: int, end: int) -> None:
        """One call, or those for one row."""
        read: set[_Row] = set()
        for reach in stage.reads:
            rows = self._rows(reach.input)
            for y in range(first, end):
                start = y * reach.stride - reach.pad
                inside = range(max(0, start), min(rows, start + reach.span))
                read.update((reach.input, row) for row in inside)
        computed = {i for i in read if i[0] not in self._program.constants}
        if not computed <= self._valid:
            self._fail(f"'{stage.name}' reads rows that are not there, from row {first} on")
        spans = [(row[0], self._span(row)) for row in read if row in self._valid]
        for y in range(first, end):
            new = self._span((stage.output, y))
            if any(_meet(new, s) and not _over(stage, i, s, new) for i, s in spans):
                self._fail(f"'{stage.name}' writes row {y} over what it reads")
            self._take((stage.output, y), new)

    def _take(self, row: _Row, new: _Span) -> None:
        """The row is there now, and rows whose bytes it took are gone."""
        gone = [other for other in self._near(row) if _meet(self._span(other), new)]
        self._valid.difference_update(gone)
        self._valid.add(row)

    def _near(self, row: _Row) -> list[_Row]:
        """Rows that a row may cover: of its own ring, or of whole tensors that it lies over."""
        tensor_id, y = row
        if tensor_id in self._chain.rings:
            earlier = (tensor_id, y - self._chain.rings[tensor_id].rows)
            return [earlier] if earlier in self._valid else []
        whole = (other for other in self._valid if other[0] not in self._chain.rings)
        return [other for other in whole if other != row]

    def _rows(self, tensor_id: int) -> int:
        shape = self._program.graph.tensors[tensor_id].shape
        return shape[1] if len(shape) == 4 and shape[0] == 1 else 1

    def _span(self, row: _Row) -> _Span:
        tensor_id, y = row
        plan, rings = self._plan, self._chain.rings
        row_bytes = self._program.graph.tensors[tensor_id].nbytes // self._rows(tensor_id)
        if tensor_id not in rings:
            buffer = self._program.homes[tensor_id]
            start = plan.offsets[buffer] + y * row_bytes
            return _Span(plan.regions[buffer], start, start + row_bytes)
        scratch, ring = self._step.scratch, rings[tensor_id]
        if scratch is None or ring.row_bytes != row_bytes or ring.rows < 1:
            self._fail(f"no room for the rows of tensor {tensor_id}")
            return _Span(0, 0, 0)
        start = ring.offset + y % ring.rows * row_bytes
        if ring.offset + ring.rows * row_bytes > self._program.buffers[scratch].nbytes:
            self._fail(f"the rows of tensor {tensor_id} leave the step's memory")
        start += plan.offsets[scratch]
        return _Span(plan.regions[scratch], start, start + row_bytes)

    def _fail(self, message: str) -> None:
        raise PlanError(
            f"chain of step {self._number}: {message}",
            hint="this is a bug of the compiler: report it",
        )


def _over(stage: Stage, tensor_id: int, old: _Span, new: _Span) -> bool:
    """Whether the kernel may write a row over one that it is made of."""
    if not stage.by_row:
        return False
    leads = [o.lead for o in stage.overlaps if o.input == tensor_id]
    return bool(leads) and new.start <= old.start - leads[0]


def _meet(one: _Span, other: _Span) -> bool:
    return one.region == other.region and one.start < other.end and other.start < one.end
