from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.core.progress import SilentProgress
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.calibration.run import calibrate
from quantization.graph.edit import with_constants
from quantization.graph.params import along, weight_codes, weight_scale
from quantization.graph.taps import calibrated_tensors
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import get_recipe
from quantization.steps.equalize import _ceiling, apply, rescaled
from quantization.steps.equalize_channels import channels_of
from quantization.steps.equalize_noise import ActivationNoise, WeightNoise, noise_terms
from quantization.steps.equalize_search import search
from quantization.steps.equalize_statistics import channel_statistics
from quantization.steps.equalize_trial import ends, float_outputs, noise, quantized_outputs
from quantization.work import StepContext, Work
from tests.quantization.steps.graphs import Net, run


def samples(shape=(1, 8, 8, 4), count=20, seed=5):
    rng = np.random.default_rng(seed)
    return [{"image": rng.normal(size=shape).astype(np.float32)} for _ in range(count)]


def context(recipe="int8-per-tensor", items=None, **changes):
    items = samples() if items is None else items
    chosen = replace(get_recipe(recipe), samples=len(items), **changes)
    return StepContext(chosen, lambda: iter(items), SilentProgress(), SerialExecutor())


def quality(work, given):
    """What the quantized model's outputs hold, and their names."""
    items = list(given.calibration())
    ranges = calibrate(work.model, items, given.recipe, given.executor, given.progress)
    tensors = ends(work.model)
    names = [work.model.main.tensors[index].name for index in tensors]
    plan = replace(work, ranges=ranges).plan(given.recipe)
    values = quantized_outputs(work.model, plan, names, items)
    return values, names


def grown(data):
    """A random graph of everything that channels can be scaled through."""
    net = Net(seed=data.draw(st.integers(0, 999)))
    net.layer("CONV_2D", padding="SAME")
    steps = ["conv", "depthwise", "relu", "leaky", "prelu", "pool", "pad", "add", "concat", "gate",
             "shift", "scale", "scalar", "upsample", "shuffle", "split"]  # fmt: skip
    for _ in range(data.draw(st.integers(1, 7))):
        grow(net, data.draw(st.sampled_from(steps)))
        if np.prod(net.shape) > 20_000:
            break
    end = data.draw(st.sampled_from(["conv", "mean", "flatten"]))
    if end == "conv":
        net.layer("CONV_2D")
    elif end == "mean":
        net.op("MEAN", [net.last, net.ints([1, 2])], (1, net.shape[3]))
        net.layer("FULLY_CONNECTED")
    else:
        size = int(np.prod(net.shape))
        net.op("RESHAPE", [net.last, net.ints([1, size])], (1, size), new_shape=[1, size])
        net.layer("FULLY_CONNECTED")
    return net.data()


def grow(net, step):
    n, h, w, c = net.shape
    first = net.last
    if step == "conv":
        net.layer("CONV_2D")
        net.same("RELU")
    elif step == "depthwise":
        net.layer("DEPTHWISE_CONV_2D")
    elif step in ("relu", "leaky"):
        net.same(
            "RELU" if step == "relu" else "LEAKY_RELU", **({} if step == "relu" else {"alpha": 0.2})
        )
    elif step == "prelu":
        net.op("PRELU", [net.last, net.const(1, 1, c)], net.shape)
    elif step == "pool":
        net.op(
            "MAX_POOL_2D", [net.last], net.shape, padding="SAME", filter_height=3, filter_width=3
        )
        net.op("AVERAGE_POOL_2D", [net.last], net.shape, padding="SAME", filter_height=3,
               filter_width=3)  # fmt: skip
    elif step == "pad":
        pads = net.ints([[0, 0], [1, 0], [0, 1], [0, 0]])
        net.op("PAD", [net.last, pads], (n, h + 1, w + 1, c))
    elif step == "add":
        net.op("CONV_2D", [first, net.const(c, 1, 1, c), net.const(c)], net.shape, padding="SAME")
        net.op("ADD", [net.last, first], net.shape, fused_activation_function="RELU")
    elif step == "concat":
        net.op(
            "CONV_2D", [first, net.const(3, 1, 1, c), net.const(3)], (n, h, w, 3), padding="SAME"
        )
        net.op("CONCATENATION", [first, net.last], (n, h, w, c + 3), axis=3)
    elif step == "gate":
        net.op("MEAN", [first, net.ints([1, 2])], (1, 1, 1, c), keep_dims=True)
        net.op("CONV_2D", [net.last, net.const(c, 1, 1, c), net.const(c)], (1, 1, 1, c))
        gate = net.same("LOGISTIC")
        net.op("MUL", [first, gate], (n, h, w, c))
    elif step in ("shift", "scale", "scalar"):
        net.affine({"shift": "SUB", "scale": "MUL", "scalar": "MUL"}[step],
                   "scalar" if step == "scalar" else "channel", first=step == "shift")  # fmt: skip
    elif step == "upsample":
        net.op("RESIZE_BILINEAR", [net.last, net.ints([h + 2, w + 1])], (n, h + 2, w + 1, c))
    elif step == "shuffle" and c % 2 == 0:
        shape = (n, h, w, 2, c // 2)
        net.op("RESHAPE", [net.last, net.ints(shape)], shape, new_shape=list(shape))
        turned = (n, h, w, c // 2, 2)
        net.op("TRANSPOSE", [net.last, net.ints([0, 1, 2, 4, 3])], turned)
        net.op("RESHAPE", [net.last, net.ints([n, h, w, c])], (n, h, w, c), new_shape=[n, h, w, c])
    elif step == "split" and c % 2 == 0:
        half = (n, h, w, c // 2)
        outs = [
            net.build.tensor(half, "float32", name=f"half{k}_{len(net.build.ops)}") for k in (0, 1)
        ]
        net.build.op("SPLIT", [net.build.tensor((), "int32", data=3), first], outs, num_splits=2)
        net.last, net.shape = outs[1], half
        net.op("CONCATENATION", outs[::-1], (n, h, w, c), axis=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_scales_of_free_channels_leave_the_function_alone(data):
    before = grown(data)
    model = read_model(before)
    channels = channels_of(model.main)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    scales = np.where(channels.free, np.exp(rng.normal(0, 1.5, channels.count)), 1.0)
    after = write_model(rescaled(model, channels, scales).model)
    want, got = run(before), run(after)
    for key, value in want.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-3, atol=1e-4 * np.abs(value).max())
    if channels.free.any():
        assert after != before


def free_of(net, tensor):
    channels = channels_of(read_model(net.data()).main)
    return channels.free[channels.rows[tensor]]


def test_which_channels_are_free():
    net = Net()
    one = net.layer("CONV_2D")
    two = net.same("RELU")
    three = net.layer("CONV_2D")
    assert free_of(net, one).all() and free_of(net, two).all()
    assert not free_of(net, three).any() and not free_of(net, net.input).any()


@pytest.mark.parametrize("code", ["LOGISTIC", "HARD_SWISH", "TANH", "ELU", "RELU_N1_TO_1"])
def test_what_is_not_homogeneous_fixes_its_channels(code):
    net = Net()
    tensor = net.layer("CONV_2D")
    net.same(code)
    net.layer("CONV_2D")
    assert not free_of(net, tensor).any()


def test_weights_that_two_layers_share_are_left_alone():
    net = Net()
    filters, bias = net.const(4, 1, 1, 4), net.const(4)
    for _ in range(2):
        tensor = net.op("CONV_2D", [net.last, filters, bias], net.shape, padding="SAME")
        net.same("RELU")
    net.layer("CONV_2D")
    assert not free_of(net, tensor).any()


def relu6_net(gain):
    net = Net()
    net.layer("CONV_2D")
    net.affine("MUL", "scalar")
    filters = net.build.tensor((6, 1, 1, 6), "float32", data=np.diag(gain)[:, None, None])
    net.op("CONV_2D", [net.last, filters, net.const(6)], net.shape, padding="SAME",
           fused_activation_function="RELU6")  # fmt: skip
    net.layer("CONV_2D")
    return net


def test_relu6_channels_are_scaled_only_within_their_reach():
    net = relu6_net(np.array([0.01, 0.05, 0.2, 3, 10, 30]) / 30)
    model = read_model(net.data())
    channels, given = channels_of(model.main), context()
    (clip,) = channels.clips
    statistics = channel_statistics(model, [clip], given)
    ceiling = _ceiling(channels, statistics)[channels.rows[clip]]
    high = statistics[clip].high
    assert (ceiling[high >= 6] == 0).all() and (high >= 6).any()
    inside = (high < 6) & (high > 0)
    np.testing.assert_allclose(ceiling[inside] * high[inside], 6, rtol=1e-6)
    outcome = apply(Work(model), given)
    tensors = ends(model)
    want = float_outputs(model, tensors, given.calibration())
    got = float_outputs(outcome.work.model, ends(outcome.work.model), given.calibration())
    assert noise(got, want) < 1e-9


def planted(activation="RELU", factor=100.0):
    """Three layers; one channel between the first two is ``factor`` times the others."""
    net = Net(seed=3)
    rng = np.random.default_rng(4)
    scale = np.ones(16)
    scale[5] = factor

    def conv(weights, out):
        bias = net.build.tensor((out,), "float32", data=rng.normal(size=out) * 0.1)
        filters = net.build.tensor(weights.shape, "float32", data=weights)
        net.op("CONV_2D", [net.last, filters, bias], (1, 8, 8, out), padding="SAME")

    conv(rng.normal(size=(16, 3, 3, 4)) * scale[:, None, None, None], 16)
    net.same(activation)
    conv(rng.normal(size=(16, 1, 1, 16)) / scale, 16)
    net.same("RELU")
    conv(rng.normal(size=(8, 1, 1, 16)), 8)
    return net.data()


@pytest.mark.parametrize("recipe", ["int8-per-tensor", "int8"])
def test_an_outlier_channel_is_cured(recipe):
    model, given = read_model(planted()), context(recipe)
    work = Work(model, keras_model=object())
    outcome = apply(work, given)
    assert outcome.applied and outcome.work.ranges is None and outcome.work.keras_model is None
    reference = float_outputs(model, ends(model), given.calibration())
    before, after = (noise(quality(w, given)[0], reference) for w in (work, outcome.work))
    assert after < before / 30  # 15 dB
    again = apply(work, given)
    assert write_model(again.work.model) == write_model(outcome.work.model)


def test_nothing_to_do_is_said():
    net = Net()
    net.layer("CONV_2D")
    work = Work(read_model(net.data()))
    outcome = apply(work, context())
    assert not outcome.applied and outcome.work is work and "no channel" in outcome.note
    assert not apply(work, context("dynamic")).applied


def test_a_classifier_that_gives_only_the_class_is_judged_by_its_scores():
    net = Net(seed=2)
    net.layer("CONV_2D")
    net.same("RELU")
    net.op("MEAN", [net.last, net.ints([1, 2])], (1, 6))
    scores = net.layer("FULLY_CONNECTED")
    label = net.build.tensor((1,), "int64", name="label")
    net.build.op("ARG_MAX", [scores, net.build.tensor((), "int32", data=1)], [label],
                 output_type="INT64")  # fmt: skip
    model = read_model(net.data(label))
    assert [model.main.tensors[index].name for index in ends(model)] == [
        model.main.tensors[scores].name
    ]
    assert "dB" in apply(Work(model), context("int8")).note


def test_the_result_is_never_worse_on_the_samples():
    for seed in range(3):
        net = Net(seed=seed)
        for kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"):
            net.layer(kind)
            net.same("RELU")
        model, given = read_model(net.data()), context("int8")
        outcome = apply(Work(model), given)
        reference = float_outputs(model, ends(model), given.calibration())
        before, after = (
            noise(quality(w, given)[0], reference) for w in (Work(model), outcome.work)
        )
        assert after <= before


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "GROUPED"])
@pytest.mark.parametrize("recipe", ["int8-per-tensor", "int8"])
def test_the_modelled_noise_of_weights_is_what_rounding_them_adds(kind, recipe):
    net = Net(seed=7)
    net.op(
        "CONV_2D", [net.last, net.const(16, 1, 1, 4), net.const(16)], (1, 8, 8, 16), padding="SAME"
    )
    if kind == "FULLY_CONNECTED":
        net.op("RESHAPE", [net.last, net.ints([1, 1024])], (1, 1024), new_shape=[1, 1024])
    end = net.layer(kind, padding="VALID", kernel=3)
    data, given = net.data(), context(recipe, dense_weights="per-tensor")
    model = read_model(data)
    channels = channels_of(model.main)
    statistics = channel_statistics(model, calibrated_tensors(model) + tuple(
        {link.source for link in channels.links}), given)  # fmt: skip
    terms = noise_terms(model, channels, statistics, given.recipe, ())
    term = terms[-1]
    assert isinstance(term, WeightNoise)
    op = model.main.operators[-1]
    values = model.main.tensors[op.inputs[1]].data
    axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    wide = recipe == "int8" and kind != "FULLY_CONNECTED"
    scale = weight_scale(values, axis if wide else None)
    rounded = weight_codes(values, scale, axis) * along(scale, axis if wide else None, values.ndim)
    other = with_constants(model, {op.inputs[1]: rounded.astype(np.float32)})
    items = given.calibration()
    want = float_outputs(model, [end], items)
    got = float_outputs(other, [end], given.calibration())
    errors = np.concatenate([a[0] - b[0] for a, b in zip(got, want, strict=True)])
    power = np.square(errors, dtype=np.float64).mean(tuple(range(errors.ndim - 1)))
    modelled = replace(term, gain=np.ones_like(term.gain)).power(np.zeros(channels.count))
    assert 0.3 < modelled / power.sum() < 3


def test_search_finds_the_closed_form_of_two_layers():
    # Nagel et al. 2019: with per-tensor weights alone, scaled ranges of both layers are equal.
    rng = np.random.default_rng(0)
    left, right = np.exp(rng.normal(0, 1.5, 8)), np.exp(rng.normal(0, 1.5, 8))
    ids = np.arange(8)
    zero, one = np.full((1, 1), 8), np.array([9])
    ones = np.ones((1, 1))
    terms = [
        WeightNoise(left[:, None], zero, ids, ones, np.ones(8), True),
        WeightNoise(right[None, :], ids[None, :], one, np.ones((1, 8)) * left, np.ones(1), True),
    ]
    free = np.arange(10) < 8
    found = search(terms, [ids], free, np.full(10, np.inf))
    closed = np.zeros(10)
    closed[:8] = np.log(np.sqrt(right / left))
    assert found.after <= sum(term.power(closed) for term in terms) * 1.001
    assert found.after < found.before and (found.scales[8:] == 1).all()


def test_activations_alone_become_equal():
    high = np.array([1.0, 10.0, 100.0])
    term = ActivationNoise(np.arange(3), -high, high, np.arange(3), np.ones(3), 255)
    found = search([term], [np.arange(3)], np.ones(3, bool), np.full(3, np.inf))
    scaled = found.scales * high
    np.testing.assert_allclose(scaled, scaled[0], rtol=1e-6)
