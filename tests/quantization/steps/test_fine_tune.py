from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.progress import SilentProgress
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.calibration.run import calibrate
from quantization.recipe import get_recipe
from quantization.work import StepContext, Work

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")

from quantization.convert import to_float  # noqa: E402
from quantization.freeze import load_and_freeze  # noqa: E402
from quantization.parallel.executor import SerialExecutor  # noqa: E402
from quantization.steps import fine_tune  # noqa: E402
from quantization.steps.equalize_trial import ends, float_outputs, noise, quantized_outputs  # noqa: E402
from tests.quantization.steps.graphs import Net  # noqa: E402

layers = nets.layers


def mobilenet(outlier=60.0):
    """A small MobileNet with batch norms, one channel of each block ``outlier`` × the others."""
    nets.keras.utils.set_random_seed(5)
    image = nets.keras.Input((16, 16, 3), name="image")
    x = image
    for number, (filters, stride) in enumerate(((8, 1), (16, 2), (16, 1))):
        x = layers.Conv2D(filters, 1, use_bias=False, name=f"pw{number}")(x)
        x = layers.BatchNormalization(name=f"pw{number}_bn")(x)
        x = layers.ReLU(name=f"pw{number}_relu")(x)
        x = layers.DepthwiseConv2D(
            3, strides=stride, padding="same", use_bias=False, name=f"dw{number}"
        )(x)
        x = layers.BatchNormalization(name=f"dw{number}_bn")(x)
        x = layers.ReLU(6.0, name=f"dw{number}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(6, activation="softmax", name="scores")(x)
    model = nets.keras.Model(image, x, name="mobilenet")
    nets.randomise_batch_norm(model)
    for number in range(3):
        gamma = model.get_layer(f"pw{number}_bn").gamma
        kernel = model.get_layer(f"dw{number}").kernel
        values, filters = gamma.numpy(), kernel.numpy()
        values[2] *= outlier
        filters[:, :, 2] /= outlier
        gamma.assign(values)
        kernel.assign(filters)
    scores = model.get_layer("scores").kernel
    scores.assign(scores.numpy() * 4)
    return model


def context(recipe="int8-per-tensor", count=128, epochs=2, seed=0, shape=(16, 16, 3)):
    items = nets.samples(count, shape, seed)
    chosen = replace(get_recipe(recipe), samples=count)
    return StepContext(
        chosen, lambda: iter(items), SilentProgress(), SerialExecutor(), epochs=epochs
    )  # fmt: skip


def lost(work, given, items, reference_model):
    """Output noise on samples that no step has seen."""
    ranges = calibrate(
        work.model, given.calibration(), given.recipe, given.executor, given.progress
    )
    tensors = ends(work.model)
    names = [work.model.main.tensors[index].name for index in tensors]
    plan = replace(work, ranges=ranges).plan(given.recipe)
    got = quantized_outputs(work.model, plan, names, items)
    return noise(got, float_outputs(reference_model, ends(reference_model), items))


def test_a_hard_case_gets_better_on_unseen_samples_and_bytes_repeat():
    model = read_model(to_float(load_and_freeze(mobilenet())))
    work, given = Work(model, keras_model=object()), context()
    outcome = fine_tune.apply(work, given)
    assert outcome.applied and "128 samples" in outcome.note
    tuned = outcome.work
    assert tuned.ranges is None and tuned.keras_model is None
    assert [t.name for t in tuned.model.main.tensors] == [t.name for t in model.main.tensors]
    unseen = nets.samples(32, (16, 16, 3), seed=99)
    before, after = (lost(w, given, unseen, model) for w in (work, tuned))
    assert after < 0.6 * before
    again = fine_tune.apply(work, given).work
    assert write_model(again.model) == write_model(tuned.model)


def test_a_detector_and_16_bits_train_too():
    model = read_model(to_float(load_and_freeze(nets.detector())))
    for recipe in ("int8", "int16x8"):
        outcome = fine_tune.apply(Work(model), context(recipe, count=32, epochs=1))
        assert "held-out loss" in outcome.note


@pytest.mark.parametrize("why", ["epochs", "recipe", "op", "samples", "mixes"])
def test_why_it_is_left_out(why):
    net = Net((1, 8, 8, 4), seed=1)
    net.layer("CONV_2D")
    if why == "op":
        net.same("CEIL")
    if why == "mixes":  # the batch becomes part of another dimension
        net.op("RESHAPE", [net.last, net.ints([8, 8, 6])], (8, 8, 6), new_shape=[8, 8, 6])
        net.op("MEAN", [net.last, net.ints([0, 1])], (6,))
    given = context(
        "dynamic" if why == "recipe" else "int8",
        count=10 if why == "samples" else 32,
        epochs=0 if why == "epochs" else 1,
        shape=(8, 8, 4),
    )
    if why == "recipe":
        given = replace(given, recipe=get_recipe("dynamic"))
    work = Work(read_model(net.data()))
    outcome = fine_tune.apply(work, given)
    told = {"epochs": "no epochs", "recipe": "stay float", "op": "CEIL 'ceil_1'",
            "samples": "takes 16 or more", "mixes": "mixes samples"}  # fmt: skip
    assert not outcome.applied and outcome.work is work and told[why] in outcome.note


def test_what_does_not_help_is_dropped(monkeypatch):
    net = Net((1, 8, 8, 4), seed=1)
    net.layer("CONV_2D")
    net.layer("CONV_2D")
    work = Work(read_model(net.data()))
    wild = fine_tune.Settings

    def settings(epochs, samples, seed):
        return wild(epochs, samples, rate=1000.0, seed=seed)

    monkeypatch.setattr(fine_tune, "Settings", settings)
    outcome = fine_tune.apply(work, context("int8", count=32, epochs=1, shape=(8, 8, 4)))
    assert not outcome.applied and outcome.work is work and "did not help" in outcome.note
    assert np.isfinite(float(outcome.note.split("loss ")[1].split(" ")[0]))
