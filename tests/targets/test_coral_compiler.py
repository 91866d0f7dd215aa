"""The log of edgetpu_compiler is read right, and the program is run as it should be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError, ToolError, UnsupportedModelError
from targets.base import RunOptions
from targets.coral import target as coral
from targets.coral.compiler import Compiled, StatusRow, parse_log
from targets.coral.device import edge_tpu_library, usb_device_present
from targets.coral.target import disagreements
from targets.inference import load
from targets.model_file import load_model_file
from targets.table import get_target
from tests.builders import tiny_classifier
from tests.run import shared

LOG = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 38 ms.

Input model: tiny.tflite
Input size: 5.28KiB
Output model: tiny_edgetpu.tflite
Output size: 48.00KiB
On-chip memory used for caching model parameters: 66.00KiB
On-chip memory remaining for caching model parameters: 7.67MiB
Off-chip memory used for streaming uncached model parameters: 64.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 6
Operation log: tiny_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU.
Number of operations that will run on Edge TPU: 5
Number of operations that will run on CPU: 1

Operator                       Count      Status

CONV_2D                        1          Mapped to Edge TPU
DEPTHWISE_CONV_2D              1          Mapped to Edge TPU
AVERAGE_POOL_2D                1          Mapped to Edge TPU
RESHAPE                        1          Mapped to Edge TPU
FULLY_CONNECTED                1          Mapped to Edge TPU
SOFTMAX                        1          Operation is otherwise supported, but not mapped due to \
some unspecified limitation
Compilation child process completed within timeout period.
Compilation succeeded!
"""
FAILED = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.
ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model.
Compilation child process completed within timeout period.
Compilation failed!
"""
DYNAMIC = """\
Edge TPU Compiler version 16.0.384591198
ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that has \
dynamic-sized tensors.
Compilation failed: Model failed in Tflite interpreter. Please ensure model can be loaded/run in \
Tflite interpreter.
"""


def test_log() -> None:
    log = parse_log(LOG)
    assert log.version == "16.0.384591198"
    assert (log.on_chip_bytes, log.off_chip_bytes) == (66 * 1024, 64)
    assert log.remaining_bytes == round(7.67 * 1024**2)
    assert (log.subgraphs, log.operations, log.mapped) == (1, 6, 5)
    assert log.rows[0] == StatusRow("CONV_2D", 1, "Mapped to Edge TPU")
    assert log.rows[-1].status.endswith("some unspecified limitation")
    assert log.failures == ()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (FAILED, "Compilation failed: Compilation failed due to large activation tensors in model"),
        (DYNAMIC, "Compilation failed: Model failed in Tflite interpreter"),
        ("Internal compile error. Aborting!", "Internal compile error"),
        ("x.cc:1: error: 'tfl.strided_slice' op is not supported on DarwiNN", "x.cc:1"),
    ],
)
def test_failures_with_the_most_telling_first(text: str, first: str) -> None:
    assert parse_log(text).failures[0].startswith(first)


def test_empty_log() -> None:
    log = parse_log("")
    assert (log.version, log.rows, log.on_chip_bytes, log.mapped) == (None, (), None, 0)


def fake_compiler(folder: Path, body: str) -> None:
    """Puts an ``edgetpu_compiler`` on PATH that runs ``body`` with ``arguments`` at hand."""
    program = folder / "edgetpu_compiler"
    program.write_text(f"#!{sys.executable}\nimport pathlib, sys\narguments = sys.argv\n{body}")
    program.chmod(0o755)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_classifier())
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")
def test_compile_with_the_compiler(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_compiler(
        tmp_path,
        "out = pathlib.Path(arguments[arguments.index('-o') + 1])\n"
        "(out / 'tiny_edgetpu.tflite').write_bytes(b'compiled')\n"
        f"(out / 'tiny_edgetpu.log').write_text({LOG!r})\n"
        "assert '-s' in arguments and arguments[-1].endswith('tiny.tflite')\n"
        f"print({LOG!r})\n",
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "out"
    result = get_target("coral-usb").compile(load_model_file(model), out, RunOptions())
    assert result.files == (
        "tiny_edgetpu.tflite",
        "tiny_edgetpu.log",
        "tiny_edgetpu_check.json",
    )
    assert (out / "tiny_edgetpu.tflite").read_bytes() == b"compiled"
    assert result.weight_bytes == 66 * 1024 + 64
    assert result.notes == (
        "edgetpu_compiler 16.0.384591198 mapped 5 of 6 ops",
        "SOFTMAX: 0 of 1 mapped, 1 were predicted",
    )
    stored = json.loads((out / "tiny_edgetpu_check.json").read_text())
    assert stored["schema"] == "edgecnn.check/1" and stored["mapped"] == 6
    assert stored["compiler"]["operations"] == 6
    assert get_target("coral-usb").deploy(result, RunOptions()).device == "local"


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")
def test_a_failing_compiler_is_one_error(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_compiler(tmp_path, f"print({FAILED!r})\nsys.exit(1)\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        get_target("coral-usb").compile(load_model_file(model), tmp_path / "out", RunOptions())
    assert caught.value.message == "edgetpu_compiler failed (exit code 1)"
    assert "large activation tensors" in caught.value.details[-1]
    assert not (tmp_path / "out").exists()


def test_compile_without_the_compiler_writes_the_prediction(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    target = get_target("coral-usb")
    result = target.compile(load_model_file(model), tmp_path / "out", RunOptions())
    assert result.files == ("tiny_edgetpu_check.json",)
    assert result.notes[0].startswith(
        "edgetpu_compiler was not found on PATH: nothing was compiled"
    )
    stored = json.loads((tmp_path / "out/tiny_edgetpu_check.json").read_text())
    assert stored["mapped"] == stored["total"] == 6
    with pytest.raises(TargetError, match="no compiled model to deploy"):
        target.deploy(result, RunOptions())


def test_a_compiled_model_is_not_compiled_again(tmp_path: Path) -> None:
    folder = shared() / "models/edgetpu_pairs/LibrEdgeTPU"
    compiled = load_model_file(folder / "dense_256_edgetpu.tflite")
    with pytest.raises(UnsupportedModelError, match="compiled for the Edge TPU already"):
        get_target("coral-usb").compile(compiled, tmp_path, RunOptions())


def test_no_device(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.coral.device.find_library", lambda name: None)
    monkeypatch.setattr("targets.coral.device.usb_device_present", lambda ids: False)
    with pytest.raises(TargetError) as caught:
        get_target("coral-usb").benchmark(load_model_file(model), RunOptions())
    assert caught.value.message == (
        "no Edge TPU found to run on (no Edge TPU on USB, no libedgetpu)"
    )
    assert caught.value.exit_code == 1


def test_device_is_found_by_its_usb_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "1-1"
    device.mkdir()
    (tmp_path / "usb1").mkdir()
    (device / "idVendor").write_text("1a6e\n")
    (device / "idProduct").write_text("089a\n")
    assert usb_device_present(("1a6e:089a",), tmp_path)
    assert not usb_device_present(("18d1:9302",), tmp_path)
    monkeypatch.setattr("targets.coral.device.find_library", lambda name: "libedgetpu.so.1")
    monkeypatch.setattr("targets.coral.device.usb_device_present", lambda ids: True)
    assert edge_tpu_library(("1a6e:089a",), "local") == "libedgetpu.so.1"
    with pytest.raises(TargetError, match="at 'pi@host'"):
        edge_tpu_library(("1a6e:089a",), "pi@host")


def test_disagreements_name_the_op(model: Path) -> None:
    report = get_target("coral-usb").check(load_model_file(model))
    assert report.fits and report.mapped == 6
    assert report.memory["cache_bytes"] == 8 << 20 and report.memory["estimate"]
    assert disagreements(report, parse_log(LOG)) == ("SOFTMAX: 0 of 1 mapped, 1 were predicted",)


def test_benchmark_judges_the_compiled_model_against_the_original(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Edge TPU here: the 'compiled' file is the original, run on the CPU under other names."""
    renamed = tiny_classifier().replace(b"scores", b"SCORES").replace(b"image", b"IMAGE")
    compiled = Compiled(renamed, b"", parse_log(LOG))
    monkeypatch.setattr(coral, "edge_tpu_library", lambda ids, device: "libedgetpu.so.1")
    monkeypatch.setattr(coral.shutil, "which", lambda name: f"/opt/{name}")
    monkeypatch.setattr(coral, "compile_model", lambda *args, **kwargs: compiled)
    monkeypatch.setattr(
        coral,
        "load",
        lambda data, options, default_threads, delegate: load(data, options, default_threads),
    )
    target = get_target("coral-usb")
    report = target.benchmark(load_model_file(model), RunOptions(runs=2, warmup=0))
    assert report.replayed and len(report.samples) == 2

    monkeypatch.setattr(coral.shutil, "which", lambda name: None)
    with pytest.raises(TargetError, match="is not compiled for the Edge TPU"):
        target.benchmark(load_model_file(model), RunOptions())
