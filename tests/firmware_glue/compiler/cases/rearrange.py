"""Random models of ops that take parts, join, or move blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, shape_of
from tests.firmware_glue.compiler.cases.operands import index_type, kind_of, padded_kind


def slice_(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng, 1, 6, 7)
        begin = [int(rng.integers(n)) for n in shape]
        size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
        given = [
            -1 if b + s == n and rng.random() < 0.5 else s
            for b, s, n in zip(begin, size, shape, strict=True)
        ]
        x, index = build.tensor(shape, *kind), index_type(rng)
        b, s = (build.tensor((len(shape),), index, data=v) for v in (begin, given))
        y = build.tensor(size, *kind)
        build.op("SLICE", [x, b, s], [y])
        return build.build([x], [y])

    return make


def _strided(
    rng: Rng, shape: tuple[int, ...], kind: tuple[object, ...]
) -> Callable[[list[int]], bytes]:
    """The model of random slices as a function of its output shape."""
    count = int(rng.integers(1, len(shape) + 1))
    new = int(rng.integers(1 << count)) if rng.random() < 0.3 else 0
    ellipsis = 1 << int(rng.integers(count)) if rng.random() < 0.3 else 0
    wide = max(shape)
    begin = [int(rng.integers(-wide, wide)) for _ in range(count)]
    end = [int(rng.integers(-wide - 1, wide + 2)) for _ in range(count)]
    step = [int(pick(rng, 1, 1, 2, 3, -1, -2)) for _ in range(count)]
    options = {key: int(rng.integers(1 << count)) for key in ("begin_mask", "end_mask")}
    shrink = int(rng.integers(1 << count)) if rng.random() < 0.4 else 0
    step = [abs(s) if shrink >> i & 1 else s for i, s in enumerate(step)]
    offset = count == len(shape) and bool(rng.random() < 0.2)
    if offset:
        begin = [int(rng.integers(-n, n)) for n in shape[:count]]
        end = [int(rng.integers(0, n - b % n)) + 1 for n, b in zip(shape, begin, strict=False)]
        step = [abs(s) for s in step]
        options, new, ellipsis = {}, 0, 0

    def build_model(out: list[int]) -> bytes:
        build = ModelBuilder()
        x = build.tensor(shape, *kind)
        b, e, s = (build.tensor((count,), "int32", data=v) for v in (begin, end, step))
        y = build.tensor(out, *kind)
        build.op(
            "STRIDED_SLICE", [x, b, e, s], [y], shrink_axis_mask=shrink, new_axis_mask=new,
            ellipsis_mask=ellipsis, offset=offset, **options,
        )  # fmt: skip
        return build.build([x], [y])

    return build_model


def _litert_shape(data: bytes) -> list[int] | None:
    """The output shape that LiteRT works out; None if it refuses the model."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    try:
        interpreter.allocate_tensors()
    except RuntimeError:
        return None
    return [int(size) for size in interpreter.get_output_details()[0]["shape"]]


def _drops_outside(data: bytes) -> bool:
    """Whether an axis is dropped at an index behind its end: LiteRT reads there all the same."""
    from edgecnn.core.tflite.reader import read_model
    from firmware_glue.compiler.importer import import_model
    from firmware_glue.compiler.ops.strided_slice import index_of

    graph = import_model(read_model(data)).graph
    try:
        index_of(graph, graph.ops[0])
    except ValueError:
        return True
    return False


def strided_slice(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        while True:
            shape = shape_of(rng, 1, 5, 8)
            model = _strided(rng, shape, kind_of(dtype))
            out = _litert_shape(model([1]))
            if out is not None and min(out, default=1) > 0 and len(out) <= 5:
                data = model(out)
                if not _drops_outside(data):
                    return data

    return make


def split(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = list(shape_of(rng, 1, 5, 4))
        axis, parts = int(rng.integers(len(shape))), int(rng.integers(1, 4))
        small = list(shape)
        shape[axis] *= parts
        sign = axis - len(shape) if rng.random() < 0.4 else axis
        a = build.tensor((), "int32", data=np.array(sign))
        x = build.tensor(shape, *kind)
        outs = [build.tensor(small, *kind) for _ in range(parts)]
        build.op("SPLIT", [a, x], outs, num_splits=parts)
        return build.build([x], outs)

    return make


def split_v(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = list(shape_of(rng, 1, 5, 4))
        axis, parts = int(rng.integers(len(shape))), int(rng.integers(1, 5))
        sizes = [int(v) for v in rng.integers(1, 4, parts)]
        shape[axis] = sum(sizes)
        given = list(sizes)
        if rng.random() < 0.4:
            given[int(rng.integers(parts))] = -1
        x = build.tensor(shape, *kind)
        s = build.tensor((parts,), index_type(rng), data=given)
        a = build.tensor((), "int32", data=np.array(axis))
        outs = [
            build.tensor([size if d == axis else n for d, n in enumerate(shape)], *kind)
            for size in sizes
        ]
        build.op("SPLIT_V", [x, s, a], outs, num_splits=parts)
        return build.build([x], outs)

    return make


def pack(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng, 1, 4)
        count, axis = int(rng.integers(1, 4)), int(rng.integers(len(shape) + 1))
        inputs = [build.tensor(shape, *kind) for _ in range(count)]
        out = list(shape)
        out.insert(axis, count)
        y = build.tensor(out, *kind)
        sign = axis - len(out) if rng.random() < 0.3 else axis
        build.op("PACK", inputs, [y], values_count=count, axis=sign)
        return build.build(inputs, [y])

    return make


def unpack(dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build, kind = ModelBuilder(), kind_of(dtype)
        shape = shape_of(rng, 1, 5, 4)
        axis = int(rng.integers(len(shape)))
        x = build.tensor(shape, *kind)
        rest = [size for d, size in enumerate(shape) if d != axis]
        outs = [build.tensor(rest, *kind) for _ in range(shape[axis])]
        sign = axis - len(shape) if rng.random() < 0.3 else axis
        build.op("UNPACK", [x], outs, num=shape[axis], axis=sign)
        return build.build([x], outs)

    return make


def blocks(code: str) -> Callable[[str], Maker]:
    def of(dtype: str) -> Maker:
        def make(rng: Rng) -> bytes:
            build, kind = ModelBuilder(), padded_kind(rng, dtype)
            n, c = int(rng.integers(1, 3)), int(rng.integers(1, 4))
            spatial = int(rng.integers(1, 3))
            block = [int(v) for v in rng.integers(1, 4, spatial)]
            small = [int(v) for v in rng.integers(1, 5, spatial)]
            full = [a * b for a, b in zip(block, small, strict=True)]
            edges = []
            for size in full:
                before = int(rng.integers(0, min(3, size)))
                edges.append([before, int(rng.integers(0, size - before))])
            sizes = [size - sum(edge) for size, edge in zip(full, edges, strict=True)]
            image = build.tensor((n, *sizes, c), *kind)
            many = build.tensor((n * int(np.prod(block)), *small, c), *kind)
            b = build.tensor((spatial,), "int32", data=block)
            e = build.tensor((spatial, 2), "int32", data=edges)
            x, y = (image, many) if code == "SPACE_TO_BATCH_ND" else (many, image)
            build.op(code, [x, b, e], [y])
            return build.build([x], [y])

        return make

    return of


def depth(code: str) -> Callable[[str], Maker]:
    def of(dtype: str) -> Maker:
        def make(rng: Rng) -> bytes:
            build, kind = ModelBuilder(), kind_of(dtype)
            n, h, w, c = (int(v) for v in rng.integers(1, 4, 4))
            block = int(rng.integers(1, 4))
            space = build.tensor((n, h * block, w * block, c), *kind)
            deep = build.tensor((n, h, w, c * block * block), *kind)
            x, y = (space, deep) if code == "SPACE_TO_DEPTH" else (deep, space)
            build.op(code, [x], [y], block_size=block)
            return build.build([x], [y])

        return make

    return of


MAKERS: dict[str, tuple[Callable[[str], Maker], tuple[str, ...]]] = {
    "SLICE": (slice_, ()),
    "STRIDED_SLICE": (strided_slice, ()),
    "SPLIT": (split, ("bool",)),
    "SPLIT_V": (split_v, ("bool",)),
    "PACK": (pack, ("bool",)),
    "UNPACK": (unpack, ("int64",)),
    **{code: (blocks(code), ()) for code in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")},
    **{code: (depth(code), ("int16", "bool")) for code in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")},
}
"""Op → its generator by dtype, and the dtypes that LiteRT does not have it for."""
