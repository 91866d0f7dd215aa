"""Ops whose newest version the reference kernels run without listing it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgecnn.core.reference import best_reference
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.versions import LISTED, with_listed_versions
from tests.builders import ModelBuilder


def _tile(build: ModelBuilder, x: int) -> int:
    y = build.tensor((1, 8, 4, 4), "int8", scale=0.1)
    build.op("TILE", [x, build.tensor((4,), "int32", data=[1, 2, 1, 1])], [y], version=3)
    return y


def _transpose(build: ModelBuilder, x: int) -> int:
    y = build.tensor((4, 1, 4, 4), "int8", scale=0.1)
    build.op("TRANSPOSE", [x, build.tensor((4,), "int32", data=[3, 0, 2, 1])], [y], version=9)
    return y


def _depth_to_space(build: ModelBuilder, x: int) -> int:
    y = build.tensor((1, 8, 8, 1), "int8", scale=0.1)
    build.op("DEPTH_TO_SPACE", [x], [y], block_size=2, version=2)
    return y


def _arg_max(build: ModelBuilder, x: int, code: str = "ARG_MAX") -> int:
    y = build.tensor((1, 4, 4), "int32")
    build.op(code, [x, build.tensor((1,), "int32", data=[3])], [y], output_type=2, version=3)
    return y


def _arg_min(build: ModelBuilder, x: int) -> int:
    return _arg_max(build, x, "ARG_MIN")


def _squeeze(build: ModelBuilder, x: int) -> int:
    y = build.tensor((4, 4, 4), "int8", scale=0.1)
    build.op("SQUEEZE", [x], [y], squeeze_dims=[0], version=2)
    return y


def _strided_slice(build: ModelBuilder, x: int) -> int:
    y = build.tensor((1, 2, 4, 4), "int8", scale=0.1)
    limits = [
        build.tensor((4,), "int32", data=data) for data in ([0] * 4, [1, 4, 4, 4], [1, 2, 1, 1])
    ]
    build.op("STRIDED_SLICE", [x, *limits], [y], version=8)
    return y


def _abs(build: ModelBuilder, x: int) -> int:
    y = build.tensor((1, 4, 4, 4), "int8", scale=0.1)
    build.op("ABS", [x], [y], version=5)
    return y


def _gelu(build: ModelBuilder, x: int) -> int:
    y = build.tensor((1, 4, 4, 4), "int8", scale=0.1)
    build.op("GELU", [x], [y], version=3)
    return y


MAKERS = (
    _tile, _transpose, _depth_to_space, _arg_max, _arg_min, _squeeze, _strided_slice, _abs, _gelu,
)  # fmt: skip


def _model(make: Callable[[ModelBuilder, int], int]) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 4), "int8", scale=0.1)
    return build.build([x], [make(build, x)])


@pytest.mark.parametrize("make", MAKERS)
def test_the_reference_runs_the_newest(make: Callable[[ModelBuilder, int], int]) -> None:
    data = _model(make)
    reference, warnings = best_reference(data)
    assert not warnings
    x = np.random.default_rng(1).integers(-128, 128, (1, 4, 4, 4), np.int8)
    inputs = {reference.inputs[0].name: x}
    (got,) = reference.predict(inputs).values()
    (want,) = LiteRTPredictor(data, resolver="builtin").predict(inputs).values()
    np.testing.assert_array_equal(got, want)


def test_each_listed_op_is_tried() -> None:
    codes = {read_model(_model(make)).main.operators[0].code for make in MAKERS}
    assert codes == set(LISTED)


def test_only_versions_change() -> None:
    data = _model(_tile)
    listed = read_model(with_listed_versions(data, read_model(data)))
    assert [op.version for op in listed.main.operators] == [LISTED["TILE"]]
    assert with_listed_versions(data, listed) == data
