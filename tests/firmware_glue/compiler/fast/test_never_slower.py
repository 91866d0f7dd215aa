"""Kernels made for a core take no more instructions than the generic ones, of whatever shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.qemu_machine import qemu_serves
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from tests.firmware_glue.compiler.fast.layer_cases import Layers, depthwise, fitted, lively_weights
from tests.firmware_glue.compiler.harness import random_inputs
from tests.share import long_but_for

Make = Callable[[Layers], None]
_NOISE = 1.02, 50
"""Of where code lies and what else is in the program: a factor, and instructions."""


def _conv(
    size: tuple[int, int], channels: tuple[int, int], kernel: tuple[int, int] = (1, 1),
    stride: int = 1, dilation: int = 1, activation: str = "RELU",
) -> Make:  # fmt: skip
    def make(layers: Layers) -> None:
        axes = zip(size, kernel, strict=True)
        out = [fitted(n, k, stride, dilation, "SAME") for n, k in axes]
        x, scale = layers.data((1, *size, channels[0]))
        shape = (channels[1], *kernel, channels[0])
        filters, bias, product = lively_weights(layers, shape, 0, scale)
        y = layers.output((1, *out, channels[1]), product, int(np.prod(shape[1:])))
        layers.build.op(
            "CONV_2D", [x, filters, bias], [y], padding="SAME", stride_h=stride, stride_w=stride,
            dilation_h_factor=dilation, dilation_w_factor=dilation,
            fused_activation_function=activation,
        )  # fmt: skip

    return make


def _dense(depth: int, units: int, rows: int = 1) -> Make:
    def make(layers: Layers) -> None:
        x, scale = layers.data((rows, depth))
        filters, bias, product = lively_weights(layers, (units, depth), 0, scale)
        y = layers.output((rows, units), product, depth)
        layers.build.op("FULLY_CONNECTED", [x, filters, bias], [y])

    return make


def _two(code: str, first: tuple[int, ...], second: tuple[int, ...]) -> Make:
    def make(layers: Layers) -> None:
        (x1, one), (x2, two) = layers.data(first), layers.data(second)
        scale = 100 * one * two if code == "MUL" else one + two
        y = layers.build.tensor(np.broadcast_shapes(first, second), "int8", scale, 3)
        layers.outputs.append(y)
        layers.build.op(code, [x1, x2], [y])

    return make


def _depthwise(size: tuple[int, int], channels: int, *more: tuple[int, int], **named: int) -> Make:
    return lambda layers: depthwise(layers, size, channels, *more, **named)  # type: ignore[arg-type]


LAYERS: tuple[Make, ...] = (
    _conv((1, 1), (1, 3)), _conv((1, 1), (5, 8)), _conv((1, 1), (16, 16)), _conv((1, 1), (40, 2)),
    _conv((4, 5), (1, 2)), _conv((4, 5), (3, 5)), _conv((4, 5), (16, 1)), _conv((3, 3), (32, 8)),
    _conv((1, 1), (3, 8), (3, 3)), _conv((2, 2), (3, 8), (3, 3)), _conv((9, 9), (1, 4), (3, 3), 2),
    _conv((6, 6), (2, 4), (3, 3)), _conv((6, 6), (8, 1), (3, 3)), _conv((8, 8), (3, 6), (7, 1)),
    _conv((8, 8), (4, 6), (3, 3), 1, 2), _conv((8, 8), (8, 8), (3, 3), activation="NONE"),
    _dense(1, 1), _dense(4, 2), _dense(5, 10), _dense(33, 3), _dense(200, 1), _dense(64, 8),
    _dense(16, 2, 4),
    _depthwise((1, 1), 16), _depthwise((2, 2), 16, (3, 3), (2, 2)), _depthwise((3, 3), 9),
    _depthwise((5, 5), 8, (5, 5)), _depthwise((6, 6), 8, (3, 3), (2, 2), multiplier=2),
    _depthwise((1, 20), 5, (1, 2)), _depthwise((20, 1), 5, (3, 1)), _depthwise((6, 6), 1),
    _depthwise((4, 4), 16, (4, 4)), _depthwise((8, 8), 8, (3, 3), (1, 1), (3, 3)),
    _two("ADD", (1, 2), (1, 2)), _two("MUL", (1, 1), (1, 1)),
    _two("SUB", (1, 3, 3, 8), (1, 1, 1, 8)),
    _two("MUL", (1, 4, 4, 3), (1, 4, 4, 1)), _two("MUL", (1, 5, 7, 3), (1, 5, 7, 3)),
)  # fmt: skip
"""Small and ugly ones, where a kernel's overhead counts most."""


def _steps(data: bytes, core: str, kernels: str, optimize: str) -> list[tuple[str, int]]:
    """Each output's kernel, and the instructions of its step."""
    board, model = load_board(core), read_model(data)
    compiled = compile_model(model, name="m", kernels=kernels, optimize=optimize)
    built = build_model(compiled, board, find_toolchain(board))
    inputs = [value.tobytes() for value in random_inputs(model, np.random.default_rng(1))]
    with find_emulator(board).open(built.program, board) as session:
        counted = session.run(inputs, count=True).per_step
    program = compiled.program
    by_output = {
        output: (step.kernel, count)
        for step, count in zip(program.steps, counted, strict=True)
        for output in step.outputs
    }
    return [by_output[output] for output in program.graph.outputs]


_CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m55", "rv32imc")


_LEVELS = [
    *((core, "speed") for core in _CORES),
    *((core, "size") for core in _CORES[1:3]),
    ("cortex-m3", "balanced"),
    ("rv32imc", "balanced"),
]


@pytest.mark.parametrize(("core", "optimize"), long_but_for(_LEVELS, ("cortex-m4", "speed")))
def test_no_layer_is_slower(core: str, optimize: str) -> None:
    if core == "cortex-m55" and not qemu_serves(load_board(core)):
        pytest.skip(f"there is no QEMU for {core}")
    layers = Layers(np.random.default_rng(5))
    for make in LAYERS[:: 2 if core == "cortex-m55" else 1]:
        make(layers)
    data = layers.model()
    ours, theirs = (
        _steps(data, core, kernels, optimize) for kernels in (load_board(core).kernels, "generic")
    )
    factor, room = _NOISE
    slower = [
        (number, *mine, least)
        for number, (mine, (plain, least)) in enumerate(zip(ours, theirs, strict=True))
        # The generic kernel against itself is the compiler's whim.
        if mine[0] != plain and mine[1] > factor * least + room
    ]
    assert not slower
    faster = sum(mine[0] != plain for mine, (plain, _) in zip(ours, theirs, strict=True))
    assert faster >= (3 if optimize == "speed" else 1)
