from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.reader import read_model
from edgecnn.training.weights.meaning import tflite_meaning
from edgecnn.training.weights.net import padding_kind, same_pads
from edgecnn.training.weights.tflite_layers import tflite_layers
from tests.builders import ModelBuilder

RNG = np.random.default_rng(3)


def layers_of(data: bytes):
    return tflite_layers(read_model(data), "test.tflite")


def conv_file(dtype: str, scales, zeros, codes, bias, *, bias_scale=None, options=None) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 6, 6, codes.shape[3]), dtype, 0.5, 3)
    bias_scale = np.asarray(scales) * 0.5 if bias_scale is None else bias_scale
    w = build.tensor(codes.shape, dtype, scales, zeros, codes)
    b = build.tensor(bias.shape, "int32", bias_scale, 0, bias)
    y = build.tensor((1, 6, 6, codes.shape[0]), dtype, 1.0, 3)
    given_options = {"padding": "SAME", "stride_h": 1, "stride_w": 1, **(options or {})}
    build.op("CONV_2D", [x, w, b], [y], **given_options)
    return build.build([x], [y])


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["int8", "uint8"]),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
def test_codes_become_real_values(dtype, per_channel, filters, inputs, seed):
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    codes = rng.integers(limits.min, limits.max + 1, (filters, 3, 3, inputs))
    scales = rng.uniform(1e-3, 1, filters if per_channel else 1)
    zero = 0 if per_channel else int(rng.integers(limits.min, limits.max + 1))
    bias = rng.integers(-1000, 1000, filters)
    (layer,), _ = layers_of(conv_file(dtype, list(scales), zero, codes, bias))
    for o in range(filters):
        scale = float(np.float32(scales[o if per_channel else 0]))
        assert layer.kernel[..., o] == pytest.approx(scale * (codes[o] - zero), rel=1e-6)
        assert layer.bias[o] == pytest.approx(0.5 * scale * bias[o], rel=1e-6)


def test_a_bias_without_a_scale_has_the_inputs_times_the_kernels():
    codes = RNG.integers(-127, 128, (2, 1, 1, 3))
    data = conv_file("int8", [0.1, 0.2], 0, codes, np.array([10, 20]), bias_scale=[])
    (layer,), _ = layers_of(data)
    assert layer.bias.tolist() == pytest.approx([0.5, 2.0])


def float_file(steps, *, pads=None, padding="SAME", stride=1, size=8, fused="NONE") -> bytes:
    """A 3×3 convolution 2 → 4, then (code, constant or None) one after the other."""
    build = ModelBuilder()
    x = at = build.tensor((1, size, size, 2), "float32")
    if pads is not None:
        table = build.tensor((4, 2), "int32", data=np.array([[0, 0], *pads, [0, 0]]))
        padded = (1, size + sum(pads[0]), size + sum(pads[1]), 2)
        at = build.tensor(padded, "float32")
        build.op("PAD", [x, table], [at])
    w = build.tensor((4, 3, 3, 2), "float32", data=np.arange(72).reshape(4, 3, 3, 2))
    y = build.tensor((1, size, size, 4), "float32", name="conv;and more")
    build.op("CONV_2D", [at, w, -1], [y], padding=padding, stride_h=stride, stride_w=stride,
             fused_activation_function=fused)  # fmt: skip
    for code, value in steps:
        more = [] if value is None else [build.tensor((4,), "float32", data=value)]
        after = build.tensor((1, size, size, 4), "float32")
        build.op(code, [y, *more], [after])
        y = after
    return build.build([x], [y])


def test_a_batch_norm_in_parts_goes_into_kernel_and_bias():
    factor, shift = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])
    (layer,), notes = layers_of(
        float_file([("MUL", factor), ("ADD", shift), ("SUB", np.ones(4)), ("RELU6", None)])
    )
    plain = np.arange(72).reshape(4, 3, 3, 2).transpose(1, 2, 3, 0)
    assert (layer.kernel == plain * factor).all()
    assert layer.bias.tolist() == [4, 5, 6, 7]
    assert layer.form.activation == "relu6"
    assert notes == ("batch norms folded into 1 layers",)


@pytest.mark.parametrize(
    ("step", "fused", "activation"),
    [(None, "RELU6", "relu6"), ("RELU", "NONE", "relu"), ("HARD_SWISH", "NONE", "hard_swish")],
)
def test_activations(step, fused, activation):
    (layer,), _ = layers_of(float_file([(step, None)] if step else [], fused=fused))
    assert (layer.form.name, layer.form.activation) == ("conv", activation)


@pytest.mark.parametrize(
    ("pads", "padding", "stride", "size", "kind"),
    [
        (None, "SAME", 2, 8, "same"),
        (None, "VALID", 2, 8, "valid"),
        (((0, 1), (0, 1)), "VALID", 2, 8, "same"),
        (((1, 1), (1, 1)), "VALID", 2, 8, "other"),
        (((1, 1), (1, 1)), "VALID", 2, 7, "same"),
        (((1, 1), (1, 1)), "VALID", 1, 8, "same"),
        (((1, 1), (1, 1)), "SAME", 1, 8, "other"),
    ],
)
def test_zeros_of_an_op_of_its_own_are_seen_through(pads, padding, stride, size, kind):
    (layer,), _ = layers_of(float_file([], pads=pads, padding=padding, stride=stride, size=size))
    assert layer.form.padding == kind


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(1, 3))
def test_same_gives_as_many_outputs_as_it_says(size, kernel, stride, dilation):
    pads = same_pads(size, kernel, stride, dilation)
    extent = (kernel - 1) * dilation + 1
    assert pads[1] - pads[0] in (0, 1)
    if extent >= stride:
        assert (size + sum(pads) - extent) // stride + 1 == -(-size // stride)
    assert padding_kind((pads, pads), (size, size), (kernel,) * 2, (stride,) * 2, (dilation,) * 2) \
        == "same"  # fmt: skip


def test_a_relu6_that_the_range_alone_holds():
    codes = RNG.integers(0, 255, (2, 1, 1, 3))
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 3), "uint8", 1 / 128, 128)
    w = build.tensor(codes.shape, "uint8", 0.1, 100, codes)
    y = build.tensor((1, 4, 4, 2), "uint8", 6 / 255, 0)
    build.op("CONV_2D", [x, w, -1], [y], padding="SAME", stride_h=1, stride_w=1)
    model = read_model(build.build([x], [y]))
    (layer,), _ = tflite_layers(model, "test.tflite")
    assert layer.form.activation == "relu6"
    meaning = tflite_meaning(model)
    assert meaning is not None
    assert (meaning.scale, meaning.offset) == ((1 / 128,), (-1.0,))


def test_what_has_no_weights_is_refused():
    build = ModelBuilder()
    x, y = (build.tensor((1, 4, 4, 3), "float32") for _ in range(2))
    build.op("RELU", [x], [y])
    with pytest.raises(ModelError, match="no convolution with weights"):
        layers_of(build.build([x], [y]))


def test_weights_that_are_no_numbers_are_refused():
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 1), "float32")
    w = build.tensor((1, 1, 1, 1), "float32", data=[[[[np.nan]]]])
    y = build.tensor((1, 4, 4, 1), "float32", name="bad")
    build.op("CONV_2D", [x, w, -1], [y], padding="SAME", stride_h=1, stride_w=1)
    with pytest.raises(ModelError, match=r"not finite in 'bad'"):
        layers_of(build.build([x], [y]))
