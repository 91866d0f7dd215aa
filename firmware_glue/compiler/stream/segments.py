"""What a chain of ops i…j would need and cost, for all i, j and some band heights: estimates.

The search looks at thousands of chains. Rings between neighbours follow from band, stride and span;
those around a residual block are replayed once per band height. A chosen chain is worked out
exactly in ``build.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.ir import VIEW
from firmware_glue.compiler.ops.spec import RowReach
from firmware_glue.compiler.planner.bound import shared
from firmware_glue.compiler.planner.program import Allowance, Buffer
from firmware_glue.compiler.stream.build import Group, Net, flow_of, inner, stages_of
from firmware_glue.compiler.stream.chain import MAX_BAND, Stage, rows_of

BANDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
_LONGEST = 48
"""Ops of a chain."""
_TURN = 25
"""Instructions of the loop over the turns, per turn."""


@dataclass(frozen=True)
class Segment:
    """Ops [start, end) of a net, as one step.

    Attributes:
        band: rows of a turn; 0: a single op, all of it at once.
        peak: bytes live while it runs, an estimate.
        cost: instructions that it takes more than its ops one after the other, an estimate.
        kernels: which of the kernels that there are; 0: the fastest.
    """

    start: int
    end: int
    band: int
    peak: int
    cost: int
    kernels: int = 0

    @property
    def group(self) -> Group:
        """The chain; not for single ops."""
        return Group(self.start, self.end, (self.band,) * (self.end - self.start))


def segments(net: Net) -> tuple[Segment, ...]:
    """All single ops and all chains worth a look, sorted by their start, then by their end.

    A chain is worth a look if it needs less than the largest of its ops on its own. It may be one
    op: by bands, its output may come nearer to the input that it covers.
    """
    known = _Estimates(net)
    count = len(net.graph.ops)
    singles = [known.single(at) for at in range(count)]
    found: list[Segment] = []
    for start, single in enumerate(singles):
        found.append(single)
        limit = single.peak
        for end in range(start + 1, min(count, start + _LONGEST) + 1):
            if net.stages[end - 1] is None:
                break
            limit = max(limit, singles[end - 1].peak)
            found += known.chains(start, end, limit)
    return tuple(found)


def overhead(stage: Stage, band: int) -> int:
    """Instructions that a stage takes more than its op at once."""
    turns = -(-stage.height // band)
    calls = stage.height if stage.by_row else turns
    idle = turns * (-min(band, stage.height) % stage.step) * stage.row_instructions
    return turns * _TURN + (calls - 1) * stage.call_instructions + idle


class _Estimates:
    """Sizes and lives of a net's tensors."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.root: dict[int, int] = {}
        for op in net.graph.ops:
            if op.code == VIEW:
                self.root[op.outputs[0]] = self.root.get(op.inputs[0], op.inputs[0])
        tensors = net.graph.tensors
        self.size = {
            i: -(-tensors[i].nbytes // 4) * 4
            for i in net.first
            if not tensors[i].is_constant and not tensors[i].is_variable and i not in self.root
        }
        self.last = {i: net.last.get(i, net.first[i]) for i in self.size}
        for view, root in self.root.items():
            if root in self.last:
                self.last[root] = max(self.last[root], net.last.get(view, -1))
        ids = list(self.size)
        self._firsts = np.array([net.first[i] for i in ids], np.int64)
        self._lasts = np.array([self.last[i] for i in ids], np.int64)
        self._sizes = np.array([self.size[i] for i in ids], np.int64)
        self._rows: dict[tuple[int, int], int] = {}
        self._extents = {i: rows_of(tensor) for i, tensor in tensors.items()}

    def single(self, at: int) -> Segment:
        """One op."""
        kernel = self.net.lowered[at]
        if kernel is None:
            return Segment(at, at + 1, 0, 0, 0)
        live = self._live(at, at + 1) + kernel.scratch_bytes
        saved = 0
        for o in kernel.overlaps:
            read, written = self._of(o.input), self._of(o.output)
            if read in self.size and written in self.size and self.last[read] == at:
                allowed = Allowance(0, 0, 1, o.lead, kernel.reverse_lead(o), o.same)
                saved = max(saved, self._shared(read, written, allowed))
        return Segment(at, at + 1, 0, live - saved, 0)

    def chains(self, start: int, end: int, limit: int) -> Iterator[Segment]:
        """A chain with each band height, as long as more rows are fewer calls.

        Args:
            start: its first op.
            end: the one behind its last.
            limit: bytes that it must stay below.
        """
        stages = [stage for stage in self.net.stages[start:end] if stage is not None]
        rings = [i for i in inner(self.net, start, end) if i in self.size]
        pairs = self._pairs(stages, start, end)
        if not rings and not pairs:
            return
        live = self._live(start, end) - sum(self.size[i] for i in rings)
        live += max(stage.scratch_bytes for stage in stages)
        most = max((min(self.size[i], self.size[j]) for i, j in pairs), default=0)
        highest = max(stage.height for stage in stages)
        for band in BANDS:
            held = sum(self._ring(i, band) for i in rings)
            if live + held - most >= limit:
                break
            leads = (Allowance(0, 0, 1, self._lead(stages, i, j, band), None) for i, j in pairs)
            shared_bytes = (self._shared(*pair, a) for pair, a in zip(pairs, leads, strict=True))
            saved = max(shared_bytes, default=0)
            if live + held - saved < limit:
                cost = sum(overhead(stage, band) for stage in stages)
                yield Segment(start, end, band, live + held - saved, cost)
            if band >= min(highest, MAX_BAND):
                break

    def _of(self, tensor_id: int) -> int:
        return self.root.get(tensor_id, tensor_id)

    def _live(self, start: int, end: int) -> int:
        """Bytes of all tensors that live while ops [start, end) run."""
        return int(self._sizes[(self._firsts < end) & (self._lasts >= start)].sum())

    def _shared(self, read: int, written: int, allowed: Allowance) -> int:
        """Bytes that an output may lie over a dying input."""
        one = Buffer("", self.size[read], 0, 0)
        other = Buffer("", self.size[written], 0, 0)
        return shared(one, other, allowed, 4)

    def _pairs(self, stages: Sequence[Stage], start: int, end: int) -> list[tuple[int, int]]:
        """Inputs that a chain consumes, and its outputs."""
        outputs = [s.output for s in stages if s.output in self.size and self.last[s.output] >= end]
        inputs = dict.fromkeys(r.input for s in stages for r in s.reads)
        return [
            (read, written)
            for read in inputs
            if read in self.size and self.net.first[read] < start and start <= self.last[read] < end
            for written in outputs
        ]

    def _lead(self, stages: Sequence[Stage], read: int, written: int, band: int) -> int:
        """How much lower the output must start, at least about: see :func:`flow.flow`.

        When the stage that writes it takes a turn, all other stages have made no more than what
        was asked of them, and their readers have got as far as that allows.
        """
        rows, row_bytes = self._extents[read]
        out_rows, out_bytes = self._extents[written]
        first = np.arange(0, out_rows, band)
        ends = np.minimum(first + band, out_rows)
        zeros = np.zeros_like(ends)
        asked: dict[int, NDArray[np.int64]] = {}
        low = zeros + rows
        for stage in reversed(stages):
            # Rows that the stage has made, and those that the inputs at hand are for.
            at = first if stage.output == written else asked.get(stage.output, zeros)
            end = ends if stage.output == written else at
            for reach in stage.reads:
                if reach.input == read:
                    # Row by row it may lie over what it is made of.
                    own = stage.output == written and stage.by_row and stage.overlaps
                    after = (end if own else at) * reach.stride - reach.pad
                    low = np.minimum(low, np.maximum(after, 0))
                need = (end - 1) * reach.stride - reach.pad + reach.span
                need = np.minimum(np.maximum(need, 0), self._extents[reach.input][0])
                asked[reach.input] = np.maximum(asked.get(reach.input, zeros), need)
        return int((ends * out_bytes - low * row_bytes).max())

    def _ring(self, tensor_id: int, band: int) -> int:
        """Bytes of a tensor's ring."""
        key = tensor_id, band
        if key not in self._rows:
            self._rows[key] = self._ring_rows(tensor_id, band)
        row_bytes = self._extents[tensor_id][1]
        return -(-self._rows[key] * row_bytes // 8) * 8

    def _ring_rows(self, tensor_id: int, band: int) -> int:
        net = self.net
        height = self._extents[tensor_id][0]
        first, last = net.first[tensor_id], self.last[tensor_id]
        readers = _readers(net, tensor_id, first + 1, last + 1)
        if len(readers) == 1 and readers[0].stride:
            (reach,) = readers
            return min(height, (band - 1) * reach.stride + reach.span)
        # From where it is made to its last reader, without the ops that these do not need.
        wanted = {last}
        for at in range(last - 1, first - 1, -1):
            made = net.graph.ops[at].outputs[0]
            if any(made in net.graph.ops[k].inputs for k in wanted):
                wanted.add(at)
        some = sorted(wanted)
        group = Group(0, len(some), (band,) * len(some))
        ops = [net.graph.ops[k] for k in some]
        local = Net(
            net.graph.with_ops(ops), (), tuple(net.stages[k] for k in some), net.first, net.last,
            net.shown,
        )  # fmt: skip
        stages = stages_of(local, group)
        rings = [stage.output for stage in stages[:-1]]
        return min(height, flow_of(local, stages, rings).rings[tensor_id])


def _readers(net: Net, tensor_id: int, start: int, end: int) -> list[RowReach]:
    stages = [stage for stage in net.stages[start:end] if stage is not None]
    return [r for stage in stages for r in stage.reads if r.input == tensor_id]
