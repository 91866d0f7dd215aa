"""Strangers' models through the real command line: recognised, explained, or asked about."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

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
