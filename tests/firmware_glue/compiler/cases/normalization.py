"""Random SOFTMAX, LOG_SOFTMAX, L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION."""

from __future__ import annotations

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, scale, shape_of
from tests.firmware_glue.compiler.cases.reduce import zero_of


def _shape(rng: Rng) -> tuple[int, ...]:
    """Short rows of any rank, sometimes a long one; sums stay below 512, where LiteRT aborts."""
    if rng.random() < 0.2:
        return (int(rng.integers(1, 4)), int(rng.integers(100, 400)))
    return shape_of(rng, 1, 6, 8)


def _tensor(build: ModelBuilder, rng: Rng, shape: tuple[int, ...], dtype: str) -> int:
    if dtype == "float32":
        return build.tensor(shape, dtype)
    s = scale(rng) * (1 / 256 if dtype == "int16" else 1)
    if rng.random() < 0.1:
        s = float(np.float32(s * 10 ** rng.uniform(-2, 2)))
    return build.tensor(shape, dtype, s, zero_of(rng, dtype))


def softmax(dtype: str, wide: bool = False) -> Maker:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = _shape(rng)
        if dtype == "int16":
            shape = shape[-4:]
        x = _tensor(build, rng, shape, dtype)
        out = "int16" if wide and rng.random() < 0.4 else dtype
        fixed = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)}
        if dtype != "int16":
            fixed["int16"] = (1 / 65536, -32768)
        y = build.tensor(shape, out, *fixed.get(out, (None, 0)))
        build.op("SOFTMAX", [x], [y], beta=float(pick(rng, 1.0, 1.0, 0.5, 2.0)))
        return build.build([x], [y])

    return make


def fixed_output(code: str, dtype: str) -> Maker:
    zeros = {"LOG_SOFTMAX": (127, 255, 1 / 16), "L2_NORMALIZATION": (0, 128, 1 / 128)}[code]

    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = _shape(rng)
        x = _tensor(build, rng, shape, dtype)
        quantized = {"int8": (zeros[2], zeros[0]), "uint8": (zeros[2], zeros[1])}
        y = build.tensor(shape, dtype, *quantized.get(dtype, (None, 0)))
        build.op(code, [x], [y])
        return build.build([x], [y])

    return make


def local_response(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = tuple(int(v) for v in rng.integers(1, 9, 4))
    x, y = build.tensor(shape, "float32"), build.tensor(shape, "float32")
    bias, alpha = (float(np.float32(v)) for v in rng.uniform(0.1, 2, 2))
    beta = float(pick(rng, 0.5, 0.75, 1.0, float(np.float32(rng.uniform(-1, 2)))))
    radius = int(rng.integers(0, 6))
    build.op(
        "LOCAL_RESPONSE_NORMALIZATION", [x], [y], radius=radius, bias=bias, alpha=alpha, beta=beta
    )
    return build.build([x], [y])


CASES: dict[str, Maker] = {
    "SOFTMAX:int8": softmax("int8", wide=True),
    "SOFTMAX:uint8": softmax("uint8", wide=True),
    "SOFTMAX:int16": softmax("int16"),
    "SOFTMAX:float32": softmax("float32"),
    **{
        f"{code}:{dtype}": fixed_output(code, dtype)
        for code in ("LOG_SOFTMAX", "L2_NORMALIZATION")
        for dtype in ("int8", "uint8", "float32")
    },
    "LOCAL_RESPONSE_NORMALIZATION:float32": local_response,
}
