"""Random models of ops that pick by index, sum along an axis, or are known at compile time."""

from __future__ import annotations

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, shape_of
from tests.firmware_glue.compiler.cases.operands import index_type, kind_of, random_data

DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")


def _indices(
    build: ModelBuilder, rng: Rng, dtype: str, shape: tuple[int, ...], sizes: np.ndarray
) -> tuple[int, list[int]]:
    """A tensor of indices below ``sizes``, constant or computed by FLOOR_MOD; and its inputs."""
    if rng.random() < 0.5:
        return build.tensor(shape, dtype, data=rng.integers(0, sizes, shape)), []
    x, y = (build.tensor(shape, dtype) for _ in range(2))
    modulus = build.tensor(shape, dtype, data=np.broadcast_to(sizes, shape))
    build.op("FLOOR_MOD", [x, modulus], [y])
    return y, [x]


def gather(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng, 1, 5)
        axis = int(rng.integers(len(shape)))
        batch = int(rng.integers(axis + 1)) if rng.random() < 0.4 else 0
        wanted = (*shape[:batch], *shape_of(rng, 0, 3, 5))
        x = build.tensor(shape, *kind)
        index = str(pick(rng, "int32", "int64", "int16"))
        indices, inputs = _indices(build, rng, index, wanted, np.array(shape[axis]))
        y = build.tensor((*shape[:axis], *wanted[batch:], *shape[axis + 1 :]), *kind)
        sign = axis - len(shape) if rng.random() < 0.3 else axis
        build.op("GATHER", [x, indices], [y], axis=sign, batch_dims=batch)
        return build.build([x, *inputs], [y])

    return make


def gather_nd(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng, 1, 5)
        depth = int(rng.integers(1, len(shape) + 1))
        tuples = shape_of(rng, 1, 3)
        x = build.tensor(shape, *kind)
        index = str(pick(rng, "int32", "int64", "int16"))
        sizes = np.array(shape[:depth])
        indices, inputs = _indices(build, rng, index, (*tuples, depth), sizes)
        y = build.tensor((*tuples, *shape[depth:]), *kind)
        build.op("GATHER_ND", [x, indices], [y])
        return build.build([x, *inputs], [y])

    return make


def embedding(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        table = shape_of(rng, 2, 4)
        count = int(rng.integers(1, 6))
        indices, inputs = _indices(build, rng, "int32", (count,), np.array(table[0]))
        constant = random_data(rng, dtype, table) if inputs and rng.random() < 0.7 else None
        x = build.tensor(table, *kind, data=constant)
        y = build.tensor((count, *table[1:]), *kind)
        build.op("EMBEDDING_LOOKUP", [indices, x], [y])
        return build.build([*inputs, *([x] if constant is None else [])], [y])

    return make


def one_hot(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape, depth = shape_of(rng, 1, 4), int(rng.integers(1, 7))
        x = build.tensor(shape, index_type(rng))
        # Some indices lie outside, where nothing is hot.
        five = build.tensor((), build.tensors[x].dtype, data=np.array(5))
        index = build.tensor(shape, build.tensors[x].dtype)
        build.op("FLOOR_MOD", [x, five], [index])
        on, off = (build.tensor((), *kind, data=random_data(rng, dtype, ())) for _ in range(2))
        count = build.tensor((), "int32", data=np.array(depth))
        axis = int(rng.integers(-1, len(shape) + 1))
        out = list(shape)
        out.insert(axis if axis >= 0 else len(shape), depth)
        y = build.tensor(out, *kind)
        build.op("ONE_HOT", [index, count, on, off], [y], axis=axis)
        return build.build([x], [y])

    return make


def cumsum(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, shape = ModelBuilder(), shape_of(rng)
        x, y = (build.tensor(shape, dtype) for _ in range(2))
        axis = int(rng.integers(-len(shape), len(shape)))
        a = build.tensor((), "int32", data=np.array(axis))
        build.op(
            "CUMSUM", [x, a], [y], exclusive=bool(rng.random() < 0.5),
            reverse=bool(rng.random() < 0.5),
        )  # fmt: skip
        return build.build([x], [y])

    return make


def range_(dtype: str) -> Maker:
    """x + RANGE of constants."""

    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        step = float(rng.uniform(0.1, 2)) if dtype == "float32" else int(rng.integers(1, 5))
        count, start = int(rng.integers(1, 9)), int(rng.integers(-9, 9))
        sign = int(pick(rng, 1, -1))
        limit = start + sign * step * (count - 0.5 if dtype == "float32" else count)
        ends = [build.tensor((), dtype, data=np.array(v)) for v in (start, limit, sign * step)]
        numbers, x, y = (build.tensor((count,), dtype) for _ in range(3))
        build.op("RANGE", ends, [numbers])
        build.op("ADD", [x, numbers], [y])
        return build.build([x], [y])

    return make


def known(code: str) -> Maker:
    """SHAPE or RANK of the input, added to it; BROADCAST_ARGS as a target of BROADCAST_TO."""

    def make(rng: Rng) -> bytes:
        build, shape = ModelBuilder(), shape_of(rng)
        x = build.tensor(shape, "int32")
        if code == "BROADCAST_ARGS":
            wide = (2, *shape)
            one, two = (build.tensor((len(s),), "int32", data=s) for s in (shape, wide))
            both = build.tensor((len(wide),), "int32")
            y = build.tensor(wide, "int32")
            build.op(code, [one, two], [both])
            build.op("BROADCAST_TO", [x, both], [y], version=2)
            return build.build([x], [y])
        if code == "SHAPE":
            x = build.tensor((*shape, len(shape) + 1), "int32")
        number = build.tensor((len(shape) + 1,) if code == "SHAPE" else (), "int32")
        options = {"out_type": "INT32"} if code == "SHAPE" else {}
        build.op(code, [x], [number], **options)
        y = build.tensor(build.tensors[x].shape, "int32")
        build.op("ADD", [x, number], [y])
        return build.build([x], [y])

    return make


CASES: dict[str, Maker] = {
    **{
        f"{code}:{dtype}": of(dtype)
        for code, of in (
            ("GATHER", gather), ("GATHER_ND", gather_nd), ("EMBEDDING_LOOKUP", embedding),
            ("ONE_HOT", one_hot),
        )
        for dtype in DTYPES
        if (code, dtype) != ("ONE_HOT", "int16")
    },
    **{f"CUMSUM:{dtype}": cumsum(dtype) for dtype in ("int32", "int64", "float32")},
    **{f"RANGE:{dtype}": range_(dtype) for dtype in ("int32", "int64", "float32")},
    **{f"{code}:int32": known(code) for code in ("SHAPE", "RANK", "BROADCAST_ARGS")},
}  # fmt: skip
