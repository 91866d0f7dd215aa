"""Models that run on generic kernels are told so, with the reason and what to change."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.builders import ModelBuilder, tiny_classifier


def conv(dtype: str, *, groups: int = 1, zero_point: int | None = None) -> bytes:
    """One 3×3 CONV_2D of 8 channels on 8×8."""
    build = ModelBuilder()
    if dtype == "float32":
        x = build.tensor((1, 8, 8, 8), dtype)
        w = build.tensor((8, 3, 3, 8), dtype, data=np.ones((8, 3, 3, 8)))
        y = build.tensor((1, 8, 8, 8), dtype)
        b = -1
    else:
        zero = {"uint8": 128}.get(dtype, 0)
        x = build.tensor((1, 8, 8, 8), dtype, 0.05, zero)
        depth = 8 // groups
        kind = "uint8" if dtype == "uint8" else "int8"
        data = np.arange(8 * 9 * depth).reshape(8, 3, 3, depth) % 100
        w = build.tensor((8, 3, 3, depth), kind, 0.01, zero_point or zero, data=data)
        bias = "int64" if dtype == "int16" else "int32"
        b = build.tensor((8,), bias, 0.0005, data=np.zeros(8))
        y = build.tensor((1, 8, 8, 8), dtype, 0.1, zero)
    build.op("CONV_2D", [x, w, b], [y], padding="SAME")
    return build.build([x], [y])


def told(data: bytes, kernels: str = "dsp", optimize: str = "speed") -> list[str]:
    compiled = compile_model(read_model(data), name="m", kernels=kernels, optimize=optimize)
    return [note for note in compiled.notes if "generic kernels" in note]


@pytest.mark.parametrize(
    ("data", "reason", "cure"),
    [
        (conv("uint8"), "no 'dsp' kernels for uint8", "edgecnn quantize --recipe int8"),
        (conv("float32"), "no 'dsp' kernels for float32", "edgecnn quantize --recipe int8"),
        (conv("int16"), "no 'dsp' kernels for int16", "--recipe int8"),
        (conv("int8", groups=2), "grouped convolutions", "groups=1"),
    ],
)
def test_the_reason_and_the_cure(data: bytes, reason: str, cure: str) -> None:
    (note,) = told(data)
    assert note.startswith("1 of 1 weighted layers (100 % of the multiply-accumulates)")
    assert reason in note and cure in note


@pytest.mark.parametrize("kernels", ["v6m", "v7m", "dsp", "mve", "rv32"])
@pytest.mark.parametrize("optimize", ["speed", "size"])
def test_models_that_the_cores_kernels_take_are_not_told(kernels: str, optimize: str) -> None:
    assert told(tiny_classifier(), kernels, optimize) == []


def test_a_core_without_kernels_of_its_own_has_nothing_faster() -> None:
    assert told(conv("uint8"), "generic") == []


def test_a_layer_of_another_kind_is_named_with_its_share() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 8, 8, 8), "int8", 0.05)
    w = build.tensor((8, 1, 1, 8), "int8", 0.01, data=np.ones((8, 1, 1, 8)))
    y = build.tensor((1, 8, 8, 8), "int8", 0.05)
    build.op("CONV_2D", [x, w, -1], [y], padding="SAME")
    shape = build.tensor((4,), "int32", data=[1, 16, 16, 8])
    up = build.tensor((8, 2, 2, 8), "int8", 0.01, data=np.ones((8, 2, 2, 8)))
    z = build.tensor((1, 16, 16, 8), "int8", 0.05)
    build.op("TRANSPOSE_CONV", [shape, up, y], [z], padding="SAME", stride_w=2, stride_h=2)
    (note,) = told(build.build([x], [z]))
    # 8·8·8·8 products of the first, 8·2·2 for each of 8·8·8 inputs of the second.
    assert note.startswith("1 of 2 weighted layers (80 % of the multiply-accumulates)")
    assert "no 'dsp' kernels for TRANSPOSE_CONV; UpSampling2D" in note
