"""Operands of random ops: shapes that broadcast, scales and constants by dtype."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Rng, scale, shape_of, zero

QUANTIZED = ("int8", "uint8", "int16")


def pair_of_shapes(rng: Rng) -> list[tuple[int, ...]]:
    """Two shapes that broadcast, often equal, sometimes of different ranks."""
    shape = shape_of(rng)
    other = list(shape)
    if rng.random() < 0.6:
        other = [1 if rng.random() < 0.5 else size for size in shape]
        if rng.random() < 0.3:
            other = other[int(rng.integers(len(other) + 1)) :]
    shapes = [shape, tuple(other)]
    if rng.random() < 0.3:
        shapes.reverse()
    return shapes


def zero_of(rng: Rng, dtype: str) -> int:
    """A zero point that the dtype may have."""
    return {"int8": zero(rng), "uint8": zero(rng) + 128}.get(dtype, 0)


def quantized(rng: Rng, dtype: str, real: float | None = None) -> tuple[float, int]:
    """A scale (near ``real``) and a zero point; int16 gets the same real range as int8."""
    value = scale(rng) if real is None else real * rng.uniform(0.2, 4)
    if dtype == "int16" and real is None:
        value /= 256
    return float(np.float32(value)), zero_of(rng, dtype)


def kind_of(dtype: str) -> tuple[str, float, int] | tuple[str]:
    """The dtype, with a scale and zero point where it has any."""
    return (dtype, 0.1, 0 if dtype == "int16" else 7) if dtype in QUANTIZED else (dtype,)


def padded_kind(rng: Rng, dtype: str) -> tuple[str, float, int] | tuple[str]:
    """The same; plain integers sometimes with a zero point too, which is not their border."""
    if dtype in ("int32", "int64", "bool") and rng.random() < 0.3:
        return dtype, 0.5, 5
    return kind_of(dtype)


def index_type(rng: Rng) -> str:
    """The dtype of an operand of indices or sizes."""
    return "int64" if rng.random() < 0.3 else "int32"


def random_data(rng: Rng, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Any values of the dtype; integers of more than 16 bits up to 2^20."""
    if dtype == "float32":
        return rng.normal(0, 3, shape).astype(np.float32)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    low, high = max(info.min, -(1 << 20)), min(info.max, 1 << 20)
    return rng.integers(low, high + 1, shape, dtype=dtype)


@dataclass
class Operands:
    """Tensors of one op; those without data are the model's inputs."""

    build: ModelBuilder = field(default_factory=ModelBuilder)
    tensors: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)

    def add(
        self,
        shape: tuple[int, ...],
        dtype: str,
        quantization: tuple[float, int] | tuple[()] = (),
        data: object = None,
    ) -> int:
        """One more operand."""
        tensor = self.build.tensor(shape, dtype, *quantization, data=data)
        self.tensors.append(tensor)
        if data is None:
            self.inputs.append(tensor)
        return tensor

    def finish(self, code: str, outputs: list[int], **options: object) -> bytes:
        """The model of this one op."""
        self.build.op(code, self.tensors, outputs, **options)
        return self.build.build(self.inputs, outputs)
