"""The order of steps: the best of all on small graphs, never worse than the file's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.importer import import_model
from firmware_glue.compiler.ir import COPY, VIEW, Graph, Lifetime, Op, Tensor
from firmware_glue.compiler.passes import FIRST, run_passes
from firmware_glue.compiler.planner.check import check_plan
from firmware_glue.compiler.planner.order import Task, find_order
from firmware_glue.compiler.planner.regions import plan_memory
from firmware_glue.compiler.planner.schedule import in_given_order, schedule
from tests.firmware_glue.compiler.graphs import random_graph
from tests.firmware_glue.compiler.planner_cases import branches, cells


def orders(tasks: Sequence[Task]) -> Iterator[tuple[int, ...]]:
    def go(done: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(done) == len(tasks):
            yield done
        for number, task in enumerate(tasks):
            if number not in done and set(task.after) <= set(done):
                yield from go((*done, number))

    return go(())


def peak(
    tasks: Sequence[Task], sizes: dict[int, int], inputs: set[int], outputs: set[int],
    order: Sequence[int],
) -> int:  # fmt: skip
    """Bytes live at once, by lifetimes."""
    place = {number: k for k, number in enumerate(order)}
    first = dict.fromkeys(inputs, -1)
    first |= {b: place[n] for n, task in enumerate(tasks) for b in task.writes}
    last = {b: max([first[b], *(place[n] for n, t in enumerate(tasks) if b in t.reads)])
            for b in first}  # fmt: skip
    last |= {b: len(order) for b in outputs}
    most = 0
    for now, number in enumerate(order):
        live = sum(sizes[b] for b in first if first[b] <= now <= last[b]) + tasks[number].scratch
        saved: dict[int, int] = {}
        for read, written, shared in tasks[number].overlaps:
            if last[read] == now:
                saved[written] = saved.get(written, 0) + shared
        most = max(most, live - sum(min(s, sizes[w]) for w, s in saved.items()))
    return most


def random_tasks(rng: np.random.Generator) -> tuple[list[Task], dict[int, int], set[int], set[int]]:
    sizes = {0: int(rng.integers(1, 50))}
    tasks: list[Task] = []
    for number in range(int(rng.integers(4, 9))):
        count = int(rng.integers(1, 3))
        reads = tuple(sorted({int(rng.integers(0, number + 1)) for _ in range(count)}))
        sizes[number + 1] = int(rng.integers(1, 50))
        after = tuple(b - 1 for b in reads if b > 0)
        overlaps = tuple((b, number + 1, int(rng.integers(0, 20))) for b in reads)
        scratch = int(rng.integers(0, 30)) if rng.random() < 0.3 else 0
        tasks.append(Task(reads, (number + 1,), after, scratch, overlaps))
    return tasks, sizes, {0}, {len(tasks), int(rng.integers(1, len(tasks) + 1))}


@pytest.mark.parametrize("seed", range(60))
def test_the_smallest_peak_of_all_orders(seed: int) -> None:
    tasks, sizes, inputs, outputs = random_tasks(np.random.default_rng([31, seed]))
    order = find_order(tasks, sizes, sorted(inputs), sorted(outputs))
    every = {o: peak(tasks, sizes, inputs, outputs, o) for o in orders(tasks)}
    assert every[order] == min(every.values())
    if every[order] == every[tuple(range(len(tasks)))]:
        assert order == tuple(range(len(tasks)))
    assert order == find_order(tasks, sizes, sorted(inputs), sorted(outputs))


def graph_of(data: bytes) -> Graph:
    return run_passes(FIRST(import_model(read_model(data)).graph))


def arena(graph: Graph, *, searched: bool) -> int:
    program = schedule(graph) if searched else in_given_order(graph)
    plan = plan_memory(program)
    check_plan(program, plan)
    return plan.arena_bytes


@pytest.mark.parametrize("seed", range(30))
def test_never_worse_than_the_files_order(seed: int) -> None:
    graph = graph_of(random_graph(np.random.default_rng([32, seed])))
    assert arena(graph, searched=True) <= arena(graph, searched=False)


def test_branches_are_finished_one_by_one() -> None:
    """Breadth first in the file: all wide tensors at once; depth first needs one at a time."""
    graph = graph_of(branches(6))
    # 6 wide tensors of 16 KiB at once, or one beside the input and the narrow ones.
    assert arena(graph, searched=False) > 6 * 16_384
    assert arena(graph, searched=True) < 2 * 16_384


def test_three_hundred_ops_with_cells() -> None:
    graph = graph_of(cells(20))
    assert len(graph.ops) >= 300
    program = schedule(graph)
    plan = plan_memory(program)
    check_plan(program, plan)
    assert plan.arena_bytes <= 1.02 * plan.lower_bound_bytes
    assert plan.arena_bytes <= arena(graph, searched=False)


def test_steps_keep_their_op_indices() -> None:
    compiled = compile_model(read_model(branches(4)), name="b")
    sources = [step.sources for step in compiled.program.steps]
    assert sources != sorted(sources)
    assert sorted(s for (s,) in sources) == list(range(len(sources)))
    names = {op.index: op.code for op in read_model(branches(4)).main.operators}
    assert all(names[step.sources[0]] == step.code for step in compiled.program.steps)


def test_ops_on_variables_keep_the_files_order() -> None:
    """Reading a variable late would be cheaper, but it is assigned in between."""
    act = (Tensor("t", (n,), DType.INT8, Lifetime.ACTIVATION) for n in (4, 4000, 4000, 4, 4000))
    tensors = dict(enumerate(act)) | {9: Tensor("v", (4000,), DType.INT8, Lifetime.STATE)}

    def copy(source: int, target: int, index: int) -> Op:
        return Op(COPY, (source,), (target,), None, (index,), f"copy{index}")

    # Read the variable, set it from the second input, then use what was read.
    ops = (copy(9, 2, 0), copy(1, 9, 1), copy(0, 3, 2), copy(2, 4, 3))
    graph = Graph(tensors, ops, (0, 1), (3, 4))
    order = [step.sources[0] for step in schedule(graph).steps]
    assert order.index(0) < order.index(1)
    assert order.index(0) < order.index(3)


def test_views_follow_what_they_show() -> None:
    graph = graph_of(branches(4))
    (out,) = graph.outputs
    flat = max(graph.tensors) + 1
    shape = (graph.tensors[out].elements,)
    view = Op(VIEW, (out,), (flat,), None, (), "view")
    viewed = replace(
        graph.with_ops((*graph.ops, view), {flat: replace(graph.tensors[out], shape=shape)}),
        outputs=(flat,),
    )
    program = schedule(viewed)
    assert program.homes[flat] == program.homes[out]
    check_plan(program, plan_memory(program))
