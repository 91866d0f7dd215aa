"""The comment before a step's function: what it reads and writes, and where that lies."""

from __future__ import annotations

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.chain_c import chain_comment
from firmware_glue.compiler.emit.memory import Memory
from firmware_glue.compiler.planner.program import Step

LEGEND = """\
 * The comment of a step names its tensors and where they lie, in bytes from the start of their
 * memory; its scratch memory, if it needs any; and the inputs that it overwrites, if it does."""


def step_comment(memory: Memory, number: int) -> list[str]:
    """The comment's lines.

    Args:
        memory: where everything lies.
        number: the step's position.
    """
    step = memory.program.steps[number]
    sources = "".join(f"#{index} " for index in step.sources)
    return [
        f"/* Step {number}: {step.code} {sources}'{text.comment(step.name)[:70]}'",
        *_shapes(memory, step),
        *_scratch(memory, step),
        *_overwritten(memory, step, number),
        *chain_comment(memory, step),
        " */",
    ]


def _shapes(memory: Memory, step: Step) -> list[str]:
    rows = []
    for kind, ids in (("in ", step.inputs), ("out", step.outputs)):
        for tensor_id in ids:
            tensor = memory.program.graph.tensors[tensor_id]
            shape = "x".join(map(str, tensor.shape)) or "scalar"
            rows.append(f" *   {kind} {tensor.dtype.value} {shape}, {memory.place(tensor_id)}")
    return rows


def _scratch(memory: Memory, step: Step) -> list[str]:
    if step.scratch is None:
        return []
    size = memory.program.buffers[step.scratch].nbytes
    return [f" *   scratch {size} bytes, {memory.buffer_place(step.scratch)}"]


def _overwritten(memory: Memory, step: Step, number: int) -> list[str]:
    """The inputs that outputs lie over: memory that was chosen because they die here."""
    rows = []
    for read in dict.fromkeys(step.inputs):
        for written in dict.fromkeys(step.outputs):
            ours, theirs = memory.span(read), memory.span(written)
            if ours is None or theirs is None or ours[0] != theirs[0]:
                continue
            start, end = max(ours[1], theirs[1]), min(ours[2], theirs[2])
            if start < end:
                way = ", from the last to the first" if number in memory.plan.reversed else ""
                whole = (start, end) == ours[1:]
                what = "all" if whole else f"bytes {start} to {end - 1}"
                rows.append(f" *   overwrites {what} of the input {memory.place(read)}{way}")
    return rows
