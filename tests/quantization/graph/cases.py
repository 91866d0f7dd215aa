"""One float model per op: what the rules' tests quantize and run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.builders import ModelBuilder

Array = np.ndarray[Any, np.dtype[Any]]
SHAPE = (1, 6, 5, 4)


@dataclass(frozen=True)
class Case:
    """A model with one op, and the real range that each of its inputs is drawn from."""

    model: bytes
    ranges: tuple[tuple[float, float], ...]


Make = Callable[[str], Case]


def unary(
    low: float = -3.0, high: float = 4.0, shape: tuple[int, ...] = SHAPE, **options: Any
) -> Make:
    def make(code: str) -> Case:
        build = ModelBuilder()
        x, y = build.tensor(shape, "float32", name="x"), build.tensor(shape, "float32", name="y")
        build.op(code, [x], [y], **options)
        return Case(build.build([x], [y]), ((low, high),))

    return make


def binary(
    low: float = -3.0, high: float = 4.0, out: str = "float32", other: Any = None, **options: Any
) -> Make:
    def make(code: str) -> Case:
        build = ModelBuilder()
        x = build.tensor(SHAPE, "float32", name="x")
        z = build.tensor(SHAPE, "float32", name="z", data=other)
        y = build.tensor(SHAPE, out, name="y")
        build.op(code, [x, z], [y], **options)
        inputs = [x] if other is not None else [x, z]
        return Case(build.build(inputs, [y]), ((low, high), (low / 2, high / 3))[: len(inputs)])

    return make


def with_constant(
    value: Any,
    out_shape: tuple[int, ...],
    shape: tuple[int, ...] = SHAPE,
    dtype: str = "int32",
    outputs: int = 1,
    first: bool = False,
    extra: tuple[Any, ...] = (),
    **options: Any,
) -> Make:
    """x with an integer constant behind it (or in front of it): shapes, axes, paddings."""

    def make(code: str) -> Case:
        build = ModelBuilder()
        x = build.tensor(shape, "float32", name="x")
        constants = [
            build.tensor(np.shape(item), dtype, data=np.asarray(item)) for item in (value, *extra)
        ]
        ys = [build.tensor(out_shape, "float32", name=f"y{k}") for k in range(outputs)]
        build.op(code, [*constants, x] if first else [x, *constants], ys, **options)
        return Case(build.build([x], ys), ((-3.0, 4.0),))

    return make


def reduce(low: float = -3.0, high: float = 4.0) -> Make:
    def make(code: str) -> Case:
        build = ModelBuilder()
        x = build.tensor(SHAPE, "float32", name="x")
        axes = build.tensor((2,), "int32", data=[1, 2])
        y = build.tensor((1, 4), "float32", name="y")
        build.op(code, [x, axes], [y], keep_dims=False)
        return Case(build.build([x], [y]), ((low, high),))

    return make


def weighted(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    channels: int,
    transpose: bool = False,
    **options: Any,
) -> Make:
    def make(code: str) -> Case:
        rng = np.random.default_rng(3)
        build = ModelBuilder()
        x = build.tensor(x_shape, "float32", name="x")
        w = build.tensor(w_shape, "float32", data=rng.normal(0, 0.3, w_shape), name="w")
        b = build.tensor((channels,), "float32", data=rng.normal(0, 0.5, channels), name="b")
        y = build.tensor(y_shape, "float32", name="y")
        inputs = [x, w, b]
        if transpose:
            size = build.tensor((4,), "int32", data=y_shape)
            inputs = [size, w, x, b]
        build.op(code, inputs, [y], **options)
        return Case(build.build([x], [y]), ((-1.5, 2.0),))

    return make


def joined(count: int, y_shape: tuple[int, ...], **options: Any) -> Make:
    def make(code: str) -> Case:
        build = ModelBuilder()
        xs = [build.tensor(SHAPE, "float32", name=f"x{k}") for k in range(count)]
        y = build.tensor(y_shape, "float32", name="y")
        build.op(code, xs, [y], **options)
        return Case(build.build(xs, [y]), tuple((-1.0 - k, 2.0 + k) for k in range(count)))

    return make


def pool(code: str) -> Case:
    make = unary_to(
        (1, 3, 2, 4), padding="VALID", stride_w=2, stride_h=2, filter_width=2, filter_height=2
    )
    return make(code)


def unary_to(y_shape: tuple[int, ...], dtype: str = "float32", **options: Any) -> Make:
    def make(code: str) -> Case:
        build = ModelBuilder()
        x = build.tensor(SHAPE, "float32", name="x")
        y = build.tensor(y_shape, dtype, name="y")
        build.op(code, [x], [y], **options)
        return Case(build.build([x], [y]), ((-3.0, 4.0),))

    return make


def arg(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor(SHAPE, "float32", name="x")
    axis = build.tensor((), "int32", data=3)
    y = build.tensor((1, 6, 5), "int32", name="y")
    build.op(code, [x, axis], [y], output_type="INT32")
    return Case(build.build([x], [y]), ((-3.0, 4.0),))


def prelu(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor(SHAPE, "float32", name="x")
    alpha = build.tensor((1, 1, 4), "float32", data=[0.1, 0.3, -0.2, 0.5])
    y = build.tensor(SHAPE, "float32", name="y")
    build.op(code, [x, alpha], [y])
    return Case(build.build([x], [y]), ((-3.0, 4.0),))


def matmul(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor((2, 4, 6), "float32", name="x")
    z = build.tensor((2, 6, 3), "float32", name="z")
    y = build.tensor((2, 4, 3), "float32", name="y")
    build.op(code, [x, z], [y])
    return Case(build.build([x, z], [y]), ((-2.0, 2.0), (-1.0, 3.0)))


def select(code: str) -> Case:
    build = ModelBuilder()
    mask = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 3 == 0
    c = build.tensor(SHAPE, "bool", data=mask)
    x, z = (build.tensor(SHAPE, "float32", name=name) for name in "xz")
    y = build.tensor(SHAPE, "float32", name="y")
    build.op(code, [c, x, z], [y])
    return Case(build.build([x, z], [y]), ((-3.0, 4.0), (-1.0, 5.0)))


def padv2(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor(SHAPE, "float32", name="x")
    pads = build.tensor((4, 2), "int32", data=[[0, 0], [1, 2], [0, 1], [0, 0]])
    value = build.tensor((), "float32", data=-1.25)
    y = build.tensor((1, 9, 6, 4), "float32", name="y")
    build.op(code, [x, pads, value], [y])
    return Case(build.build([x], [y]), ((-3.0, 4.0),))


def embedding(code: str) -> Case:
    build = ModelBuilder()
    ids = build.tensor((3,), "int32", name="ids")
    table = build.tensor((5, 4), "float32", data=np.linspace(-2, 3, 20).reshape(5, 4))
    y = build.tensor((3, 4), "float32", name="y")
    build.op(code, [ids, table], [y])
    return Case(build.build([ids], [y]), ((0, 4),))


def fill(code: str) -> Case:
    build = ModelBuilder()
    shape = build.tensor((2,), "int32", data=[2, 3])
    x = build.tensor((), "float32", name="x")
    y = build.tensor((2, 3), "float32", name="y")
    build.op(code, [shape, x], [y])
    return Case(build.build([x], [y]), ((-1.0, 2.0),))


def update_slice(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor(SHAPE, "float32", name="x")
    z = build.tensor((1, 2, 2, 4), "float32", name="z")
    start = build.tensor((4,), "int32", data=[0, 1, 2, 0])
    y = build.tensor(SHAPE, "float32", name="y")
    build.op(code, [x, z, start], [y])
    return Case(build.build([x, z], [y]), ((-3.0, 4.0), (-2.0, 1.0)))


def top_k(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor((2, 9), "float32", name="x")
    k = build.tensor((), "int32", data=3)
    y = build.tensor((2, 3), "float32", name="y")
    where = build.tensor((2, 3), "int32", name="where")
    build.op(code, [x, k], [y, where])
    return Case(build.build([x], [y]), ((-3.0, 4.0),))


_BLOCK_PADS = [[0, 0], [0, 1]]
CASES: dict[str, Make] = {
    **dict.fromkeys(("ABS", "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1"), unary()),
    **dict.fromkeys(("HARD_SWISH", "LOGISTIC", "TANH", "EXP"), unary()),
    **dict.fromkeys(("SQRT", "RSQRT", "LOG"), unary(0.3, 5.0)),
    "GELU": unary(approximate=False),
    "LEAKY_RELU": unary(alpha=0.2),
    "ELU": unary(),
    "SOFTMAX": unary(shape=(2, 7)),
    "LOG_SOFTMAX": unary(shape=(2, 7)),
    "L2_NORMALIZATION": unary(),
    "PRELU": prelu,
    "SQUARE": unary(),
    "DIV": binary(other=np.linspace(0.5, 3, 120).reshape(SHAPE)),
    "ADD_N": joined(2, SHAPE),
    **dict.fromkeys(("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"), binary()),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), binary()),
    **dict.fromkeys(
        ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"), binary(out="bool")
    ),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), reduce()),
    "REDUCE_PROD": reduce(0.8, 1.1),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), arg),
    "BATCH_MATMUL": matmul,
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), pool),
    "CONV_2D": weighted((1, 6, 5, 4), (8, 3, 3, 4), (1, 6, 5, 8), 8, padding="SAME"),
    "DEPTHWISE_CONV_2D": weighted((1, 6, 5, 4), (1, 3, 3, 4), (1, 6, 5, 4), 4, padding="SAME"),
    "FULLY_CONNECTED": weighted((3, 20), (7, 20), (3, 7), 7),
    "TRANSPOSE_CONV": weighted(
        (1, 3, 3, 4), (5, 3, 3, 4), (1, 6, 6, 5), 5, True, padding="SAME", stride_w=2, stride_h=2
    ),
    "BATCH_TO_SPACE_ND": with_constant(
        [2, 2], (1, 12, 10, 4), (4, 6, 5, 4), extra=([[0, 0], [0, 0]],)
    ),
    "SPACE_TO_BATCH_ND": with_constant([2, 2], (4, 3, 3, 4), extra=(_BLOCK_PADS,)),
    "BROADCAST_TO": with_constant([2, 6, 5, 4], (2, 6, 5, 4), version=2),
    "DEPTH_TO_SPACE": unary_to((1, 12, 10, 1), block_size=2),
    "SPACE_TO_DEPTH": lambda code: unary_block(code),
    "EXPAND_DIMS": with_constant(1, (1, 1, 6, 5, 4)),
    "GATHER": with_constant([2, 0, 1], (1, 3, 5, 4), axis=1),
    "GATHER_ND": with_constant([[0, 2], [0, 1]], (2, 5, 4)),
    "MIRROR_PAD": with_constant([[0, 0], [1, 2], [1, 0], [0, 0]], (1, 9, 6, 4), mode="REFLECT"),
    "PAD": with_constant([[0, 0], [1, 2], [1, 0], [0, 0]], (1, 9, 6, 4)),
    "PADV2": padv2,
    "RESHAPE": with_constant([1, 30, 4], (1, 30, 4), new_shape=[1, 30, 4]),
    "RESIZE_BILINEAR": with_constant([12, 10], (1, 12, 10, 4), half_pixel_centers=True),
    "RESIZE_NEAREST_NEIGHBOR": with_constant([12, 10], (1, 12, 10, 4), half_pixel_centers=True),
    "REVERSE_V2": with_constant([1], SHAPE),
    "SLICE": with_constant([0, 1, 2, 0], (1, 3, 2, 4), extra=([1, 3, 2, 4],)),
    "STRIDED_SLICE": with_constant([0, 1, 2, 0], (1, 2, 2, 4), extra=([1, 5, 4, 4], [1, 2, 1, 1])),
    "SPLIT": with_constant(3, (1, 6, 5, 2), outputs=2, first=True, num_splits=2),
    "SPLIT_V": lambda code: split_v(code),
    "SQUEEZE": unary_to((6, 5, 4), squeeze_dims=[0]),
    "TILE": with_constant([1, 2, 1, 3], (1, 12, 5, 12)),
    "TOPK_V2": top_k,
    "TRANSPOSE": with_constant([0, 2, 1, 3], (1, 5, 6, 4)),
    "UNPACK": lambda code: unpack(code),
    "CONCATENATION": joined(3, (1, 6, 5, 12), axis=3),
    "PACK": joined(2, (2, *SHAPE), axis=0, values_count=2),
    **dict.fromkeys(("SELECT", "SELECT_V2"), select),
    "FILL": fill,
    "DYNAMIC_UPDATE_SLICE": update_slice,
    "EMBEDDING_LOOKUP": embedding,
}


def unary_block(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor((1, 6, 4, 2), "float32", name="x")
    y = build.tensor((1, 3, 2, 8), "float32", name="y")
    build.op(code, [x], [y], block_size=2)
    return Case(build.build([x], [y]), ((-3.0, 4.0),))


def split_v(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor(SHAPE, "float32", name="x")
    sizes = build.tensor((2,), "int32", data=[2, 4])
    axis = build.tensor((), "int32", data=1)
    ys = [build.tensor((1, size, 5, 4), "float32", name=f"y{size}") for size in (2, 4)]
    build.op(code, [x, sizes, axis], ys, num_splits=2)
    return Case(build.build([x], ys), ((-3.0, 4.0),))


def unpack(code: str) -> Case:
    build = ModelBuilder()
    x = build.tensor((3, 5, 4), "float32", name="x")
    ys = [build.tensor((5, 4), "float32", name=f"y{k}") for k in range(3)]
    build.op(code, [x], ys, num=3, axis=0)
    return Case(build.build([x], ys), ((-3.0, 4.0),))


def draw(case: Case, infos: Any, rng: np.random.Generator) -> dict[str, Array]:
    """Real inputs for a float model."""
    values = {}
    for info, (low, high) in zip(infos, case.ranges, strict=True):
        if info.dtype == "int32":
            values[info.name] = rng.integers(low, high, info.shape).astype(np.int32)
        else:
            values[info.name] = rng.uniform(low, high, info.shape).astype(np.float32)
    return values
