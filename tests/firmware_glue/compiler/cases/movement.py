"""Random models of ops that only move elements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases import indexing, rearrange
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, shape_of
from tests.firmware_glue.compiler.cases.operands import (
    Operands,
    index_type,
    kind_of,
    padded_kind,
    random_data,
)

DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")


def concat(dtype: str) -> Maker:
    """Also uint8 inputs of other scales than the output's."""

    def make(rng: Rng) -> bytes:
        operands, base = Operands(), list(shape_of(rng, 1, 6, 5))
        axis, total = int(rng.integers(len(base))), 0
        kind = kind_of(dtype)[1:]
        for position in range(int(rng.integers(1, 6))):
            shape = list(base)
            shape[axis] = int(rng.integers(1, 5))
            total += shape[axis]
            constant = position and rng.random() < 0.3
            data = random_data(rng, dtype, tuple(shape)) if constant else None
            given = kind
            if dtype == "uint8" and rng.random() < 0.4:
                given = (float(np.float32(rng.uniform(0.01, 0.5))), int(rng.integers(256)))
            operands.add(tuple(shape), dtype, given, data)
        base[axis] = total
        y = operands.build.tensor(base, dtype, *kind)
        sign = axis - len(base) if rng.random() < 0.4 else axis
        return operands.finish("CONCATENATION", [y], axis=sign)

    return make


def pad(code: str) -> Callable[[str], Maker]:
    def of(dtype: str) -> Maker:
        def make(rng: Rng) -> bytes:
            build, kind = ModelBuilder(), padded_kind(rng, dtype)
            shape = shape_of(rng)
            top = 4 if code != "MIRROR_PAD" else 5
            pads = rng.integers(0, top, (len(shape), 2))
            options = {}
            if code == "MIRROR_PAD":
                options["mode"] = pick(rng, "REFLECT", "SYMMETRIC")
                room = np.array(shape)[:, None] - (options["mode"] == "REFLECT")
                pads = np.minimum(pads, room)
            x = build.tensor(shape, *kind)
            p = build.tensor(pads.shape, index_type(rng), data=pads)
            out = [int(n + a + b) for n, (a, b) in zip(shape, pads, strict=True)]
            y = build.tensor(out, *kind)
            operands = [x, p]
            if code == "PADV2":
                operands.append(build.tensor((1,), *kind, data=random_data(rng, dtype, (1,))))
            build.op(code, operands, [y], **options)
            return build.build([x], [y])

        return make

    return of


def shape_only(code: str) -> Callable[[str], Maker]:
    """RESHAPE, SQUEEZE or EXPAND_DIMS between two real ops."""

    def of(dtype: str) -> Maker:
        def make(rng: Rng) -> bytes:
            build, kind = ModelBuilder(), kind_of(dtype)
            x, mid = (build.tensor((1, 4, 1, 6), *kind) for _ in range(2))
            axis = build.tensor((1,), "int32", data=[1])
            build.op("REVERSE_V2", [x, axis], [mid])
            if code == "RESHAPE":
                new = pick(rng, (24,), (2, 12), (4, 3, 2), (1, 2, 2, 3, 2))
                s = build.tensor((len(new),), "int32", data=new)
                y = build.tensor(new, *kind)
                build.op("RESHAPE", [mid, s], [y], new_shape=list(new))
            elif code == "SQUEEZE":
                y = build.tensor((4, 6), *kind)
                build.op("SQUEEZE", [mid], [y], squeeze_dims=[0, 2])
            else:
                at = int(pick(rng, 2, -3))
                s = build.tensor((), index_type(rng), data=np.array(at))
                y = build.tensor((1, 4, 1, 1, 6), *kind)
                build.op("EXPAND_DIMS", [mid, s], [y])
            last = build.tensor(build.tensors[y].shape, *kind)
            build.op("REVERSE_V2", [y, build.tensor((1,), "int32", data=[0])], [last])
            return build.build([x], [last])

        return make

    return of


def transpose(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng, 1, 7, 5)
        order = [int(v) for v in rng.permutation(len(shape))]
        x = build.tensor(shape, *kind)
        p = build.tensor((len(order),), "int32", data=order)
        y = build.tensor([shape[i] for i in order], *kind)
        build.op("TRANSPOSE", [x, p], [y])
        return build.build([x], [y])

    return make


def tile(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng, 1, 6, 4)
        repeats = [int(v) for v in rng.integers(1, 4, len(shape))]
        x = build.tensor(shape, *kind)
        m = build.tensor((len(shape),), index_type(rng), data=repeats)
        y = build.tensor([a * b for a, b in zip(shape, repeats, strict=True)], *kind)
        build.op("TILE", [x, m], [y])
        return build.build([x], [y])

    return make


def broadcast_to(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        out = shape_of(rng, 1, 6, 5)
        shape = [1 if rng.random() < 0.5 else size for size in out]
        shape = shape[int(rng.integers(len(shape))) :]
        x = build.tensor(shape, *kind)
        s = build.tensor((len(out),), index_type(rng), data=out)
        y = build.tensor(out, *kind)
        build.op("BROADCAST_TO", [x, s], [y], version=2)
        return build.build([x], [y])

    return make


def fill(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        out = shape_of(rng)
        s = build.tensor((len(out),), index_type(rng), data=out)
        x = build.tensor((), *kind)
        y = build.tensor(out, *kind)
        build.op("FILL", [s, x], [y])
        return build.build([x], [y])

    return make


def reverse(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng)
        first = int(rng.integers(len(shape)))
        # LiteRT takes neighbouring axes only.
        axes = list(range(first, int(rng.integers(first, len(shape))) + 1))
        x = build.tensor(shape, *kind)
        a = build.tensor((len(axes),), "int32", data=axes)
        y = build.tensor(shape, *kind)
        build.op("REVERSE_V2", [x, a], [y])
        return build.build([x], [y])

    return make


_MAKERS: dict[str, tuple[Callable[[str], Maker], tuple[str, ...]]] = {
    "CONCATENATION": (concat, ()),
    "RESHAPE": (shape_only("RESHAPE"), ()),
    "TRANSPOSE": (transpose, ()),
    "TILE": (tile, ()),
    "BROADCAST_TO": (broadcast_to, ()),
    "FILL": (fill, ()),
    "REVERSE_V2": (reverse, ()),
    **{code: (pad(code), ()) for code in ("PAD", "PADV2", "MIRROR_PAD")},
}
"""Op → its generator by dtype, and the dtypes that LiteRT does not have it for."""
CASES: dict[str, Maker] = {
    **indexing.CASES,
    **{
        f"{code}:{dtype}": of(dtype)
        for code, (of, without) in {**_MAKERS, **rearrange.MAKERS}.items()
        for dtype in DTYPES
        if dtype not in without
    },
    **{
        f"{code}:{dtype}": shape_only(code)(dtype)
        for code in ("SQUEEZE", "EXPAND_DIMS")
        for dtype in ("int8", "float32")
    },
}
