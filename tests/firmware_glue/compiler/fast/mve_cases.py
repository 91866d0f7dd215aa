"""Random int8 layers for the Helium kernels: many in one model, so that one build tests them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.device.board import load_board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wno-unused-function", "-Werror")
Rng = np.random.Generator


@dataclass
class Layers:
    """Layers of one model, each with an input and an output of its own."""

    rng: Rng
    build: ModelBuilder = field(default_factory=ModelBuilder)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def pick(self, *values: object) -> object:
        return values[int(self.rng.integers(len(values)))]

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def zero(self) -> int:
        return int(self.pick(-128, -128, 0, 127, self.number(-128, 127)))

    def data(self, shape: Sequence[int]) -> tuple[int, float]:
        """An input and its scale."""
        scale = float(np.float32(self.rng.uniform(0.005, 0.1)))
        tensor = self.build.tensor(shape, "int8", scale, self.zero())
        self.inputs.append(tensor)
        return tensor, scale

    def weights(self, shape: Sequence[int], axis: int, in_scale: float) -> tuple[int, int, float]:
        """Filters, bias and the product of scales of a typical channel."""
        rng, count = self.rng, shape[axis]
        scales = rng.uniform(0.002, 0.02, 1 if rng.random() < 0.3 else count)
        kind = rng.random()
        values = rng.integers(-127, 128, shape)
        if kind < 0.1:
            values = np.full(shape, -128)
        elif kind < 0.2:
            values = values * (rng.random(shape) < 0.1)
        if rng.random() < 0.3:
            # A channel that gives the same for every input.
            np.moveaxis(values, axis, 0)[rng.integers(count)] = 0
        reach = int(self.pick(300, 20_000, 20_000, 3_000_000))
        bias = rng.integers(-reach, reach + 1, count)
        single = scales.tolist() if scales.size > 1 else float(scales[0])
        filters = self.build.tensor(shape, "int8", single, data=values, axis=axis)
        products = (np.asarray(single) * in_scale).tolist()
        bias_id = self.build.tensor((count,), "int32", products, data=bias)
        return filters, bias_id, float(np.median(scales)) * in_scale

    def output(self, shape: Sequence[int], product: float, depth: int) -> int:
        """An output whose scale fits sums of ``depth`` products."""
        scale = product * 74 * 74 * np.sqrt(max(depth, 1)) / 60 * 2.0 ** self.rng.uniform(-1.5, 1.5)
        tensor = self.build.tensor(shape, "int8", float(np.float32(scale)), self.zero())
        self.outputs.append(tensor)
        return tensor

    def model(self) -> bytes:
        return self.build.build(self.inputs, self.outputs)


def fitted(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Output positions along an axis."""
    span = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == "SAME" else (size - span) // stride + 1


def check_host(
    data: bytes, folder: Path, *, kernel: str, numerics: str = "litert-ref", shared: bool = False,
    kernels: str = "mve",
) -> None:  # fmt: skip
    """The C twins on this machine, with guard bytes around the arena, against LiteRT."""
    library = Library(folder)
    model = compile_model(read_model(data), name="m", numerics=numerics, kernels=kernels)
    library.models["m"] = model
    assert_offered(model, kernel)
    library.build(*STRICT, *(["-DEDGECNN_SHARED_KERNELS"] if shared else []))
    _same(data, library.runner("m"), 2)


def check_core(
    data: bytes, *, kernel: str, core: str = "cortex-m55", optimize: str = "speed"
) -> tuple[int, ...]:
    """The core's own code, in an emulator, against LiteRT; instructions per step."""
    board, toolchain = load_board(core), find_toolchain()
    model = compile_model(read_model(data), name="m", kernels=board.kernels, optimize=optimize)
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
