"""Strangers' models through the real command line: recognised, explained, or asked about."""

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.builders import ModelBuilder
from tests.e2e.test_bad_input import assert_error, call
from tests.fixed_outputs import fixed_outputs

RNG = np.random.default_rng(19)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), RNG.integers(0, 256, (60, 80, 3)).astype(np.uint8))
    return path


def saved(tmp_path: Path, *arguments, **more) -> Path:
    path = tmp_path / "strange.tflite"
    path.write_bytes(fixed_outputs(*arguments, **more))
    return path


def test_a_classifier_is_explained(tmp_path: Path, capfd) -> None:
    model = saved(tmp_path, {"scores": np.ones((1, 7))}, dtype="uint8")
    code, out, _ = call(capfd, "detect", "--model", model, "--explain-model")
    assert code == 0
    assert "recognised as: classifier" in out and "7 classes" in out
    code, out, _ = call(capfd, "detect", "--model", model, "--explain-model", "--json")
    said = json.loads(out)
    assert (code, said["schema"], said["recognised"]) == (0, "edgecnn.explain/1", "classifier")
    assert said["postprocess"]["kind"] == "classify" and said["problem"] is None
    assert said["input_range"]["name"] == "0..1" and said["evidence"]


def test_what_is_unknown_names_the_keys_and_a_toml_makes_it_run(
    tmp_path: Path, photo: Path, capfd
) -> None:
    model = saved(tmp_path, {"what": np.zeros((1, 5, 3, 2, 7)), "ever": np.zeros((2, 9))})
    code, out, err = call(capfd, "detect", "--model", model, "--source", photo)
    assert (code, out) == (1, "")
    assert_error(err, "of no kind that is known", "what [1, 5, 3, 2, 7] float32")
    assert_error(err, "postprocess.kind", "--explain-model --write spec.toml")
    spec = tmp_path / "spec.toml"
    code, out, err = call(capfd, "detect", "--model", model, "--explain-model", "--write", spec)
    assert code == 0 and "wrote" in out
    text = spec.read_text()
    assert "# output ever [2, 9] float32" in text and "# kind =" in text
    filled = '[postprocess]\nkind = "classify"\nscores = "ever"\nlabels = "names.txt"\n'
    (tmp_path / "names.txt").write_text("\n".join(f"n{k}" for k in range(18)))
    spec.write_text(text.replace("[postprocess]", filled, 1))
    arguments = ("detect", "--model", model, "--source", photo, "--spec", spec, "--json")
    code, out, err = call(capfd, *arguments, "--input-range", "0..1")
    assert code == 0, err
    filled_in = spec.read_text()
    code, _, again = call(capfd, "detect", "--model", model, "--explain-model", "--write", spec)
    assert code == 2 and spec.read_text() == filled_in
    assert_error(again, "spec.toml' is there already")
    assert json.loads(out.splitlines()[0])["detections"][0]["label"] == "n0"


def test_wrong_labels_are_one_line(tmp_path: Path, photo: Path, capfd) -> None:
    model = saved(tmp_path, {"scores": np.ones((1, 7))}, dtype="uint8")
    (tmp_path / "names.txt").write_text("a\nb\n")
    arguments = ("detect", "--model", model, "--source", photo, "--labels", tmp_path / "names.txt")
    code, _, err = call(capfd, *arguments)
    assert code == 1
    assert_error(err, "2 lines, the model has 7 classes")


def test_options_that_do_not_go_together(tmp_path: Path, capfd) -> None:
    model = saved(tmp_path, {"scores": np.ones((1, 7))}, dtype="uint8")
    code, _, err = call(capfd, "detect", "--model", model)
    assert code == 2
    assert_error(err, "there is no --source")
    code, _, err = call(capfd, "detect", "--model", model, "--source", "x.mp4", "--write", "a.toml")
    assert code == 2
    assert_error(err, "--write goes with --explain-model")


def test_an_input_that_nothing_tells_asks(tmp_path: Path, photo: Path, capfd) -> None:
    model = saved(tmp_path, {"scores": np.ones((1, 7))})
    code, _, err = call(capfd, "detect", "--model", model, "--source", photo)
    assert code == 1
    assert_error(err, "--input-range")
    code, out, err = call(capfd, "detect", "--model", model, "--explain-model")
    assert code == 1 and "recognised as: classifier" in out
    assert_error(err, "--input-range")


def test_states_are_fed_back_and_other_inputs_refused_by_name(
    tmp_path: Path, photo: Path, capfd
) -> None:
    outputs = {"scores": np.ones((1, 7)), "memory_out": np.ones((1, 4, 4, 2))}
    model = saved(tmp_path, {**outputs}, dtype="uint8", extra={"memory_in": (1, 4, 4, 2)})
    spec = tmp_path / "spec.toml"
    (tmp_path / "names.txt").write_text("\n".join("abcdefg"))
    spec.write_text('[postprocess]\nkind = "classify"\nscores = "scores"\nlabels = "names.txt"\n')
    arguments = ("detect", "--model", model, "--source", photo, "--spec", spec)
    code, out, err = call(capfd, *arguments)
    assert code == 0 and "'memory_in' is fed from 'memory_out'" in err
    model = saved(tmp_path, {**outputs}, dtype="uint8", extra={"temperature": (1, 3)})
    code, out, err = call(capfd, *arguments)
    assert code == 1
    assert_error(err, "temperature")


def test_two_networks_in_a_row(tmp_path: Path, photo: Path, capfd) -> None:
    boxes = [[0.25, 0.25, 0.75, 0.5], [0.5, 0.5, 1.0, 1.0]]
    first = {"boxes": [boxes], "scores": [[0.9, 0.8]], "classes": [[1, 0]]}
    (tmp_path / "first.tflite").write_bytes(fixed_outputs(first, dtype="uint8"))
    (tmp_path / "spec.toml").write_text(
        '[postprocess]\nkind = "listed"\nscores = "scores"\nboxes = "boxes"\nclasses = "classes"\n'
        'rows = 2\nbox_units = [32, 32]\nlabels = ["cat", "dog"]\n'
    )
    second = fixed_outputs({"breed": [[0.0, 5.0, 0.0]]}, dtype="uint8")
    (tmp_path / "second.tflite").write_bytes(second)
    (tmp_path / "breeds.txt").write_text("husky\nbeagle\npug\n")
    stages = tmp_path / "stages.toml"
    text = (
        '[[stages]]\nmodel = "first.tflite"\nspec = "spec.toml"\n'
        '[[stages]]\nmodel = "second.tflite"\nlabels = "breeds.txt"\nclasses = ["dog"]\n'
    )
    stages.write_text(text)
    arguments = ("detect", "--stages", stages, "--source", photo, "--json")
    code, out, err = call(capfd, *arguments)
    assert code == 0, err
    dog, cat = json.loads(out.splitlines()[0])["detections"]
    assert dog["label"] == "dog" and dog["box_xyxy"] == [20, 15, 40, 45]
    assert [inner["label"] for inner in dog["then"]] == ["beagle"]
    assert "then" not in cat
    for change, words in (
        (("dog", "bird"), ("looks at ['bird']", "it finds cat, dog")),
        (("breeds.txt", "none.txt"), ("none.txt",)),
        (('"second.tflite"', "3"), ("stage 2: model = 3, expected str",)),
        (("[[stages]]", "[[stage]]"), ("expected two tables",)),
        (("spec =", "classes ="), ("stage 1: classes", "expected one of the keys")),
    ):
        stages.write_text(text.replace(*change))
        code, out, err = call(capfd, *arguments[:-1])
        assert code != 0 and out == ""
        assert_error(err, *words)
    code, _, err = call(capfd, *arguments[:-1], "--labels", tmp_path / "breeds.txt")
    assert code == 2
    assert_error(err, "--stages says all of its models")


def test_an_image_with_its_channels_first(tmp_path: Path, photo: Path, capfd) -> None:
    model = saved(tmp_path, {"scores": np.ones((1, 7))}, dtype="uint8", layout="nchw")
    code, out, err = call(capfd, "detect", "--model", model, "--explain-model", "--json")
    assert code == 0, err
    (image,) = json.loads(out)["preprocess"]["inputs"]
    assert (image["layout"], image["height"], image["width"]) == ("nchw", 32, 32)
    code, out, err = call(capfd, "detect", "--model", model, "--source", photo, "--json")
    assert code == 0 and len(out.splitlines()) == 2, err


def test_a_custom_op_of_mediapipe_runs_as_the_builtin_one(
    tmp_path: Path, photo: Path, capfd
) -> None:
    """A selfie segmentation in small: halved, doubled again by MediaPipe's op, a sigmoid."""
    build = ModelBuilder()
    image = build.tensor((1, 32, 32, 3), "float32", name="input_1")
    small = build.tensor((1, 16, 16, 3), "float32", name="small")
    build.op("AVERAGE_POOL_2D", [image], [small], padding="SAME", stride_w=2, stride_h=2,
             filter_width=2, filter_height=2)  # fmt: skip
    weights = build.tensor((1, 2, 2, 3), "float32", data=20.0, name="weights")
    bias = build.tensor((1,), "float32", data=[-30.0], name="bias")
    large = build.tensor((1, 32, 32, 1), "float32", name="large")
    build.op("CUSTOM", [small, weights, bias], [large],
             custom_code="Convolution2DTransposeBias",
             custom_options=struct.pack("<iii", 1, 2, 2))  # fmt: skip
    mask = build.tensor((1, 32, 32, 1), "float32", name="segment_back")
    build.op("LOGISTIC", [large], [mask])
    model = tmp_path / "selfie.tflite"
    model.write_bytes(build.build([image], [mask]))
    half = np.zeros((60, 80, 3), np.uint8)
    half[:, 40:] = 255
    cv2.imwrite(str(photo), half)
    code, out, _ = call(capfd, "detect", "--model", model, "--explain-model")
    assert code == 0
    assert "segmentation" in out and "runs as TRANSPOSE_CONV" in out
    code, out, err = call(capfd, "detect", "--model", model, "--source", photo, "--json")
    assert code == 0, err
    (found,) = json.loads(out.splitlines()[0])["detections"]
    assert found["box_xyxy"] == [40, 0, 80, 60]
    assert found["mask"] == {"size": [60, 80], "counts": [40 * 60, 40 * 60]}


def test_a_size_that_the_file_leaves_open_is_asked_for(tmp_path: Path, photo: Path, capfd) -> None:
    build = ModelBuilder()
    image = build.tensor((1, 1, 1, 3), "uint8", scale=1 / 255, signature=(1, -1, -1, 3), name="x")
    real = build.tensor((1, 1, 1, 3), "float32", signature=(1, -1, -1, 3), name="real")
    build.op("DEQUANTIZE", [image], [real])
    axes = build.tensor((2,), "int32", data=[1, 2], name="axes")
    scores = build.tensor((1, 3), "float32", name="scores")
    build.op("MEAN", [real, axes], [scores], keep_dims=False)
    model = tmp_path / "open.tflite"
    model.write_bytes(build.build([image], [scores]))
    arguments = ("detect", "--model", model, "--source", photo)
    code, _, err = call(capfd, *arguments)
    assert code == 1
    assert_error(err, "leaves the size of its input open: x [1, -1, -1, 3]", "--input-size")
    code, out, err = call(capfd, *arguments, "--input-size", 24, 16, "--json")
    assert code == 0, err
    code, out, _ = call(capfd, *arguments[:3], "--explain-model", "--input-size", 24, 16, "--json")
    (spec,) = json.loads(out)["preprocess"]["inputs"]
    assert (spec["width"], spec["height"]) == (24, 16)
    (tmp_path / "fixed.tflite").write_bytes(fixed_outputs({"s": np.ones((1, 7))}, dtype="uint8"))
    fixed = ("detect", "--model", tmp_path / "fixed.tflite", "--source", photo)
    code, _, err = call(capfd, *fixed, "--input-size", 24, 16)
    assert code == 1
    assert_error(err, "are fixed")
