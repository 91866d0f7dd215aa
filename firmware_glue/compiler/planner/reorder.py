"""A program's ops as tasks, and the order found for them as positions in the graph."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ops.spec import Lowered
from firmware_glue.compiler.planner.bound import shared
from firmware_glue.compiler.planner.order import Task, find_order
from firmware_glue.compiler.planner.program import Allowance, Program


def better_order(program: Program, lowered: Sequence[Lowered | None]) -> tuple[int, ...] | None:
    """Positions of the graph's ops in an order with a smaller peak; None if there is none known.

    Args:
        program: in the graph's order.
        lowered: the graph's ops as kernels; None for views, which follow what they show.
    """
    graph, homes = program.graph, program.homes
    tasks = _tasks(program, lowered)
    order = find_order(
        tasks,
        {i: buffer.nbytes for i, buffer in enumerate(program.buffers)},
        [homes[i] for i in graph.inputs],
        [homes[i] for i in graph.outputs if i in homes],
    )
    if order == tuple(range(len(tasks))):
        return None
    positions = [i for i, kernel in enumerate(lowered) if kernel is not None]
    return _with_views(program, lowered, [positions[number] for number in order])


def _tasks(program: Program, lowered: Sequence[Lowered | None]) -> list[Task]:
    """One task per step."""
    homes, buffers = program.homes, program.buffers
    kernels = [kernel for kernel in lowered if kernel is not None]
    writer: dict[int, int] = {}
    tasks: list[Task] = []
    stateful: int | None = None
    for number, (step, kernel) in enumerate(zip(program.steps, kernels, strict=True)):
        after = {writer[buffer] for buffer in step.reads if buffer in writer}
        if any(i in program.variables for i in (*step.inputs, *step.outputs)):
            if stateful is not None:
                after.add(stateful)
            stateful = number
        writer.update(dict.fromkeys(step.writes, number))
        overlaps = []
        for o in kernel.overlaps:
            if o.input in homes and o.output in homes:
                read, written = homes[o.input], homes[o.output]
                reverse = kernel.reverse_lead(o)
                allowance = Allowance(number, read, written, o.lead, reverse, o.same)
                most = shared(buffers[read], buffers[written], allowance)
                overlaps.append((read, written, most))
        # The same buffer under two names is covered once.
        tasks.append(
            Task(
                step.reads, step.writes, tuple(sorted(after)), kernel.scratch_bytes,
                tuple({pair[:2]: pair for pair in overlaps}.values()),
            )
        )  # fmt: skip
    return tasks


def _with_views(
    program: Program, lowered: Sequence[Lowered | None], positions: Sequence[int]
) -> tuple[int, ...]:
    """The order with each view put in as soon as what it shows is there."""
    ops = program.graph.ops
    made = {i for op in ops for i in op.outputs}
    known = {i for op in ops for i in op.inputs if i not in made}
    waiting = [i for i, kernel in enumerate(lowered) if kernel is None]
    result: list[int] = []

    def place_views() -> None:
        for i in list(waiting):
            if all(t == NO_TENSOR or t in known for t in ops[i].inputs):
                waiting.remove(i)
                result.append(i)
                known.update(ops[i].outputs)

    place_views()
    for i in positions:
        result.append(i)
        known.update(ops[i].outputs)
        place_views()
    return tuple(result)
