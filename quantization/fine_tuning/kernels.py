"""TFLite's float ops in TensorFlow, for a batch: one row per op, each differentiable.

The graph is built for one sample (a first dimension of 1); here that dimension is the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgecnn.core.tflite.model import TfOperator
from quantization.steps.fold_affine import ACTIVATION

Tensor = Any


@dataclass(frozen=True)
class Call:
    """One op to run.

    Attributes:
        flow: the ``tensorflow`` module.
        op: the operator.
        values: its inputs; None where an optional one is absent.
        source: static shape of the first input (batch 1).
        targets: static shapes of the outputs (batch 1).
    """

    flow: Any
    op: TfOperator
    values: Sequence[Tensor]
    source: tuple[int, ...]
    targets: tuple[tuple[int, ...], ...]

    def option(self, name: str, default: Any = None) -> Any:
        """A builtin option."""
        return self.op.options.get(name, default)

    @property
    def strides(self) -> tuple[int, int]:
        """Along height and width."""
        return int(self.option("stride_h", 1)), int(self.option("stride_w", 1))

    @property
    def dilations(self) -> tuple[int, int]:
        """Along height and width."""
        names = ("dilation_h_factor", "dilation_w_factor")
        return int(self.option(names[0], 1)), int(self.option(names[1], 1))

    def numbers(self, slot: int) -> list[int]:
        """A constant integer input."""
        return [int(v) for v in self.flow.get_static_value(self.values[slot]).reshape(-1)]

    def shaped(self, value: Tensor) -> Tensor:
        """``value`` in the output's shape."""
        target = self.targets[0]
        return self.flow.reshape(value, (-1, *target[1:]) if target else ())


Kernel = Callable[[Call], Any]


def run(call: Call) -> list[Tensor]:
    """The outputs of an op.

    Raises:
        KeyError: there is no row for it, or for its activation.
    """
    result = KERNELS[call.op.code](call)
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    clip = _CLIPS[call.option(ACTIVATION, "NONE")]
    return [clip(call.flow, value) for value in results]


def _conv(call: Call) -> Tensor:
    flow, x = call.flow, call.values[0]
    filters = flow.transpose(call.values[1], (1, 2, 3, 0))
    groups = call.source[-1] // filters.shape[2]
    # TensorFlow has no gradient of grouped convolutions on a CPU.
    pairs = zip(flow.split(x, groups, -1), flow.split(filters, groups, -1), strict=True)
    padding, dilations = call.option("padding"), call.dilations
    done = [flow.nn.conv2d(a, b, call.strides, padding, dilations=dilations) for a, b in pairs]
    return _biased(call, done[0] if groups == 1 else flow.concat(done, -1), 2)


def _depthwise(call: Call) -> Tensor:
    flow, x, filters = call.flow, call.values[0], call.values[1]
    _, rows, columns, outputs = filters.shape
    inputs = call.source[-1]
    filters = flow.reshape(filters, (rows, columns, inputs, outputs // inputs))
    strides, padding = (1, *call.strides, 1), call.option("padding")
    y = flow.nn.depthwise_conv2d(x, filters, strides, padding, dilations=call.dilations)
    return _biased(call, y, 2)


def _transposed(call: Call) -> Tensor:
    flow, filters, x = call.flow, call.values[1], call.values[2]
    shape = (flow.shape(x)[0], *call.targets[0][1:])
    filters = flow.transpose(filters, (1, 2, 0, 3))
    y = flow.nn.conv2d_transpose(x, filters, shape, call.strides, call.option("padding"))
    return _biased(call, y, 3)


def _dense(call: Call) -> Tensor:
    flow, x, matrix = call.flow, call.values[0], call.values[1]
    y = flow.matmul(flow.reshape(x, (-1, matrix.shape[1])), matrix, transpose_b=True)
    return call.shaped(_biased(call, y, 2))


def _biased(call: Call, y: Tensor, slot: int) -> Tensor:
    bias = call.values[slot] if len(call.values) > slot else None
    return y if bias is None else y + bias


def _pool(name: str) -> Kernel:
    def kernel(call: Call) -> Tensor:
        size = int(call.option("filter_height")), int(call.option("filter_width"))
        pool = getattr(call.flow.nn, name)
        return pool(call.values[0], size, call.strides, call.option("padding"))

    return kernel


def _reduce(name: str) -> Kernel:
    def kernel(call: Call) -> Tensor:
        keep = bool(call.option("keep_dims", False))
        return getattr(call.flow, name)(call.values[0], call.numbers(1), keepdims=keep)

    return kernel


def _resize(name: str) -> Kernel:
    def kernel(call: Call) -> Tensor:
        return getattr(call.flow.raw_ops, name)(
            images=call.values[0],
            size=call.numbers(1),
            align_corners=bool(call.option("align_corners", False)),
            half_pixel_centers=bool(call.option("half_pixel_centers", False)),
        )

    return kernel


def _pairs(call: Call, slot: int) -> list[list[int]]:
    rows = call.numbers(slot)
    return [rows[k : k + 2] for k in range(0, len(rows), 2)]


def _pad(call: Call) -> Tensor:
    value = call.flow.reshape(call.values[2], ()) if len(call.values) > 2 else 0.0
    return call.flow.pad(call.values[0], _pairs(call, 1), constant_values=value)


def _slice(call: Call) -> Tensor:
    begin, size = call.numbers(1), call.numbers(2)
    if call.source[:1] == (1,):
        size[0] = -1  # the whole batch
    return call.flow.slice(call.values[0], begin, size)


def _strided_slice(call: Call) -> Tensor:
    begin, end, strides = (call.numbers(slot) for slot in (1, 2, 3))
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks = {name: int(call.option(name, 0)) for name in names}
    moved = masks["shrink_axis_mask"] | masks["new_axis_mask"] | masks["ellipsis_mask"]
    if call.source[:1] == (1,) and not moved & 1:
        masks["begin_mask"] |= 1  # the whole batch
        masks["end_mask"] |= 1
    return call.flow.strided_slice(call.values[0], begin, end, strides, **masks)


def _blocks(name: str) -> Kernel:
    return lambda call: getattr(call.flow, name)(call.values[0], call.numbers(1), _pairs(call, 2))


def _matmul(call: Call) -> Tensor:
    left, right = bool(call.option("adj_x", False)), bool(call.option("adj_y", False))
    return call.flow.matmul(*call.values[:2], transpose_a=left, transpose_b=right)


def _prelu(call: Call) -> Tensor:
    x, slope = call.values[0], call.values[1]
    return call.flow.maximum(x, 0.0) + slope * call.flow.minimum(x, 0.0)


def _softmax(call: Call) -> Tensor:
    return call.flow.nn.softmax(call.values[0] * float(call.option("beta", 1.0)))


def _unpack(call: Call) -> list[Tensor]:
    return list(call.flow.unstack(call.values[0], axis=int(call.option("axis", 0))))


def _on(count: int, name: str) -> Kernel:
    """A TensorFlow function of the first ``count`` inputs."""

    def kernel(call: Call) -> Tensor:
        found = call.flow
        for part in name.split("."):
            found = getattr(found, part)
        return found(*call.values[:count])

    return kernel


_CLIPS: Mapping[str, Callable[[Any, Tensor], Tensor]] = MappingProxyType(
    {
        "NONE": lambda flow, x: x,
        "RELU": lambda flow, x: flow.nn.relu(x),
        "RELU6": lambda flow, x: flow.nn.relu6(x),
        "RELU_N1_TO_1": lambda flow, x: flow.clip_by_value(x, -1.0, 1.0),
        "TANH": lambda flow, x: flow.tanh(x),
    }
)

KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "CONV_2D": _conv,
        "DEPTHWISE_CONV_2D": _depthwise,
        "TRANSPOSE_CONV": _transposed,
        "FULLY_CONNECTED": _dense,
        "BATCH_MATMUL": _matmul,
        "AVERAGE_POOL_2D": _pool("avg_pool2d"),
        "MAX_POOL_2D": _pool("max_pool2d"),
        "MEAN": _reduce("reduce_mean"),
        "SUM": _reduce("reduce_sum"),
        "REDUCE_MAX": _reduce("reduce_max"),
        "REDUCE_MIN": _reduce("reduce_min"),
        **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), lambda c: c.shaped(c.values[0])),
        "TRANSPOSE": lambda c: c.flow.transpose(c.values[0], c.numbers(1)),
        "CONCATENATION": lambda c: c.flow.concat(list(c.values), c.option("axis")),
        "SPLIT": lambda c: c.flow.split(c.values[1], len(c.targets), c.numbers(0)[0]),
        "SPLIT_V": lambda c: c.flow.split(c.values[0], c.numbers(1), c.numbers(2)[0]),
        "PACK": lambda c: c.flow.stack(list(c.values), int(c.option("axis", 0))),
        "UNPACK": _unpack,
        "SLICE": _slice,
        "STRIDED_SLICE": _strided_slice,
        "PAD": _pad,
        "PADV2": _pad,
        "MIRROR_PAD": lambda c: c.flow.pad(c.values[0], _pairs(c, 1), mode=c.option("mode")),
        "REVERSE_V2": lambda c: c.flow.reverse(c.values[0], c.numbers(1)),
        "TILE": lambda c: c.flow.tile(c.values[0], c.numbers(1)),
        "RESIZE_BILINEAR": _resize("ResizeBilinear"),
        "RESIZE_NEAREST_NEIGHBOR": _resize("ResizeNearestNeighbor"),
        "SPACE_TO_BATCH_ND": _blocks("space_to_batch"),
        "BATCH_TO_SPACE_ND": _blocks("batch_to_space"),
        "SPACE_TO_DEPTH": lambda c: c.flow.nn.space_to_depth(c.values[0], c.option("block_size")),
        "DEPTH_TO_SPACE": lambda c: c.flow.nn.depth_to_space(c.values[0], c.option("block_size")),
        "ADD": _on(2, "add"),
        "SUB": _on(2, "subtract"),
        "MUL": _on(2, "multiply"),
        "DIV": _on(2, "divide"),
        "MAXIMUM": _on(2, "maximum"),
        "MINIMUM": _on(2, "minimum"),
        "POW": _on(2, "pow"),
        "SQUARED_DIFFERENCE": _on(2, "math.squared_difference"),
        "SOFTMAX": _softmax,
        "LOG_SOFTMAX": _on(1, "nn.log_softmax"),
        "LOGISTIC": _on(1, "sigmoid"),
        "TANH": _on(1, "tanh"),
        "RELU": _on(1, "nn.relu"),
        "RELU6": _on(1, "nn.relu6"),
        "RELU_N1_TO_1": lambda c: c.flow.clip_by_value(c.values[0], -1.0, 1.0),
        "RELU_0_TO_1": lambda c: c.flow.clip_by_value(c.values[0], 0.0, 1.0),
        "LEAKY_RELU": lambda c: c.flow.nn.leaky_relu(c.values[0], float(c.option("alpha"))),
        "PRELU": _prelu,
        "ELU": _on(1, "nn.elu"),
        "GELU": lambda c: c.flow.nn.gelu(c.values[0], bool(c.option("approximate", False))),
        "HARD_SWISH": lambda c: c.values[0] * c.flow.nn.relu6(c.values[0] + 3.0) / 6.0,
        "ABS": _on(1, "abs"),
        "NEG": _on(1, "negative"),
        "EXP": _on(1, "exp"),
        "LOG": _on(1, "math.log"),
        "SQRT": _on(1, "sqrt"),
        "RSQRT": _on(1, "math.rsqrt"),
        "SQUARE": _on(1, "square"),
        "SIN": _on(1, "sin"),
        "COS": _on(1, "cos"),
        "L2_NORMALIZATION": lambda c: c.flow.math.l2_normalize(c.values[0], -1, 1e-12),
    }
)
"""BuiltinOperator name → how to compute it."""
