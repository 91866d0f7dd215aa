"""Convolutions that write the planes of a depthwise convolution: exact and faster, everywhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast import choose
from firmware_glue.compiler.fast.table import PAIRS
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.qemu_machine import qemu_serves
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from tests.firmware_glue.compiler.fast.layer_cases import Layers, lively_weights, model_of
from tests.firmware_glue.compiler.fast.layer_checks import (
    check_core,
    check_host,
    check_numerics,
    check_sanitized,
    lies_over,
)
from tests.firmware_glue.compiler.fast.pair_cases import ROOM, paired, take_pairs, usual_pair
from tests.firmware_glue.compiler.harness import Library, random_inputs
from tests.share import long_but_for

CORES = {"dsp": "cortex-m4", "mve": "cortex-m55"}
SETS = tuple(kernels.value for kernels in PAIRS)
SHARE = 0.1
"""Of steps that are pairs: not those of constant channels, with outputs that need another clamp,
with windows of one row, and so on."""


def _kernel(kernels: str) -> str:
    return f"{kernels}_conv2d_depthwise"


@pytest.fixture(autouse=True)
def _every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    take_pairs(monkeypatch)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(kernels: str, tmp_path: Path, shared: bool) -> None:
    data = model_of(paired, [int(shared), 1], 20)
    check_host(
        data, tmp_path, kernel=_kernel(kernels), shared=shared, kernels=kernels, max_ram=ROOM,
        share=SHARE,
    )  # fmt: skip


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("optimize", long_but_for(["speed", "balanced"], "speed"))
def test_core(kernels: str, optimize: str) -> None:
    _require_core(kernels)
    data = model_of(paired, [7, len(optimize)], 16)
    check_core(
        data, kernel=_kernel(kernels), core=CORES[kernels], optimize=optimize, max_ram=ROOM,
        share=SHARE,
    )  # fmt: skip


def _require_core(kernels: str) -> None:
    if kernels == "mve" and not qemu_serves(load_board(CORES[kernels])):
        pytest.skip(f"there is no QEMU for {CORES[kernels]}")


def _single(kernels: str, seed: int) -> tuple[bytes, CompiledModel]:
    """A model of one pair."""
    for attempt in range(60):
        data = model_of(paired, [seed, attempt])
        compiled = compile_model(read_model(data), name=f"m{seed}", kernels=kernels, max_ram=ROOM)
        if compiled.steps[0].kernel.startswith(_kernel(kernels)):
            return data, compiled
    raise AssertionError("no pair is offered a kernel")


@pytest.mark.parametrize("kernels", SETS)
def test_in_place_without_undefined_behaviour(kernels: str, tmp_path: Path) -> None:
    """Alone, a pair's output lies over its input as far as the kernel allows."""
    library, models = Library(tmp_path), {}
    for seed in range(24):
        data, compiled = _single(kernels, seed)
        models[compiled.name], library.models[compiled.name] = data, compiled
    check_sanitized(library, models)
    assert sum(map(lies_over, library.models.values())) > 8


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("numerics", ["single", "tflm"])
def test_numerics(kernels: str, tmp_path: Path, numerics: str) -> None:
    """Other roundings, against numpy."""
    data = model_of(paired, 6, 8)
    compiled = check_numerics(data, tmp_path, kernels=kernels, numerics=numerics, max_ram=ROOM)
    assert any(step.kernel.startswith(_kernel(kernels)) for step in compiled.steps)


_SHAPES = (
    ((12, 12), 16, 32, 1), ((6, 6), 24, 64, 2), ((9, 15), 8, 18, 2), ((15, 11), 3, 16, 1),
    ((25, 5), 16, 24, 1), ((8, 8), 1, 16, 1), ((5, 9), 3, 19, 2), ((3, 3), 64, 64, 1),
)  # fmt: skip
"""Height and width, channels before and between, stride."""


@pytest.mark.parametrize("kernels", SETS)
def test_pairs_take_no_more_instructions_than_their_ops(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are chosen: some of these are."""
    _require_core(kernels)
    monkeypatch.undo()
    layers = Layers(np.random.default_rng(3))
    layers.zero = lambda: -128  # type: ignore[method-assign]
    layers.weights = partial(lively_weights, layers)  # type: ignore[method-assign]
    for size, in_c, channels, stride in _SHAPES:
        usual_pair(layers, size, in_c, channels, stride)
    paired_steps = _counted(layers.model(), kernels)
    monkeypatch.setattr(choose, "PAIRS", {})
    apart = _counted(layers.model(), kernels)
    taken = [sources for sources in paired_steps if len(sources) > 1]
    slower = [
        (sources, paired_steps[sources], alone)
        for sources in taken
        if paired_steps[sources] > 1.02 * (alone := sum(apart[(i,)] for i in sources)) + 50
    ]
    assert len(taken) >= 3 and not slower


def _counted(data: bytes, kernels: str) -> dict[tuple[int, ...], int]:
    """Positions of a step's ops → its instructions."""
    board, model = load_board(CORES[kernels]), read_model(data)
    compiled = compile_model(model, name="m", kernels=kernels, max_ram=ROOM)
    built = build_model(compiled, board, find_toolchain(board))
    inputs = [value.tobytes() for value in random_inputs(model, np.random.default_rng(1))]
    with find_emulator(board).open(built.program, board) as session:
        counted = session.run(inputs, count=True).per_step
    return {step.ops: n for step, n in zip(compiled.steps, counted, strict=True)}
