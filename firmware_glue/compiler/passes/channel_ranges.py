"""What each channel of a tensor can hold, whatever the input: interval analysis of a graph.

Channels are those of the last axis. A range holds for all positions: bounds are the least and the
greatest over them. Where an op is not known to grow (or fall) with its inputs, its outputs may be
anything.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import TABLE, VIEW, Graph, Op, Tensor
from firmware_glue.compiler.ops import unary
from firmware_glue.compiler.ops.reduce import axes_of
from firmware_glue.compiler.ops.spec import Array
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.passes.weighted import BYTES, CODES, Ints, Layers, Masks, Weighted

VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", VIEW)
POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
UNARY = (
    *(code for code, spec in unary.SPECS.items() if "int8" in spec.variants), "QUANTIZE", TABLE,
)  # fmt: skip
"""Functions of one byte; QUANTIZE where it is one."""
BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
GROWING = (
    "PAD", "PADV2", "MIRROR_PAD", "MEAN", "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR",
    "RESIZE_BILINEAR", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND",
)  # fmt: skip
"""Each output grows with each input, or does not hang on it."""
_MAX_ELEMENTS = 1 << 20
"""Of tensors that GROWING ops are run on, and of constants that are looked through."""
_MAX_CHANNELS = 1 << 16
_MAX_TOTAL = 1 << 18
"""Channels of all tensors; so that no model takes long."""


@dataclass(frozen=True)
class Range:
    """Bounds of each channel, inclusive. int64."""

    low: Ints
    high: Ints

    @property
    def constant(self) -> Masks:
        """Which channels hold one value, at all positions and for every input."""
        return np.asarray(self.low == self.high)


def channel_count(tensor: Tensor) -> int:
    """The size of the last axis; 1 of a scalar."""
    return tensor.shape[-1] if tensor.shape else 1


def channel_ranges(graph: Graph, layers: Layers) -> Mapping[int, Range]:
    """The range of every int8 and uint8 tensor by id, but for those with very many channels.

    Args:
        graph: the graph.
        layers: those with constant weights, by output tensor.
    """
    found: dict[int, Range] = {}
    # Whole filters are none of an op's channels.
    read = {i for op in graph.ops for i in (op.inputs[:1] if op.code in CODES else op.inputs)}
    for tensor_id, tensor in graph.tensors.items():
        of_bytes = tensor.dtype in BYTES and channel_count(tensor) <= _MAX_CHANNELS
        if of_bytes and (not tensor.is_constant or tensor_id in read):
            found[tensor_id] = _first(tensor)
    if sum(len(given.low) for given in found.values()) > _MAX_TOTAL:
        return MappingProxyType({})
    for op in graph.ops:
        if any(graph.tensors[i].is_variable for i in op.outputs):
            continue
        if op.code in CODES:
            layer = layers.get(op.outputs[0])
            known = layer is not None and {op.inputs[0], op.outputs[0]} <= found.keys()
            result = _of_layer(graph, layer, found[op.inputs[0]]) if layer and known else None
        else:
            result = _op_range(graph, op, found)
        if result is not None:
            found[op.outputs[0]] = result
    return MappingProxyType(found)


def _first(tensor: Tensor) -> Range:
    """What is known of a tensor alone: constants are themselves, others may be anything."""
    count = channel_count(tensor)
    if tensor.data is not None and tensor.elements <= _MAX_ELEMENTS:
        rows = tensor.data.reshape(-1, count)
        if len(rows):
            low, high = rows.min(axis=0), rows.max(axis=0)
            return Range(low.astype(np.int64), high.astype(np.int64))
    least, most = fixed_point.limits(tensor.dtype)
    return Range(np.full(count, least, np.int64), np.full(count, most, np.int64))


def _op_range(graph: Graph, op: Op, found: Mapping[int, Range]) -> Range | None:
    """The range of an op's only output; None if nothing is known of it."""
    rule = _RULES.get(op.code)
    data = [i for i in op.inputs if i in found]
    if rule is None or len(op.outputs) != 1 or not data or op.outputs[0] not in found:
        return None
    if op.inputs[0] not in found or graph.output(op).elements == 0:
        return None
    return rule(graph, op, found)


def _of_layer(graph: Graph, layer: Weighted, given: Range) -> Range:
    low, high = (layer.outputs(graph, sums) for sums in layer.sums(given.low, given.high))
    least, most = fixed_point.limits(graph.output(layer.op).dtype)
    return Range(np.where(layer.safe, low, least), np.where(layer.safe, high, most))


def _of_pool(graph: Graph, op: Op, found: Mapping[int, Range]) -> Range:
    # Neither the mean nor the largest of some integers leaves their range, rounded or not.
    low, high = fixed_point.activation_range(op.options.activation, graph.output(op))
    given = found[op.inputs[0]]
    return Range(np.clip(given.low, low, high), np.clip(given.high, low, high))


def _of_view(graph: Graph, op: Op, found: Mapping[int, Range]) -> Range:
    given, count = found[op.inputs[0]], channel_count(graph.output(op))
    # Packed row-major, an element keeps its place modulo any divisor of both sizes.
    period = math.gcd(len(given.low), count)
    low, high = (
        given.low.reshape(-1, period).min(axis=0),
        given.high.reshape(-1, period).max(axis=0),
    )
    return Range(np.tile(low, count // period), np.tile(high, count // period))


def _of_unary(graph: Graph, op: Op, found: Mapping[int, Range]) -> Range:
    dtype = graph.input(op, 0).dtype
    least, most = fixed_point.limits(dtype)
    every = np.arange(least, most + 1, dtype=dtype.value)
    small = _small(graph, op, dict.fromkeys((op.inputs[0], op.outputs[0]), every.shape))
    table = _run(small, op, (every,))
    given = found[op.inputs[0]]
    # The least and the greatest entry between any two.
    low, high = (np.empty((256, 256), np.int64) for _ in range(2))
    for start in range(256):
        low[start, start:] = np.minimum.accumulate(table[start:])
        high[start, start:] = np.maximum.accumulate(table[start:])
    at = given.low - least, given.high - least
    return Range(low[at], high[at])


def _of_binary(graph: Graph, op: Op, found: Mapping[int, Range]) -> Range | None:
    """Sums, products and the like are extreme where both operands are."""
    if op.inputs[1] not in found or len(op.inputs) != 2:
        return None
    if op.code == "MUL" and not _products_fit(graph, op):
        return None
    out_c, one, two = channel_count(graph.output(op)), *(found[i] for i in op.inputs)
    dtype = graph.output(op).dtype.value
    corners = list(itertools.product((one.low, one.high), (two.low, two.high)))
    sides = [
        np.stack([np.broadcast_to(c[k], (out_c,)) for c in corners]).astype(dtype) for k in (0, 1)
    ]
    small = _small(graph, op, dict.fromkeys((*op.inputs, op.outputs[0]), (4, out_c)))
    results = _run(small, op, tuple(sides)).reshape(4, out_c)
    return Range(results.min(axis=0), results.max(axis=0))


def _products_fit(graph: Graph, op: Op) -> bool:
    """Whether products never wrap around on their way to the output."""
    a, b, y = graph.input(op, 0), graph.input(op, 1), graph.output(op)
    return bool(255.0 * 255 * max(1.0, 2 * a.scale * b.scale / y.scale) < 1 << 30)


def _of_growing(graph: Graph, op: Op, found: Mapping[int, Range]) -> Range | None:
    """The op's own reference on the least and on the greatest inputs."""
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i != NO_TENSOR]
    if sum(tensor.elements for tensor in tensors) > _MAX_ELEMENTS:
        return None
    if op.code == "MEAN" and not _sums_fit(graph, op):
        return None
    ends = [
        _run(graph, op, tuple(_filled(graph, i, found, end) for i in op.inputs))
        for end in ("low", "high")
    ]
    rows = [end.reshape(-1, channel_count(graph.output(op))) for end in ends]
    return Range(rows[0].min(axis=0), rows[1].max(axis=0))


def _filled(graph: Graph, tensor_id: int, found: Mapping[int, Range], end: str) -> Array | None:
    if tensor_id == NO_TENSOR or graph.tensors[tensor_id].data is not None:
        return None if tensor_id == NO_TENSOR else graph.tensors[tensor_id].data
    tensor = graph.tensors[tensor_id]
    values = getattr(found[tensor_id], end).astype(tensor.dtype.value)
    return np.broadcast_to(values, tensor.shape)


def _sums_fit(graph: Graph, op: Op) -> bool:
    """Whether a mean's sums never wrap around on their way to the output."""
    x, y = graph.input(op, 0), graph.output(op)
    count = np.prod([x.shape[axis] for axis in axes_of(graph, op)], dtype=np.float64)
    return bool(255.0 * count * max(1.0, 2 * x.scale / y.scale) < 1 << 30)


def _small(graph: Graph, op: Op, shapes: Mapping[int, tuple[int, ...]]) -> Graph:
    """The tensors of an op under other shapes."""
    tensors = {i: replace(graph.tensors[i], shape=shape) for i, shape in shapes.items()}
    return Graph(tensors, (), (), (), graph.numerics)


def _run(graph: Graph, op: Op, values: tuple[Array | None, ...]) -> Ints:
    padded = (*values, *[None] * (4 - len(values)))
    variant = OPS[op.code].known_variant(graph, op)
    (result,) = variant.reference(graph, op, padded)  # type: ignore[arg-type]
    return result.astype(np.int64)


_Rule = Callable[[Graph, Op, Mapping[int, Range]], Range | None]
_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        **dict.fromkeys(POOLS, _of_pool),
        **dict.fromkeys(VIEWS, _of_view),
        **dict.fromkeys(UNARY, _of_unary),
        **dict.fromkeys(BINARY, _of_binary),
        **dict.fromkeys(GROWING, _of_growing),
    }
)
