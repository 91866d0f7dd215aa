"""8-bit layers with constant weights, as passes that reason about channels see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape, Tensor
from firmware_glue.compiler.ops import channels, conv_2d, depthwise_conv_2d, window
from firmware_glue.compiler.ops.spec import Array
from firmware_glue.compiler.ops.table import OPS

Ints = NDArray[np.int64]
Masks = NDArray[np.bool_]
BYTES = (DType.INT8, DType.UINT8)
CODES = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_LIMIT = 1 << 31
_CHUNK = 1 << 20
"""Weights that are widened at a time."""
_MAX_AXIS = 1 << 20
_MAX_MASKS = 1 << 20


@dataclass(frozen=True)
class Weighted:
    """A layer as sums of products. Channels are those of the last axis.

    Attributes:
        op: the layer.
        weights: (output channels, height, width, input channels), zero point taken off: int16. A
            fully connected layer has its repetitions of the input's last axis as height. A
            depthwise one has one input channel, that of ``source``.
        bias: (output channels,), zeros where the op has none.
        safe: the output channels whose sums never leave 32 bits, in whatever order they are added
            up, and neither does the multiplication's left shift.
        in_zero: the input's zero point.
        source: depthwise only: the input channel of each output channel; else None.
        rows, columns: the sets of taps that lie inside of the input at some output position:
            (sets, height) and (sets, width). Any of the one goes with any of the other.
    """

    op: Op
    weights: NDArray[np.int16]
    bias: Ints
    safe: Masks
    in_zero: int
    source: Ints | None
    rows: Masks
    columns: Masks

    @property
    def bordered(self) -> bool:
        """Whether some taps lie outside of the input at some positions, inside at others."""
        return len(self.rows) * len(self.columns) > 1

    def sums(self, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """Bounds of each output channel's sum, bias included, over all positions.

        Args:
            low: the least value of each of the input's channels.
            high: the greatest.
        """
        lower, upper = low - self.in_zero, high - self.in_zero
        if self.source is not None:
            wide = self.weights[..., 0].astype(np.int64)
            ends = [wide * end[self.source][:, None, None] for end in (lower, upper)]
            taps = np.minimum(*ends), np.maximum(*ends)
        else:
            taps = self._tap_sums(lower, upper)
        least, most = (self._over_sets(tap) for tap in taps)
        return self.bias + least.min(axis=(1, 2)), self.bias + most.max(axis=(1, 2))

    def _tap_sums(self, lower: Ints, upper: Ints) -> tuple[Ints, Ints]:
        """Bounds of each tap's sum over the input channels: (output channels, height, width)."""
        shape = self.weights.shape[:3]
        least, most = np.empty(shape, np.int64), np.empty(shape, np.int64)
        step = max(1, _CHUNK // max(1, self.weights[0].size))
        for start in range(0, shape[0], step):
            part = slice(start, start + step)
            wide = self.weights[part].astype(np.int64)
            up, down = np.maximum(wide, 0), np.minimum(wide, 0)
            least[part] = up @ lower + down @ upper
            most[part] = up @ upper + down @ lower
        return least, most

    def _over_sets(self, taps: Ints) -> Ints:
        """(output channels, height, width) summed over each set of taps: (…, rows, columns)."""
        by_rows = np.tensordot(taps, self.rows.astype(np.int64), (1, 1))
        return np.asarray(np.tensordot(by_rows, self.columns.astype(np.int64), (1, 1)))

    def part(self, channel: int) -> Ints:
        """What one unit of an input channel above its zero point adds to the sums.

        (output channels, sets of rows, sets of columns).
        """
        return self._over_sets(self.weights[..., channel].astype(np.int64))

    def outputs(self, graph: Graph, sums: Ints) -> Ints:
        """The layer's outputs for sums of its channels, by the op's own reference.

        It is asked about an input of one position at its zero point: there, the sum is the bias.
        """
        op, count = self.op, len(sums)
        flat = op.code == "FULLY_CONNECTED"
        depthwise = op.code == "DEPTHWISE_CONV_2D"
        in_shape: Shape = (1, 1) if flat else (1, 1, 1, 1)
        filters: Shape = (count, 1) if flat else (count, 1, 1, 1)
        filters = (1, 1, 1, count) if depthwise else filters
        ids = (op.inputs[0], op.inputs[1], op.outputs[0])
        shapes = (in_shape, filters, (*in_shape[:-1], count))
        options = op.options
        if not flat:
            options = replace(options, window=window.Window((1, 1), same=False))
        small = Graph(
            {i: _shaped(graph.tensors[i], shape) for i, shape in zip(ids, shapes, strict=True)},
            (), (), (), graph.numerics,
        )  # fmt: skip
        single = replace(op, inputs=ids[:2], options=options)
        dtype = graph.input(op, 0).dtype.value
        values: tuple[Array, ...] = (
            np.full(in_shape, self.in_zero, dtype), np.zeros(filters, dtype), sums,
        )  # fmt: skip
        (result,) = OPS[op.code].known_variant(small, single).reference(small, single, values)
        return result.reshape(-1).astype(np.int64)


def _shaped(tensor: Tensor, shape: Shape) -> Tensor:
    return replace(tensor, shape=shape)


Layers = Mapping[int, Weighted]
"""Layers by their output tensor."""


def find_layers(graph: Graph) -> Layers:
    """The graph's layers with constant weights."""
    found = {op.outputs[0]: weighted(graph, op) for op in graph.ops if op.code in CODES}
    return {tensor_id: layer for tensor_id, layer in found.items() if layer is not None}


def weighted(graph: Graph, op: Op) -> Weighted | None:
    """The layer, or None if it is no such layer."""
    if op.code not in CODES or len(op.outputs) != 1:
        return None
    data, out = graph.input(op, 0), graph.output(op)
    filters, bias = graph.constant(op, 1), graph.optional(op, 2)
    if data.dtype not in BYTES or out.dtype is not data.dtype or filters is None:
        return None
    if filters.dtype != data.dtype.value or (bias is not None and bias.data is None):
        return None
    found = _layout(graph, op, filters)
    if found is None:
        return None
    weights, source, rows, columns = found
    count = len(weights)
    sums = np.zeros(count, np.int64)
    if bias is not None and bias.data is not None:
        sums = bias.data.reshape(-1).astype(np.int64)
    scales = graph.input(op, 1).quantization
    if scales is not None and scales.per_tensor and scales.zero_point[0]:
        weights = weights - np.int16(scales.zero_point[0])
    magnitudes = np.abs(weights).reshape(count, -1).sum(axis=1, dtype=np.int64)
    shifts = channels.conv_scaling(graph, op).shifts.astype(np.int64)
    # A fully connected layer's factor is rounded in another place: its shift may be one more.
    shifts = np.maximum(shifts + int(op.code == "FULLY_CONNECTED"), 0)
    safe = (np.abs(sums) + 255 * magnitudes) << shifts < _LIMIT
    return Weighted(op, weights, sums, safe, data.zero_point, source, rows, columns)


_Layout = tuple[NDArray[np.int16], Ints | None, Masks, Masks]


def _layout(graph: Graph, op: Op, filters: Array) -> _Layout | None:
    """Weights, source, rows and columns of a :class:`Weighted`."""
    data = graph.input(op, 0)
    if op.code == "FULLY_CONNECTED":
        units, depth = filters.shape
        width = data.shape[-1] if data.shape else 1
        if depth % width:
            return None
        shape = (units, depth // width, 1, width)
        inside = np.ones((1, shape[1]), bool), np.ones((1, 1), bool)
        return filters.reshape(shape).astype(np.int16), None, *inside
    depthwise = op.code == "DEPTHWISE_CONV_2D"
    if not depthwise and filters.shape[3] != data.shape[3]:
        return None
    g = (depthwise_conv_2d if depthwise else conv_2d).geometry(graph, op)
    rows, columns = _tap_sets(g, 0), _tap_sets(g, 1)
    if rows is None or columns is None:
        return None
    if not depthwise:
        return filters.astype(np.int16), None, rows, columns
    source = np.arange(g.out_c, dtype=np.int64) // (g.out_c // g.in_c)
    planes = np.moveaxis(filters[0], 2, 0)[..., None]
    return planes.astype(np.int16), source, rows, columns


def _tap_sets(g: window.Geometry, axis: int) -> Masks | None:
    """The distinct sets of taps inside of the input along an axis; None if that is much work."""
    if g.out_size[axis] > _MAX_AXIS:
        return None
    taps, dilation = g.kernel[axis], g.dilation[axis]
    start = np.arange(g.out_size[axis], dtype=np.int64) * g.stride[axis] - g.pad[axis]
    first = np.maximum(0, -(start // dilation))
    last = np.minimum(taps - 1, (g.in_size[axis] - 1 - start) // dilation)
    sets = np.unique(np.stack([first, np.maximum(last, first - 1)], axis=1), axis=0)
    if len(sets) * taps > _MAX_MASKS:
        return None
    at = np.arange(taps)
    return np.asarray((at >= sets[:, :1]) & (at <= sets[:, 1:]))
