"""Joins and splits without a step: parts inside their whole, same results, no more memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import PlanError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.planner.check import check_plan
from firmware_glue.compiler.planner.inline import placements
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.graphs import random_graph
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

S, Z = 0.05, -3


def act(build: ModelBuilder, *shape: int, scale: float = S) -> int:
    return build.tensor(shape, "int8", scale, Z)


def relu(build: ModelBuilder, x: int) -> int:
    y = act(build, *build.tensors[x].shape)
    build.op("RELU", [x], [y])
    return y


def ints(build: ModelBuilder, *values: int) -> int:
    return build.tensor((len(values),), "int32", data=list(values))


def concat_rows(build: ModelBuilder) -> None:
    """Joined along the outermost axis that counts; one part is used again afterwards."""
    x = act(build, 1, 4, 4, 3)
    a, b = relu(build, x), relu(build, relu(build, x))
    whole = act(build, 1, 8, 4, 3)
    build.op("CONCATENATION", [a, b], [whole], axis=1)
    y, z = relu(build, whole), act(build, 1, 4, 4, 3)
    build.op("ADD", [a, x], [z])
    build.build([x], [y, z])


def concat_of_views(build: ModelBuilder) -> None:
    """The heads of a detector: each reshaped, then joined; the join is an output."""
    x, y = act(build, 1, 4, 4, 4), act(build, 1, 2, 2, 4)
    flat = []
    for head in (x, y):
        source = relu(build, head)
        count = build.tensors[source].shape[1] ** 2
        view = act(build, 1, count, 4)
        shape = ints(build, 1, count, 4)
        build.op("RESHAPE", [source, shape], [view], new_shape=[1, count, 4])
        flat.append(view)
    whole = act(build, 1, 20, 4)
    build.op("CONCATENATION", flat, [whole], axis=1)
    build.build([x, y], [whole])


def split_and_overwrite(build: ModelBuilder) -> None:
    """What is made from one half may not cover the other before it is read."""
    x = act(build, 1, 8, 4, 4)
    whole = relu(build, x)
    low, high = act(build, 1, 4, 4, 4), act(build, 1, 4, 4, 4)
    axis = build.tensor((), "int32", data=np.array(1))
    build.op("SPLIT", [axis, whole], [low, high], num_splits=2)
    a = relu(build, low)
    for _ in range(2):
        a = relu(build, a)
    y = act(build, 1, 4, 4, 4)
    build.op("SUB", [a, high], [y])
    build.build([x], [y])


def slices(build: ModelBuilder) -> None:
    """Overlapping slices of one tensor."""
    x = act(build, 1, 8, 4, 4)
    whole = relu(build, x)
    parts = []
    for begin, size in ((0, 5), (3, 5)):
        y = act(build, 1, size, 4, 4)
        build.op("SLICE", [whole, ints(build, 0, begin, 0, 0), ints(build, 1, size, 4, 4)], [y])
        parts.append(relu(build, y))
    y = act(build, 1, 5, 4, 4)
    build.op("ADD", parts, [y])
    build.build([x], [y])


def pack_and_unpack(build: ModelBuilder) -> None:
    x = act(build, 2, 8)
    a, b = relu(build, x), relu(build, relu(build, x))
    whole, rows = act(build, 2, 2, 8), [act(build, 2, 8) for _ in range(2)]
    build.op("PACK", [a, b], [whole], values_count=2, axis=0)
    other = relu(build, whole)
    build.op("UNPACK", [other], rows, num=2, axis=0)
    y = act(build, 2, 8)
    build.op("SUB", [relu(build, rows[1]), rows[0]], [y])
    build.build([x], [y])


def branched_blocks(build: ModelBuilder) -> None:
    """Joins whose parts come from steps that run in place."""
    x = act(build, 1, 6, 6, 4)
    last = x
    for _ in range(3):
        rows = build.tensors[last].shape[1]
        a, b = relu(build, last), relu(build, relu(build, last))
        whole = act(build, 1, 2 * rows, 6, 4)
        build.op("CONCATENATION", [a, b], [whole], axis=1)
        half = act(build, 1, rows, 6, 4)
        build.op(
            "MAX_POOL_2D", [whole], [half], padding="SAME", stride_h=2, stride_w=1,
            filter_height=3, filter_width=3,
        )  # fmt: skip
        last = half
    build.build([x], [last])


def part_read_last(build: ModelBuilder) -> None:
    """The step before the join reads a part, and must not write over it."""
    x = act(build, 1, 4, 4, 3)
    a, b = relu(build, x), relu(build, x)
    c = relu(build, a)
    whole = act(build, 1, 8, 4, 3)
    build.op("CONCATENATION", [a, b], [whole], axis=1)
    build.build([x], [relu(build, whole), c])


PLACED: dict[str, tuple[Callable[[ModelBuilder], None], int]] = {
    "concat_rows": (concat_rows, 1), "concat_of_views": (concat_of_views, 1),
    "split_and_overwrite": (split_and_overwrite, 1), "slices": (slices, 2),
    "pack_and_unpack": (pack_and_unpack, 2), "branched_blocks": (branched_blocks, 3),
    "part_read_last": (part_read_last, 1),
}  # fmt: skip


def data_of(make: Callable[[ModelBuilder], None]) -> bytes:
    made: list[bytes] = []

    class Builder(ModelBuilder):
        def build(self, inputs: list[int], outputs: list[int]) -> bytes:
            made.append(super().build(inputs, outputs))
            return made[-1]

    make(Builder())
    return made[-1]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(tmp_path_factory.mktemp("inline"))
    for name, (make, _) in PLACED.items():
        library.add(data_of(make), name)
    library.build()
    return library


@pytest.mark.parametrize("name", PLACED)
def test_no_step_and_the_same_results(name: str, library: Library) -> None:
    make, count = PLACED[name]
    data, compiled = data_of(make), library.models[name]
    codes = [step.code for step in compiled.program.steps]
    moved = {"CONCATENATION", "PACK", "SPLIT", "UNPACK", "SLICE"}
    assert not moved.intersection(codes)
    ops = [op.code for op in read_model(data).main.operators]
    assert len([code for code in ops if code in moved]) == count
    check_plan(compiled.program, compiled.plan)
    parts = [b for b in compiled.program.buffers if b.parent is not None]
    assert parts
    runner, reference = library.runner(name), Reference(data)
    for seed in (1, 2):
        inputs = random_inputs(read_model(data), np.random.default_rng(seed))
        for got, want in zip(runner(inputs), reference(inputs), strict=True):
            np.testing.assert_array_equal(got, want)


def test_parts_outlive_their_last_use() -> None:
    program = compile_model(read_model(data_of(part_read_last)), name="m").program
    parts = {i for i, b in enumerate(program.buffers) if b.parent is not None}
    assert parts
    assert not parts.intersection(a.read for a in program.allowances)


def inner_axis(build: ModelBuilder) -> None:
    x = act(build, 1, 2, 2, 4)
    whole = act(build, 1, 2, 2, 8)
    build.op("CONCATENATION", [relu(build, x), relu(build, x)], [whole], axis=3)
    build.build([x], [whole])


def twice_the_same(build: ModelBuilder) -> None:
    a = relu(build, x := act(build, 1, 2, 2, 4))
    whole = act(build, 1, 4, 2, 4)
    build.op("CONCATENATION", [a, a], [whole], axis=1)
    build.build([x], [whole])


def unaligned(build: ModelBuilder) -> None:
    x = act(build, 1, 3)
    whole = act(build, 1, 6)
    build.op("CONCATENATION", [relu(build, x), relu(build, x)], [whole], axis=1)
    build.build([x], [whole])


def of_an_input(build: ModelBuilder) -> None:
    x = act(build, 1, 4)
    whole = act(build, 1, 8)
    build.op("CONCATENATION", [x, relu(build, x)], [whole], axis=1)
    build.build([x], [whole])


def of_a_constant(build: ModelBuilder) -> None:
    x = act(build, 1, 4)
    k = build.tensor((1, 4), "int8", S, Z, data=np.arange(4).reshape(1, 4))
    whole = act(build, 1, 8)
    build.op("CONCATENATION", [k, relu(build, x)], [whole], axis=1)
    build.build([x], [whole])


def slice_with_gaps(build: ModelBuilder) -> None:
    a = relu(build, x := act(build, 1, 4, 4))
    y = act(build, 1, 4, 2)
    build.op("SLICE", [a, ints(build, 0, 0, 0), ints(build, 1, 4, 2)], [y])
    build.build([x], [y])


@pytest.mark.parametrize(
    "make", [inner_axis, twice_the_same, unaligned, of_an_input, of_a_constant, slice_with_gaps]
)
def test_a_step_where_bytes_must_move(make: Callable[[ModelBuilder], None]) -> None:
    compiled = compile_model(read_model(data_of(make)), name="m")
    assert not placements(compiled.program.graph)
    assert compiled.program.steps[-1].code in ("CONCATENATION", "SLICE")


def test_one_part_cannot_lie_in_two_wholes() -> None:
    def make(build: ModelBuilder) -> None:
        x = act(build, 1, 4, 4)
        a, b, c = relu(build, x), relu(build, x), relu(build, x)
        one, two = act(build, 1, 8, 4), act(build, 1, 8, 4)
        build.op("CONCATENATION", [a, b], [one], axis=1)
        build.op("CONCATENATION", [b, c], [two], axis=1)
        build.build([x], [one, two])

    compiled = compile_model(read_model(data_of(make)), name="m")
    codes = [step.code for step in compiled.program.steps]
    assert codes.count("CONCATENATION") == 1


def test_parts_have_no_parts() -> None:
    """Of nested splits and joins, one level is placed; the other one stays a step."""

    def splits(build: ModelBuilder) -> None:
        whole = relu(build, x := act(build, 1, 8, 4))
        halves, quarters = ([act(build, 1, n, 4) for _ in range(2)] for n in (4, 2))
        axis = build.tensor((), "int32", data=np.array(1))
        build.op("SPLIT", [axis, whole], halves, num_splits=2)
        build.op("SPLIT", [axis, halves[0]], quarters, num_splits=2)
        build.build([x], [relu(build, i) for i in (halves[1], *quarters)])

    def joins(build: ModelBuilder) -> None:
        x = act(build, 1, 2, 4)
        one, two = act(build, 1, 4, 4), act(build, 1, 6, 4)
        build.op("CONCATENATION", [relu(build, x), relu(build, x)], [one], axis=1)
        build.op("CONCATENATION", [one, relu(build, x)], [two], axis=1)
        build.build([x], [two])

    for make in (splits, joins):
        compiled = compile_model(read_model(data_of(make)), name="m")
        assert len(placements(compiled.program.graph)) == 1
        codes = [step.code for step in compiled.program.steps]
        assert len([code for code in codes if code in ("SPLIT", "CONCATENATION")]) == 1


def test_a_part_outside_its_whole_is_caught() -> None:
    compiled = compile_model(read_model(data_of(concat_rows)), name="m")
    program, plan = compiled.program, compiled.plan
    part = next(i for i, b in enumerate(program.buffers) if b.parent is not None)
    offsets = list(plan.offsets)
    offsets[part] += 4
    with pytest.raises(PlanError, match="inside its whole"):
        check_plan(program, replace(plan, offsets=tuple(offsets)))
    block = program.buffers[part]
    moved = replace(block, inner=program.buffers[block.parent].nbytes - 4)
    buffers = (*program.buffers[:part], moved, *program.buffers[part + 1 :])
    with pytest.raises(PlanError, match="inside its whole|leaves"):
        check_plan(replace(program, buffers=buffers), plan)


@pytest.mark.parametrize("seed", range(10))
def test_random_graphs_still_hold(seed: int, tmp_path: Path) -> None:
    compiled = compile_model(read_model(random_graph(np.random.default_rng([6, seed]))), name="g")
    check_plan(compiled.program, compiled.plan)
