"""What a byte means to a bare model: found by labels, by the file, or asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.core.conventions import CONVENTIONS, NAMES, parse_convention
from edgecnn.core.errors import DataError, UnknownNameError, UsageError
from edgecnn.core.input_codes import coded_conventions
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from edgecnn.core.tflite.reader import read_model
from edgecnn.jobs.find_range import Subject, find_input_range
from edgecnn.jobs.input_range import RangeOptions, from_spec, with_options
from tests.builders import ModelBuilder
from tests.jobs.colour_model import CLASSES, Pictures, colour_model


def found(data: bytes, pictures: Pictures | None = None, **options):
    predictor = LiteRTPredictor(data)
    scores = ClassifySpec("scores", CLASSES)
    subject = Subject(predictor, scores, read_model(data))
    return find_input_range(
        subject, [pictures or Pictures()], RangeOptions(**options), SilentProgress()
    )


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("name", NAMES)
def test_labels_tell_each_convention_and_order(name, colour):
    convention = parse_convention(name)
    taken = found(colour_model(convention, colour))
    assert (taken.name, taken.colour, taken.source) == (name, colour, "labels")
    assert (taken.scale, taken.offset) == convention.in_order(colour)
    told = json.loads(json.dumps(taken.to_json()))
    assert len(told["tried"]) == 2 * len(CONVENTIONS)
    best, *others = told["tried"]
    assert best["accuracy"] > 0.9 and best["n"] >= 200 and best["behind95"] is None
    assert all(row["behind95"][0] > 0 for row in others)
    assert taken.line.startswith(f"input range: {name} {colour}, by labels: ")
    assert f"{100 * best['accuracy']:.1f} % of {best['n']} images are right, next " in taken.line


def test_without_labels_and_evidence_it_asks():
    data = colour_model(CONVENTIONS[0])
    with pytest.raises(DataError, match="no labels that fit its classes") as caught:
        found(data, Pictures(labelled=False))
    assert "--input-range 0..255, 0..1, -1..1, imagenet, caffe" in caught.value.hint
    assert found(data, Pictures(labelled=False), input_range="0..255").source == "option"


def test_labels_that_no_convention_fits_are_no_reason_to_guess():
    with pytest.raises(DataError, match="no convention beats chance") as caught:
        found(colour_model(CONVENTIONS[0]), Pictures(turn=3))
    assert "in another order" in caught.value.message
    assert "--postprocess" in caught.value.hint


def test_too_few_pictures_are_no_labels():
    with pytest.raises(DataError, match="not clear"):
        found(colour_model(CONVENTIONS[0]), Pictures(each=2))


@pytest.mark.parametrize(
    ("first", "name"),
    [(("MUL", 1 / 255), "0..255"), (("DIV", 127.5), "0..255"), (("MUL", 255.0), "0..1")],
)
def test_a_scaling_of_its_own_tells_without_labels(first, name):
    data = colour_model(CONVENTIONS[1], first=first)
    taken = found(data, Pictures(labelled=False))
    assert (taken.name, taken.colour, taken.source) == (name, "rgb", "file")
    assert "the model begins with x · " in taken.line and "rgb is assumed" in taken.line


def test_the_user_is_not_questioned_but_the_colour_is_found():
    data = colour_model(parse_convention("0..1"), "bgr")
    taken = found(data, input_range="0..1")
    assert (taken.name, taken.colour, taken.source) == ("0..1", "bgr", "option")
    assert "bgr by labels" in taken.why
    wrong = found(data, input_range="0..255", colour="rgb")
    assert (wrong.scale, wrong.colour, wrong.tried) == ((1.0,), "rgb", ())
    assert found(data, colour="bgr").name == "0..1"
    own = found(data, input_range="-128..127", colour="bgr")
    assert (own.scale, own.offset) == ((1.0,), (-128.0,))


def test_wrong_options():
    for options in ({"input_range": "0..x"}, {"input_range": "1..1"}, {"colour": "grey"}):
        with pytest.raises(UnknownNameError):
            RangeOptions(**options)
    spec = PreprocessSpec((ImageInput("image", 8, 8, "gray"),))
    for options in ({"colour": "bgr"}, {"input_range": "caffe"}):
        with pytest.raises(UsageError, match="the model takes a gray image"):
            with_options(spec, RangeOptions(**options))


def test_options_change_a_spec_and_keep_the_rest_of_it():
    spec = PreprocessSpec((ImageInput("image", 8, 8, fit="letterbox"),))
    changed = with_options(spec, RangeOptions("caffe")).image
    assert (changed.fit, changed.colour, changed.offset[0]) == ("letterbox", "bgr", -103.939)
    assert with_options(spec, RangeOptions(colour="bgr")).image.scale == (1 / 255,)
    assert with_options(spec, RangeOptions()) is spec
    assert from_spec(spec, RangeOptions(), given=False).source == "file"
    assert from_spec(spec, RangeOptions(), given=True).source == "option"


@pytest.mark.parametrize(
    ("dtype", "scale", "zero", "name", "exact"),
    [
        ("uint8", 1.0, 0, "0..255", True),
        ("int8", 1 / 255, -128, "0..1", True),
        ("uint8", 1 / 128, 128, "-1..1", True),
        ("int8", 0.0186, -14, "imagenet", False),
        ("int8", 1.078, -13, "caffe", False),
        ("int8", 0.03, 0, "-3.84..3.81", True),
        ("int8", 2.64 / 127, 0, "imagenet", False),
        ("int16", 2.64 / 32767, 0, "imagenet", False),
        ("int16", 255 / 32767, 0, "0..255", False),
    ],
)
def test_the_codes_of_a_quantized_input(dtype, scale, zero, name, exact):
    info = TensorInfo("image", (1, 8, 8, 3), dtype, scale, zero)
    (taken,) = coded_conventions(info, None)
    assert taken.name == name
    if exact and dtype != "int16":
        # A byte is its code, as exporters mean it.
        limits = np.iinfo(dtype)
        codes = info.quantize(np.arange(256) * taken.scale[0] + taken.offset[0])
        np.testing.assert_array_equal(codes, np.arange(limits.min, limits.max + 1))


def test_other_codes():
    half = TensorInfo("image", (1, 8, 8, 3), "int16", 1 / 32767, 0)
    assert [item.name for item in coded_conventions(half, None)] == ["0..1", "-1..1"]
    plain = TensorInfo("image", (1, 8, 8, 3), "float32")
    assert coded_conventions(plain, read_model(colour_model(CONVENTIONS[0]))) is None
    build = ModelBuilder()
    x = build.tensor((1, 8, 8, 3), "float32", name="image")
    y = build.tensor((1, 8, 8, 3), "int8", scale=1 / 127.5, zero_point=-1, name="codes")
    build.op("QUANTIZE", [x], [y])
    (taken,) = coded_conventions(plain, read_model(build.build([x], [y])))
    assert taken.name == "-1..1"
