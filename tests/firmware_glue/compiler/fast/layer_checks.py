"""Models of many layers, compiled with a set of kernels, against LiteRT: on the host, on a core."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast import plain
from firmware_glue.device.board import load_board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wno-unused-function", "-Werror")


def check_host(
    data: bytes, folder: Path, *, kernel: str, numerics: str = "litert-ref", shared: bool = False,
    kernels: str = "mve",
) -> None:  # fmt: skip
    """The C twins on this machine, with guard bytes around the arena, against LiteRT."""
    library = Library(folder)
    model = _offered(data, numerics=numerics, kernels=kernels)
    library.models["m"] = model
    assert_offered(model, kernel)
    library.build(*STRICT, *(["-DEDGECNN_SHARED_KERNELS"] if shared else []))
    _same(data, library.runner("m"), 2)


def check_core(
    data: bytes, *, kernel: str, core: str = "cortex-m55", optimize: str = "speed"
) -> tuple[int, ...]:
    """The core's own code, in an emulator, against LiteRT; instructions per step."""
    board, toolchain = load_board(core), find_toolchain()
    model = _offered(data, kernels=board.kernels, optimize=optimize)
    assert_offered(model, kernel)
    counted: list[tuple[int, ...]] = []
    built = build_model(model, board, toolchain)
    with find_emulator(board).open(built.program, board) as session:

        def run(inputs: list[np.ndarray]) -> list[np.ndarray]:
            result = session.run([value.tobytes() for value in inputs], count=not counted)
            counted.append(result.per_step)
            return [
                np.frombuffer(raw, io.dtype).reshape(io.shape)
                for raw, io in zip(result.outputs, model.outputs, strict=True)
            ]

        _same(data, run, 2)
    return counted[0]


def _offered(data: bytes, **options: str) -> CompiledModel:
    """The model on the best offers, also where they do not pay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "least", lambda *_: None)
        return compile_model(read_model(data), name="m", **options)  # type: ignore[arg-type]


def assert_offered(model: CompiledModel, kernel: str) -> None:
    """Most layers run on the kernel in question (layers of constant channels alone on none)."""
    names = [step.kernel for step in model.program.steps if step.kernel != "copy"]
    assert sum(name.startswith(kernel) for name in names) * 10 >= len(names) * 8, names


@cache
def _reference(data: bytes) -> Reference:
    return Reference(data)


def _same(data: bytes, run: Callable[..., list[np.ndarray]], runs: int) -> None:
    model = read_model(data)
    for seed in range(runs):
        inputs = random_inputs(model, np.random.default_rng(seed))
        wanted = _reference(data)(inputs)
        for number, (got, want) in enumerate(zip(run(inputs), wanted, strict=True)):
            np.testing.assert_array_equal(got, want, f"layer {number}")
