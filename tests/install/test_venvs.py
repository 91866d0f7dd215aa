"""The base install in fresh virtual environments: its size, what stays out, the armv7l fallback."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.builders import tiny_classifier
from tests.run import ROOT

# Each fills a virtual environment from the package index.
pytestmark = pytest.mark.long
MAX_BASE_BYTES = 380_000_000
_TIMEOUT_S = 600


def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(item) for item in arguments],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        cwd="/",
        env=clean | env,
    )


def make_venv(folder: Path, *pip_arguments: str) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    done = run(python, "-m", "pip", "install", "-q", "--no-input", *pip_arguments)
    if done.returncode != 0 and "Could not find a version" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    # A copy, because building a wheel leaves a build folder in the sources.
    source = folder / "source"
    for name in ("edgecnn", "quantization", "targets", "firmware_glue"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    return make_venv(folder / "venv", "-c", str(ROOT / "constraints.txt"), str(source))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(tiny_classifier())
    return path


@pytest.mark.skipif(os.name != "posix", reason="looks for bin/python")
def test_base_install_is_small_and_has_no_tensorflow(base: Path) -> None:
    folder = base.parent.parent
    size = sum(
        path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    assert size <= MAX_BASE_BYTES, f"{size / 1e6:.0f} MB"
    found = run(base, "-m", "pip", "list", "--format", "json").stdout
    names = {item["name"].lower() for item in json.loads(found)}
    assert not names & {"tensorflow", "tensorflow-cpu", "keras", "scikit-learn", "ziglang"}


@pytest.mark.skipif(os.name != "posix", reason="looks for bin/python")
def test_base_install_runs_check_compile_bench_and_detect(
    base: Path, model: Path, tmp_path: Path
) -> None:
    edgecnn = base.parent / "edgecnn"
    check = run(edgecnn, "check", model, "-t", "coral-usb", "--json")
    assert check.returncode == 0, check.stderr
    made = run(edgecnn, "compile", model, "-t", "cortex-m4", "-o", tmp_path / "c", "--json")
    assert made.returncode == 0, made.stderr
    assert any(name.endswith(".c") for name in json.loads(made.stdout)["files"])
    bench = run(edgecnn, "bench", model, "-t", "host", "--runs", "3", "--json")
    assert bench.returncode == 0, bench.stderr
    # No system compiler or emulator either: only this folder is searched for programs.
    emulated = run(edgecnn, "bench", model, "-t", "cortex-m4", PATH=str(base.parent))
    assert emulated.returncode == 1
    assert "edgecnn[mcu]" in emulated.stderr
    train = run(edgecnn, "train", "--task", "classify", "-o", tmp_path / "b")
    assert train.returncode == 1
    assert "edgecnn[train]" in train.stderr
    quantize = run(edgecnn, "quantize", tmp_path / "x.keras", "--calibration", "digits")
    assert quantize.returncode in (1, 2)
    assert "Traceback" not in quantize.stderr


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="tflite-runtime ends at Python 3.11")
@pytest.mark.skipif(sys.platform != "linux", reason="the wheel is for Linux")
def test_tflite_runtime_fallback(tmp_path: Path, model: Path) -> None:
    """What armv7l installs, here on this machine: tflite-runtime with numpy 1."""
    wanted = ("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless<4.12", "click", "rich",
              "flatbuffers")  # fmt: skip
    python = make_venv(tmp_path / "venv", *wanted)
    bench = run(
        python, "-m", "edgecnn", "bench", model, "-t", "host", "--runs", "3", "--json",
        PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert bench.returncode == 0, bench.stderr
    report = json.loads(bench.stdout)
    assert report["bit_exact"] is not None
    assert "tflite-runtime" in json.dumps(report["conditions"])
    check = run(python, "-m", "edgecnn", "check", model, "-t", "cortex-m4", PYTHONPATH=str(ROOT))
    assert check.returncode == 0, check.stderr
