"""MediaPipe's transposed convolution with a bias: the builtin op gives what its rule says."""

import struct

import numpy as np
import pytest

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.transpose_conv_bias import CODE, with_builtin_transpose_conv
from edgecnn.core.tflite.writer import write_model
from tests.builders import ModelBuilder

RNG = np.random.default_rng(4)


def custom(size: tuple[int, int], kernel: int, options: bytes, channels: int = 3) -> tuple:
    weights = RNG.normal(size=(2, kernel, kernel, 3)).astype(np.float32)
    bias = RNG.normal(size=2).astype(np.float32)
    build = ModelBuilder()
    x = build.tensor((1, *size, channels), "float32", name="x")
    w = build.tensor(weights.shape, "float32", data=weights, name="w")
    b = build.tensor((2,), "float32", data=bias, name="b")
    y = build.tensor((1, 1, 1, 2), "float32", name="y")
    build.op("CUSTOM", [x, w, b], [y], custom_code=CODE, custom_options=options)
    return build.build([x], [y]), weights, bias


def plain(
    x: np.ndarray, weights: np.ndarray, bias: np.ndarray, same: bool, stride: tuple
) -> np.ndarray:
    """The published rule: every input value is added to the outputs that it influences."""
    kernel, sides = weights.shape[1], list(zip(x.shape[:2], stride, strict=True))
    cut = [max(0, kernel - (n - 1) % s - 1) if same else 0 for n, s in sides]
    size = [s * (n - 1) + kernel - c for (n, s), c in zip(sides, cut, strict=True)]
    out = np.tile(bias.astype(np.float64), (*size, 1))
    for row, col in np.ndindex(*x.shape[:2]):
        for i, j in np.ndindex(kernel, kernel):
            at = row * stride[0] - cut[0] // 2 + i, col * stride[1] - cut[1] // 2 + j
            if 0 <= at[0] < size[0] and 0 <= at[1] < size[1]:
                out[at] += weights[:, i, j] @ x[row, col]
    return out


@pytest.mark.parametrize("padding", [1, 2])
@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [
        ((4, 6), 2, (2, 2)),
        ((5, 4), 3, (2, 2)),
        ((3, 3), 4, (2, 2)),
        ((4, 5), 3, (1, 2)),
        ((4, 4), 2, (3, 3)),
    ],
)
def test_it_computes_what_mediapipe_publishes(padding, size, kernel, stride) -> None:
    data, weights, bias = custom(size, kernel, struct.pack("<iii", padding, stride[1], stride[0]))
    model = with_builtin_transpose_conv(read_model(data))
    assert [op.code for op in model.main.operators] == ["TRANSPOSE_CONV"]
    x = RNG.normal(size=(1, *size, 3)).astype(np.float32)
    expected = plain(x[0], weights, bias, padding == 1, stride)
    for resolver in ("auto", "reference"):
        got = LiteRTPredictor(write_model(model), resolver=resolver).predict({"x": x})["y"]
        assert got.shape[1:] == expected.shape
        np.testing.assert_allclose(got[0], expected, atol=1e-5)


def test_other_models_stay_as_they_are() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", name="x")
    y = build.tensor((1, 4), "float32", name="y")
    build.op("RELU", [x], [y])
    model = read_model(build.build([x], [y]))
    assert with_builtin_transpose_conv(model) is model


@pytest.mark.parametrize(
    ("options", "channels"),
    [(b"", 3), (b"\1\0", 3), (struct.pack("<iii", 3, 2, 2), 3), (struct.pack("<iii", 1, 0, 2), 3),
     (struct.pack("<iii", 1, 2, 1 << 30), 3), (struct.pack("<iii", 1, 2, 2), 5)],
)  # fmt: skip
def test_what_mediapipe_does_not_write_is_refused(options: bytes, channels: int) -> None:
    data, *_ = custom((4, 4), 2, options, channels)
    with pytest.raises(ModelError, match="is not as MediaPipe writes it"):
        with_builtin_transpose_conv(read_model(data))
