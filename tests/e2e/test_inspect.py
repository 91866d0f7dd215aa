"""``edgecnn inspect`` and ``edgecnn compare`` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.cli import main
from edgecnn.core import postprocess as post
from edgecnn.core.bundle import Bundle, Manifest
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.tflite.metadata import PREPROCESS, embed
from tests.builders import tiny_classifier
from tests.quantization.inspection.models import SIDE, float_net, quantized, samples, scaled

SPEC = PreprocessSpec((ImageInput("image", SIDE, SIDE, scale=(1 / 255,), offset=(0.0,)),))


def call(capfd, *arguments: object) -> tuple[int, str, str]:
    code = main([str(item) for item in arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return code, out, err


def error(result: tuple[int, str, str], *needles: str) -> None:
    code, out, err = result
    assert code in (1, 2) and out == "", err
    lines = [line for line in err.splitlines() if not line.endswith("…")]
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("hint: "), err
    for needle in needles:
        assert needle in err, err


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Float and int8 files of a net with one outlier channel, and arrays for it."""
    net = scaled(float_net(), "block_2_pw", 100.0, 7)
    (tmp_path / "float.tflite").write_bytes(net)
    (tmp_path / "int8.tflite").write_bytes(quantized(net, samples()))
    arrays = np.concatenate([item["image"] for item in samples()])
    np.save(tmp_path / "data.npy", arrays)
    return tmp_path / "int8.tflite", tmp_path / "float.tflite", tmp_path / "data.npy"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for k, sample in enumerate(samples(4)):
        pixels = np.rint(sample["image"][0, ..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{k}.png"), pixels)
    return folder


def test_the_outlier_is_told_in_words_in_json_and_on_the_page(capfd, files, tmp_path) -> None:
    model, against, data = files
    given = (model, "--against", against, "--data", data)
    code, out, err = call(capfd, "inspect", *given, "-o", tmp_path / "out")
    assert code == 0
    assert "1. block_2_pw (CONV_2D)" in out
    assert "outlier channel 7" in out and "cure: " in out
    page = (tmp_path / "out/inspect.html").read_text(encoding="utf-8")
    assert "outlier channel 7" in page
    stored = json.loads((tmp_path / "out/inspect.json").read_text())
    code, out, err = call(capfd, "inspect", *given, "--json", "--html", tmp_path / "a.html")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["schema"] == "edgecnn.inspect/1"
    assert found["suspects"][0]["kind"] == "outlier-channel"
    assert found["suspects"][0]["evidence"]["channel"] == 7
    assert found["samples"] == 8
    layer = next(row for row in found["layers"] if row["name"] == "block_2_pw")
    assert layer["added"]["sqnr_db"] > layer["total"]["sqnr_db"] - 60
    assert len(layer["total"]["worst_channels"]) == 5
    assert layer["targets"]["host"] is True
    assert sum(layer["values"]["float"]["counts"]) == 8 * SIDE * SIDE * 16
    assert layer["weights"]["range_high"] > 8 * layer["weights"]["range_median"]
    stored.pop("html"), found.pop("html")
    assert stored == found


def test_the_file_alone_gives_the_table(capfd, files) -> None:
    code, out, err = call(capfd, "inspect", files[0])
    assert code == 0
    assert "block_2_pw" in out and "MACs" in out and "coral-usb" in out
    assert "add --against FLOAT" in err and "add --data" in err
    code, out, _ = call(capfd, "inspect", files[1], "--json", "-t", "cortex-m4")
    found = json.loads(out)
    assert code == 0 and found["totals"]["precisions"] == {"float32": len(found["layers"])}
    assert [item["target"] for item in found["targets"]] == ["cortex-m4"]
    assert found["layers"][0]["total"] is None


def test_images_by_the_spec_in_the_file(capfd, tmp_path, photos) -> None:
    net = float_net()
    spec = {PREPROCESS: json.dumps(SPEC.to_json()).encode()}
    model, against = tmp_path / "q.tflite", tmp_path / "f.tflite"
    model.write_bytes(embed(quantized(net, samples()), spec))
    against.write_bytes(net)
    command = ("inspect", model, "--against", against, "--data", photos, "--json")
    code, out, _ = call(capfd, *command)
    found = json.loads(out)
    assert code == 0 and found["suspects"] == [] and found["samples"] == 4
    # A wrong spec is seen in the data: bytes as they are, for a model of 0 to 1.
    wrong = PreprocessSpec((ImageInput("image", SIDE, SIDE, scale=(1.0,), offset=(0.0,)),))
    (tmp_path / "wrong.json").write_text(json.dumps(wrong.to_json()))
    code, out, _ = call(capfd, *command, "--preprocess", tmp_path / "wrong.json")
    suspects = json.loads(out)["suspects"]
    assert suspects[0]["kind"] == "input-range"
    assert "0..255 data for a 0..1 model" in suspects[0]["cure"]
    code, out, _ = call(capfd, *command, "--input-range", "0..1")
    assert code == 0 and json.loads(out)["suspects"] == []
    error(call(capfd, "inspect", against, "--data", photos), "is not clear", "--input-range")


def test_a_bundle_brings_its_float_model_and_data(capfd, tmp_path) -> None:
    net = float_net()
    labels = tuple("abcde")
    manifest = Manifest("net", "classify", labels, 3, default_variant="int8",
                        data={"source": "digits"})  # fmt: skip
    bundle = Bundle.create(tmp_path / "bundle", manifest)
    with bundle.edit() as edit:
        edit.write_json("preprocess.json", SPEC.to_json())
        edit.write_json("postprocess.json", post.to_json(ClassifySpec("scores", labels)))
        edit.write("variants/float32/model.tflite", net)
        edit.write("variants/int8/model.tflite", quantized(net, samples()))
    code, out, _ = call(capfd, "inspect", tmp_path / "bundle", "--json", "--samples", 6)
    found = json.loads(out)
    assert code == 0
    assert (found["data"], found["samples"]) == ("digits", 6)
    assert found["against"] == "variants/float32/model.tflite"
    assert all(row["total"] for row in found["layers"])
    # The float variant has nothing to be compared with.
    code, out, _ = call(capfd, "inspect", tmp_path / "bundle", "--variant", "float32", "--json")
    assert code == 0 and json.loads(out)["against"] is None


def test_compare(capfd, files) -> None:
    model, against, data = files
    code, out, _ = call(capfd, "compare", against, model, "--data", data)
    assert code == 0
    assert "ops: the same, in the same order" in out and "same top-1" in out
    code, out, err = call(capfd, "compare", against, model, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["schema"] == "edgecnn.compare/1"
    assert found["random"] is True and found["outputs"][0]["max_abs"] > 0
    code, out, _ = call(capfd, "compare", model, model)
    assert code == 0 and "equal, byte for byte" in out


def test_compare_models_of_other_shapes(capfd, files, tmp_path) -> None:
    (tmp_path / "tiny.tflite").write_bytes(tiny_classifier())
    code, out, _ = call(capfd, "compare", files[1], tmp_path / "tiny.tflite")
    assert code == 0
    notes = [line for line in out.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1 and "take different inputs: image [1, 12, 12, 3]" in notes[0]


def test_what_cannot_be_read_is_one_error(capfd, files, tmp_path) -> None:
    model, against, data = files
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(model.read_bytes()[:2000])
    noise = tmp_path / "noise.tflite"
    noise.write_bytes(np.random.default_rng(0).bytes(4000))
    for bad in (cut, noise):
        error(call(capfd, "inspect", bad), bad.name)
        error(call(capfd, "compare", bad, model), bad.name)
        error(call(capfd, "compare", model, bad), bad.name)
        error(call(capfd, "inspect", model, "--against", bad, "--data", data), bad.name)
    error(call(capfd, "inspect", tmp_path / "no.tflite"), "no.tflite")
    error(call(capfd, "inspect", model, "-t", "nowhere"), "unknown target 'nowhere'")


def test_data_that_do_not_fit_are_one_error(capfd, files, tmp_path) -> None:
    model, against, _ = files
    np.save(tmp_path / "flat.npy", np.zeros((4, 7), np.float32))
    bad = samples(2)[0]["image"].copy()
    bad[0, 0, 0, 0] = np.nan
    np.save(tmp_path / "nan.npy", bad)
    for name in ("flat.npy", "nan.npy"):
        result = call(capfd, "inspect", model, "--against", against, "--data", tmp_path / name)
        error(result)
    (tmp_path / "tiny.tflite").write_bytes(tiny_classifier())
    given = ("--against", tmp_path / "tiny.tflite", "--data", files[2])
    error(call(capfd, "inspect", model, *given), "different inputs")
