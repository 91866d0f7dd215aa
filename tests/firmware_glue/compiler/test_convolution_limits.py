"""Limits of the convolutions and pools: what is refused, its twin that is not, and the words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import check_ops
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.exactness import wrong_elements
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs


@dataclass(frozen=True)
class Conv:
    """A CONV_2D of 3 × 3 filters, 2 → 4 channels; ``make`` gives the file."""

    dtype: str = "int8"
    filters: str = "int8"
    bias: str | None = "int32"
    scale: Any = 0.01
    filter_point: int = 0
    point: int = 0
    out_scale: float = 0.1
    bias_value: int = 5
    bias_count: int = 4
    code: str = "CONV_2D"
    axis: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def make(self) -> bytes:
        build = ModelBuilder()

        def quantized(dtype: str, scale: Any, point: int = 0) -> dict[str, Any]:
            return {} if dtype == "float32" else {"scale": scale, "zero_point": point}

        shape, axis = ((4, 3, 3, 2), 0) if self.code != "DEPTHWISE_CONV_2D" else ((1, 3, 3, 4), 3)
        x = build.tensor((1, 5, 5, 2), self.dtype, **quantized(self.dtype, 0.05, self.point))
        data = np.arange(np.prod(shape)).reshape(shape)
        w = build.tensor(
            shape, self.filters, data=data, axis=axis if self.axis is None else self.axis,
            **quantized(self.filters, self.scale, self.filter_point),
        )  # fmt: skip
        operands = [x, w]
        if self.code == "TRANSPOSE_CONV":
            operands = [build.tensor((4,), "int32", data=[1, 5, 5, 4]), w, x]
        if self.bias is not None:
            count = self.bias_count
            values = np.full(count, self.bias_value)
            operands.append(
                build.tensor((count,), self.bias, data=values, **quantized(self.bias, 0.0005))
            )
        y = build.tensor((1, 5, 5, 4), self.dtype, **quantized(self.dtype, self.out_scale))
        build.op(self.code, operands, [y], padding="SAME", **self.options)
        return build.build([x], [y])


INT16 = {"dtype": "int16", "bias": "int64"}
NARROW = {"options": {"quantized_bias_type": "INT32"}}
CASES: dict[str, tuple[Conv, Conv, str, str]] = {
    "hybrid": (
        Conv("float32", "int8", "float32"), Conv("float32", "float32", "float32"),
        "Integer weights beside float activations (dynamic-range quantization) have no C.",
        "int8 weights, float32 activations",
    ),
    "wrong filters": (
        Conv("uint8", "int8"), Conv("uint8", "uint8"), "Input 1 must be uint8.", "int8",
    ),
    "undeclared int32 bias": (
        Conv("int16", bias="int32"), Conv("int16", bias="int32", **NARROW),
        "The bias of int16 activations must have the dtype that the op's options declare.",
        "int32 bias",
    ),
    "undeclared int64 bias": (
        Conv(**INT16, **NARROW), Conv(**INT16),
        "The bias of int16 activations must have the dtype that the op's options declare.",
        "int64 bias",
    ),
    "depthwise int32 bias": (
        Conv("int16", bias="int32", code="DEPTHWISE_CONV_2D"),
        Conv("int16", bias="int64", code="DEPTHWISE_CONV_2D"),
        "Input 2 must be int64.", "int32",
    ),
    "huge bias": (
        Conv(**INT16, bias_value=1 << 46), Conv(**INT16, bias_value=(1 << 46) - 1),
        "int64 biases must be constants that 64-bit accumulators have room for.", str(1 << 46),
    ),
    "int16 zero point": (
        Conv(**INT16, point=3), Conv(**INT16),
        "int16 activations must be symmetric (zero point 0).", "'t0' has zero point 3",
    ),
    "filter zero point": (
        Conv(filter_point=1), Conv("uint8", "uint8", filter_point=1),
        "Filters must be symmetric (zero point 0).", "zero point 1",
    ),
    "uint8 per channel": (
        Conv("uint8", "uint8", scale=[0.1] * 4), Conv(scale=[0.1] * 4),
        "uint8 filters must have one scale and one zero point.", "4 scales",
    ),
    "scales": (
        Conv(scale=[0.1] * 3, axis=1), Conv(scale=[0.1] * 4),
        "Filters must have one scale, or one per output channel.", "3 scales along axis 1",
    ),
    "huge factor": (
        Conv(scale=1e9, out_scale=1e-6), Conv(scale=1e3, out_scale=1e-4),
        "Input scale · filter scale / output scale must not be huge.", "about 2^46",
    ),
    "bias size": (
        Conv(bias_count=3), Conv(bias=None),
        "The bias must have one value per output channel.", "3 values for 4 channels",
    ),
    "transposed bias": (
        Conv("int16", bias="int32", code="TRANSPOSE_CONV"),
        Conv("int16", bias="int32", code="TRANSPOSE_CONV", **NARROW),
        "The bias of int16 activations must have the dtype that the op's options declare.",
        "int32 bias",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_each_rule_accepts_and_rejects(name: str) -> None:
    bad, good, rule, got = CASES[name]
    assert check_ops(read_model(good.make())) == ()
    (problem,) = check_ops(read_model(bad.make()))
    assert (problem.rule, problem.got) == (rule, got)


def _zero_bias(code: str, dtype: str) -> tuple[Conv, Conv]:
    kinds = {"int8": "int32", "uint8": "int32", "int16": "int64", "float32": "float32"}
    filters = "int8" if dtype == "int16" else dtype
    without = Conv(dtype, filters, None, code=code)
    return without, Conv(dtype, filters, kinds[dtype], bias_value=0, code=code)


def _run(make: Callable[[], bytes], name: str, library: Library) -> bytes:
    data = make()
    library.add(data, name)
    return data


def test_absent_bias_equals_zero_bias(tmp_path: Path) -> None:
    """LiteRT's CONV_2D insists on a bias, so a bias of zeros is the judge."""
    library, judges = Library(tmp_path), {}
    for code in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        for dtype in ("int8", "int16", "uint8", "float32"):
            without, zero = _zero_bias(code, dtype)
            name = f"{code.lower()}_{dtype}"
            _run(without.make, name, library)
            judges[name] = zero.make()
    library.build("-DEDGECNN_SHARE_ALL")
    for name, data in judges.items():
        inputs = random_inputs(read_model(data), np.random.default_rng(1))
        (got,), (want,) = library.runner(name)(inputs), Reference(data)(inputs)
        assert wrong_elements(got, want) == 0, name


def _dynamic_batch() -> bytes:
    """What Keras exports for Conv2DTranspose: the output's shape is worked out from the batch."""
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 2), "int8", 0.05, 3, signature=(-1, 4, 4, 2))
    shape, batch = build.tensor((4,), "int32"), build.tensor((), "int32")
    build.op("SHAPE", [x], [shape], out_type="INT32")
    begin, end, one = (build.tensor((1,), "int32", data=[v]) for v in (0, 1, 1))
    build.op("STRIDED_SLICE", [shape, begin, end, one], [batch], shrink_axis_mask=1)
    sizes = [build.tensor((), "int32", data=np.array(v)) for v in (8, 8, 3)]
    target = build.tensor((4,), "int32")
    build.op("PACK", [batch, *sizes], [target], values_count=4, axis=0)
    w = build.tensor((3, 3, 3, 2), "int8", 0.01, data=np.arange(54).reshape(3, 3, 3, 2) - 27)
    y = build.tensor((1, 1, 1, 3), "int8", 0.1, -4, signature=(-1, -1, -1, 3))
    build.op("TRANSPOSE_CONV", [target, w, x], [y], padding="SAME", stride_h=2, stride_w=2)
    return build.build([x], [y])


def test_transpose_conv_of_a_dynamic_batch(tmp_path: Path) -> None:
    library, data = Library(tmp_path), _dynamic_batch()
    library.add(data, "up")
    library.build()
    inputs = random_inputs(read_model(data), np.random.default_rng(1))
    (got,), (want,) = library.runner("up")(inputs), Reference(data)(inputs)
    np.testing.assert_array_equal(got, want)
    assert got.shape == (1, 8, 8, 3)
