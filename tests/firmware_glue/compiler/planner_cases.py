"""Problems for the memory planner: from any .tflite, supported or not, and made at random."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, TfModel, TfOperator
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.planner.program import Allowance, Buffer
from tests.builders import ModelBuilder

VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
ELEMENTWISE = (
    "ADD", "SUB", "MUL", "RELU", "RELU6", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU",
    "QUANTIZE", "SOFTMAX", "MAXIMUM", "MINIMUM",
)  # fmt: skip
WINDOWS = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D")
Problem = tuple[list[Buffer], list[Allowance]]


def problem_of(path: Path) -> Problem:
    """Buffers and overlaps of a file, read off its tensors alone, in the file's order."""
    model = read_model(path.read_bytes())
    main = model.main
    home: dict[int, int] = {}
    buffers: list[Buffer] = []

    def create(tensor_id: int, time: int) -> None:
        tensor = main.tensors[tensor_id]
        nbytes = max(1, -(-int(np.prod(tensor.shape, dtype=np.int64)) * tensor.dtype.bits // 8))
        home[tensor_id] = len(buffers)
        buffers.append(Buffer(tensor.name, nbytes, time, time))

    def use(tensor_id: int, time: int) -> None:
        if tensor_id in home:
            index = home[tensor_id]
            buffers[index] = replace(buffers[index], last=max(buffers[index].last, time))

    for tensor_id in main.inputs:
        create(tensor_id, -1)
    now = 0
    steps: list[tuple[int, TfOperator]] = []
    for op in main.operators:
        inputs = [i for i in op.inputs if i != NO_TENSOR]
        if op.code in VIEWS and inputs[0] in home:
            home[op.outputs[0]] = home[inputs[0]]
            continue
        for tensor_id in inputs:
            use(tensor_id, now)
        for tensor_id in op.outputs:
            create(tensor_id, now)
        steps.append((now, op))
        now += 1
    for tensor_id in main.outputs:
        use(tensor_id, now)
    return buffers, [a for now, op in steps for a in _allowances(model, now, op, home, buffers)]


def _allowances(
    model: TfModel, now: int, op: TfOperator, home: dict[int, int], buffers: list[Buffer]
) -> list[Allowance]:
    tensors = model.main.tensors
    out = tensors[op.outputs[0]]
    if op.code in WINDOWS and op.inputs[0] in home:
        read = home[op.inputs[0]]
        if buffers[read].last != now:
            return []
        leads = window_leads(model, op)
        return [Allowance(now, read, home[op.outputs[0]], *leads)]
    if op.code in ELEMENTWISE:
        reads = {home[i] for i in op.inputs if i in home and tensors[i].nbytes == out.nbytes}
        return [
            Allowance(now, read, home[op.outputs[0]], 0)
            for read in sorted(reads)
            if buffers[read].last == now
        ]
    return []


def window_leads(model: TfModel, op: TfOperator) -> tuple[int, int]:
    """(lead, reverse lead) of kernels that read a window before they write its pixel."""
    tensors = model.main.tensors
    x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
    if "CONV" in op.code:
        _, k_h, k_w, _ = tensors[op.inputs[1]].shape
        dilation = int(op.options["dilation_h_factor"]), int(op.options["dilation_w_factor"])
    else:
        k_h, k_w = int(op.options["filter_height"]), int(op.options["filter_width"])
        dilation = (1, 1)
    stride = int(op.options["stride_h"]), int(op.options["stride_w"])
    first, last = [], []
    for axis, (k, size, count) in enumerate(
        zip((k_h, k_w), x.shape[1:3], y.shape[1:3], strict=True)
    ):
        span = (k - 1) * dilation[axis] + 1
        pad = max(0, (count - 1) * stride[axis] + span - size) // 2
        pad = pad if op.options["padding"] == "SAME" else 0
        start = np.arange(count) * stride[axis] - pad
        first.append(np.clip(start, 0, size - 1))
        last.append(np.clip(start + span - 1, 0, size - 1))
    c_x, c_y = x.nbytes // (x.shape[0] * x.shape[1] * x.shape[2]), y.nbytes
    n = np.arange(x.shape[0])[:, None, None] * x.shape[1]

    def at(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return (((n + rows[None, :, None]) * x.shape[2] + columns) * c_x).ravel()

    begin, end = at(first[0], first[1]), at(last[0], last[1]) + c_x
    begin = np.minimum.accumulate(begin[::-1])[::-1]
    end = np.maximum.accumulate(end)
    pixel = c_y // begin.size
    index = np.arange(begin.size)
    lead = int(np.max((index + 1) * pixel - begin))
    return lead, int(np.max((begin.size - index) * pixel - (x.nbytes - end)))


def random_problem(rng: np.random.Generator, count: int, steps: int, most: int = 40_000) -> Problem:
    """Buffers of a made-up graph: mostly short lives, some long ones; some in-place steps."""
    buffers = []
    for i in range(count):
        first = int(rng.integers(-1, steps - 1))
        life = (
            int(rng.integers(0, 3)) if rng.random() < 0.7 else int(rng.integers(0, steps // 2 + 1))
        )
        nbytes = int(2 ** rng.uniform(2, np.log2(most)))
        buffers.append(Buffer(f"b{i}", nbytes, first, min(steps, first + life)))
    allowances = []
    for i, a in enumerate(buffers):
        for j, b in enumerate(buffers):
            if i != j and a.last == b.first > a.first and rng.random() < 0.2:
                lead = int(rng.integers(-64, 2000))
                reverse = int(rng.integers(-64, 2000)) if rng.random() < 0.5 else None
                allowances.append(Allowance(a.last, i, j, lead, reverse))
    return buffers, allowances


def branches(count: int) -> bytes:
    """Branches in the file's worst order: first all that widen, then all that narrow."""
    build = ModelBuilder()
    rng = np.random.default_rng(1)
    x = build.tensor((1, 16, 16, 4), "int8", 0.05, 0)
    wide = [_pointwise(build, rng, x, 64) for _ in range(count)]
    narrow = [_pointwise(build, rng, y, 2) for y in wide]
    joined = narrow[0]
    for y in narrow[1:]:
        joined = _add(build, joined, y)
    return build.build([x], [joined])


def cells(count: int, blocks: int = 5) -> bytes:
    """Cells as in NASNet: blocks of two branches over the two cells before, joined at the end."""
    build = ModelBuilder()
    rng = np.random.default_rng(2)
    x = build.tensor((1, 12, 12, 8), "int8", 0.05, 0)
    before, last = x, _pointwise(build, rng, x, 8)
    for _ in range(count):
        states = [_pointwise(build, rng, before, 8), _pointwise(build, rng, last, 8)]
        for _ in range(blocks):
            one, other = (int(rng.choice(states)) for _ in range(2))
            left, right = _pointwise(build, rng, one, 8), _pointwise(build, rng, other, 8)
            states.append(_add(build, left, right))
        joined = build.tensor((1, 12, 12, 8 * blocks), "int8", 0.05, 0)
        build.op("CONCATENATION", states[2:], [joined], axis=3)
        before, last = last, joined
    return build.build([x], [last])


def _pointwise(build: ModelBuilder, rng: np.random.Generator, x: int, channels: int) -> int:
    n, h, w, c = build.tensors[x].shape
    data = rng.integers(-127, 128, (channels, 1, 1, c))
    f = build.tensor(data.shape, "int8", 0.004, data=data)
    b = build.tensor((channels,), "int32", 0.0002, data=rng.integers(-4000, 4000, channels))
    y = build.tensor((n, h, w, channels), "int8", 0.05, 0)
    build.op("CONV_2D", [x, f, b], [y], padding="SAME", stride_h=1, stride_w=1)
    return y


def _add(build: ModelBuilder, a: int, b: int) -> int:
    y = build.tensor(build.tensors[a].shape, "int8", 0.05, 0)
    build.op("ADD", [a, b], [y])
    return y
