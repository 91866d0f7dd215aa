"""Memory over time as plain data: which buffers live at each step, where, and who holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.planner.program import MemoryPlan, Program

SCHEMA = "edgecnn.memory/1"


@dataclass(frozen=True)
class Block:
    """One buffer.

    Attributes:
        name: its tensor's name.
        holder: the layer that writes it; "input" for the model's inputs; the tensor's own name
            where several layers write parts of it.
        kind: input, output, activation or scratch.
        region: index into the regions.
        offset: bytes from the start of the region.
        first, last: steps between which it is live, both included.
    """

    name: str
    holder: str
    kind: str
    region: int
    offset: int
    nbytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Moment:
    """One step.

    Attributes:
        ops: .tflite op indices.
        live: blocks that are live while it runs.
        live_bytes: bytes that they cover together, in all regions; shared bytes count once.
        live_by_region: the same, region by region.
        backwards: whether the step writes its output from the end.
    """

    ops: tuple[int, ...]
    name: str
    code: str
    live: tuple[int, ...]
    live_bytes: int
    live_by_region: tuple[int, ...]
    backwards: bool


@dataclass(frozen=True)
class Timeline:
    """Memory over all steps.

    Attributes:
        regions: (name, bytes taken).
        peak_step: the first step at which the most bytes are live; 0 without steps.
        peak_bytes: bytes live there.
    """

    arena_bytes: int
    lower_bound_bytes: int
    regions: tuple[tuple[str, int], ...]
    blocks: tuple[Block, ...]
    steps: tuple[Moment, ...]
    peak_step: int
    peak_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts."""
        # ``asdict`` would copy every number one by one.
        regions = [{"name": name, "bytes": nbytes} for name, nbytes in self.regions]
        rows = {"blocks": self.blocks, "steps": self.steps}
        plain = {name: tuple(dict(vars(row)) for row in many) for name, many in rows.items()}
        return {"schema": SCHEMA, **vars(self), **plain, "regions": regions}


def memory_timeline(program: Program, plan: MemoryPlan) -> Timeline:
    """What a plan does with the memory, step by step."""
    blocks = _blocks(program, plan)
    rows = [(b.region, b.offset, b.offset + b.nbytes, b.first, b.last) for b in blocks]
    # Arrays, sorted once: all blocks may live at all steps, and both may be thousands.
    table = np.array(rows, np.int64).reshape(-1, 5)
    by_offset = np.argsort(table[:, 1], kind="stable")
    steps = []
    for number, step in enumerate(program.steps):
        living = (table[:, 3] <= number) & (number <= table[:, 4])
        live = tuple(np.flatnonzero(living).tolist())
        spans = table[by_offset[living[by_offset]], :3]
        here = tuple(
            _covered(spans[spans[:, 0] == region, 1:]) for region in range(len(plan.region_bytes))
        )
        steps.append(
            Moment(
                step.sources, step.name, step.code, live, sum(here), here, number in plan.reversed
            )
        )
    peak = max(range(len(steps)), key=lambda n: (steps[n].live_bytes, -n), default=0)
    return Timeline(
        plan.arena_bytes, plan.lower_bound_bytes,
        tuple(zip(plan.region_names, plan.region_bytes, strict=True)), blocks, tuple(steps),
        peak, steps[peak].live_bytes if steps else 0,
    )  # fmt: skip


def _blocks(program: Program, plan: MemoryPlan) -> tuple[Block, ...]:
    writers = {buffer: step for step in reversed(program.steps) for buffer in step.writes}
    scratches = {step.scratch: step for step in program.steps if step.scratch is not None}
    inputs = {program.homes[i] for i in program.graph.inputs if i in program.homes}
    outputs = {program.homes[i] for i in program.graph.outputs if i in program.homes}
    result = []
    for i, buffer in enumerate(program.buffers):
        kind = "input" if i in inputs else "output" if i in outputs else "activation"
        writer = writers.get(i)
        if i in scratches:
            kind, writer = "scratch", scratches[i]
        elif writer is None and buffer.parent is not None:
            writer = writers.get(buffer.parent)
        # What is joined from parts has no writer of its own.
        holder = buffer.name if writer is None else writer.name
        result.append(
            Block(
                buffer.name, "input" if i in inputs else holder, kind, plan.regions[i],
                plan.offsets[i], buffer.nbytes, buffer.first, buffer.last,
            )
        )  # fmt: skip
    return tuple(result)


def _covered(spans: NDArray[np.int64]) -> int:
    """Bytes in the union of blocks of one region: (blocks, 2), first byte and end, by first."""
    start, stop = spans.T
    reached = np.append(0, np.maximum.accumulate(stop))[:-1]
    return int(np.maximum(stop - np.maximum(start, reached), 0).sum())
