"""Takes channels out of a graph: fewer filters, fewer products, other biases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, DType, Quantization
from firmware_glue.compiler.importer import constant_like
from firmware_glue.compiler.ir import Graph, Lifetime, Op, Remains, Tensor
from firmware_glue.compiler.ops.spec import Array
from firmware_glue.compiler.passes.channel_links import Places
from firmware_glue.compiler.passes.channel_ranges import BINARY, Range, channel_count
from firmware_glue.compiler.passes.weighted import Ints, Layers, Weighted

Kept = Mapping[int, Ints]
"""Tensor id → the channels that stay, ascending; tensors that lose none are missing."""


def choose(graph: Graph, places: Places) -> Kept:
    """The channels that can go, as many as there are; every tensor keeps one at least.

    A group goes if none of its places is fixed, and no layer that sums over one of them needs it
    for an output that stays. Whatever goes sets more of them free, towards the graph's inputs.
    """
    if not len(places.group):
        return {}
    counts = {i: channel_count(graph.tensors[i]) for i in places.first}
    owner = np.repeat(list(counts), list(counts.values()))
    order = np.argsort(places.group, kind="stable")
    names, starts = np.unique(places.group[order], return_index=True)
    members = dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))
    needed = [layer.needs.sum(axis=0, dtype=np.int64) for layer in places.summing]
    left, gone = dict(counts), np.zeros(len(owner), bool)
    while True:
        held = places.fixed | gone
        for layer, count in zip(places.summing, needed, strict=True):
            held[places.of(layer.data, len(count))] |= count > 0
        going = np.zeros(len(owner), bool)
        for name in np.setdiff1d(names, places.group[held]).tolist():
            tensors, taken = np.unique(owner[members[name]], return_counts=True)
            pairs = list(zip(tensors.tolist(), taken.tolist(), strict=True))
            if all(left[i] > n for i, n in pairs):
                going[members[name]] = True
                left.update({i: left[i] - n for i, n in pairs})
        if not np.any(going):
            break
        gone |= going
        for layer, count in zip(places.summing, needed, strict=True):
            outs = going[places.of(layer.out, len(layer.needs))]
            count -= layer.needs[outs].sum(axis=0, dtype=np.int64)
    return {
        i: np.flatnonzero(~gone[places.of(i, n)]) for i, n in counts.items() if left[i] < n
    }  # fmt: skip


@dataclass(frozen=True)
class _Work:
    """A removal under way; ``fresh`` gives tensor ids that are free."""

    graph: Graph
    layers: Layers
    ranges: Mapping[int, Range]
    kept: Kept
    renamed: Mapping[int, int]
    fresh: Iterator[int]


def remove(graph: Graph, layers: Layers, ranges: Mapping[int, Range], kept: Kept) -> Graph:
    """The graph without the other channels of the tensors in ``kept``.

    Exact: a constant channel's part of a sum moves into the bias. What it added in int32 before
    it adds now, and no intermediate sum leaves 32 bits (see ``weighted``).
    """
    fresh = graph.fresh_ids()
    work = _Work(graph, layers, ranges, kept, {i: next(fresh) for i in kept}, fresh)
    tensors: dict[int, Tensor] = {}
    remains = dict(graph.remains)
    for tensor_id, channels in kept.items():
        tensor, new = graph.tensors[tensor_id], work.renamed[tensor_id]
        tensors[new] = replace(tensor, shape=(*tensor.shape[:-1], len(channels)))
        before = remains.get(tensor_id)
        of_file = tensor_id if before is None else before.tensor
        original = channels if before is None else np.asarray(before.channels)[channels]
        remains[new] = Remains(of_file, tuple(int(c) for c in original))
    ops = []
    for op in graph.ops:
        inputs, made = _inputs(work, op)
        tensors |= made
        outputs = tuple(work.renamed.get(i, i) for i in op.outputs)
        ops.append(replace(op, inputs=inputs, outputs=outputs))
    return replace(graph.with_ops(ops, tensors), remains=remains)


def _inputs(work: _Work, op: Op) -> tuple[tuple[int, ...], dict[int, Tensor]]:
    """An op's new inputs, and the constants that were made for them."""
    inputs = [work.renamed.get(i, i) for i in op.inputs]
    if not any(i in work.kept for i in (*op.inputs, *op.outputs)):
        return tuple(inputs), {}
    layer = work.layers.get(op.outputs[0])
    made: dict[int, Tensor] = {}
    if layer is not None:
        replaced = {1: _filters(work, op), 2: _bias(work, op, layer)}
        inputs += [NO_TENSOR] * (3 - len(inputs))
    else:
        replaced = _operands(work, op)
    for position, tensor in replaced.items():
        if tensor is not None:
            inputs[position] = next(work.fresh)
            made[inputs[position]] = tensor
    return tuple(inputs), made


def _operands(work: _Work, op: Op) -> dict[int, Tensor | None]:
    """Constant operands of sums and the like, without the output's lost channels."""
    kept = work.kept.get(op.outputs[0])
    if op.code not in BINARY or kept is None:
        return {}
    count = channel_count(work.graph.output(op))
    return {
        position: _constant(tensor, tensor.data[..., kept])
        for position in (0, 1)
        if (tensor := work.graph.input(op, position)).data is not None
        and channel_count(tensor) == count
    }


def _filters(work: _Work, op: Op) -> Tensor:
    """The filters of the channels that stay."""
    filters, data = work.graph.input(op, 1), work.graph.input(op, 0)
    if filters.data is None:
        raise ValueError(f"{op.code} '{op.name}' has no constant filters")
    ins, outs = work.kept.get(op.inputs[0]), work.kept.get(op.outputs[0])
    depthwise = op.code == "DEPTHWISE_CONV_2D"
    values = np.moveaxis(filters.data, 3, 0) if depthwise else filters.data
    values = values if outs is None else values[outs]
    if ins is not None and not depthwise:
        rows = values.reshape(*values.shape[:-1], -1, channel_count(data))[..., ins]
        values = rows.reshape(*values.shape[:-1], -1)
    return _constant(filters, np.moveaxis(values, 0, 3) if depthwise else values, outs)


def _bias(work: _Work, op: Op, layer: Weighted) -> Tensor | None:
    """The bias with what lost input channels added; None: as it is (none, or all of it)."""
    outs, total = work.kept.get(op.outputs[0]), layer.bias
    ins = work.kept.get(op.inputs[0])
    if ins is not None and layer.source is None:
        total = total + _lost(layer, work.ranges[op.inputs[0]], ins)
    total = total if outs is None else total[outs]
    old = work.graph.optional(op, 2)
    if old is None:
        if not np.any(total):
            return None
        old = Tensor(f"{op.name}/bias", (len(layer.bias),), DType.INT32, Lifetime.CONSTANT)
    return _constant(old, total.astype(np.int32), outs)


def _lost(layer: Weighted, given: Range, kept: Ints) -> Ints:
    """What the input channels that go add to each sum that stays: the same at all positions."""
    lost = np.setdiff1d(np.flatnonzero(given.constant & (given.low != layer.in_zero)), kept)
    taps = layer.weights[:, layer.rows[0]][:, :, layer.columns[0]][..., lost]
    return np.asarray(taps.sum(axis=(1, 2), dtype=np.int64) @ (given.low[lost] - layer.in_zero))


def _constant(tensor: Tensor, data: Array, channels: Ints | None = None) -> Tensor:
    """A constant of other contents, with the scales of ``channels`` if it has one for each."""
    scales = tensor.quantization
    if scales is not None and channels is not None and len(scales.scale) > 1:
        every = channels.tolist()
        points = tuple(scales.zero_point[c] for c in every)
        scales = Quantization(tuple(scales.scale[c] for c in every), points, scales.axis)
    return constant_like(replace(tensor, shape=data.shape, quantization=scales), data)
