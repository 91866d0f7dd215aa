"""Random reductions: MEAN, SUM, REDUCE_MAX, …, ARG_MAX, ARG_MIN and TOPK_V2."""

from __future__ import annotations

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, scale, shape_of, zero

QUANTIZED = ("int8", "uint8", "int16")
PLAIN = ("int32", "int64", "float32")


def zero_of(rng: Rng, dtype: str) -> int:
    """A zero point that LiteRT accepts."""
    return {"int8": zero(rng), "uint8": zero(rng) + 128}.get(dtype, 0)


def _axes(rng: Rng, shape: tuple[int, ...]) -> list[int]:
    count = int(rng.integers(1, len(shape) + 1))
    axes = sorted(int(v) for v in rng.permutation(len(shape))[:count])
    return [1, 2] if len(shape) == 4 and rng.random() < 0.5 else axes


def _given(rng: Rng, axes: list[int], dims: int) -> list[int]:
    """The same axes as a file may have them: negative, twice, in any order."""
    given = [a - dims if rng.random() < 0.3 else a for a in axes]
    if rng.random() < 0.2:
        given.append(axes[0])
    if rng.random() < 0.2:
        given.reverse()
    return given


def _scales(rng: Rng, code: str, count: int) -> tuple[float, float]:
    s = scale(rng)
    if code in ("REDUCE_MAX", "REDUCE_MIN"):
        return s, s
    if code == "REDUCE_PROD":
        # The product of N values has about the N-th power of one value's range.
        power = count * np.log(s * rng.uniform(30, 200)) - np.log(128)
        return s, float(np.float32(np.exp(np.clip(power, -60, 60))))
    if rng.random() < 0.1:
        return s, float(np.float32(s * 10 ** rng.uniform(-4, 4)))
    spread = float(pick(rng, 1.0, 2.0, rng.uniform(0.3, 2), count if code == "SUM" else 1.0))
    return s, float(np.float32(s * spread))


def reduce(code: str, dtype: str, quantized: bool = True) -> Maker:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 6, 7)
        if rng.random() < 0.4:
            shape = tuple(int(v) for v in rng.integers(1, 8, 4))
        if rng.random() < 0.03:
            shape = (1, int(rng.integers(20, 90)), int(rng.integers(20, 90)), 2)
        axes = _axes(rng, shape)
        keep = bool(rng.random() < 0.5)
        scales: tuple[float | None, float | None] = (None, None)
        zeros = (0, 0)
        if dtype in QUANTIZED and (quantized or rng.random() < 0.7):
            scales = _scales(rng, code, int(np.prod([shape[a] for a in axes])))
            zeros = (zero_of(rng, dtype), zero_of(rng, dtype))
            if code in ("REDUCE_MAX", "REDUCE_MIN"):
                zeros = (zeros[0], zeros[0])
        x = build.tensor(shape, dtype, scales[0], zeros[0])
        given = _given(rng, axes, len(shape))
        a = build.tensor((len(given),), "int32", data=given)
        out = [1 if i in axes else v for i, v in enumerate(shape) if keep or i not in axes]
        y = build.tensor(out, dtype, scales[1], zeros[1])
        build.op(code, [x, a], [y], keep_dims=keep)
        return build.build([x], [y])

    return make


_DTYPES = {
    "MEAN": (*QUANTIZED, *PLAIN),
    "SUM": (*QUANTIZED, *PLAIN, "bool"),
    "REDUCE_MAX": (*QUANTIZED, *PLAIN, "bool"),
    "REDUCE_MIN": (*QUANTIZED, *PLAIN, "bool"),
    "REDUCE_PROD": ("int8", "int16", *PLAIN, "bool"),
    "REDUCE_ANY": ("bool",),
    "REDUCE_ALL": ("bool",),
}


def _plain_product(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = shape_of(rng, 1, 5, 4)
    x = build.tensor(shape, "uint8")
    a = build.tensor((1,), "int32", data=[-1])
    y = build.tensor(shape[:-1], "uint8")
    build.op("REDUCE_PROD", [x, a], [y], keep_dims=False)
    return build.build([x], [y])


def arg(code: str, dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 6, 7)
        axis = int(rng.integers(len(shape)))
        x = build.tensor(shape, dtype)
        given = axis - len(shape) if rng.random() < 0.5 else axis
        a = build.tensor(pick(rng, (1,), ()), pick(rng, "int32", "int64"), data=given)
        out = str(pick(rng, "int32", "int64"))
        y = build.tensor((*shape[:axis], *shape[axis + 1 :]), out)
        build.op(code, [x, a], [y], output_type=out.upper())
        return build.build([x], [y])

    return make


def topk(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 5, 12)
        k = int(rng.integers(1, shape[-1] + 1))
        x = build.tensor(shape, dtype)
        count = build.tensor((), "int32", data=k)
        outputs = [build.tensor((*shape[:-1], k), kind) for kind in (dtype, "int32")]
        build.op("TOPK_V2", [x, count], outputs)
        return build.build([x], outputs)

    return make


CASES: dict[str, Maker] = {
    **{f"TOPK_V2:{dtype}": topk(dtype) for dtype in (*QUANTIZED, *PLAIN)},
    **{
        f"{code}:{dtype}": arg(code, dtype)
        for code in ("ARG_MAX", "ARG_MIN")
        for dtype in ("int8", "uint8", "int32", "float32", "bool")
    },
    **{
        f"{code}:{dtype}": reduce(code, dtype, quantized=code != "REDUCE_PROD")
        for code, dtypes in _DTYPES.items()
        for dtype in dtypes
    },
    "REDUCE_PROD:uint8": _plain_product,
}
