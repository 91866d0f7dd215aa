"""Models of many layers, compiled with a set of kernels, against LiteRT: on the host, on a core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast import plain
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from tests.firmware_glue.compiler.exactness import numpy_outputs
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wno-unused-function", "-Werror")


def check_host(
    data: bytes, folder: Path, *, kernel: str, numerics: str = "litert-ref", shared: bool = False,
    kernels: str = "mve", max_ram: int | None = None, share: float = 0.8,
) -> None:  # fmt: skip
    """The C twins on this machine, with guard bytes around the arena, against LiteRT."""
    library = Library(folder)
    model = _offered(data, numerics=numerics, kernels=kernels, max_ram=max_ram)
    library.models["m"] = model
    assert_offered(model, kernel, share)
    library.build(*STRICT, *(["-DEDGECNN_SHARE_ALL"] if shared else []))
    _same(data, library.runner("m"), 2)


def check_core(
    data: bytes, *, kernel: str, core: str = "cortex-m55", optimize: str = "speed",
    max_ram: int | None = None, share: float = 0.8,
) -> tuple[int, ...]:  # fmt: skip
    """The core's own code, in an emulator, against LiteRT; instructions per step."""
    board, toolchain = load_board(core), find_toolchain()
    model = _offered(data, kernels=board.kernels, optimize=optimize, max_ram=max_ram)
    assert_offered(model, kernel, share)
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


def check_sanitized(library: Library, models: Mapping[str, bytes]) -> None:
    """A library's models by name, against LiteRT, stopping at undefined behaviour."""
    library.build("-DEDGECNN_SHARE_ALL", "-fsanitize=undefined", "-fno-sanitize-recover=all")
    for name, data in models.items():
        inputs = random_inputs(read_model(data), np.random.default_rng(1))
        for got, want in zip(library.runner(name)(inputs), _reference(data)(inputs), strict=True):
            np.testing.assert_array_equal(got, want, name)


def check_numerics(
    data: bytes, folder: Path, *, kernels: str, numerics: str, max_ram: int | None = None
) -> CompiledModel:
    """Other roundings than LiteRT's, on this machine, against numpy."""
    compiled = compile_model(
        read_model(data), name="m", numerics=numerics, kernels=kernels, max_ram=max_ram
    )
    library = Library(folder, {"m": compiled})
    library.build(*STRICT)
    inputs = random_inputs(read_model(data), np.random.default_rng(0))
    want = numpy_outputs("m", library, inputs)
    for got, wanted in zip(library.runner("m")(inputs), want, strict=True):
        np.testing.assert_array_equal(got, wanted)
    return compiled


def lies_over(compiled: CompiledModel) -> bool:
    """Whether the only output shares memory with the only input."""
    (x,), (y,) = compiled.inputs, compiled.outputs
    return x.offset < y.offset + y.nbytes and y.offset < x.offset + x.nbytes


def _offered(data: bytes, **options: str | int | None) -> CompiledModel:
    """The model on the best offers, also where they do not pay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "least", lambda *_: None)
        return compile_model(read_model(data), name="m", **options)  # type: ignore[arg-type]


def assert_offered(model: CompiledModel, kernel: str, share: float = 0.8) -> None:
    """Most layers run on the kernel in question (layers of constant channels alone on none)."""
    names = [step.kernel for step in model.program.steps if step.kernel != "copy"]
    assert sum(name.startswith(kernel) for name in names) >= share * len(names), names


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
