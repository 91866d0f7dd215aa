"""Models of several ops: random DAGs, and shapes of graphs that are easy to get wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Rng, pick

S, Z = 0.05, -3


def _act(build: ModelBuilder, shape: tuple[int, ...]) -> int:
    return build.tensor(shape, "int8", S, Z)


def _conv(build: ModelBuilder, rng: Rng, x: int, kernel: int, out_c: int, stride: int) -> int:
    n, h, w, c = build.tensors[x].shape
    data = rng.integers(-127, 128, (out_c, kernel, kernel, c))
    f = build.tensor(data.shape, "int8", 0.004, data=data)
    b = build.tensor((out_c,), "int32", 0.004 * S, data=rng.integers(-4000, 4000, out_c))
    y = _act(build, (n, -(-h // stride), -(-w // stride), out_c))
    build.op("CONV_2D", [x, f, b], [y], padding="SAME", stride_h=stride, stride_w=stride)
    return y


def _depthwise(build: ModelBuilder, rng: Rng, x: int, stride: int) -> int:
    n, h, w, c = build.tensors[x].shape
    f = build.tensor((1, 3, 3, c), "int8", 0.01, data=rng.integers(-127, 128, (1, 3, 3, c)))
    b = build.tensor((c,), "int32", 0.01 * S, data=rng.integers(-4000, 4000, c))
    y = _act(build, (n, -(-h // stride), -(-w // stride), c))
    build.op("DEPTHWISE_CONV_2D", [x, f, b], [y], padding="SAME", stride_h=stride, stride_w=stride)
    return y


def random_graph(rng: Rng) -> bytes:
    """A DAG of 4 to 14 ops over NHWC tensors; old tensors are used again, some are outputs."""
    build = ModelBuilder()
    size, c = int(rng.integers(3, 9)), int(rng.integers(1, 7))
    inputs = [_act(build, (1, size, size, c)) for _ in range(int(rng.integers(1, 3)))]
    alive = list(inputs)
    for _ in range(int(rng.integers(4, 15))):
        x = alive[-1] if rng.random() < 0.6 else int(rng.choice(alive))
        shape = build.tensors[x].shape
        same = [t for t in alive if build.tensors[t].shape == shape]
        kind = pick(rng, "conv", "conv", "dw", "add", "concat", "pool", "relu", "pad", "resize")
        if kind == "conv":
            y = _conv(build, rng, x, int(pick(rng, 1, 1, 3)), int(rng.integers(1, 8)),
                      int(pick(rng, 1, 1, 2)))  # fmt: skip
        elif kind == "dw":
            y = _depthwise(build, rng, x, int(pick(rng, 1, 2)))
        elif kind == "add":
            y = _act(build, shape)
            build.op(str(pick(rng, "ADD", "SUB", "MUL")), [x, int(rng.choice(same))], [y])
        elif kind == "concat":
            others = [int(rng.choice(same)) for _ in range(int(rng.integers(1, 3)))]
            y = _act(build, (*shape[:3], shape[3] * (1 + len(others))))
            build.op("CONCATENATION", [x, *others], [y], axis=3)
        elif kind == "pool":
            y = _act(build, (1, -(-shape[1] // 2), -(-shape[2] // 2), shape[3]))
            build.op(
                str(pick(rng, "MAX_POOL_2D", "AVERAGE_POOL_2D")), [x], [y], padding="SAME",
                stride_h=2, stride_w=2, filter_height=3, filter_width=3,
            )  # fmt: skip
        elif kind == "relu":
            y = _act(build, shape)
            build.op("RELU6", [x], [y])
        elif kind == "pad":
            p = build.tensor((4, 2), "int32", data=[[0, 0], [1, 0], [0, 1], [0, 0]])
            y = _act(build, (1, shape[1] + 1, shape[2] + 1, shape[3]))
            build.op("PAD", [x, p], [y])
        else:
            y = _act(build, (1, shape[1], min(2 * shape[2], 16), shape[3]))
            p = build.tensor((2,), "int32", data=[shape[1], min(2 * shape[2], 16)])
            build.op("RESIZE_NEAREST_NEIGHBOR", [x, p], [y])
        alive.append(y)
    outputs = [alive[-1]]
    made = [t for t in alive if t not in inputs and t != alive[-1]]
    if made and rng.random() < 0.5:
        outputs.append(int(rng.choice(made)))
    return build.build(inputs, outputs)


def output_used_again(rng: Rng) -> bytes:
    build = ModelBuilder()
    x = _act(build, (1, 6, 6, 4))
    a = _conv(build, rng, x, 3, 4, 1)
    b = _conv(build, rng, a, 1, 4, 1)
    c = _act(build, (1, 6, 6, 4))
    build.op("ADD", [a, b], [c])
    return build.build([x], [c, a])


def reshaped_input_is_output(rng: Rng) -> bytes:
    build = ModelBuilder()
    x = _act(build, (1, 4, 4, 2))
    s = build.tensor((2,), "int32", data=[1, 32])
    flat = _act(build, (1, 32))
    build.op("RESHAPE", [x, s], [flat], new_shape=[1, 32])
    y = _conv(build, rng, x, 1, 3, 1)
    return build.build([x], [flat, y])


def view_of_view(rng: Rng) -> bytes:
    build = ModelBuilder()
    x = _act(build, (1, 4, 4, 2))
    y = _conv(build, rng, x, 1, 2, 1)
    a, b = _act(build, (1, 32)), _act(build, (8, 4))
    for source, out in ((y, a), (a, b)):
        shape = build.tensors[out].shape
        s = build.tensor((2,), "int32", data=shape)
        build.op("RESHAPE", [source, s], [out], new_shape=list(shape))
    z = _act(build, (1, 4, 4, 2))
    build.op("ADD", [y, x], [z])
    return build.build([x], [b, z])


def same_operand_twice(rng: Rng) -> bytes:
    build = ModelBuilder()
    x = _act(build, (1, 5, 5, 3))
    a, b, c = (_act(build, (1, 5, 5, 3)) for _ in range(3))
    build.op("ADD", [x, x], [a])
    build.op("MUL", [a, a], [b])
    build.op("SUB", [b, a], [c])
    return build.build([x], [c])


def constant_operand_and_output(rng: Rng) -> bytes:
    build = ModelBuilder()
    x = _act(build, (1, 3, 3, 2))
    k = build.tensor((1, 3, 3, 2), "int8", S, Z, data=rng.integers(-128, 128, (1, 3, 3, 2)))
    folded, y, joined = (
        _act(build, (1, 3, 3, 2)),
        _act(build, (1, 3, 3, 2)),
        _act(build, (2, 3, 3, 2)),
    )
    build.op("RELU", [k], [folded])
    build.op("ADD", [x, folded], [y])
    build.op("CONCATENATION", [y, folded], [joined], axis=0)
    return build.build([x], [joined, folded])


def dynamic_batch(rng: Rng) -> bytes:
    """Flatten as Keras exports it with an open batch: SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 2), "int8", S, Z, signature=(-1, 4, 4, 2))
    full, one, packed = (build.tensor(s, "int32") for s in ((4,), (), (2,)))
    build.op("SHAPE", [x], [full], out_type="INT32")
    b, e, s = (build.tensor((1,), "int32", data=[v]) for v in (0, 1, 1))
    build.op("STRIDED_SLICE", [full, b, e, s], [one], shrink_axis_mask=1)
    rest = build.tensor((), "int32", data=np.array(32))
    build.op("PACK", [one, rest], [packed], values_count=2, axis=0)
    flat = build.tensor((1, 32), "int8", S, Z, signature=(-1, 32))
    build.op("RESHAPE", [x, packed], [flat])
    y = build.tensor((1, 32), "int8", S, Z, signature=(-1, 32))
    build.op("RELU", [flat], [y])
    return build.build([x], [y])


def float_and_uint8_edges(rng: Rng) -> bytes:
    build = ModelBuilder()
    a = build.tensor((1, 4, 4, 3), "float32")
    b = build.tensor((1, 4, 4, 3), "uint8", S, 125)
    qa, qb, y = (_act(build, (1, 4, 4, 3)) for _ in range(3))
    build.op("QUANTIZE", [a], [qa])
    build.op("QUANTIZE", [b], [qb])
    build.op("ADD", [qa, qb], [y])
    real = build.tensor((1, 4, 4, 3), "float32")
    build.op("DEQUANTIZE", [y], [real])
    other = build.tensor((1, 4, 4, 3), "uint8", S, 125)
    build.op("QUANTIZE", [y], [other])
    return build.build([a, b], [real, other])


def weights_at_run_time(rng: Rng) -> bytes:
    build = ModelBuilder()
    x, w = _act(build, (2, 6)), build.tensor((3, 6), "int8", 0.02)
    y = _act(build, (2, 3))
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    return build.build([x, w], [y])


def dynamic_batch_dilated(rng: Rng) -> bytes:
    """A dilated convolution exported with a dynamic batch: the batches are placeholders."""
    build = ModelBuilder()

    def act(height: int, width: int, channels: int) -> int:
        return build.tensor(
            (1, height, width, channels), "int8", S, Z, signature=(-1, height, width, channels)
        )

    x = act(7, 6, 3)
    block = build.tensor((2,), "int32", data=[2, 2])
    pads = build.tensor((2, 2), "int32", data=[[2, 3], [2, 2]])
    crops = build.tensor((2, 2), "int32", data=[[0, 1], [0, 0]])
    apart, inner, whole = act(6, 5, 3), act(4, 3, 4), act(7, 6, 4)
    build.op("SPACE_TO_BATCH_ND", [x, block, pads], [apart])
    f = build.tensor((4, 3, 3, 3), "int8", 0.004, data=rng.integers(-127, 128, (4, 3, 3, 3)))
    b = build.tensor((4,), "int32", 0.004 * S, data=rng.integers(-4000, 4000, 4))
    build.op("CONV_2D", [apart, f, b], [inner], padding="VALID")
    build.op("BATCH_TO_SPACE_ND", [inner, block, crops], [whole])
    return build.build([x], [whole])


GRAPHS: dict[str, Callable[[Rng], bytes]] = {
    make.__name__: make
    for make in (
        output_used_again, reshaped_input_is_output, view_of_view, same_operand_twice,
        constant_operand_and_output, dynamic_batch, dynamic_batch_dilated,
        float_and_uint8_edges, weights_at_run_time,
    )
}  # fmt: skip
