"""Specs and data of a bare model file, whatever its format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core import postprocess as post
from edgecnn.core.errors import DataError, ModelError, QuantizationError, UsageError
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.tflite import metadata
from edgecnn.jobs.bare_model import SpecChoice, open_bare
from edgecnn.jobs.input_range import RangeOptions
from edgecnn.jobs.reference import model_file, resolve
from edgecnn.jobs.specs import open_runnable
from tests.builders import ModelBuilder
from tests.data.pictures import write_folder
from tests.jobs.pictures import brightness_files

RNG = np.random.default_rng(2)


def tiny(
    path: Path, *, scale: float | None = None, classes: int = 10, weights: float = 1.0
) -> Path:
    """8×8 gray → dense of random weights; with ``scale`` a MUL comes first."""
    build = ModelBuilder()
    x = start = build.tensor((1, 8, 8, 1), "float32", name="image")
    if scale is not None:
        factor = build.tensor((), "float32", data=scale, name="factor")
        x = build.tensor((1, 8, 8, 1), "float32", name="scaled")
        build.op("MUL", [start, factor], [x])
    values = weights * RNG.normal(size=(classes, 64))
    w = build.tensor((classes, 64), "float32", data=values, name="w")
    y = build.tensor((1, classes), "float32", name="scores")
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    path.write_bytes(build.build([start], [y]))
    return path


def opened(path: Path, source: str = "digits", said: str | None = None, **choice):
    given = SpecChoice(**choice, input=RangeOptions(said))
    return open_bare(path, source, choice=given, samples=20, seed=1)


def test_a_float_tflite_with_labelled_data(tmp_path):
    bare = opened(tiny(tmp_path / "m.tflite"), said="-1..1")
    assert bare.preprocess.image.colour == "gray" and bare.preprocess.image.offset == (-1.0,)
    assert bare.data.input_range.source == "option"
    assert isinstance(bare.postprocess, ClassifySpec)
    assert bare.postprocess.scores == "scores" and len(bare.postprocess.labels) == 10
    assert bare.data.test is not None and bare.data.tune is not None
    assert len(list(bare.data.calibration())) == 20


def test_other_classes_give_no_verdict(tmp_path):
    bare = opened(tiny(tmp_path / "m.tflite", classes=7), said="-1..1")
    assert bare.postprocess is None and bare.data.test is None and bare.data.tune is None


@pytest.mark.parametrize("scale", [1 / 255, 1 / 127.5])
def test_a_model_that_scales_first_takes_bytes(tmp_path, scale):
    path = tiny(tmp_path / "m.tflite", scale=scale)
    bare = opened(path)
    assert bare.preprocess.image.scale == (1.0,) and bare.data.input_range.source == "file"
    assert opened(path, said="0..1").preprocess.image.scale == (1 / 255,)


def test_a_model_that_says_nothing_and_has_learned_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="no convention beats chance"):
        opened(tiny(tmp_path / "m.tflite", weights=0.0))


def test_embedded_specs_are_used_and_files_win(tmp_path):
    path = tiny(tmp_path / "m.tflite")
    before = PreprocessSpec((ImageInput("image", 8, 8, "gray", scale=(3.0,)),))
    after = ClassifySpec("scores", tuple("abcdefghij"))
    entries = {
        metadata.PREPROCESS: json.dumps(before.to_json()).encode(),
        metadata.POSTPROCESS: json.dumps(post.to_json(after)).encode(),
    }
    path.write_bytes(metadata.embed(path.read_bytes(), entries))
    bare = opened(path)
    assert bare.preprocess == before and bare.postprocess == after
    other = PreprocessSpec((ImageInput("image", 8, 8, "gray", scale=(5.0,)),))
    (tmp_path / "pre.json").write_text(json.dumps(other.to_json()))
    assert opened(path, preprocess=tmp_path / "pre.json").preprocess == other


def test_what_cannot_be_quantized_is_said_first(tmp_path):
    with pytest.raises(ModelError, match="there is no"):
        opened(tmp_path / "m.tflite")
    build = ModelBuilder()
    x, y = (build.tensor((1, 4), "int8", scale=0.1, name=name) for name in "xy")
    build.op("RELU", [x], [y])
    (tmp_path / "q.tflite").write_bytes(build.build([x], [y]))
    with pytest.raises(QuantizationError, match="quantized already"):
        opened(tmp_path / "q.tflite")


@pytest.mark.train
def test_keras_files_and_saved_models_by_reference(tmp_path):
    nets = pytest.importorskip("tests.quantization.nets")
    keras, layers = nets.keras, nets.layers
    keras.utils.set_random_seed(0)  # one in many random layers does better on another range
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, layers.Dense(10, name="scores")(x))
    model.save(tmp_path / "m.h5")
    model.export(tmp_path / "folder", verbose=False)
    for name, kind in (("m.h5", "keras"), ("folder", "saved-model")):
        reference = resolve(tmp_path / name)
        assert reference.kind == kind and reference.bundle is None
        assert opened(reference.path).preprocess.image.scale == (1.0,)
        runnable = open_runnable(reference, variant=None)
        assert runnable.predictor.inputs[0].shape == (1, 8, 8, 1)
        with pytest.raises(UsageError, match="is a Keras model; this|is a SavedModel; this"):
            model_file(reference, None)


@pytest.mark.long
def test_a_recognised_detector_is_prepared_as_published(tmp_path):
    pytest.importorskip("keras")
    from tests.recognition.test_yolo_in_keras import converted, yolov8

    (tmp_path / "y.tflite").write_bytes(converted(yolov8()[0]))
    photos = {name.replace("/", "-"): data for name, data in brightness_files(6).items()}
    folder = str(write_folder(tmp_path / "photos", photos))
    found = open_bare(tmp_path / "y.tflite", folder, choice=SpecChoice(), samples=4, seed=1)
    image = found.preprocess.image
    assert (image.fit, image.scale) == ("letterbox", (1 / 255,))
    assert found.postprocess.kind == "detect"
    assert found.data.input_range.source == "published"
