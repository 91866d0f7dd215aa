"""Random ops that keep state between inferences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, scale, zero


def svdf(rng: Rng, width: str = "int16") -> bytes:
    """An int8 SVDF; ``width``: dtype of state and weights over time (int8: TFLite Micro alone)."""
    build = ModelBuilder()
    batch, inputs, units, rank, memory = (int(v) for v in rng.integers(1, (3, 12, 6, 4, 9)))
    filters = units * rank
    s, feature_scale, time_scale = scale(rng), rng.uniform(0.002, 0.02), rng.uniform(1e-5, 1e-4)
    fit, span = (12000, 32768) if width == "int16" else (48, 128)
    state_scale = s * feature_scale * 74 * 74 * np.sqrt(inputs) / fit * 2 ** rng.uniform(-3, 3)
    full = state_scale * time_scale * fit * span * 0.58 * np.sqrt(memory * rank)
    x = build.tensor((batch, inputs), "int8", s, zero(rng))
    feature = build.tensor(
        (filters, inputs), "int8", feature_scale, data=rng.integers(-128, 128, (filters, inputs))
    )
    high = span if rng.random() < 0.7 else span // 10
    time = build.tensor(
        (filters, memory), width, time_scale, data=rng.integers(-high, high, (filters, memory))
    )
    b = -1
    if rng.random() < 0.7:
        values = rng.integers(-fit * span // 4, fit * span // 4, units)
        b = build.tensor((units,), "int32", state_scale * time_scale, data=values)
    state = build.tensor((batch, filters * memory), width, state_scale, variable=True)
    y = build.tensor((batch, units), "int8", full / 60 * 2 ** rng.uniform(-2, 2), zero(rng))
    build.op(
        "SVDF", [x, feature, time, b, state], [y], rank=rank,
        fused_activation_function="RELU",
    )  # fmt: skip
    return build.build([x], [y])


def svdf_f32(rng: Rng) -> bytes:
    build = ModelBuilder()
    batch, inputs, units, rank, memory = (int(v) for v in rng.integers(1, (3, 12, 6, 4, 9)))
    filters = units * rank
    x = build.tensor((batch, inputs), "float32")
    feature, time = (
        build.tensor((filters, size), "float32", data=rng.normal(0, 1, (filters, size)))
        for size in (inputs, memory)
    )
    b = build.tensor((units,), "float32", data=rng.normal(0, 3, units))
    state = build.tensor((batch, filters * memory), "float32", variable=True)
    y = build.tensor((batch, units), "float32")
    build.op(
        "SVDF", [x, feature, time, b if rng.random() < 0.7 else -1, state], [y], rank=rank,
        fused_activation_function=pick(rng, "NONE", "RELU", "RELU6", "RELU_N1_TO_1"),
    )  # fmt: skip
    return build.build([x], [y])


class Lstm:
    """Random operands of one LSTM; which parts it has is random too."""

    def __init__(self, rng: Rng, *, full: bool = True) -> None:
        self.rng, self.build = rng, ModelBuilder()
        self.batch, self.times, self.inputs, self.cells = (
            int(v) for v in rng.integers(1, (3, 5, 9, 9))
        )
        self.cifg, self.norm, self.projected = (full and bool(rng.random() < 0.3) for _ in range(3))
        self.outputs = int(rng.integers(1, 8)) if self.projected else self.cells
        self.peephole = full and rng.random() < 0.3 and self.outputs == self.cells
        self.major = bool(rng.random() < 0.4)

    def group(self, make: Callable[[], int], *, used: bool = True) -> list[int]:
        """One operand per gate: input, forget, cell, output."""
        return [make() if used and not (k == 0 and self.cifg) else -1 for k in range(4)]

    def operands(self, kind: Callable[..., int], word: str, bias: str) -> list[int]:
        """Inputs 1 to 17, and the four of layer normalization."""
        cells = (self.cells,)
        peephole = self.group(lambda: kind(cells, word), used=self.peephole)
        first = [
            *self.group(lambda: kind((self.cells, self.inputs), "weight")),
            *self.group(lambda: kind((self.cells, self.outputs), "weight")),
            peephole[0], peephole[1], peephole[3],
            *self.group(lambda: kind(cells, bias)),
            kind((self.outputs, self.cells), "weight") if self.projected else -1,
            kind((self.outputs,), bias) if self.projected and self.rng.random() < 0.5 else -1,
        ]  # fmt: skip
        return [*first, *self.group(lambda: kind(cells, "norm"), used=self.norm)]

    def finish(self, x: int, operands: list[int], states: list[int], y: int, **extra: Any) -> bytes:
        self.build.op(
            "UNIDIRECTIONAL_SEQUENCE_LSTM", [x, *operands[:17], *states, *operands[17:]], [y],
            fused_activation_function="TANH", time_major=self.major,
            cell_clip=float(self.rng.choice([0.0, 10.0, 0.5])),
            proj_clip=float(self.rng.choice([0.0, 0.6])) if self.projected else 0.0, **extra,
        )  # fmt: skip
        return self.build.build([x], [y])

    def sequence(self, size: int) -> tuple[int, ...]:
        first = (self.times, self.batch) if self.major else (self.batch, self.times)
        return (*first, size)


def lstm(rng: Rng) -> bytes:
    net = Lstm(rng)
    build, in_scale = net.build, float(rng.uniform(0.004, 0.05))
    state_scale, state_zero = float(rng.uniform(0.004, 0.01)), int(rng.integers(-20, 20))

    def operand(shape: tuple[int, ...], kind: str) -> int:
        if kind == "weight":
            scaled = float(rng.uniform(0.002, 0.03)), rng.integers(-128, 128, shape), "int8"
        elif kind == "bias":
            size = 2000 if not net.norm else 20000
            scaled = in_scale * 0.01, rng.integers(-size, size, shape), "int32"
        else:
            scaled = float(rng.uniform(1e-5, 6e-5)), rng.integers(-32767, 32768, shape), "int16"
        return build.tensor(shape, scaled[2], scaled[0], data=scaled[1])

    x = build.tensor(net.sequence(net.inputs), "int8", in_scale, zero(rng))
    operands = net.operands(operand, "peephole", "bias")
    states = [
        build.tensor((net.batch, net.outputs), "int8", state_scale, state_zero, variable=True),
        build.tensor(
            (net.batch, net.cells), "int16", 2.0 ** rng.integers(-15, -8), variable=True
        ),
    ]  # fmt: skip
    inner = [build.tensor((0,), "int16", 2.0 ** rng.uniform(-13, -10)) for _ in range(4)]
    same = not net.projected
    hidden = (state_scale, state_zero) if same else (rng.uniform(0.004, 0.01), rng.integers(-9, 9))
    inner.append(build.tensor((0,), "int8", float(hidden[0]), int(hidden[1])))
    y = build.tensor(net.sequence(net.outputs), "int8", state_scale, state_zero)
    return net.finish(x, operands, states, y, intermediates=inner)


def lstm_f32(rng: Rng) -> bytes:
    net = Lstm(rng)
    build = net.build
    x = build.tensor(net.sequence(net.inputs), "float32")
    operands = net.operands(
        lambda shape, _: build.tensor(shape, "float32", data=rng.normal(0, 0.4, shape)), "", ""
    )
    sizes = (net.batch, net.outputs), (net.batch, net.cells)
    states = [build.tensor(size, "float32", variable=True) for size in sizes]
    y = build.tensor(net.sequence(net.outputs), "float32")
    return net.finish(x, operands, states, y)


CASES: dict[str, Maker] = {
    "SVDF:int8": svdf,
    "SVDF:float32": svdf_f32,
    "UNIDIRECTIONAL_SEQUENCE_LSTM:int8": lstm,
    "UNIDIRECTIONAL_SEQUENCE_LSTM:float32": lstm_f32,
}
