"""Costs are counted on the emulated core, and remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ziglang", reason="needs the [mcu] extra")
pytest.importorskip("unicorn", reason="needs the [mcu] extra")

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.toolchain import find_toolchain
from targets.mcu.tune import StepCosts, cache_folder
from tests.firmware_glue.compiler.fast.test_tuning import net


def test_costs_are_counted_once_and_then_read(tmp_path: Path) -> None:
    board = load_board("cortex-m4")
    costs = StepCosts(board, find_toolchain(board), find_emulator(board), tmp_path / "cache")
    compiled = compile_model(read_model(net()), name="m", kernels="dsp")
    first = list(costs(compiled))
    assert len(first) == len(compiled.steps)
    assert min(first) > 100
    (file,) = (tmp_path / "cache").glob("*.json")
    file.write_text("[" + ", ".join(str(n + 1) for n in first) + "]")
    assert list(costs(compiled)) == [n + 1 for n in first]
    for damaged in ("", "[1]", '{"a": 1}', "[true, 1, 1]", "[-1, 2, 3]"):
        file.write_text(damaged)
        assert list(costs(compiled)) == first


def test_the_cache_follows_the_environment(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "edgecnn" / "tune"
