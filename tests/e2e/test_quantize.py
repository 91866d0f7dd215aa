"""``edgecnn quantize`` on bare files, as a user types it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.cli import main
from edgecnn.core.tflite.reader import read_model_file
from edgecnn.core.tflite.writer import write_model
from tests.quantization.steps.test_mixed import net
from tests.run import shared


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float .tflite, calibration arrays, and arrays that are wrong in one way each."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "net.tflite").write_bytes(write_model(net()))
    data = np.random.default_rng(6).normal(0, 1, (24, 8, 8, 3)).astype(np.float32)
    np.savez(folder / "data.npz", image=data)
    np.save(folder / "plain.npy", data)
    broken = data.copy()
    broken[3, 0, 0, 0] = np.nan
    np.savez(folder / "nan.npz", image=broken)
    np.savez(folder / "empty.npz", image=data[:0])
    np.savez(folder / "shape.npz", image=data[:, :4])
    np.savez(folder / "text.npz", image=np.full((24, 8, 8, 3), "a"))
    np.savez(folder / "other.npz", picture=data, second=data)
    return folder


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    code = main([str(item) for item in arguments])
    out, err = capfd.readouterr()
    return code, out, err


def quantize(capfd, files: Path, out: Path, *more: object):
    code, text, err = run(
        capfd, "quantize", files / "net.tflite", "--calibration", files / "data.npz", "-o", out,
        "--samples", "24", "--json", *more,
    )  # fmt: skip
    assert code == 0, err
    return json.loads(text)


@pytest.mark.parametrize(
    ("recipe", "dtype"),
    [("int8", "int8"), ("int8-per-tensor", "int8"), ("int16x8", "int16"), ("mixed", "int8"),
     ("dynamic", "float32"), ("float16", "float32"), ("float32", "float32")],
)  # fmt: skip
def test_every_recipe_on_a_float_tflite(capfd, files: Path, tmp_path: Path, recipe, dtype) -> None:
    found = quantize(capfd, files, tmp_path, "--recipe", recipe)
    assert found["schema"] == "edgecnn.quantize/1"
    assert found["recipe"] == recipe
    _, model = read_model_file(Path(found["files"]["model"]))
    assert [model.main.tensors[k].dtype.value for k in model.main.inputs] == [dtype]


def test_the_recipe_file_gives_the_same_bytes_again(capfd, files: Path, tmp_path: Path) -> None:
    asked = ("--recipe", "int8-per-tensor", "--step", "round", "--step", "equalize",
             "--calibrator", "mse", "--io", "uint8", "--layer", "third=per-channel")  # fmt: skip
    first = quantize(capfd, files, tmp_path / "a", *asked)
    again = quantize(capfd, files, tmp_path / "b", "--recipe", first["files"]["recipe"])
    digests = [
        hashlib.sha256(Path(item["files"]["model"]).read_bytes()).hexdigest()
        for item in (first, again)
    ]
    assert digests[0] == digests[1]
    assert [step["name"] for step in first["steps"]] == ["fold-batch-norm", "equalize", "round"]
    spread = quantize(capfd, files, tmp_path / "c", *asked, "--workers", "2")
    assert (
        Path(spread["files"]["model"]).read_bytes() == Path(first["files"]["model"]).read_bytes()
    ), "processes change nothing"


def test_auto_mends_the_planted_outlier_and_tells_each_step(capfd, files, tmp_path) -> None:
    plain = quantize(
        capfd, files, tmp_path / "plain", "--recipe", "int8-per-tensor", "--step", "none"
    )
    kinds = {(item["layer"], item["kind"]) for item in plain["suspects"]}
    assert ("second", "outlier-channel") in kinds
    found = quantize(
        capfd,
        files,
        tmp_path,
        "--recipe",
        "int8-per-tensor",
        "--step",
        "none",
        "--auto",
        "--max-drop",
        "1",
    )
    drops = {step["name"]: step["drop"] for step in found["steps"]}
    assert drops["int8-per-tensor"] > 1
    assert drops["equalize"] < drops["int8-per-tensor"]
    assert ("second", "outlier-channel") not in {
        (item["layer"], item["kind"]) for item in found["suspects"]
    }


def test_the_table_says_what_each_step_did(capfd, files: Path, tmp_path: Path) -> None:
    code, out, _ = run(
        capfd, "quantize", files / "net.tflite", "--calibration", files / "plain.npy", "-o",
        tmp_path, "--step", "correct-bias", "--samples", "24",
    )  # fmt: skip
    assert code == 0
    assert "correct-bias" in out and "worst layers" in out and "wrote" in out


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("nan.npz", "NaN"),
        ("empty.npz", "empty.npz"),
        ("shape.npz", "[8, 8, 3]"),
        ("text.npz", "text.npz"),
        ("other.npz", "image"),
        ("absent.npz", "absent.npz"),
    ],
)
def test_bad_data_is_one_line_and_nothing_is_written(capfd, files, tmp_path, data, told) -> None:
    out = tmp_path / "out"
    code, text, err = run(
        capfd, "quantize", files / "net.tflite", "--calibration", files / data, "-o", out, "-q"
    )
    assert code in (1, 2)
    assert text == ""
    assert told in err and "Traceback" not in err
    assert "hint: " in err
    assert not list(out.glob("*.tflite"))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--layer", "third"), "PATTERN=SETTING"),
        (("--layer", "third=int4"), "int16"),
        (("--recipe", "int9"), "int8"),
        (("--recipe", "absent.json"), "absent.json"),
        (("--recipe", "float16", "--auto"), "--auto"),
        (("--percentile", "20", "--calibrator", "percentile"), "percentile"),
        (("--io", "int16", "--recipe", "dynamic"), "float32"),
        (("--max-drop", "1"), "labelled data"),
    ],
)
def test_wrong_wishes_are_one_line(capfd, files: Path, tmp_path: Path, flags, told) -> None:
    code, _, err = run(
        capfd, "quantize", files / "net.tflite", "--calibration", files / "data.npz", "-o",
        tmp_path, "-q", *flags,
    )  # fmt: skip
    assert code in (1, 2)
    assert told in err and "Traceback" not in err


def test_a_quantized_file_is_not_quantized_again(capfd, files: Path, tmp_path: Path) -> None:
    first = quantize(capfd, files, tmp_path)
    code, _, err = run(
        capfd, "quantize", first["files"]["model"], "--calibration", files / "data.npz", "-o",
        tmp_path / "again", "-q",
    )  # fmt: skip
    assert code == 1
    assert "quantized" in err and "hint: " in err


@pytest.mark.train
def test_code_in_a_model_file_runs_only_when_asked(capfd, files: Path, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    image = keras.Input((8, 8, 3), name="image")
    doubled = keras.layers.Lambda(lambda x: x * 2.0, name="twice")(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 3, name="conv")(doubled))
    model.save(tmp_path / "lambda.keras")
    asked = ("quantize", tmp_path / "lambda.keras", "--calibration", files / "data.npz", "-o",
             tmp_path / "out", "-q")  # fmt: skip
    code, _, err = run(capfd, *asked)
    assert code == 1
    assert "twice" in err and "--unsafe" in err
    code, _, err = run(capfd, *asked, "--unsafe")
    assert code == 0, err


@pytest.mark.train
def test_an_old_keras_file_of_another_project(capfd, tmp_path: Path) -> None:
    """MLPerf Tiny's person detector as Keras 2.4 wrote it; its layers still hold 30 dB."""
    pytest.importorskip("tensorflow")
    models = shared() / "models/mlperf_tiny"
    code, out, err = run(
        capfd, "quantize", models / "vww_96.h5", "--calibration", shared() / "data/images",
        "--input-range", "0..1", "-o", tmp_path, "--json",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(out)
    assert any("only 14 calibration samples" in line for line in found["warnings"])
    assert min(layer["sqnr_db"] for layer in found["layers"]) > 10
    assert not [item for item in found["suspects"] if item["kind"] == "float-island"]
