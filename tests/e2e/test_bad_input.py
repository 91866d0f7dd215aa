"""What users get wrong, through the real command line: one clear error, nothing half-written."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.cli import main
from tests.builders import tiny_classifier
from tests.run import edgecnn, shared


def call(capfd, *arguments: object) -> tuple[int, str, str]:
    """Runs the command line in this process; (exit code, stdout, stderr)."""
    code = main([str(item) for item in arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return code, out, err


def assert_error(err: str, *needles: str) -> None:
    lines = err.strip().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("error: "))
    assert lines[-1].startswith("hint: "), err
    assert all(line.startswith("  ") for line in lines[start + 1 : -1]), err
    assert "{" not in err.replace("{'", ""), err
    for needle in needles:
        assert needle in err, err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_classifier())
    return path


def test_truncated_tflite(tmp_path: Path, capfd, model: Path) -> None:
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(model.read_bytes()[: len(model.read_bytes()) // 2])
    code, out, err = call(capfd, "check", cut, "-t", "host")
    assert (code, out) == (1, "")
    assert_error(err, "cut.tflite")


def test_random_bytes(tmp_path: Path, capfd) -> None:
    path = tmp_path / "noise.tflite"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    for verb in ("check", "bench"):
        code, out, err = call(capfd, verb, path, "-t", "cortex-m4")
        assert (code, out) == (1, "")
        assert_error(err, "noise.tflite")


def test_png_named_tflite(tmp_path: Path, capfd) -> None:
    png = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    path = tmp_path / "photo.tflite"
    path.write_bytes(png)
    code, _, err = call(capfd, "compile", path, "-t", "cortex-m4", "-o", tmp_path / "out")
    assert code == 1
    assert_error(err, "photo.tflite", "PNG")
    assert not (tmp_path / "out").exists()


def test_dynamic_range_model_where_all_int8_or_float_is_needed(capfd, tmp_path: Path) -> None:
    path = shared() / "models/mlperf_tiny/kws_ref_model_float32.tflite"
    for verb, extra in (("bench", ()), ("compile", ("-o", tmp_path / "out"))):
        code, out, err = call(capfd, verb, path, "-t", "cortex-m4", *extra)
        assert (code, out) == (1, "")
        assert_error(err, "dynamic-range quantization", "the float model that this one was made")
    assert not (tmp_path / "out").exists()


def test_label_file_with_too_few_lines(tmp_path: Path, capfd, model: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((32, 32, 3), np.uint8))
    code, _, err = call(capfd, "detect", "--source", photo, "--model", model, "--labels", labels)
    assert code == 1
    assert_error(err, "has 2 lines", "the model has")


def test_empty_image_folder(tmp_path: Path, capfd, model: Path) -> None:
    (tmp_path / "photos").mkdir()
    code, _, err = call(capfd, "eval", model, "--data", tmp_path / "photos")
    assert code == 1
    assert_error(err, "photos")


def test_video_that_does_not_exist(tmp_path: Path, capfd, model: Path) -> None:
    code, _, err = call(capfd, "detect", "--source", tmp_path / "no.mp4", "--model", model)
    assert code == 1
    assert_error(err, "no.mp4")


def test_camera_99(capfd, model: Path) -> None:
    code, _, err = call(capfd, "detect", "--source", "99", "--model", model)
    assert code == 1
    assert_error(err, "99")


def test_unknown_target_gets_the_nearest_name(capfd, model: Path) -> None:
    code, _, err = call(capfd, "bench", model, "-t", "cortex-m44")
    assert code == 2
    assert_error(err, "unknown target 'cortex-m44'", "did you mean 'cortex-m4'?")


def test_unknown_command_and_flag(capfd) -> None:
    code, _, err = call(capfd, "quantise")
    assert code == 2
    assert_error(err, "did you mean 'quantize'?")
    code, _, err = call(capfd, "targets", "--colour")
    assert code == 2
    assert_error(err, "--colour", "edgecnn targets --help")


def test_unknown_key_in_project_file(tmp_path: Path, capfd) -> None:
    path = tmp_path / "edgecnn.toml"
    path.write_text('task = "classify"\n\n[train]\nepoch = 3\n')
    code, _, err = call(capfd, "train", "--project", path)
    assert code == 2
    assert_error(err, "line 4", "unknown key 'epoch' = 3", "did you mean 'epochs'?")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["edgecnn.toml"]


def test_output_folder_that_cannot_be_written(tmp_path: Path, capfd, model: Path) -> None:
    # Below a file nobody can write, whatever the user's rights are.
    (tmp_path / "file").write_text("x")
    out = tmp_path / "file/out"
    code, _, err = call(capfd, "compile", model, "-t", "host", "-o", out)
    assert code == 2
    assert_error(err, str(out), "-o/--output-dir")
    assert (tmp_path / "file").read_text() == "x"


def test_no_model_and_no_project(tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capfd, "bench", "-t", "host")
    assert code == 2
    assert_error(err, "no model was given", "edgecnn new")


def test_errors_as_json(tmp_path: Path) -> None:
    result = edgecnn("check", tmp_path / "none.tflite", "-t", "host", "--json")
    assert result.returncode == 1
    assert result.stdout == ""
    error = json.loads(result.stderr)
    assert error["code"] == 1
    assert "none.tflite" in error["error"]
    assert error["hint"]


def test_eval_names_unreadable_images(tmp_path: Path, capfd, model: Path) -> None:
    rng = np.random.default_rng(1)
    for label in ("a", "b"):
        folder = tmp_path / "photos/test" / label
        folder.mkdir(parents=True)
        (tmp_path / "photos/train" / label).mkdir(parents=True)
        for index in range(3):
            image = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f"{index}.png"), image)
            image = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "photos/train" / label / f"{index}.png"), image)
    (tmp_path / "photos/test/a/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n garbage")
    code, out, err = call(capfd, "eval", model, "--data", tmp_path / "photos", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["n"] == 6
    assert [Path(name).name for name in result["skipped"]] == ["broken.png"]


@pytest.mark.parametrize(("given", "needle"), [("64q", "no number of bytes"), ("1k", "smallest")])
def test_max_ram(given: str, needle: str, tmp_path: Path, capfd, model: Path) -> None:
    out = tmp_path / "out"
    options = ("-t", "cortex-m4", "-o", out, "--c-only", "--max-ram", given)
    code, _, err = call(capfd, "compile", model, *options)
    assert code != 0 and not out.exists()
    assert_error(err, needle)


def test_a_dry_run_of_compile_refuses_what_the_run_refuses(
    tmp_path: Path, capfd, model: Path
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "out/tiny.c").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    for extra in ((), ("-o", tmp_path / "file"), ("-o", tmp_path / "file/x"),
                  ("-o", tmp_path / "out")):  # fmt: skip
        options = ("compile", model, "-t", "cortex-m4", "--c-only", *extra)
        code, out, err = call(capfd, *options, "--dry-run")
        assert code == 2 and out == "" and "error: " in err
        assert (code, out, err) == call(capfd, *options)
    free = ("compile", model, "-t", "cortex-m4", "--c-only", "-o", tmp_path / "new", "--dry-run")
    code, out, _ = call(capfd, *free)
    assert code == 0 and f"would go to {tmp_path / 'new'}" in out
    assert sorted(tmp_path.rglob("*")) == before
