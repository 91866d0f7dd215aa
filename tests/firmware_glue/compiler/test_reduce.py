"""Reductions: how far outputs may reach into inputs, special floats, LiteRT's broken SUM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.importer import import_model
from firmware_glue.compiler.ops import reduce
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import shape_of
from tests.firmware_glue.compiler.harness import Library, Reference


def _model(code: str, shape: tuple[int, ...], axes: list[int], dtype: str, out: str) -> bytes:
    build = ModelBuilder()
    x = build.tensor(shape, dtype)
    a = build.tensor((len(axes),), "int32", data=axes)
    y = build.tensor([v for i, v in enumerate(shape) if i not in axes], out)
    options = {"output_type": out.upper()} if code.startswith("ARG") else {"keep_dims": False}
    build.op(code, [x, a], [y], **options)
    return build.build([x], [y])


def _survives(shape: tuple[int, ...], axes: list[int], sizes: tuple[int, int], lead: int) -> bool:
    """Whether each input byte is still there when its output is computed, outputs in order."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    kept = [i for i in range(len(shape)) if i not in axes]
    rows = np.transpose(index, [*kept, *axes]).reshape(-1, np.prod([shape[i] for i in axes]))
    written = -lead  # first byte behind the output so far, from the input's start
    for number, row in enumerate(rows):
        low, high = row * sizes[0], (row + 1) * sizes[0]
        if np.any((low < written) & (high > -lead)) and number > 0:
            return False
        written += sizes[1]
    return True


@pytest.mark.parametrize(
    ("code", "dtype", "out"),
    [("REDUCE_MAX", "int8", "int8"), ("REDUCE_MAX", "float32", "float32"),
     ("ARG_MAX", "int8", "int32"), ("ARG_MAX", "int32", "int32"), ("ARG_MIN", "uint8", "int64")],
)  # fmt: skip
def test_output_never_covers_what_is_still_read(code: str, dtype: str, out: str) -> None:
    rng = np.random.default_rng(5)
    tight = 0
    for _ in range(60):
        shape = shape_of(rng, 1, 5, 6)
        count = 1 if code.startswith("ARG") else int(rng.integers(1, len(shape) + 1))
        axes = sorted(int(v) for v in rng.permutation(len(shape))[:count])
        graph = import_model(read_model(_model(code, shape, axes, dtype, out))).graph
        (op,) = graph.ops
        (overlap,) = reduce.in_place(graph, op, reduce.axes_of(graph, op))
        sizes = np.dtype(dtype).itemsize, np.dtype(out).itemsize
        assert _survives(shape, axes, sizes, overlap.lead), (shape, axes)
        tight += not _survives(shape, axes, sizes, overlap.lead - 1)
    assert tight > 20


@pytest.mark.parametrize("code", ["REDUCE_MAX", "REDUCE_MIN"])
@pytest.mark.parametrize("axes", [[0], [1], [0, 1]])
def test_extremes_of_special_floats(code: str, axes: list[int], tmp_path: Path) -> None:
    data = _model(code, (3, 4), axes, "float32", "float32")
    library = Library(tmp_path)
    library.add(data, "m")
    library.build()
    special = np.array([np.nan, np.inf, -np.inf, 0, 1e38], np.float32)
    rng = np.random.default_rng(3)
    for _ in range(100):
        x = special[rng.integers(0, 5, (3, 4))]
        np.testing.assert_array_equal(library.runner("m")([x]), Reference(data)([x]))


def test_sum_of_int8_is_not_litert_reference() -> None:
    """A reminder: if LiteRT mends its reference kernel, SUM can follow it."""
    build = ModelBuilder()
    x = build.tensor((2,), "int8", 1.0, 0)
    y = build.tensor((1,), "int8", 1.0, 0)
    build.op("SUM", [x, build.tensor((1,), "int32", data=[0])], [y], keep_dims=True)
    data = build.build([x], [y])
    inputs = [np.array([-5, -6], np.int8)]
    assert Reference(data, optimized=True)(inputs)[0] == [-11]
    assert Reference(data)(inputs)[0] != [-11]


def test_numerics_choose_the_sum() -> None:
    build = ModelBuilder()
    x = build.tensor((2,), "int8", 1.0, 0)
    y = build.tensor((1,), "int8", 2.0, 0)
    build.op("SUM", [x, build.tensor((1,), "int32", data=[0])], [y], keep_dims=True)
    model = read_model(build.build([x], [y]))
    names = [compile_model(model, name="m", numerics=n).steps[0].kernel for n in _NUMERICS]
    assert names == ["reduce_sum_real_s8", "reduce_sum_s8", "reduce_sum_s8"]


_NUMERICS = ("litert-ref", "tflm", "single")
