"""``compile --selftest``: the written main passes, and fails where an output differs."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.bundle import Golden
from edgecnn.core.errors import UsageError
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.jobs.on_targets import compile_for
from edgecnn.jobs.reference import resolve
from targets.base import ModelFile, RunOptions
from targets.mcu.target import make
from targets.model_file import load_model_file
from tests.builders import ModelBuilder, tiny_classifier
from tests.firmware_glue.compiler.harness import compiler, run_tool

DTYPES = ("int8", "uint8", "int16", "float32", "bool", "int32", "int64")


def _file(folder: Path, data: bytes) -> ModelFile:
    path = folder / "model.tflite"
    path.write_bytes(data)
    return load_model_file(path)


def _golden(model: ModelFile, samples: int) -> Golden:
    reference = LiteRTPredictor(model.data, threads=1, resolver="reference")
    given = [lcg_inputs(reference.inputs, seed=7 + k) for k in range(samples)]
    wanted = [reference.predict(inputs) for inputs in given]
    return Golden(
        {name: np.stack([row[name] for row in given]) for name in given[0]},
        {name: np.stack([row[name] for row in wanted]) for name in wanted[0]},
    )


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the folder's documentation says: cc *.c && ./a.out."""
    flags = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror", "-std=c99"]
    program = folder / "a.out"
    run_tool([*compiler(), *flags, *sorted(folder.glob("*.c")), "-o", program])
    return subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)


def _made(model: ModelFile, folder: Path, **options: object) -> Path:
    asked = RunOptions(name="net", c_only=True, selftest=True, **options)  # type: ignore[arg-type]
    made = make("cortex-m4").compile(model, folder, asked)
    assert "net_selftest.c" in made.files
    return folder / "net_selftest.c"


def _spoil(source: Path, array: str) -> None:
    """Another last number in one of the arrays."""
    text = source.read_text()
    spoilt, found = re.subn(rf"({array}\[\d+\] = [^;]*?)-?\d+,(\n}};)", r"\g<1>77,\2", text)
    assert found == 1
    source.write_text(spoilt)


def test_a_bare_file_runs_lcg_of_every_dtype(tmp_path: Path) -> None:
    build = ModelBuilder()
    inputs, outputs = [], []
    for k, dtype in enumerate(DTYPES):
        scale = (0.5, 0) if dtype in ("int8", "uint8", "int16") else ()
        x = build.tensor((1, 3 + k), dtype, *scale, name=f"x{k}")
        shape = build.tensor((2,), "int32", data=[3 + k, 1])
        y = build.tensor((3 + k, 1), dtype, *scale, name=f"y{k}")
        build.op("RESHAPE", [x, shape], [y])
        inputs.append(x)
        outputs.append(y)
    source = _made(_file(tmp_path, build.build(inputs, outputs)), tmp_path / "c")
    done = _run(source.parent)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "PASS", done.stdout
    assert "lcg:1" in source.read_text()
    for k in (1, 3, 6):
        _spoil(source, f"expected{k}")
    done = _run(source.parent)
    assert done.returncode == 1 and done.stdout.splitlines()[-1] == "FAIL"
    said = re.findall(r"output (\d), sample 0: element (\d+) is", done.stdout)
    assert said == [("1", "3"), ("3", "5"), ("6", "8")]


@pytest.mark.parametrize("weights", ["c", "blob"])
def test_a_bundle_runs_its_golden_vector(weights: str, tmp_path: Path) -> None:
    model = _file(tmp_path, tiny_classifier())
    model = replace(model, golden=_golden(model, 3), recipe="int8")
    source = _made(model, tmp_path / "c", weights=weights, regions=(("sample", 1 << 20),))
    done = _run(source.parent)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "PASS", done.stdout
    text = source.read_text()
    assert "3 sample(s)" in text and "next_byte" not in text
    _spoil(source, "expected0")
    done = _run(source.parent)
    assert done.returncode == 1 and "sample 2: element" in done.stdout


def test_floats_may_differ_a_little(tmp_path: Path) -> None:
    build = ModelBuilder()
    rng = np.random.default_rng(1)
    x = build.tensor((1, 40), "float32")
    weights = build.tensor((5, 40), "float32", data=rng.normal(size=(5, 40)))
    y = build.tensor((1, 5), "float32")
    build.op("FULLY_CONNECTED", [x, weights, -1], [y])
    source = _made(_file(tmp_path, build.build([x], [y])), tmp_path / "c")
    done = _run(source.parent)
    assert done.returncode == 0 and "largest difference" in done.stdout, done.stdout
    text = source.read_text()
    bits = int(re.findall(r"(\d+),\n};", text)[-1])
    for step, code in ((1, 0), (1 << 20, 1)):
        source.write_text(text.replace(f"{bits},\n}};", f"{bits ^ step},\n}};"))
        assert _run(source.parent).returncode == code


def test_a_selftest_changes_no_other_file(tmp_path: Path) -> None:
    model = _file(tmp_path, tiny_classifier())
    made = []
    for name, selftest in (("one", False), ("two", True)):
        options = RunOptions(c_only=True, selftest=selftest)
        result = make("cortex-m4").compile(model, tmp_path / name, options)
        made.append({file: (tmp_path / name / file).read_bytes() for file in result.files})
    extra = made[1].pop("model_selftest.c")
    assert extra.startswith(b"/* SPDX-License-Identifier: 0BSD */\n") and made[0] == made[1]
    assert {"LICENSE-0BSD.txt", "LICENSE-Apache-2.0.txt"} < set(made[0])


def test_targets_without_c_refuse(tmp_path: Path) -> None:
    _file(tmp_path, tiny_classifier())
    reference = resolve(tmp_path / "model.tflite", tmp_path)
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="makes no C") as caught:
        compile_for(reference, "host", out, RunOptions(selftest=True), variant=None)
    assert "cortex-m4" in caught.value.hint and not out.exists()
