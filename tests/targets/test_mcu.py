"""The microcontroller targets, end to end on the emulated cores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.bundle import Golden
from edgecnn.core.errors import MissingExtraError, PlanError, TargetError, UnsupportedModelError
from edgecnn.core.runtime import LiteRTPredictor
from firmware_glue.device import toolchain
from firmware_glue.device.board_file import core_names
from firmware_glue.device.elf import read_elf
from firmware_glue.device.emulate.qemu_machine import qemu_serves
from firmware_glue.device.toolchain import find_toolchain
from targets.base import ModelFile, RunOptions
from targets.mcu import target as target_module
from targets.mcu.target import McuTarget, make
from targets.model_file import load_model_file
from tests.run import shared
from tests.share import long_but_for

CORES = core_names()
OPTIONS = RunOptions()
KWS_WEIGHTS = {
    "generic": 24_368, "v6m": 29_752, "v7m": 29_744, "dsp": 29_840, "mve": 29_840, "rv32": 31_288,
}  # fmt: skip
"""Bytes by set of kernels: the fast ones pack factors of the requantization with the weights."""
KWS_INSTRUCTIONS = {
    "v6m": 7_700_000, "v7m": 7_200_000, "dsp": 2_800_000, "mve": 650_000, "rv32": 6_400_000,
}  # fmt: skip
"""At most, by set of kernels; the generic ones take two to ten times as many."""


def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda _name: None)
    monkeypatch.setattr(toolchain.shutil, "which", lambda _name: None)


def need_qemu(core: str) -> None:
    if not qemu_serves(make(core).board):
        pytest.skip(f"no QEMU for {core}")


def tiny_models(name: str) -> ModelFile:
    return load_model_file(shared() / "models" / "mlperf_tiny" / name)


def kws() -> ModelFile:
    return tiny_models("kws_ref_model.tflite")


@pytest.mark.parametrize("core", CORES)
def test_kws_is_exact_on_the_core(core: str) -> None:
    if not make(core).board.emulator.unicorn:
        need_qemu(core)
    model = with_golden(kws(), 2)
    report = make(core).benchmark(model, OPTIONS)
    assert report.output_fnv1a == "ab2fdbf1"
    assert report.bit_exact
    assert report.replayed
    assert report.max_diff_lsb == 0
    assert report.tainted == ()
    assert report.samples == (report.instructions,)
    assert report.instructions and report.cycles_estimate
    kernels = make(core).board.kernels
    most = KWS_INSTRUCTIONS[kernels]
    assert most // 2 < report.instructions < most
    assert report.cycles_estimate > report.instructions
    counted = sum(step.instructions or 0 for step in report.per_step)
    assert abs(counted - report.instructions) < 20 * len(report.per_step)
    assert report.weight_bytes == KWS_WEIGHTS[kernels]
    assert report.code_bytes and 1_000 < report.code_bytes < 20_000
    assert report.arena_bytes and report.arena_bytes < 10_500
    assert report.static_bytes and report.static_bytes < 100
    assert report.stack_bytes and 50 < report.stack_bytes < 2_000
    assert report.compile and report.compile.steps[0].ops == (0,)
    assert {"emulator", "compiler", "flags", "core"} <= set(report.conditions)
    as_json = report.to_json()
    assert as_json["unit"] == "instructions"
    assert as_json["p50"] == report.instructions
    assert set(as_json["per_step"][0]) == {"ops", "name", "instructions"}


@pytest.mark.parametrize(
    "core", long_but_for(CORES, "cortex-m0plus", "cortex-m4", "cortex-m55", "rv32imc")
)
def test_gcc_and_qemu_are_exact_and_count_as_unicorn_does(core: str) -> None:
    need_qemu(core)
    try:
        find_toolchain(make(core).board, "gcc")
    except TargetError as error:
        pytest.skip(error.message)
    report = make(core).benchmark(kws(), RunOptions(toolchain="gcc", emulator="qemu"))
    assert report.output_fnv1a == "ab2fdbf1"
    assert report.bit_exact
    assert report.conditions["emulator"].startswith("QEMU ")
    assert "gcc" in report.conditions["compiler"]
    if make(core).board.emulator.unicorn:
        twin = make(core).benchmark(kws(), RunOptions(toolchain="gcc", emulator="unicorn"))
        assert twin.instructions == report.instructions
        assert [s.instructions for s in twin.per_step] == [s.instructions for s in report.per_step]
        assert twin.stack_bytes == report.stack_bytes


@pytest.mark.long
@pytest.mark.parametrize("core", CORES)
def test_vww_is_exact_on_the_core(core: str) -> None:
    if not make(core).board.emulator.unicorn:
        need_qemu(core)
    report = make(core).benchmark(tiny_models("vww_96_int8.tflite"), OPTIONS)
    assert report.output_fnv1a == "3a5f7f09"
    assert report.bit_exact
    # 219,064 in the file; most channels of the last layers never change.
    assert report.weight_bytes < 60_000


def test_check_names_channels_that_never_change() -> None:
    report = make("cortex-m0plus").check(tiny_models("vww_96_int8.tflite"))
    same = "234 of 256 channels give the same output for every input: left out"
    assert f"model/activation_26/Relu: {same}" in report.left_out
    assert len(report.left_out) == 17
    (said,) = [note for note in report.notes if "channels" in note]
    assert said.startswith("1,724 channels of 17 layers never change")
    assert make("cortex-m0plus").check(kws()).left_out == ()


def test_a_wrong_golden_vector_is_reported() -> None:
    model = with_golden(kws(), 1)
    assert model.golden
    wrong = {name: value ^ 3 for name, value in model.golden.outputs.items()}
    model = replace(model, golden=Golden(model.golden.inputs, wrong))
    report = make("cortex-m4").benchmark(model, OPTIONS)
    assert report.bit_exact  # on lcg:1
    assert not report.replayed
    assert report.max_diff_lsb and report.max_diff_lsb > 0
    assert "LSB (allowed: 0)" in report.tainted[0]


def with_golden(model: ModelFile, samples: int) -> ModelFile:
    predictor = LiteRTPredictor(model.data, threads=1, resolver="reference")
    rng = np.random.default_rng(3)
    (inputs,) = predictor.inputs
    given = rng.integers(-128, 128, (samples, *inputs.shape), np.int8)
    out = [predictor.predict({inputs.name: sample}) for sample in given]
    outputs = {info.name: np.stack([o[info.name] for o in out]) for info in predictor.outputs}
    return replace(model, golden=Golden({inputs.name: given}, outputs))


def test_check_needs_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    no_compiler(monkeypatch)
    report = make("cortex-m4").check(kws())
    assert report.fits is None
    assert any("a part needs 9,868 bytes of RAM" in note for note in report.notes)
    assert report.mapped == len(report.ops) == 13
    assert report.memory["weight_bytes"] == KWS_WEIGHTS["dsp"]
    assert report.memory["arena_lower_bound_bytes"] <= report.memory["arena_bytes"] < 10_500
    assert "ram_limit_bytes" not in report.memory


def test_check_of_a_dynamic_range_model_says_what_to_do() -> None:
    model = tiny_models("kws_ref_model_float32.tflite")
    report = make("cortex-m4").check(model)
    assert report.fits is False
    assert report.mapped < len(report.ops)
    finding = report.ops[0]
    assert (finding.index, finding.op, finding.mapped) == (0, "CONV_2D", False)
    assert finding.rewrite and "edgecnn quantize --recipe int8" in finding.rewrite
    assert finding.got == "int8 weights, float32 activations"
    with pytest.raises(UnsupportedModelError, match="cannot be compiled to C") as caught:
        make("cortex-m4").benchmark(model, OPTIONS)
    assert "quantize" in caught.value.hint
    assert caught.value.details[0].startswith("#0 CONV_2D 'functional_1/activation/Relu")


def test_compile_writes_c_and_an_image(tmp_path: Path) -> None:
    result = make("cortex-m0plus").compile(kws(), tmp_path / "out", RunOptions(name="key word"))
    assert {"key_word.c", "key_word.h", "key_word.elf"} <= set(result.files)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(result.files)
    assert read_elf((tmp_path / "out" / "key_word.elf").read_bytes()).has("key_word_invoke")
    assert result.weight_bytes == KWS_WEIGHTS["v6m"]
    assert result.code_bytes and result.code_bytes > 1_000
    assert not any("no ELF" in note for note in result.notes)
    assert set(result.to_json()["steps"][0]) == {"ops", "name", "kernel"}


def test_compile_without_a_compiler_writes_c_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_compiler(monkeypatch)
    result = make("cortex-m4").compile(kws(), tmp_path, OPTIONS)
    assert "kws_ref_model.c" in result.files
    assert not list(tmp_path.glob("*.elf"))
    assert result.code_bytes is None
    assert result.arena_bytes
    assert "needs 'ziglang'" in result.notes[-1]
    assert "edgecnn[mcu]" in result.notes[-1]
    with pytest.raises(MissingExtraError, match="needs 'ziglang'"):
        make("cortex-m4").benchmark(kws(), OPTIONS)


def test_a_model_that_does_not_fit_is_refused_before_building(tmp_path: Path) -> None:
    generic = make("cortex-m4").board
    memory = replace(generic.memory, ram_bytes=0x4000, flash_bytes=0x4000)
    small = McuTarget(replace(generic, name="small", memory=memory))
    report = small.check(kws())
    assert report.fits is False
    assert report.why and "16,384 available" in report.why
    with pytest.raises(PlanError, match="does not fit 'small': RAM .* bytes needed, 16,384") as e:
        small.compile(kws(), tmp_path, OPTIONS)
    needed = f"flash (weights alone): {KWS_WEIGHTS['dsp']:,} bytes needed"
    assert needed in e.value.message
    assert not list(tmp_path.iterdir())


def test_a_generic_core_has_nothing_to_deploy_to(tmp_path: Path) -> None:
    core = make("cortex-m4")
    result = target_module.CompileResult(core.name, "0", tmp_path, ())
    with pytest.raises(TargetError, match="'cortex-m4' is an emulated core") as caught:
        core.deploy(result, OPTIONS)
    assert "C files" in caught.value.hint
