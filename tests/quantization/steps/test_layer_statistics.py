"""Rows and sums of weighted layers, against TensorFlow's convolutions and plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.tflite.reader import read_model
from quantization.steps.layer_statistics import Layer, layer_of, sample_positions, statistics
from tests.builders import ModelBuilder

tf = pytest.importorskip("tensorflow", reason="needs the [train] extra")


def one_op(code: str, x: tuple[int, ...], w: Any, y: tuple[int, ...], **options: Any) -> Layer:
    """A layer read back from a file that holds this one op."""
    build = ModelBuilder()
    source = build.tensor(x, "float32")
    weights = build.tensor(w.shape, "float32", data=w)
    bias = build.tensor((y[-1],), "float32", data=np.zeros(y[-1]))
    result = build.tensor(y, "float32")
    inputs = [source, weights, bias]
    if code == "TRANSPOSE_CONV":
        shape = build.tensor((4,), "int32", data=np.array(y))
        inputs = [shape, weights, source, bias]
    build.op(code, inputs, [result], **options)
    graph = read_model(build.build([source], [result])).main
    layer = layer_of(graph, graph.operators[0])
    assert layer is not None
    return layer


def product(layer: Layer, x: np.ndarray, w: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows = layer.rows(x, np.arange(layer.positions))
    out = rows @ layer.to_matrix(w)
    assert out.shape == (layer.groups, layer.positions, layer.outputs)
    return out.transpose(1, 0, 2).reshape(shape)


CASES = st.tuples(
    st.sampled_from(["SAME", "VALID"]),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([(1, 1), (3, 3), (2, 3)]),
    st.integers(0, 1000),
)


@given(CASES, st.sampled_from([1, 2]))
@settings(deadline=None, max_examples=30)
def test_rows_give_tensorflows_convolution(case: Any, groups: int) -> None:
    padding, stride, dilation, kernel, seed = case
    dilation = 1 if stride > 1 or groups > 1 else dilation
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 9, 8, 4)).astype(np.float32)
    w = rng.normal(size=(6, *kernel, 4 // groups)).astype(np.float32)
    tf_weights = w.transpose(1, 2, 3, 0)
    golden = tf.nn.conv2d(x, tf_weights, stride, padding, dilations=dilation).numpy()
    layer = one_op(
        "CONV_2D", x.shape, w, golden.shape, padding=padding, stride_w=stride, stride_h=stride,
        dilation_w_factor=dilation, dilation_h_factor=dilation,
    )  # fmt: skip
    assert layer.groups == groups
    np.testing.assert_allclose(product(layer, x, w, golden.shape), golden, rtol=1e-4, atol=1e-4)


@given(CASES, st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=20)
def test_rows_give_tensorflows_depthwise_convolution(case: Any, multiplier: int) -> None:
    padding, stride, dilation, kernel, seed = case
    dilation = 1 if stride > 1 else dilation
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, 9, 8, 4)).astype(np.float32)
    w = rng.normal(size=(*kernel, 4, multiplier)).astype(np.float32)
    golden = tf.nn.depthwise_conv2d(
        x, w, [1, stride, stride, 1], padding, dilations=[dilation] * 2
    ).numpy()
    stored = w.reshape(1, *kernel, 4 * multiplier)
    layer = one_op(
        "DEPTHWISE_CONV_2D", x.shape, stored, golden.shape, padding=padding, stride_w=stride,
        stride_h=stride, depth_multiplier=multiplier, dilation_w_factor=dilation,
        dilation_h_factor=dilation,
    )  # fmt: skip
    assert (layer.groups, layer.outputs) == (4, multiplier)
    found = product(layer, x, stored, golden.shape)
    np.testing.assert_allclose(found, golden, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_rows_give_tensorflows_transposed_convolution(padding: str, stride: int) -> None:
    rng = np.random.default_rng(stride)
    x = rng.normal(size=(1, 4, 5, 3)).astype(np.float32)
    w = rng.normal(size=(2, 3, 3, 3)).astype(np.float32)
    size = [n * stride if padding == "SAME" else (n - 1) * stride + 3 for n in (4, 5)]
    golden = tf.nn.conv2d_transpose(
        x, w.transpose(1, 2, 0, 3), [1, *size, 2], stride, padding
    ).numpy()
    layer = one_op(
        "TRANSPOSE_CONV", x.shape, w, golden.shape, padding=padding, stride_w=stride,
        stride_h=stride,
    )  # fmt: skip
    assert layer.bias_slot == 3
    np.testing.assert_allclose(product(layer, x, w, golden.shape), golden, rtol=1e-4, atol=1e-4)


def test_dense_layers_of_several_rows() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(3, 5)).astype(np.float32), rng.normal(size=(2, 5)).astype(np.float32)
    layer = one_op("FULLY_CONNECTED", (3, 5), w, (3, 2), keep_num_dims=False)
    np.testing.assert_allclose(product(layer, x, w, (3, 2)), x @ w.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("code", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_matrix_and_tensor_are_each_others_inverse(code: str) -> None:
    rng = np.random.default_rng(1)
    shapes = {
        "CONV_2D": ((1, 4, 4, 4), (6, 3, 3, 2), (1, 4, 4, 6)),
        "DEPTHWISE_CONV_2D": ((1, 4, 4, 4), (1, 3, 3, 8), (1, 4, 4, 8)),
        "FULLY_CONNECTED": ((1, 4), (6, 4), (1, 6)),
    }[code]
    w = rng.normal(size=shapes[1]).astype(np.float32)
    options = {} if code == "FULLY_CONNECTED" else {"padding": "SAME"}
    layer = one_op(code, shapes[0], w, shapes[2], **options)
    np.testing.assert_array_equal(layer.from_matrix(layer.to_matrix(w)), w)
    assert layer.to_matrix(w).shape == (layer.groups, layer.depth, layer.outputs)
    # A scale per channel meets its channel: axis 3 for depthwise, else 0.
    channels = layer.groups * layer.outputs
    scale = np.arange(1, channels + 1, dtype=np.float32)
    axis = 3 if code == "DEPTHWISE_CONV_2D" else 0
    wide = scale.reshape([-1 if k == axis else 1 for k in range(w.ndim)])
    np.testing.assert_array_equal(
        layer.to_matrix(w) * layer.to_channels(scale), layer.to_matrix(w * wide)
    )


def test_shared_and_computed_weights_are_left_alone() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32")
    w = build.tensor((4, 4), "float32", data=np.eye(4))
    y, z = build.tensor((1, 4), "float32"), build.tensor((1, 4), "float32")
    build.op("FULLY_CONNECTED", [x, w], [y])
    build.op("FULLY_CONNECTED", [y, w], [z])
    other = build.tensor((1, 4), "float32")
    build.op("FULLY_CONNECTED", [z, x], [other])
    graph = read_model(build.build([x], [other])).main
    assert [layer_of(graph, op) for op in graph.operators] == [None] * 3


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
@settings(deadline=None)
def test_energy_is_that_of_the_outputs(groups: int, depth: int, outputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x_hat = rng.normal(size=(groups, 20, depth)).astype(np.float32)
    error = rng.normal(size=(groups, 20, outputs)).astype(np.float32)
    delta = rng.normal(size=(groups, depth, outputs))
    sums = statistics(x_hat[:, :9], error[:, :9]) + statistics(x_hat[:, 9:], error[:, 9:])
    means = sums.means()
    quadratic = (delta * (means.gram @ delta - 2 * means.cross)).sum(1) + means.energy[:, 0]
    golden = np.square(x_hat @ delta - error).mean(axis=1)
    np.testing.assert_allclose(quadratic, golden, rtol=1e-3, atol=1e-5)


def test_positions_are_few_and_always_the_same() -> None:
    w = np.zeros((2, 3, 3, 2), np.float32)
    layer = one_op("CONV_2D", (1, 16, 16, 2), w, (1, 16, 16, 2), padding="SAME")
    found = sample_positions(layer, 40, seed=1, sample=7)
    assert len(set(found.tolist())) == 40
    np.testing.assert_array_equal(found, sample_positions(layer, 40, seed=1, sample=7))
    assert not np.array_equal(found, sample_positions(layer, 40, seed=1, sample=8))
    assert len(sample_positions(layer, 1000, seed=1, sample=7)) == 256
