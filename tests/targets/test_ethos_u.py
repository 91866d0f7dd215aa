"""Vela's output is read right, and its estimates are never shown as measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.core.errors import MissingExtraError, TargetError, ToolError
from targets.base import ModelFile, RunOptions
from targets.ethos_u import vela
from targets.model_file import load_model_file
from targets.table import get_target
from tests.builders import ModelBuilder, tiny_classifier

LOG = """
Warning (supported operators) operator: SOFTMAX, ofm: 'Identity'
Reason: Operation has tensor with unsupported DataType Float32 (dense/BiasAdd;x/ReadVariableOp)
Feature-map dataTypes must be one of {"INT16", "INT32"}

Warning (supported operators) operator: CUSTOM, ofm: 'poses'
Reason: Unsupported opType

CPU operators = 2 (66.7%)
   CPU: Passthrough = Identity (outputs [1, 1, 1, 12])
   CPU: Passthrough = poses (outputs [1, -1, -1, -1])
NPU operators = 1 (33.3%)
   NPU: Conv2D = conv (outputs [1, 8, 8, 8])
"""
CSV = (
    "experiment,core_clock,sram_memory_used,dram_memory_used,on_chip_flash_memory_used,"
    "off_chip_flash_memory_used,cycles_total\ndefault,500000000.0,21.671875,0.0,0.0,30.375,89900\n"
)


def test_log() -> None:
    assert vela.parse_cpu_operations(LOG) == ("Identity", "poses")
    assert vela.parse_reasons(LOG) == {
        ("SOFTMAX", "Identity"): "Operation has tensor with unsupported DataType Float32;"
        ' Feature-map dataTypes must be one of {"INT16", "INT32"}',
        ("CUSTOM", "poses"): "Unsupported opType",
    }


def test_summary() -> None:
    summary = vela.parse_summary(CSV)
    assert (summary.cycles, summary.sram_bytes, summary.flash_bytes) == (89900, 22192, 31104)
    assert summary.milliseconds == pytest.approx(0.1798)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", CSV.replace("89900", "many")])
def test_damaged_summary(text: str) -> None:
    with pytest.raises(ToolError, match="vela failed"):
        vela.parse_summary(text)


def test_error_text_has_no_traceback() -> None:
    text = "Traceback (most recent call last):\n  File x\nRuntimeError: Compilation failed: no\n"
    assert vela.error_text(text) == "RuntimeError: Compilation failed: no"


def test_without_vela(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vela, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        get_target("ethos-u55-128").check(model_file(tmp_path, tiny_classifier()))
    assert caught.value.hint == "pip install 'edgecnn[ethos]'"


def model_file(folder: Path, data: bytes) -> ModelFile:
    path = folder / "tiny.tflite"
    path.write_bytes(data)
    return load_model_file(path)


def mixed() -> bytes:
    """A convolution for the NPU, then GATHER and DEQUANTIZE for the CPU."""
    build = ModelBuilder()
    x = build.tensor((1, 8, 8, 4), "int8", 0.05, 3, name="x")
    w = build.tensor((8, 3, 3, 4), "int8", [0.1] * 8, data=1)
    b = build.tensor((8,), "int32", [0.005] * 8, data=0)
    y = build.tensor((1, 8, 8, 8), "int8", 0.1, -5, name="conv")
    build.op("CONV_2D", [x, w, b], [y], padding="SAME")
    index = build.tensor((2,), "int32", data=[1, 3])
    z = build.tensor((1, 8, 8, 2), "int8", 0.1, -5, name="gathered")
    build.op("GATHER", [y, index], [z], axis=3)
    f = build.tensor((1, 8, 8, 2), "float32", name="out")
    build.op("DEQUANTIZE", [z], [f], version=2)
    return build.build([x], [f])


@pytest.fixture
def needs_vela() -> None:
    pytest.importorskip("ethosu.vela", reason="needs the [ethos] extra")


@pytest.mark.usefixtures("needs_vela")
def test_check_names_the_ops_on_the_cpu(tmp_path: Path) -> None:
    report = get_target("ethos-u55-128").check(model_file(tmp_path, mixed()))
    assert [(op.op, op.mapped) for op in report.ops] == [
        ("CONV_2D", True),
        ("GATHER", False),
        ("DEQUANTIZE", False),
    ]
    assert report.ops[1].reason == "Vela leaves the op on the CPU: Unsupported opType"
    assert report.memory["sram_bytes"] > 0 and report.fits is None
    assert "estimated, not measured" in report.notes[0]


@pytest.mark.usefixtures("needs_vela")
def test_compile_and_benchmark(tmp_path: Path) -> None:
    target = get_target("ethos-u55-128")
    model = model_file(tmp_path, tiny_classifier())
    compiled = target.compile(model, tmp_path / "out", RunOptions())
    assert compiled.files == ("tiny_vela.tflite",)
    assert (tmp_path / "out/tiny_vela.tflite").stat().st_size > 0
    assert compiled.arena_bytes and compiled.weight_bytes
    report = target.benchmark(model, RunOptions())
    assert report.cycles_estimate and report.cycles_estimate > 0
    assert report.samples == () and not report.replayed and report.bit_exact is None
    assert report.to_json()["p50"] is None
    assert report.conditions["estimate"].startswith("vela 5")
    with pytest.raises(TargetError, match="no device to deploy to"):
        target.deploy(compiled, RunOptions())


@pytest.mark.usefixtures("needs_vela")
def test_vela_failure_is_one_error(tmp_path: Path) -> None:
    model = model_file(tmp_path, tiny_classifier())
    broken = ModelFile(model.path, b"junk", model.sha256, model.model)
    with pytest.raises(ToolError) as caught:
        get_target("ethos-u55-128").compile(broken, tmp_path / "out", RunOptions())
    assert caught.value.message == "vela failed (exit code 1)"
    assert not any("Traceback" in line or "File" in line for line in caught.value.details)
    assert not (tmp_path / "out").exists()
