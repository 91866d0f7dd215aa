"""What the microcontroller targets do with regions, blobs, numerics, and models that remember."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import PlanError
from edgecnn.core.runtime import LiteRTPredictor
from targets.base import ModelFile, RunOptions
from targets.mcu.on_host import c_predictor
from targets.mcu.plan import STACK_RESERVE
from targets.mcu.target import make
from targets.model_file import load_model_file
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.exactness import rng_of
from tests.firmware_glue.compiler.stream.nets import mobile_net
from tests.firmware_glue.compiler.test_state import counter
from tests.targets.test_mcu import no_compiler


def _file(folder: Path, data: bytes) -> ModelFile:
    path = folder / "model.tflite"
    path.write_bytes(data)
    return load_model_file(path)


STATEFUL = {
    "lstm": lambda: CASES["UNIDIRECTIONAL_SEQUENCE_LSTM:int8"](rng_of("options", 3)),
    "svdf": lambda: CASES["SVDF:int8"](rng_of("options", 4)),
    "resource": lambda: counter("int8", start=np.full((2, 3), 5)),
}


@pytest.mark.parametrize("kind", sorted(STATEFUL))
def test_models_that_remember_are_judged_from_a_fresh_state(kind: str, tmp_path: Path) -> None:
    model = _file(tmp_path, STATEFUL[kind]())
    report = make("cortex-m4").benchmark(model, RunOptions())
    assert report.bit_exact and report.replayed, report.tainted
    assert report.static_bytes and report.static_bytes > 12


@pytest.mark.parametrize("kind", sorted(STATEFUL))
def test_predictors_start_anew(kind: str, tmp_path: Path) -> None:
    model = _file(tmp_path, STATEFUL[kind]())
    with make("cortex-m4").open_model(model, RunOptions()) as emulated:
        for predictor in (
            LiteRTPredictor(model.data, resolver="reference"),
            c_predictor(model, "litert-ref"),
            emulated.predictor,
        ):
            rng = np.random.default_rng(2)
            info = predictor.inputs[0]
            limits = np.iinfo(info.dtype)
            values = rng.integers(limits.min, limits.max + 1, info.shape, dtype=info.dtype)
            runs = [predictor.predict({info.name: values}) for _ in range(3)]
            for later in runs[1:]:
                for name, array in runs[0].items():
                    np.testing.assert_array_equal(later[name], array)


def test_regions_and_their_limits(tmp_path: Path) -> None:
    model = _file(tmp_path, tiny_classifier())
    target = make("cortex-m7")
    whole = target.benchmark(model, RunOptions())
    assert whole.arena_bytes
    fast = whole.arena_bytes // 2 // 16 * 16
    regions = (("dtcm", fast), ("sram", 2 * whole.arena_bytes))
    split = target.benchmark(model, RunOptions(regions=regions))
    assert split.bit_exact and split.output_fnv1a == whole.output_fnv1a
    assert split.static_bytes == (whole.static_bytes or 0) + 4
    with pytest.raises(PlanError, match="dtcm 64 \\+ sram 64"):
        target.benchmark(model, RunOptions(regions=(("dtcm", 64), ("sram", 64))))
    with pytest.raises(PlanError, match="hook"):
        target.benchmark(model, RunOptions(regions=(("hook", 64),)))


def test_max_ram_runs_row_by_row(tmp_path: Path) -> None:
    model = _file(tmp_path, mobile_net())
    target = make("cortex-m4")
    made = target.compile(model, tmp_path / "out", RunOptions(c_only=True))
    curve = made.memory_map["curve"]
    assert len(curve) > 1
    least = curve[-1]["arena_bytes"]
    taken = target.benchmark(model, RunOptions(regions=(("arena", least),)))
    assert taken.bit_exact and taken.arena_bytes == least
    assert any("row by row" in note for note in taken.compile.notes)
    ram = least + (taken.static_bytes or 0) + (taken.stack_bytes or 0)
    report = target.benchmark(model, RunOptions(max_ram=ram))
    assert (report.arena_bytes, report.stack_bytes) == (least, taken.stack_bytes)
    assert report.compile.limits == {"max_ram": ram}


def test_check_compile_and_bench_agree_on_max_ram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_compiler(monkeypatch)  # the stack is then a figure of its own
    model = _file(tmp_path, mobile_net())
    target = make("cortex-m4")
    hopeless = target.check_with(model, RunOptions(max_ram=1))
    assert hopeless.why and "the stack apart), --max-ram allows 1" in hopeless.why
    ram = (hopeless.ram_bytes or 0) + STACK_RESERVE
    assert target.check_with(model, RunOptions(max_ram=ram)).fits
    made = target.compile(model, tmp_path / "out", RunOptions(max_ram=ram))
    assert (made.arena_bytes or 0) + (made.static_bytes or 0) + STACK_RESERVE == ram
    short = RunOptions(max_ram=ram - 1)
    with pytest.raises(PlanError, match=f"the smallest plan takes {ram:,} bytes of RAM"):
        target.compile(model, tmp_path / "none", short)
    assert not (tmp_path / "none").exists()
    seen = target.check_with(model, short)
    assert seen.fits is False and seen.why and f"{ram:,} bytes of RAM" in seen.why


@pytest.mark.long
def test_max_flash_takes_less_code(tmp_path: Path) -> None:
    model = _file(tmp_path, tiny_classifier())
    target = make("cortex-m4")
    weights = target.check(model).memory["weight_bytes"]
    seen = target.check_with(model, RunOptions(max_flash=2 * weights))
    least = seen.flash_bytes or 0
    assert seen.fits is False and seen.why
    assert f"{least:,} bytes of flash (code " in seen.why
    made = target.compile(model, tmp_path / "out", RunOptions(max_flash=least))
    assert made.optimize != "speed"
    assert (made.code_bytes or 0) + (made.weight_bytes or 0) == least
    assert any(f"--optimize {made.optimize} was taken" in note for note in made.notes)


def test_limits_without_a_compiler_are_judged_by_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_compiler(monkeypatch)
    model = _file(tmp_path, tiny_classifier())
    report = make("cortex-m4").check_with(model, RunOptions(max_ram=1 << 20, max_flash=1 << 20))
    assert report.fits
    assert report.memory["stack_bytes"] == STACK_RESERVE and report.memory["code_bytes"] is None
    assert sum("is not installed" in note for note in report.notes) == 2
    hopeless = make("cortex-m4").check_with(model, RunOptions(max_flash=1))
    weights = hopeless.memory["weight_bytes"]
    assert hopeless.fits is False
    assert hopeless.why and f"(weights {weights:,} alone), --max-flash allows 1" in hopeless.why


def test_a_board_that_is_too_small_for_whole_layers_runs_them_row_by_row(tmp_path: Path) -> None:
    model = _file(tmp_path, mobile_net(size=64))
    whole = make("cortex-m4")
    needs = whole.benchmark(model, RunOptions()).arena_bytes or 0
    memory = replace(whole.board.memory, ram_bytes=needs - 64, stack_bytes=2048, regions=())
    small = replace(whole, board=replace(whole.board, memory=memory, generic=False))
    assert small.check(model).fits
    made = small.compile(model, tmp_path / "out", RunOptions(c_only=True))
    assert any(step.kernel.startswith("chain") for step in made.steps)


def test_a_blob_runs_and_is_a_file_of_its_own(tmp_path: Path) -> None:
    model = _file(tmp_path, tiny_classifier())
    target, options = make("cortex-m0plus"), RunOptions(name="tiny", weights="blob")
    report = target.benchmark(model, options)
    assert report.bit_exact
    made = target.compile(model, tmp_path / "out", options)
    assert "tiny_weights.bin" in made.files and "tiny_weights.c" not in made.files
    blob = (tmp_path / "out" / "tiny_weights.bin").read_bytes()
    assert blob[:4] == b"ECNW" and len(blob) > (made.weight_bytes or 0)
    assert (tmp_path / "out" / "tiny_memory.json").is_file()


def test_other_numerics_are_named_and_compared(tmp_path: Path) -> None:
    model = _file(tmp_path, tiny_classifier())
    for numerics in ("tflm", "single"):
        report = make("cortex-m4").benchmark(model, RunOptions(numerics=numerics))
        assert report.numerics == numerics and report.max_diff_lsb is not None
        inputs = {
            info.name: np.full(info.shape, 3, info.dtype)
            for info in LiteRTPredictor(model.data).inputs
        }
        one = c_predictor(model, numerics).predict(inputs)
        two = LiteRTPredictor(model.data, resolver="reference").predict(inputs)
        for name, array in one.items():
            assert np.abs(array.astype(int) - two[name].astype(int)).max() <= 8
