from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.core.progress import SilentProgress
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import get_recipe
from quantization.steps.fold_batch_norm import apply, fold
from quantization.work import StepContext, WeightCodes, Work
from tests.quantization.steps.graphs import Net, run

CONTEXT = StepContext(
    get_recipe("int8"), lambda: iter(()), SilentProgress(), SerialExecutor()
)  # fmt: skip


def folded(data):
    """The folded model's codes, after checking that it computes the same."""
    edited, scales, clips = fold(read_model(data))
    after = write_model(edited.model)
    want, got = run(data), run(after)
    assert want.keys() == got.keys()
    for key, value in want.items():
        np.testing.assert_allclose(got[key], value, rtol=2e-4, atol=2e-5 * np.abs(value).max())
    names = {t.name for t in read_model(data).main.tensors}
    kept = [t for t in edited.model.main.tensors if t.data is None and ";" not in t.name]
    assert {t.name for t in kept} <= names
    return [op.code for op in edited.model.main.operators], scales, clips


@pytest.mark.parametrize(
    "kind", ["CONV_2D", "GROUPED", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"]
)
@pytest.mark.parametrize("form", ["channel", "scalar", "full"])
@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_and_activation_vanish_behind_a_layer(kind, form, bias):
    net = Net()
    net.layer(kind, bias=bias)
    net.affine("MUL", form)
    net.affine("SUB", form, first=True)
    net.affine("DIV", form)
    net.affine("ADD", form, clip="NONE" if form == "full" else "RELU6")
    if form == "full":
        net.same("RELU")
    codes, scales, _ = folded(net.data())
    assert codes == ["CONV_2D" if kind == "GROUPED" else kind]
    assert scales == 4


@pytest.mark.parametrize("kind", ["CONV_2D", "GROUPED", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_batch_norm_vanishes_in_front_of_a_layer_that_reads_no_padding(kind):
    net = Net()
    net.affine("MUL")
    net.affine("ADD")
    net.layer(kind, padding="VALID")
    codes, scales, _ = folded(net.data())
    assert len(codes) == 1 and scales == 2


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_a_shift_in_front_of_padding_stays_and_a_scale_goes(kind):
    net = Net()
    net.affine("MUL")
    net.affine("ADD")
    net.layer(kind)
    assert folded(net.data())[0] == ["MUL", "ADD", kind]
    net = Net()
    net.affine("MUL")
    net.layer(kind)
    assert folded(net.data())[0] == [kind]


def test_same_padding_that_pads_nothing_takes_a_shift():
    net = Net()
    net.affine("ADD")
    net.layer("CONV_2D", kernel=1)
    assert folded(net.data())[0] == ["CONV_2D"]


def test_through_flatten_into_a_matrix():
    net = Net((1, 4, 4, 3))
    net.affine("MUL")
    net.affine("ADD")
    net.op("RESHAPE", [net.last, net.ints([1, 48])], (1, 48), new_shape=[1, 48])
    net.layer("FULLY_CONNECTED")
    assert folded(net.data())[0] == ["RESHAPE", "FULLY_CONNECTED"]


def test_across_pools_and_reshapes():
    net = Net()
    net.layer("CONV_2D")
    net.op("AVERAGE_POOL_2D", [net.last], (1, 4, 4, 6), padding="SAME", filter_height=2,
           filter_width=2, stride_h=2, stride_w=2)  # fmt: skip
    net.op("RESHAPE", [net.last, net.ints([1, 16, 6])], (1, 16, 6), new_shape=[1, 16, 6])
    net.affine("MUL")
    net.affine("ADD")
    assert folded(net.data())[0] == ["CONV_2D", "AVERAGE_POOL_2D", "RESHAPE"]


def test_an_activation_behind_an_average_stays_behind_it():
    net = Net()
    net.layer("CONV_2D")
    net.op("AVERAGE_POOL_2D", [net.last], (1, 4, 4, 6), padding="VALID", filter_height=2,
           filter_width=2, stride_h=2, stride_w=2)  # fmt: skip
    net.affine("MUL", clip="RELU")
    data = net.data()
    assert folded(data)[0] == ["CONV_2D", "AVERAGE_POOL_2D"]
    last = fold(read_model(data))[0].model.main.operators[-1]
    assert last.options["fused_activation_function"] == "RELU"


def test_an_activation_behind_a_maximum_moves_to_the_layer():
    net = Net()
    net.layer("CONV_2D")
    net.op("MAX_POOL_2D", [net.last], (1, 4, 4, 6), padding="VALID", filter_height=2,
           filter_width=2, stride_h=2, stride_w=2)  # fmt: skip
    net.same("RELU")
    data = net.data()
    assert folded(data)[0] == ["CONV_2D", "MAX_POOL_2D"]
    first = fold(read_model(data))[0].model.main.operators[0]
    assert first.options["fused_activation_function"] == "RELU"


@pytest.mark.parametrize("why", ["activation", "two readers", "output", "batch norm first"])
def test_what_must_not_be_folded_stays(why):
    net = Net()
    outputs = ()
    if why == "batch norm first":
        net.affine("MUL")
        net.affine("ADD", clip="RELU")
        net.layer("CONV_2D", padding="VALID")
        assert folded(net.data()) == (["MUL", "ADD", "CONV_2D"], 0, 0)
        return
    middle = net.layer("CONV_2D")
    if why == "activation":
        net.same("RELU")
    if why == "output":
        outputs = (middle,)
    net.affine("MUL")
    if why == "two readers":
        net.op("ADD", [net.last, middle], net.shape)
    codes, scales, _ = folded(net.data(*outputs, net.last))
    assert scales == 0 and codes.count("MUL") == 1


def test_a_clip_as_maximum_and_minimum():
    net = Net()
    net.layer("CONV_2D")
    net.op("MAXIMUM", [net.last, net.build.tensor((), "float32", data=0.0)], net.shape)
    net.op("MINIMUM", [net.last, net.build.tensor((1,), "float32", data=6.0)], net.shape)
    data = net.data()
    assert folded(data) == (["CONV_2D"], 0, 2)
    only = fold(read_model(data))[0].model.main.operators[0]
    assert only.options["fused_activation_function"] == "RELU6"


def test_a_scale_that_overflows_stays():
    net = Net()
    net.layer("CONV_2D")
    huge = net.build.tensor((), "float32", data=3e38)
    net.op("MUL", [net.last, huge], net.shape)
    data = net.data()
    assert [op.code for op in fold(read_model(data))[0].model.main.operators] == ["CONV_2D", "MUL"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_chains_compute_the_same(data):
    net = Net(seed=data.draw(st.integers(0, 1000)))
    affine = st.sampled_from(["MUL", "ADD", "SUB", "DIV"])
    outputs = []
    for _ in range(data.draw(st.integers(2, 8))):
        step = data.draw(st.sampled_from(["layer", "affine", "affine", "clip", "add", "tap"]))
        if step == "layer":
            kinds = ["CONV_2D", "GROUPED", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"]
            net.layer(
                data.draw(st.sampled_from(kinds)), data.draw(st.sampled_from(["SAME", "VALID"])),
                data.draw(st.sampled_from([1, 3])), data.draw(st.booleans()),
            )  # fmt: skip
        elif step == "affine":
            code = data.draw(affine)
            net.affine(
                code, data.draw(st.sampled_from(["channel", "scalar", "full"])),
                first=code != "DIV" and data.draw(st.booleans()),
                clip=data.draw(st.sampled_from(["NONE", "RELU", "RELU6"])),
            )  # fmt: skip
        elif step == "clip":
            net.same(data.draw(st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1"])))
        elif step == "add":
            net.op("ADD", [net.last, net.last], net.shape)
        elif net.last != net.input:
            outputs.append(net.last)
        if min(net.shape[1:3]) < 4 or np.prod(net.shape) > 30_000:
            break
    if net.last == net.input:
        net.layer("CONV_2D")
    folded(net.data(*dict.fromkeys([*outputs, net.last])))


def test_decisions_of_earlier_steps_move_along():
    net = Net()
    net.layer("CONV_2D")
    net.affine("MUL")
    net.layer("DEPTHWISE_CONV_2D")
    model = read_model(net.data())
    weights = model.main.operators[2].inputs[1]
    codes = WeightCodes(np.zeros((1, 3, 3, 12), np.int8), np.ones(1, np.float32))
    work = Work(model, precision={1: "int16", 2: "int16"}, weights={weights: codes})
    outcome = apply(work, CONTEXT)
    assert outcome.applied and "folded 1" in outcome.note
    after = outcome.work
    assert after.precision == {1: "int16"} and after.ranges is None
    (index,) = after.weights
    assert after.model.main.operators[1].inputs[1] == index


def test_nothing_to_fold_gives_the_same_work_back():
    net = Net()
    net.layer("CONV_2D")
    work = Work(read_model(net.data()), ranges=MappingProxyType({}))
    outcome = apply(work, CONTEXT)
    assert not outcome.applied and outcome.work is work


def test_what_keras_leaves_unfolded():
    nets = pytest.importorskip("tests.quantization.nets")
    from quantization.convert import to_float
    from quantization.freeze import load_and_freeze

    kit = nets.layers
    model = nets.head(
        kit.Conv2D(6, 3, activation="relu"), kit.BatchNormalization(), kit.Conv2D(6, 3),
        kit.AveragePooling2D(2), kit.BatchNormalization(), kit.ReLU(),
        kit.Conv2D(6, 3, padding="same", use_bias=False), kit.ZeroPadding2D(1),
        kit.BatchNormalization(beta_initializer="zeros"),
    )  # fmt: skip
    nets.randomise_batch_norm(model)
    codes, scales, _ = folded(to_float(load_and_freeze(model)))
    assert scales >= 5
    assert codes.count("MUL") == 0 and codes.count("ADD") <= 1
