"""Models made to break a compiler, one per idea; those too large for the corpus are built here.

``python -m tests.fuzz.specimens`` writes the small ones to ``corpus/``.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.builders import ModelBuilder
from tests.fuzz import flat, meaning

CORPUS = Path(__file__).parent / "corpus"
SMALL = 8_000
Q = ("int8", 0.1)


def _unary(shape: tuple[int, ...], code: str = "RELU", **options: object) -> bytes:
    build = ModelBuilder()
    x, y = build.tensor(shape, *Q), build.tensor(shape, *Q)
    build.op(code, [x], [y], **options)
    return build.build([x], [y])


def _with_constant(
    code: str,
    shape: tuple[int, ...],
    operands: list[object],
    out: tuple[int, ...],
    **options: object,
) -> bytes:
    build = ModelBuilder()
    x, y = build.tensor(shape, *Q), build.tensor(out, *Q)
    ids = [
        build.tensor(np.shape(value), "int32", data=np.asarray(value))  # type: ignore[arg-type]
        for value in operands
    ]
    build.op(code, [x, *ids], [y], **options)
    return build.build([x], [y])


def _folded(code: str, operand: list[int], out: tuple[int, ...]) -> bytes:
    """An op on constants alone, added to the input so that it is needed."""
    build = ModelBuilder()
    x, k = build.tensor(out, *Q), build.tensor((1, 1, 1, 1), *Q, data=[[[[3]]]])
    many, y = build.tensor(out, *Q), build.tensor(out, *Q)
    size = build.tensor((len(operand),), "int32", data=operand)
    build.op(code, [k, size], [many])
    build.op("ADD", [x, many], [y])
    return build.build([x], [y])


def folded_pool_window() -> bytes:
    """A pool of 30,000 x 30,000 over a constant, for the compiler to fold."""
    build = ModelBuilder()
    k = build.tensor((1, 64, 64, 1), *Q, data=1)
    pooled, y = build.tensor((1, 64, 64, 1), *Q), build.tensor((1, 64, 64, 1), *Q)
    x = build.tensor((1, 64, 64, 1), *Q)
    build.op("AVERAGE_POOL_2D", [k], [pooled], padding="SAME",
             filter_width=30_000, filter_height=30_000)  # fmt: skip
    build.op("ADD", [x, pooled], [y])
    return build.build([x], [y])


def conv(
    scales: tuple[float, float, float] = (0.1, 0.01, 0.1), bias: int = 5, **options: object
) -> bytes:
    build = ModelBuilder()
    x, y = (
        build.tensor((1, 4, 4, 2), "int8", scales[0]),
        build.tensor((1, 4, 4, 3), "int8", scales[2]),
    )
    f = build.tensor((3, 3, 3, 2), "int8", scales[1], data=7)
    b = build.tensor((3,), "int32", scales[0] * scales[1], data=bias)
    build.op("CONV_2D", [x, f, b], [y], **{"padding": "SAME", **options})
    return build.build([x], [y])


def interface(kind: str) -> bytes:
    """Inputs and outputs that are one tensor, constants, or named twice."""
    build = ModelBuilder()
    x, y = build.tensor((1, 4), *Q, name="same"), build.tensor((1, 4), *Q, name="same")
    k = build.tensor((1, 4), *Q, data=[[1, 2, 3, 4]], name="same")
    build.op("ADD", [x, k], [y])
    sides = {
        "input is output": ([x], [x, y]), "output twice": ([x], [y, y]),
        "input twice": ([x, x], [y]),
        "output is constant": ([x], [y, k]), "input is constant": ([x, k], [y]),
        "no input": ([], [k]), "unused input": ([x, build.tensor((1, 9), *Q)], [y]),
    }[kind]  # fmt: skip
    return build.build(*sides)


def chain(count: int, code: str = "RELU") -> bytes:
    """Ops in a row."""
    build = ModelBuilder()
    first = last = build.tensor((1, 4), *Q)
    for _ in range(count):
        fresh = build.tensor((1, 4), *Q)
        build.op(code, [last], [fresh])
        last = fresh
    return build.build([first], [last])


def all_alive(count: int) -> bytes:
    """Tensors of many sizes, all needed at the end."""
    build = ModelBuilder()
    x = build.tensor((1, 2), *Q)
    begin = build.tensor((2,), "int32", data=[0, 0])
    outs = []
    for k in range(count):
        y = build.tensor((1, 2 + k % 7), *Q)
        pads = build.tensor((2, 2), "int32", data=[[0, 0], [0, k % 7]])
        build.op("PAD", [x, pads], [y])
        outs.append(y)
    joined = build.tensor((1, sum(2 + k % 7 for k in range(count))), *Q)
    build.op("CONCATENATION", outs, [joined], axis=1)
    build.tensors[begin].name = "unused"
    return build.build([x], [joined])


def one_buffer_everywhere(count: int) -> bytes:
    """Many ops whose constants are the same megabyte of the file."""
    build = ModelBuilder()
    shape = (1, 1 << 20)
    x = last = build.tensor(shape, *Q)
    first = build.tensor(shape, *Q, data=1)
    for _ in range(count):
        k, y = build.tensor(shape, *Q), build.tensor(shape, *Q)
        build.tensors[k].buffer = build.tensors[first].buffer
        build.op("ADD", [last, k], [y])
        last = y
    return build.build([x], [last])


def constants_in_a_row(count: int) -> bytes:
    """Ops on constants: each folds, and makes the next one fold."""
    build = ModelBuilder()
    x = build.tensor((1, 4), *Q)
    last = build.tensor((1, 4), *Q, data=[[1, 2, 3, 4]])
    for _ in range(count):
        y = build.tensor((1, 4), *Q)
        build.op("RELU", [last], [y])
        last = y
    total = build.tensor((1, 4), *Q)
    build.op("ADD", [x, last], [total])
    return build.build([x], [total])


def dynamic_shapes(count: int) -> bytes:
    """Placeholders to be worked out, one from the other, each larger."""
    build = ModelBuilder()
    sign = (-1, 1, 1, 1)
    x = last = build.tensor((1, 1, 1, 1), *Q, signature=sign)
    reps = build.tensor((4,), "int32", data=[64, 64, 64, 64])
    for _ in range(count):
        y = build.tensor((1, 1, 1, 1), *Q, signature=sign)
        build.op("TILE", [last, reps], [y])
        last = y
    return build.build([x], [last])


def float_shape() -> bytes:
    """A RESHAPE whose shape is float32, not a number, in a model with an open batch."""
    build = ModelBuilder()
    x = build.tensor((1, 4), *Q, signature=(-1, 4))
    shape = build.tensor((2,), "float32", data=[float("nan"), 4.0])
    y = build.tensor((1, 4), *Q, signature=(-1, 4))
    build.op("RESHAPE", [x, shape], [y])
    return build.build([x], [y])


def changed(data: bytes, change: Callable[[object], None]) -> bytes:
    model = meaning.load(data)
    change(model)
    return meaning.dump(model)


def _far_buffer() -> bytes:
    def change(model: object) -> None:
        buffer = model.buffers[1]  # type: ignore[attr-defined]
        buffer.offset, buffer.size = (1 << 64) - 1, 4

    build = ModelBuilder()
    x, y = build.tensor((1, 4), *Q), build.tensor((1, 4), *Q)
    build.tensor((1, 4), *Q, data=[[1, 2, 3, 4]])
    build.op("RELU", [x], [y])
    data = changed(build.build([x], [y]), change)
    # No tensor uses it, so that only what moves all buffers meets it.
    return changed(data, lambda model: setattr(model.subgraphs[0].tensors[2], "buffer", 0))  # type: ignore[attr-defined]


def _vtable_of_itself() -> bytes:
    data = bytearray(_unary((1, 4)))
    for kind, at in flat.walk(data).tables:
        if kind == "Operator":
            struct.pack_into("<i", data, at, 0)
    return bytes(data)


def _calls_itself() -> bytes:
    import random

    def change(model: object) -> None:
        meaning._make_call(model, model.subgraphs[0], random.Random(4))  # type: ignore[attr-defined]

    return changed(_unary((1, 4)), change)


def _names(text: bytes) -> bytes:
    def change(model: object) -> None:
        for tensor in model.subgraphs[0].tensors:  # type: ignore[attr-defined]
            tensor.name = text

    return changed(conv(), change)


def _typed(code: int) -> bytes:
    def change(model: object) -> None:
        for tensor in model.subgraphs[0].tensors:  # type: ignore[attr-defined]
            tensor.type = code

    return changed(_unary((1, 4)), change)


#: name → (maker, what it is).
SPECIMENS: dict[str, tuple[Callable[[], bytes], str]] = {
    "far_buffer": (_far_buffer, "an unused buffer at offset 2^64 - 1; moving it overflowed"),
    "leaky_relu_infinite": (
        lambda: _unary((1, 4), "LEAKY_RELU", alpha=float("inf")),
        "a slope that is infinite; OverflowError",
    ),
    "leaky_relu_nan": (
        lambda: _unary((1, 4), "LEAKY_RELU", alpha=float("nan")), "a slope that is no number",
    ),
    "float_shape": (float_shape, "a shape operand of NaN in float32; a warning from numpy"),
    "conv_shift_left": (lambda: conv((1e9, 1e9, 1e-3)), "a multiplier that needs a shift of 69"),
    "conv_scale_vanishes": (lambda: conv((1e-30, 1e-8, 1.0)), "a multiplier of 0"),
    "conv_scale_overflows": (lambda: conv((3e38, 3e38, 2e-38)), "a multiplier beyond float64's"),
    "conv_bias_extreme": (lambda: conv(bias=-(1 << 31)), "biases of INT32_MIN"),
    "conv_stride_zero": (lambda: conv(stride_w=0), "a stride of 0"),
    "conv_stride_negative": (lambda: conv(stride_h=-(1 << 31)), "a stride of INT32_MIN"),
    "conv_dilation_huge": (lambda: conv(dilation_w_factor=(1 << 31) - 1), "dilation INT32_MAX"),
    "softmax_beta_nan": (lambda: _unary((1, 4), "SOFTMAX", beta=float("nan")), "beta NaN"),
    "softmax_beta_huge": (lambda: _unary((1, 4), "SOFTMAX", beta=3e38), "beta near float32's end"),
    "activation_gigabyte": (lambda: _unary((1, 1 << 15, 1 << 15, 1)), "activations of 1 GiB each"),
    "activation_2_gigabytes": (
        lambda: _unary((1, 1 << 15, 1 << 15, 2)), "activations of 2 GiB each",
    ),
    "activation_overflow": (
        lambda: _unary((1 << 16, 1 << 16, 1 << 16, 1 << 16)), "2^64 elements: int64 wraps to 0",
    ),
    "shape_zero": (lambda: _unary((1, 0, 4)), "an empty tensor"),
    "rank_0": (lambda: _unary(()), "a scalar"),
    "rank_9": (lambda: _unary((1,) * 9), "nine dimensions"),
    "rank_300": (lambda: _unary((1,) * 300), "300 dimensions"),
    "fold_tile": (
        lambda: _folded("TILE", [1, 1 << 14, 1 << 14, 1], (1, 1 << 14, 1 << 14, 1)),
        "a constant that folds into 256 MiB",
    ),
    "fold_pool": (folded_pool_window, "a window of 30,000 x 30,000 on a constant"),
    "tile_negative": (
        lambda: _with_constant("TILE", (1, 4), [[1, -1]], (1, 4)), "repeats of -1",
    ),
    "pad_huge": (
        lambda: _with_constant("PAD", (1, 4), [[[0, 0], [(1 << 31) - 1, 5]]], (1, 9)),
        "paddings near INT32_MAX",
    ),
    "pad_negative": (
        lambda: _with_constant("PAD", (1, 4), [[[0, 0], [-2, 0]]], (1, 2)), "a negative padding",
    ),
    "strided_slice_zero": (
        lambda: _with_constant("STRIDED_SLICE", (1, 4), [[0, 0], [1, 4], [1, 0]], (1, 4)),
        "a slice of stride 0",
    ),
    "strided_slice_far": (
        lambda: _with_constant(
            "STRIDED_SLICE", (1, 4), [[-(1 << 31), 9], [1, (1 << 31) - 1], [1, -(1 << 31)]], (1, 4)
        ),
        "begin, end and stride at the ends of int32",
    ),
    "slice_outside": (
        lambda: _with_constant("SLICE", (1, 4), [[0, 3], [1, 4]], (1, 4)), "a slice past the end",
    ),
    "transpose_twice": (
        lambda: _with_constant("TRANSPOSE", (2, 2), [[0, 0]], (2, 2)), "one axis named twice",
    ),
    "mean_axis_outside": (
        lambda: _with_constant("MEAN", (1, 4, 4, 1), [[99]], (1, 4, 4, 1)), "an axis of 99",
    ),
    "resize_zero": (
        lambda: _with_constant("RESIZE_NEAREST_NEIGHBOR", (1, 4, 4, 1), [[0, 0]], (1, 0, 0, 1)),
        "a size of 0",
    ),
    "reshape_product": (
        lambda: _with_constant("RESHAPE", (1, 4), [[65_536, 65_536]], (65_536, 65_536)),
        "a shape whose product is 0 modulo 2^32",
    ),
    "blocks_zero": (
        lambda: _with_constant(
            "BATCH_TO_SPACE_ND", (4, 2, 2, 1), [[0, 0], [[0, 0], [0, 0]]], (1, 4, 4, 1)
        ),
        "blocks of 0",
    ),
    "pool_window_huge": (
        lambda: _unary((1, 4, 4, 1), "MAX_POOL_2D", padding="SAME", filter_width=(1 << 31) - 1,
                       filter_height=(1 << 31) - 1),
        "a window of INT32_MAX",
    ),
    **{
        kind.replace(" ", "_"): ((lambda kind=kind: interface(kind)), kind)
        for kind in ("input is output", "output twice", "input twice", "output is constant",
                     "input is constant", "no input", "unused input")
    },
    "dynamic_growth": (lambda: dynamic_shapes(8), "shapes worked out to 64^32 elements"),
    "vtable_of_itself": (_vtable_of_itself, "a table that is its own vtable"),
    "calls_itself": (_calls_itself, "a subgraph that calls itself"),
    "no_subgraph": (
        lambda: changed(_unary((1, 4)), lambda m: setattr(m, "subgraphs", [])),  # type: ignore[attr-defined]
        "a model without subgraphs",
    ),
    "no_ops": (
        lambda: changed(_unary((1, 4)), lambda m: setattr(m.subgraphs[0], "operators", [])),  # type: ignore[attr-defined]
        "a model without ops",
    ),
    "names_of_c": (lambda: _names(b"*/ #error \\\n??/"), "names that end a comment of C"),
    "names_control": (lambda: _names(b"\x1b[2J\n\r\x00\xff"), "names with escape codes"),
    "names_empty": (lambda: _names(b""), "names that are empty, all the same"),
    "names_path": (lambda: _names(b"../../../tmp/x"), "names that are paths"),
    "type_string": (lambda: _typed(5), "strings"),
    "type_resource": (lambda: _typed(13), "resources"),
    "type_int4": (lambda: _typed(17), "int4 activations"),
    "type_complex": (lambda: _typed(8), "complex numbers"),
}  # fmt: skip

#: Too large to keep as files.
LARGE: dict[str, Callable[[], bytes]] = {
    "chain of 300": lambda: chain(300),
    "chain of 2,000": lambda: chain(2_000),
    "chain of 20,000": lambda: chain(20_000),
    "2,000 unsupported ops": lambda: chain(2_000, "LSTM"),
    "1,000 tensors alive": lambda: all_alive(1_000),
    "one buffer 200 times": lambda: one_buffer_everywhere(200),
    "one buffer 2,000 times": lambda: one_buffer_everywhere(2_000),
    "2,000 constants in a row": lambda: constants_in_a_row(2_000),
    "60,000 operands": lambda: _operands(60_000),
    "500,000 operands": lambda: _operands(500_000),
}


def _operands(count: int) -> bytes:
    build = ModelBuilder()
    x, y = build.tensor((1, 1), *Q), build.tensor((1, count), *Q)
    build.op("CONCATENATION", [x] * count, [y], axis=1)
    return build.build([x], [y])


def main() -> int:
    """Writes the corpus' specimens."""
    for name, (make, what) in SPECIMENS.items():
        (CORPUS / f"{name}.tflite").write_bytes(make())
        print(f"- `{name}`: {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
