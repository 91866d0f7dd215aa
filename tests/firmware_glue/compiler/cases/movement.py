"""Random models of ops that only move elements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, shape_of

Q = ("int8", 0.1, 7)


def _dtype(rng: Rng) -> tuple[object, ...]:
    return Q if rng.random() < 0.7 else ("float32",)


def concat(rng: Rng) -> bytes:
    build = ModelBuilder()
    base = list(shape_of(rng, 1, 6, 5))
    axis = int(rng.integers(len(base)))
    kind = _dtype(rng)
    tensors, inputs, total = [], [], 0
    for _ in range(int(rng.integers(1, 6))):
        shape = list(base)
        shape[axis] = int(rng.integers(1, 5))
        total += shape[axis]
        data = rng.integers(-128, 128, shape) if inputs and rng.random() < 0.3 else None
        tensors.append(build.tensor(shape, *kind, data=data))
        inputs += [tensors[-1]] if data is None else []
    base[axis] = total
    y = build.tensor(base, *kind)
    sign = axis - len(base) if rng.random() < 0.4 else axis
    build.op("CONCATENATION", tensors, [y], axis=sign)
    return build.build(inputs, [y])


def pad(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng)
        pads = rng.integers(0, 4, (len(shape), 2))
        x = build.tensor(shape, *Q)
        p = build.tensor(pads.shape, "int32", data=pads)
        y = build.tensor([int(n + a + b) for n, (a, b) in zip(shape, pads, strict=True)], *Q)
        operands = [x, p]
        if code == "PADV2":
            operands.append(build.tensor((1,), *Q, data=[int(rng.integers(-128, 128))]))
        build.op(code, operands, [y])
        return build.build([x], [y])

    return make


def shape_only(rng: Rng) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4, 1, 6), *Q)
    code = pick(rng, "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
    mid = build.tensor((1, 4, 1, 6), *Q)
    build.op("RELU", [x], [mid])
    if code == "RESHAPE":
        new = pick(rng, (24,), (2, 12), (4, 3, 2), (1, 2, 2, 3, 2))
        s = build.tensor((len(new),), "int32", data=new)
        y = build.tensor(new, *Q)
        build.op("RESHAPE", [mid, s], [y], new_shape=list(new))
    elif code == "SQUEEZE":
        y = build.tensor((4, 6), *Q)
        build.op("SQUEEZE", [mid], [y], squeeze_dims=[0, 2])
    else:
        s = build.tensor((), "int32", data=np.array(2))
        y = build.tensor((1, 4, 1, 1, 6), *Q)
        build.op("EXPAND_DIMS", [mid, s], [y])
    return build.build([x], [y])


def transpose(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = shape_of(rng, 1, 6)
    order = [int(v) for v in rng.permutation(len(shape))]
    kind = _dtype(rng)
    x = build.tensor(shape, *kind)
    p = build.tensor((len(order),), "int32", data=order)
    y = build.tensor([shape[i] for i in order], *kind)
    build.op("TRANSPOSE", [x, p], [y])
    return build.build([x], [y])


def tile(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = shape_of(rng, 1, 5, 4)
    repeats = [int(v) for v in rng.integers(1, 4, len(shape))]
    kind = _dtype(rng)
    x = build.tensor(shape, *kind)
    m = build.tensor((len(shape),), "int32", data=repeats)
    y = build.tensor([a * b for a, b in zip(shape, repeats, strict=True)], *kind)
    build.op("TILE", [x, m], [y])
    return build.build([x], [y])


def slice_(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = shape_of(rng, 1, 5, 7)
    begin = [int(rng.integers(n)) for n in shape]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
    given = [
        -1 if b + s == n and rng.random() < 0.5 else s
        for b, s, n in zip(begin, size, shape, strict=True)
    ]
    kind = _dtype(rng)
    x = build.tensor(shape, *kind)
    b, s = (build.tensor((len(shape),), "int32", data=v) for v in (begin, given))
    y = build.tensor(size, *kind)
    build.op("SLICE", [x, b, s], [y])
    return build.build([x], [y])


def strided_slice(rng: Rng) -> bytes:
    build = ModelBuilder()
    while True:
        shape = shape_of(rng, 1, 5, 8)
        begin = [int(rng.integers(-n, n)) for n in shape]
        end = [int(rng.integers(-n - 1, n + 2)) for n in shape]
        step = [int(pick(rng, 1, 2, 3, -1, -2)) for _ in shape]
        masks = {k: int(rng.integers(1 << len(shape))) for k in ("begin_mask", "end_mask")}
        shrink = int(rng.integers(1 << len(shape))) if rng.random() < 0.4 else 0
        index: list[object] = []
        for d, n in enumerate(shape):
            if shrink >> d & 1:
                step[d], masks["begin_mask"] = 1, masks["begin_mask"] & ~(1 << d)
                end[d] = begin[d] + 1
                index.append(begin[d])
                continue
            first = None if masks["begin_mask"] >> d & 1 else begin[d]
            last = None if masks["end_mask"] >> d & 1 else end[d]
            if last is not None and step[d] < 0 and last < -n:
                last = None
            index.append(slice(first, last, step[d]))
        out = np.empty(shape, bool)[tuple(index)].shape
        if min(out, default=1) > 0:
            break
    x = build.tensor(shape, *Q)
    b, e, s = (build.tensor((len(shape),), "int32", data=v) for v in (begin, end, step))
    y = build.tensor(out, *Q)
    build.op("STRIDED_SLICE", [x, b, e, s], [y], shrink_axis_mask=shrink, **masks)
    return build.build([x], [y])


def split(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = list(shape_of(rng, 1, 5, 4))
    axis, parts = int(rng.integers(len(shape))), int(rng.integers(1, 4))
    small = list(shape)
    shape[axis] *= parts
    a = build.tensor((), "int32", data=np.array(axis))
    x = build.tensor(shape, *Q)
    outs = [build.tensor(small, *Q) for _ in range(parts)]
    build.op("SPLIT", [a, x], outs, num_splits=parts)
    return build.build([x], outs)


def pack(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = shape_of(rng, 1, 4)
    count, axis = int(rng.integers(1, 4)), int(rng.integers(len(shape) + 1))
    inputs = [build.tensor(shape, *Q) for _ in range(count)]
    out = list(shape)
    out.insert(axis, count)
    y = build.tensor(out, *Q)
    build.op("PACK", inputs, [y], values_count=count, axis=axis)
    return build.build(inputs, [y])


def blocks(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        n, c = int(rng.integers(1, 3)), int(rng.integers(1, 4))
        bh, bw = (int(v) for v in rng.integers(1, 4, 2))
        oh, ow = (int(v) for v in rng.integers(1, 5, 2))
        edges = [[int(rng.integers(0, 3)), 0], [int(rng.integers(0, 3)), 0]]
        height, width = oh * bh, ow * bw
        for i, size in enumerate((height, width)):
            edges[i][0] = min(edges[i][0], size - 1)
            edges[i][1] = int(rng.integers(0, size - edges[i][0]))
        h, w = height - sum(edges[0]), width - sum(edges[1])
        image = build.tensor((n, h, w, c), *Q)
        many = build.tensor((n * bh * bw, oh, ow, c), *Q)
        b = build.tensor((2,), "int32", data=[bh, bw])
        e = build.tensor((2, 2), "int32", data=edges)
        x, y = (image, many) if code == "SPACE_TO_BATCH_ND" else (many, image)
        build.op(code, [x, b, e], [y])
        return build.build([x], [y])

    return make


_INT8: dict[str, Maker] = {
    "CONCATENATION": concat,
    "RESHAPE": shape_only,
    "TRANSPOSE": transpose,
    "TILE": tile,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "SPLIT": split,
    "PACK": pack,
    **{code: pad(code) for code in ("PAD", "PADV2")},
    **{code: blocks(code) for code in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")},
}
CASES: dict[str, Maker] = {f"{code}:int8": make for code, make in _INT8.items()}
