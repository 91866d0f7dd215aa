"""The whole road through the real command line, short: train → … → report, both tasks."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.core.bundle import Bundle
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.reader import read_model_file
from tests.run import edgecnn, in_process, shared

pytestmark = pytest.mark.train


def ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def as_json(result: subprocess.CompletedProcess[str]):
    return json.loads(ok(result))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quantized bundle of the project's default classifier, trained for two epochs."""
    folder = tmp_path_factory.mktemp("digits")
    ok(edgecnn("new", "counter", cwd=folder))
    project = folder / "counter"
    trained = as_json(edgecnn("train", "--epochs", "2", "--json", cwd=project))
    assert trained["metric"]["n"] >= 450
    result = as_json(in_process("quantize", "--max-drop", "20", "--json", cwd=project))
    assert result["schema"] == "edgecnn.quantize/1"
    assert result["passed"]
    assert set(result["metrics"]) == {"float", "float_tflite", "quantized"}
    assert result["layers"]
    return project


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quantized bundle of the detector, trained for one epoch."""
    bundle = tmp_path_factory.mktemp("scenes") / "bundle"
    ok(
        edgecnn(
            "train",
            "--task",
            "detect",
            "--epochs",
            "1",
            "--max-minutes",
            "0.05",
            "-o",
            bundle,
            "-q",
        )
    )
    # So short a training may find as good as nothing, which is refused otherwise.
    ok(in_process("quantize", bundle, "--limit", "40", "-q", "--force"))
    return bundle


def test_new_writes_samples(digits: Path) -> None:
    assert (digits / "edgecnn.toml").is_file()
    assert len(list((digits / "samples").rglob("*.png"))) == 20


def test_bundle_is_whole_and_specs_travel_in_the_file(digits: Path) -> None:
    bundle = Bundle.load(digits / "bundle")
    assert bundle.variants == ("float32", "int8")
    assert bundle.manifest.default_variant == "int8"
    for variant in bundle.variants:
        _, model = read_model_file(bundle.variant_model(variant))
        assert specs(model) == (bundle.preprocess, bundle.postprocess)
    splits = bundle.manifest.data["splits"]
    assert splits["test"]["count"] >= 450
    assert not list(digits.glob("**/*.new")) + list(digits.glob("**/*.tmp"))


def test_a_tampered_bundle_is_refused(digits: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "bundle"
    shutil.copytree(digits / "bundle", copy)
    with (copy / "variants/int8/model.tflite").open("ab") as stream:
        stream.write(b"x")
    result = in_process("bench", copy, "-t", "host")
    assert result.returncode == 1
    assert "was changed after the bundle was written" in result.stderr


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0plus"])
def test_microcontrollers_are_bit_exact(digits: Path, target: str) -> None:
    report = as_json(in_process("bench", "-t", target, "--json", cwd=digits))
    assert report["bit_exact"] is True
    assert report["replayed"] is True
    assert report["max_diff_lsb"] == 0
    assert report["instructions"] > 100_000
    assert all(report["ram"].values())
    assert all(report["flash"].values())
    # Steps are counted one by one through <name>_run_step, whose dispatch costs a few instructions.
    steps = sum(step["instructions"] for step in report["per_step"])
    assert steps == pytest.approx(report["instructions"], rel=1e-3)


def test_host_agrees_and_gates_work(digits: Path) -> None:
    report = as_json(in_process("bench", "-t", "host", "--runs", "5", "--json", cwd=digits))
    assert len(report["samples"]) == 5
    assert report["replayed"] is True
    missed = in_process("bench", "-t", "host", "--max-p95-ms", "0.000001", cwd=digits)
    assert missed.returncode == 1
    assert "--max-p95-ms allows" in missed.stderr


def test_check_compile_eval_and_report(digits: Path, tmp_path: Path) -> None:
    check = as_json(in_process("check", "-t", "coral-usb", "-t", "cortex-m4", "--json", cwd=digits))
    assert [part["mapped"] == part["total"] for part in check] == [True, True]
    made = as_json(
        in_process("compile", "-t", "cortex-m4", "-o", tmp_path / "c", "--json", cwd=digits)
    )
    assert any(name.endswith(".c") for name in made["files"])
    assert all((tmp_path / "c" / name).is_file() for name in made["files"])
    evaluated = as_json(in_process("eval", "--json", cwd=digits))
    stored = json.loads((digits / "bundle/variants/int8/metrics.json").read_text())
    assert evaluated["metrics"]["accuracy"] == stored["metrics"]["quantized"]["value"]
    ok(in_process("report", cwd=digits))
    page = (digits / "bundle/report.html").read_text(encoding="utf-8")
    assert "http" not in page.split("<body", 1)[1]
    assert "confusion" in page.lower() or "true class" in page


def test_other_numerics_stand_beside_the_reference(digits: Path, tmp_path: Path) -> None:
    """On the bundle's own test images, by the C on this machine; and the report draws memory."""
    report = as_json(
        in_process("bench", "-t", "cortex-m4", "--numerics", "single", "--json", cwd=digits)
    )
    row = report["accuracy"]
    assert (row["metric"], row["n"]) == ("accuracy", 504)
    plain = as_json(in_process("eval", "--numerics", "litert-ref", "--json", cwd=digits))
    single = as_json(in_process("eval", "--numerics", "single", "--json", cwd=digits))
    assert row["reference"] == plain["metrics"]["accuracy"]
    assert row["compiled"] == single["metrics"]["accuracy"]
    ok(in_process("report", "-o", tmp_path, cwd=digits))
    assert "Memory over time" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_bare_keras_and_bare_tflite(digits: Path, tmp_path: Path) -> None:
    keras = digits / "bundle/model.keras"
    out = tmp_path / "out"
    result = as_json(
        in_process(
            "quantize", keras, "--calibration", "digits", "-o", out, "--limit", "60", "--json"
        )
    )
    assert result["metrics"]["quantized"]["n"] == 60
    taken = result["input_range"]
    assert (taken["name"], taken["colour"]) == ("-1..1", "gray")
    assert taken["source"] in ("labels", "file")
    model = Path(result["files"]["model"])
    evaluated = as_json(in_process("eval", model, "--data", "digits", "--limit", "60", "--json"))
    assert evaluated["metrics"]["accuracy"] == result["metrics"]["quantized"]["value"]
    of_keras = as_json(in_process("eval", keras, "--data", "digits", "--limit", "60", "--json"))
    assert of_keras["metrics"]["accuracy"] == result["metrics"]["float"]["value"]
    unlabelled = tmp_path / "photos"
    unlabelled.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        image = rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)
        cv2.imwrite(str(unlabelled / f"{index}.png"), image)
    # Four images of noise are nothing that the model's batch normalization could tell.
    asked = ("quantize", keras, "--calibration", unlabelled, "--input-range=-1..1")
    plain = in_process(*asked, "-o", tmp_path / "p", "--json")
    assert as_json(plain)["metrics"]["quantized"] is None
    gated = in_process(*asked, "-o", tmp_path / "g", "--max-drop", "1")
    assert gated.returncode == 2
    assert "--max-drop needs labelled data" in gated.stderr
    assert not (tmp_path / "g").exists()


def test_drop_gate_fails_with_exit_code_1(digits: Path) -> None:
    """A gate that nothing meets: int8 would have to gain 50 points."""
    result = in_process("quantize", "--max-drop", "-50", "--samples", "1", cwd=digits)
    assert result.returncode == 1
    assert "--max-drop allows -50" in result.stderr


def test_detector_runs_on_a_video(scenes: Path, tmp_path: Path) -> None:
    ok(in_process("new", tmp_path / "project", "--task", "detect", "-q"))
    video = tmp_path / "project/samples/scene.mp4"
    ok(
        in_process(
            "detect", "--source", video, "--model", scenes, "-o", tmp_path, "--max-frames", "30"
        )
    )
    lines = [json.loads(line) for line in (tmp_path / "detections.jsonl").open(encoding="utf-8")]
    assert len(lines) == 31
    assert lines[-1]["schema"] == "edgecnn.detect/1"
    assert lines[-1]["frames"] == 30
    assert set(lines[0]) == {
        "frame", "timestamp_s", "time", "age_ms", "detections", "stage_ms",
    }  # fmt: skip
    capture = cv2.VideoCapture(str(tmp_path / "detections.mp4"))
    count = 0
    while capture.read()[0]:
        count += 1
    assert count == 30


def test_detector_is_bit_exact_on_a_microcontroller(scenes: Path) -> None:
    report = as_json(in_process("bench", scenes, "-t", "cortex-m4", "--json"))
    assert report["bit_exact"] is True
    assert report["decoded_equal"] is True


def test_float_int8_and_the_devices_c_are_measured_side_by_side(scenes: Path) -> None:
    asked = ("eval", scenes, "--limit", "12", "--force")
    on_host = (*asked, "-t", "cortex-m7", "--on-host")
    report = as_json(in_process(*on_host, "--json"))
    names = [row["name"] for row in report["compared"]]
    assert names == ["float32", "int8", "cortex-m7"]
    assert "dsp kernels" in report["compared"][2]["runs"]
    assert report["metrics"]["map50"] == report["compared"][2]["metric"]["value"]
    losses = [row["loss"] for row in report["compared"]]
    assert losses[0] is None and all(loss["paired"] for loss in losses[1:])
    text = ok(in_process(*on_host))
    assert "points lost" in text and "average precision at IoU 0.5" in text
    refused = in_process(*asked, "-t", "ethos-u55-128")
    assert refused.returncode == 2 and "'ethos-u55-128' runs no model here" in refused.stderr


def test_ethos_estimates_cycles(scenes: Path) -> None:
    report = as_json(in_process("bench", scenes, "-t", "ethos-u55-128", "--json"))
    assert report["cycles_estimate"] > 0
    assert report["samples"] == []
    assert report["replayed"] is False


@pytest.mark.long
def test_cifar10_trains_and_quantizes(tmp_path: Path) -> None:
    archive = shared() / "data/cifar10/cifar10_jpeg.tar.xz"
    bundle = tmp_path / "bundle"
    trained = as_json(
        edgecnn(
            "train", "--task", "classify", "--data", archive, "--colour", "rgb",
            "--max-minutes", "2", "-o", bundle, "--json", timeout=900,
        )
    )  # fmt: skip
    assert trained["metric"]["value"] > 0.3
    result = as_json(edgecnn("quantize", bundle, "--limit", "1000", "--json", timeout=600))
    assert abs(result["drop_points"]) < 5
