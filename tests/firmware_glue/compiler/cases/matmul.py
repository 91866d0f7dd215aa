"""Random matrix products."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Maker, Rng, pick, scale, zero

_LIMITS = {"int8": (-128, 128), "uint8": (0, 256), "int16": (-32768, 32768)}


def _shapes(rng: Rng, units: int, depth: int) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Input and output shape, and whether dimensions are kept."""
    rows, keep = int(rng.integers(1, 4)), bool(rng.random() < 0.4)
    if keep:
        shape = pick(rng, (rows, depth), (rows, 1, depth), (1, rows, 2, depth))
        return shape, (*shape[:-1], units), keep
    shape = pick(rng, (rows, depth), (rows, 1, 1, depth), (depth,))
    return shape, (int(np.prod(shape)) // depth, units), keep


def _point(rng: Rng, dtype: str) -> int:
    return {"int8": zero(rng), "uint8": zero(rng) + 128, "int16": 0}[dtype]


def _filter_scales(rng: Rng, units: int, *, single: bool) -> np.ndarray:
    """One scale, or one per output, sometimes powers of two, sometimes dead ones."""
    count = 1 if single or units == 1 or rng.random() < 0.4 else units
    scales = rng.uniform(0.001, 0.05, count)
    if rng.random() < 0.25:
        scales = 2.0 ** rng.integers(-9, -4, count)
    if count > 1 and rng.random() < 0.4:
        scales[rng.integers(count)] = 1e-14
    return np.float32(scales).astype(np.float64)


def _out_scale(rng: Rng, product: float, depth: int) -> float:
    """So that outputs fill their range; sometimes left shifts, sometimes ties."""
    out = product * 74 * 74 * np.sqrt(depth) / 60 * 2.0 ** rng.uniform(-1.5, 1.5)
    if rng.random() < 0.1:
        out = product / 5
    if rng.random() < 0.2:
        out = 2.0 ** np.round(np.log2(out))
    return float(np.float32(out))


def _bias(build: ModelBuilder, rng: Rng, dtype: str, units: int, scales: np.ndarray) -> int:
    values = rng.integers(-20000, 20000, units)
    if dtype == "int64" and rng.random() < 0.2:
        values = rng.integers(-(2**26), 2**26, units)
    return build.tensor((units,), dtype, scales.tolist(), data=values)


def fully_connected(rng: Rng, dtype: str) -> bytes:
    build = ModelBuilder()
    units, depth = int(rng.integers(1, 12)), int(rng.integers(1, 40))
    shape, out, keep = _shapes(rng, units, depth)
    s = float(np.float32(scale(rng)))
    x = build.tensor(shape, dtype, s, _point(rng, dtype))
    kind = dtype if dtype != "int16" or rng.random() < 0.25 else "int8"
    scales = _filter_scales(rng, units, single=dtype == "uint8")
    low, high = _LIMITS[kind]
    loose = scales.size == 1 and kind != "int16"
    point = _point(rng, kind) if loose and (dtype == "uint8" or rng.random() < 0.3) else 0
    constant = rng.random() < 0.85
    data = rng.integers(low, high, (units, depth)) if constant else None
    f = build.tensor((units, depth), kind, scales.tolist(), point, data=data)
    bias_type, options = "int32", {}
    if dtype == "int16":
        bias_type = str(pick(rng, "int32", "int64"))
        options["quantized_bias_type"] = bias_type.upper()
    b = -1
    if rng.random() < 0.7:
        b = _bias(build, rng, bias_type, units, scales * s)
    spread = float(np.median(scales)) * s * (256.0 if kind == "int16" else 1.0)
    y = build.tensor(out, dtype, _out_scale(rng, spread, depth), _point(rng, dtype))
    build.op(
        "FULLY_CONNECTED", [x, f, b], [y], keep_num_dims=keep,
        fused_activation_function=pick(rng, *ACTIVATIONS), **options,
    )  # fmt: skip
    return build.build([x] if constant else [x, f], [y])


def fully_connected_f32(rng: Rng) -> bytes:
    build = ModelBuilder()
    units, depth = int(rng.integers(1, 12)), int(rng.integers(1, 40))
    shape, out, keep = _shapes(rng, units, depth)
    x = build.tensor(shape, "float32")
    constant = rng.random() < 0.8
    data = rng.normal(0, 1, (units, depth)) if constant else None
    f = build.tensor((units, depth), "float32", data=data)
    b = -1
    if rng.random() < 0.7:
        b = build.tensor((units,), "float32", data=rng.normal(0, 3, units))
    y = build.tensor(out, "float32")
    build.op(
        "FULLY_CONNECTED", [x, f, b], [y], keep_num_dims=keep,
        fused_activation_function=pick(rng, *ACTIVATIONS),
    )  # fmt: skip
    return build.build([x] if constant else [x, f], [y])


def _batch_shapes(
    rng: Rng, *, adj_x: bool, adj_y: bool
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Operands and output, with batches that are shared, missing, or the same."""
    rows, depth, cols = (int(v) for v in rng.integers(1, 8, 3))
    batches = tuple(int(v) for v in rng.integers(1, 4, int(rng.integers(0, 4))))
    sides = []
    for matrix in (
        (depth, rows) if adj_x else (rows, depth),
        (cols, depth) if adj_y else (depth, cols),
    ):
        own = tuple(1 if rng.random() < 0.25 else size for size in batches)
        sides.append(
            (*own[int(rng.integers(len(own) + 1)) if rng.random() < 0.3 else 0 :], *matrix)
        )
    return sides[0], sides[1], (
        *np.broadcast_shapes(sides[0][:-2], sides[1][:-2]), rows, cols
    )  # fmt: skip


def batch_matmul(rng: Rng, dtype: str) -> bytes:
    build = ModelBuilder()
    adj_x, adj_y = bool(rng.random() < 0.4), bool(rng.random() < 0.4)
    lhs, rhs, out = _batch_shapes(rng, adj_x=adj_x, adj_y=adj_y)
    kind = "int8" if dtype == "int16" and rng.random() < 0.3 else dtype
    scales: list[float | None] = [None, None, None]
    points = [0, 0, 0]
    if dtype != "float32":
        scales[:2] = scale(rng), scale(rng)
        product = scales[0] * scales[1]
        spread = product * {"int8": 1.0, "int16": 256.0}[kind]
        scales[2] = max(_out_scale(rng, spread, lhs[-1]), product / 64)
        points = [zero(rng) if dtype == "int8" else 0 for _ in range(3)]
    x = build.tensor(lhs, dtype, scales[0], points[0])
    data = None
    if rng.random() < 0.4:
        low, high = _LIMITS.get(kind, (0, 0))
        data = rng.normal(0, 1, rhs) if dtype == "float32" else rng.integers(low, high, rhs)
    y = build.tensor(rhs, kind, scales[1], points[1], data=data)
    z = build.tensor(out, dtype, scales[2], points[2])
    build.op("BATCH_MATMUL", [x, y], [z], adj_x=adj_x, adj_y=adj_y)
    return build.build([x, y] if data is None else [x], [z])


CASES: dict[str, Maker] = {
    **{
        f"FULLY_CONNECTED:{dtype}": partial(fully_connected, dtype=dtype)
        for dtype in ("int8", "uint8", "int16")
    },
    "FULLY_CONNECTED:float32": fully_connected_f32,
    **{
        f"BATCH_MATMUL:{dtype}": partial(batch_matmul, dtype=dtype)
        for dtype in ("int8", "int16", "float32")
    },
}
