"""The independent verifier: replays a plan. Always run; shares no code with layout."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.ir import Lifetime
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Step

Span = tuple[int, int]


class _Memory:
    """Who wrote each byte of a region last, as disjoint spans in ascending order."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int, int]] = []

    def write(self, start: int, end: int, owner: int) -> None:
        first, last = self._touched(start, end)
        cut = []
        for low, high, who in self._spans[first:last]:
            cut += [(low, min(high, start), who), (max(low, end), high, who)]
        fresh = sorted([*cut, (start, end, owner)])
        self._spans[first:last] = [span for span in fresh if span[0] < span[1]]

    def holds(self, start: int, end: int, owners: frozenset[int]) -> bool:
        """Whether all bytes were last written by one of ``owners``."""
        first, last = self._touched(start, end)
        at = start
        for low, high, who in self._spans[first:last]:
            if low > at or who not in owners:
                return False
            at = high
        return at >= end

    def _touched(self, start: int, end: int) -> Span:
        """Positions, from and to, of the spans that share bytes with some."""
        first = bisect_right(self._spans, start, key=itemgetter(1))
        return first, bisect_left(self._spans, end, lo=first, key=itemgetter(0))


def check_plan(program: Program, plan: MemoryPlan) -> None:
    """Runs the program on a map of owners: who wrote each byte of the regions last.

    A step's inputs must still own all their bytes; what it writes takes them over, and may cover
    bytes that it reads only as far as the kernel allows in the direction that it runs; its
    scratch touches nothing; the outputs must own theirs at the end.

    Raises:
        PlanError: the plan does not hold.
    """
    _check_places(program, plan)
    _check_variables(program)
    replay = _Replay(program, plan)
    for tensor_id in program.graph.inputs:
        if tensor_id in program.homes:
            replay.take(program.homes[tensor_id])
    for number, step in enumerate(program.steps):
        for buffer in step.reads:
            replay.require(buffer, f"step {number}")
        _check_overlaps(program, plan, number, step)
        scratch = () if step.scratch is None else (step.scratch,)
        for buffer in scratch:
            replay.take(buffer)
        for buffer in step.reads:
            replay.require(buffer, f"step {number} after its scratch")
        for buffer in step.writes:
            replay.take(buffer)
        for buffer in (*scratch, *step.writes):
            replay.require(buffer, f"step {number}, written or scratch")
    for tensor_id in program.graph.outputs:
        if tensor_id in program.homes:
            replay.require(program.homes[tensor_id], "the end")
    if sum(plan.region_bytes) < plan.lower_bound_bytes:
        _fail(f"{sum(plan.region_bytes)} bytes are less than the bound {plan.lower_bound_bytes}")


def _check_places(program: Program, plan: MemoryPlan) -> None:
    """Every buffer lies in its region, aligned; a part lies inside its whole."""
    if plan.arena_bytes != sum(plan.region_bytes):
        _fail(f"regions of {plan.region_bytes} bytes are not {plan.arena_bytes} together")
    if len(plan.region_names) != len(plan.region_bytes):
        _fail(f"{len(plan.region_names)} names for {len(plan.region_bytes)} regions")
    rows = zip(program.buffers, plan.offsets, plan.regions, strict=True)
    for index, (block, offset, region) in enumerate(rows):
        if not 0 <= region < len(plan.region_bytes):
            _fail(f"buffer {index} '{block.name}' is in region {region}, which there is not")
        end = offset + block.nbytes
        if offset < 0 or end > plan.region_bytes[region] or offset % block.align:
            _fail(f"buffer {index} '{block.name}' at {offset} leaves the arena or is misaligned")
        if block.parent is not None:
            whole, start = program.buffers[block.parent], plan.offsets[block.parent]
            inside = start <= offset and end <= start + whole.nbytes
            if plan.regions[block.parent] != region or offset != start + block.inner or not inside:
                _fail(f"buffer {index} '{block.name}' at {offset} is not inside its whole")


def _check_variables(program: Program) -> None:
    """Variables lie apart from each other inside the caller's state."""
    spans = []
    for tensor_id, offset in program.variables.items():
        tensor = program.graph.tensors[tensor_id]
        if tensor.lifetime is Lifetime.STATE:
            spans.append((offset, offset + tensor.nbytes))
        if offset < 0 or offset + tensor.nbytes > program.variable_bytes:
            _fail(f"variable {tensor_id} '{tensor.name}' leaves the state")
    spans.sort()
    for (_, end), (start, _) in zip(spans, spans[1:], strict=False):
        if start < end:
            _fail(f"two variables share byte {start} of the state")


def _check_overlaps(program: Program, plan: MemoryPlan, number: int, step: Step) -> None:
    backwards = number in plan.reversed
    known = [a for a in program.allowances if a.step == number]
    if backwards and (len(known) != 1 or known[0].reverse_lead is None):
        _fail(f"step {number} cannot run backwards")
    for written in step.writes:
        for read in step.reads:
            if plan.regions[written] != plan.regions[read]:
                continue
            (start, stop), (at, end) = _span(program, plan, written), _span(program, plan, read)
            if start >= end or at >= stop:
                continue
            found = [a for a in known if (a.read, a.written) == (read, written)]
            fine = bool(found)
            if found and backwards and found[0].reverse_lead is not None:
                fine = stop >= end + found[0].reverse_lead
            elif found:
                fine = start <= at - found[0].lead or (found[0].same and start == at)
            if not fine:
                _fail(f"step {number} writes buffer {written} over buffer {read} that it reads")


def _span(program: Program, plan: MemoryPlan, buffer: int) -> Span:
    start = plan.offsets[buffer]
    return start, start + program.buffers[buffer].nbytes


class _Replay:
    """The regions while a program runs."""

    def __init__(self, program: Program, plan: MemoryPlan) -> None:
        self._program, self._plan = program, plan
        self._memory = [_Memory() for _ in plan.region_bytes]
        self._parts: dict[int, list[int]] = {}
        for i, buffer in enumerate(program.buffers):
            if buffer.parent is not None:
                self._parts.setdefault(buffer.parent, []).append(i)

    def take(self, buffer: int) -> None:
        """A buffer is written."""
        memory = self._memory[self._plan.regions[buffer]]
        memory.write(*_span(self._program, self._plan, buffer), buffer)

    def require(self, buffer: int, when: str) -> None:
        """A whole may have been written in parts, a part together with its whole.

        Raises:
            PlanError: others have written to it.
        """
        block = self._program.buffers[buffer]
        owners = {buffer, *self._parts.get(buffer, ())}
        owners |= set() if block.parent is None else {block.parent}
        memory = self._memory[self._plan.regions[buffer]]
        if not memory.holds(*_span(self._program, self._plan, buffer), frozenset(owners)):
            _fail(f"at {when} buffer {buffer} '{block.name}' has been overwritten")


def _fail(message: str) -> None:
    raise PlanError(f"memory plan: {message}", hint="this is a bug of the compiler: report it")
