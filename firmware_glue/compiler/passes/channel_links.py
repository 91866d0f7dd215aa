"""Which channels of which tensors can only be left out together, and what stands against it.

A channel of a tensor is a *place*. Ops that work channel by channel link the places of their
tensors: all of a *group* go, or none. Layers that sum over channels (convolutions, fully connected
ones) link nothing: they can do without an input channel if it adds the same to each sum that is
still computed, and need not compute outputs that nobody wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.padding import paddings
from firmware_glue.compiler.ops.reduce import axes_of
from firmware_glue.compiler.ops.slicing import axis_of
from firmware_glue.compiler.passes.channel_ranges import (
    BINARY,
    POOLS,
    UNARY,
    VIEWS,
    Range,
    channel_count,
)
from firmware_glue.compiler.passes.weighted import BYTES, CODES, Ints, Layers, Masks, Weighted

_PADS = ("PAD", "PADV2", "MIRROR_PAD")
_RESIZES = ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")
_BLOCKS = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
Link = tuple[int, Ints, int, Ints]
"""Tensor, its channels, another tensor, its channels, pairwise."""


@dataclass(frozen=True)
class Summing:
    """A layer that sums over its input channels.

    Attributes:
        data, out: its input and output tensor.
        needs: (output channels, input channels): without the input channel, and with nothing but
            the bias in its place, the output would be another one.
    """

    data: int
    out: int
    needs: Masks


@dataclass(frozen=True)
class Places:
    """All channels of the 8-bit tensors that ops write or read.

    Attributes:
        first: tensor id → its channel 0's place; the others follow.
        group: the group of each place, named by one of its places.
        fixed: places that stay.
        summing: the layers that sum over channels.
    """

    first: Mapping[int, int]
    group: Ints
    fixed: Masks
    summing: tuple[Summing, ...]

    def of(self, tensor_id: int, count: int) -> slice:
        """The places of a tensor's channels."""
        return slice(self.first[tensor_id], self.first[tensor_id] + count)


def find_places(graph: Graph, layers: Layers, ranges: Mapping[int, Range]) -> Places:
    """The places of a graph, grouped."""
    first: dict[int, int] = {}
    total = 0
    for tensor_id, tensor in graph.tensors.items():
        if tensor_id in ranges and not tensor.is_constant:
            first[tensor_id] = total
            total += channel_count(tensor)
    fixed = np.zeros(total, bool)
    summing: list[Summing] = []
    ends: list[tuple[Ints, Ints]] = []
    stuck = {*graph.inputs, *graph.outputs}
    stuck |= {i for i, tensor in graph.tensors.items() if tensor.is_variable}
    for op in graph.ops:
        layer = layers.get(op.outputs[0]) if op.outputs else None
        changing = (i for i in (*op.inputs, *op.outputs) if i >= 0)
        known = all(i in first or graph.tensors[i].is_constant for i in changing)
        links = _links(graph, op, layer) if known else None
        if links is None:
            stuck.update((*op.inputs, *op.outputs))
            continue
        if layer is not None and layer.source is None:
            needs = _needs(layer, ranges[op.inputs[0]])
            summing.append(Summing(op.inputs[0], op.outputs[0], needs))
        ends += [
            (first[a] + ours, first[b] + theirs)
            for a, ours, b, theirs in links
            if a in first and b in first
        ]
    for tensor_id in stuck & set(first):
        fixed[first[tensor_id] : first[tensor_id] + channel_count(graph.tensors[tensor_id])] = True
    return Places(first, _groups(total, ends), fixed, tuple(summing))


def _needs(layer: Weighted, given: Range) -> Masks:
    """See :class:`Summing`."""
    needs = np.asarray(np.any(layer.weights, axis=(1, 2)))
    needs[:, given.constant] = False
    if layer.bordered:
        # Padding adds 0, a constant other than the zero point does not.
        for channel in np.flatnonzero(given.constant & (given.low != layer.in_zero)):
            part = layer.part(int(channel)).reshape(len(needs), -1)
            needs[:, channel] = np.any(part != part[:, :1], axis=1)
    needs[~layer.safe] = np.any(layer.weights[~layer.safe], axis=(1, 2))
    return needs


def _groups(total: int, ends: list[tuple[Ints, Ints]]) -> Ints:
    """Connected components: the least place of each one's group."""
    group = np.arange(total, dtype=np.int64)
    if not ends:
        return group
    one, two = (np.concatenate([pair[k] for pair in ends]) for k in (0, 1))
    while True:
        least = np.minimum(group[one], group[two])
        if np.array_equal(least, group[one]) and np.array_equal(least, group[two]):
            return group
        # Whole groups move: each one's name gets a name of its own, followed to its end.
        names = np.arange(total, dtype=np.int64)
        np.minimum.at(names, group[one], least)
        np.minimum.at(names, group[two], least)
        while not np.array_equal(names, names[names]):
            names = names[names]
        group = names[group]


def _links(graph: Graph, op: Op, layer: Weighted | None) -> list[Link] | None:
    """How an op ties the channels of its tensors; None: it does not allow any to be left out."""
    if len(op.outputs) != 1 or graph.output(op).dtype not in BYTES:
        return None
    if op.code in CODES:
        if layer is None:
            return None
        every = np.arange(len(layer.bias), dtype=np.int64)
        return [] if layer.source is None else [(op.inputs[0], layer.source, op.outputs[0], every)]
    if op.code == "CONCATENATION":
        return _concatenated(graph, op)
    if op.code in BINARY:
        return _binary(graph, op)
    constant_operands = all(i == NO_TENSOR or graph.tensors[i].is_constant for i in op.inputs[1:])
    if not constant_operands or graph.input(op, 0).dtype not in BYTES:
        return None
    before, after = channel_count(graph.input(op, 0)), channel_count(graph.output(op))
    if op.code in VIEWS:
        return _viewed(op, before, after)
    if before != after or not _by_channel(graph, op):
        return None
    every = np.arange(before, dtype=np.int64)
    return [(op.inputs[0], every, op.outputs[0], every)]


def _viewed(op: Op, before: int, after: int) -> list[Link] | None:
    """A view keeps whole rows of channels together where one size divides the other."""
    if before == 0 or after == 0 or (after % before and before % after):
        return None
    at = np.arange(max(before, after), dtype=np.int64)
    return [(op.inputs[0], at % before, op.outputs[0], at % after)]


def _by_channel(graph: Graph, op: Op) -> bool:
    """Whether a one-input op gives channel c from channel c alone, however many there are."""
    rank = len(graph.input(op, 0).shape)
    if op.code in (*POOLS, *UNARY, *_RESIZES):
        return True
    if op.code in _PADS:
        return rank > 0 and paddings(graph, op)[-1] == (0, 0)
    if op.code == "MEAN":
        return rank > 1 and rank - 1 not in axes_of(graph, op)
    return op.code in _BLOCKS and rank == 4 and graph.input(op, 1).elements == 2


def _binary(graph: Graph, op: Op) -> list[Link] | None:
    if any(graph.tensors[i].dtype not in BYTES for i in op.inputs):
        return None
    count = channel_count(graph.output(op))
    every = np.arange(count, dtype=np.int64)
    # An operand with one channel for all of the output's stays as it is.
    return [
        (i, every, op.outputs[0], every)
        for i in op.inputs
        if channel_count(graph.tensors[i]) == count
    ]


def _concatenated(graph: Graph, op: Op) -> list[Link] | None:
    if any(graph.tensors[i].is_constant for i in op.inputs):
        return None
    rank = len(graph.output(op).shape)
    last = axis_of(op.options, rank) == rank - 1
    links: list[Link] = []
    at = 0
    for tensor_id in op.inputs:
        every = np.arange(channel_count(graph.tensors[tensor_id]), dtype=np.int64)
        links.append((tensor_id, every, op.outputs[0], every + at))
        at += len(every) if last else 0
    return links
