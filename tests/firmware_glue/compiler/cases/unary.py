"""Random functions of one value, and changes of dtype."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, scale, zero


def unary(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        s_in = scale(rng)
        x = build.tensor((1, 16, 16), "int8", s_in, zero(rng))
        fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
        s, z = fixed.get(code, (scale(rng), zero(rng)))
        if code == "HARD_SWISH":
            s = max(s, s_in / 64)
        y = build.tensor((1, 16, 16), "int8", s, z)
        options = {"alpha": float(rng.uniform(-0.5, 1))} if code == "LEAKY_RELU" else {}
        build.op(code, [x], [y], **options)
        return build.build([x], [y])

    return make


def quantize(rng: Rng) -> bytes:
    build = ModelBuilder()
    source, target = pick(
        rng, ("int8", "int8"), ("uint8", "int8"), ("int8", "uint8"), ("float32", "int8"),
        ("float32", "uint8"), ("uint8", "uint8"),
    )  # fmt: skip
    s = scale(rng)

    def quantized(dtype: str, real: float) -> int:
        point = zero(rng) + (128 if dtype == "uint8" else 0)
        return build.tensor((4, 64), dtype, real, point)

    x = build.tensor((4, 64), "float32") if source == "float32" else quantized(source, s)
    y = quantized(target, float(pick(rng, s, float(np.float32(s * rng.uniform(0.3, 3))))))
    build.op("QUANTIZE", [x], [y])
    return build.build([x], [y])


def dequantize(rng: Rng) -> bytes:
    build = ModelBuilder()
    dtype = str(pick(rng, "int8", "uint8"))
    point = zero(rng) + (128 if dtype == "uint8" else 0)
    x = build.tensor((4, 64), dtype, scale(rng), point)
    y = build.tensor((4, 64), "float32")
    build.op("DEQUANTIZE", [x], [y])
    return build.build([x], [y])


CASES: dict[str, Maker] = {
    **{
        f"{code}:int8": unary(code)
        for code in (
            "LOGISTIC",
            "TANH",
            "RELU",
            "RELU6",
            "RELU_N1_TO_1",
            "RELU_0_TO_1",
            "LEAKY_RELU",
            "HARD_SWISH",
        )
    },
    "QUANTIZE:int8": quantize,
    "DEQUANTIZE:int8": dequantize,
}
