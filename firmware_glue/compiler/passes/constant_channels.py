"""Leaves out channels that give the same output for every input, and those that nobody needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from firmware_glue.compiler.importer import constant_like
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.passes.channel_links import find_places
from firmware_glue.compiler.passes.channel_ranges import (
    BINARY,
    Range,
    channel_count,
    channel_ranges,
)
from firmware_glue.compiler.passes.channel_removal import Kept, choose, remove
from firmware_glue.compiler.passes.dead_ops import remove_dead_ops
from firmware_glue.compiler.passes.fold_constants import fold_constants
from firmware_glue.compiler.passes.weighted import CODES, find_layers

_MAX_PLANTED_BYTES = 1024
"""A tensor that never changes takes flash instead of instructions and RAM: only small ones."""


def leave_out_constant_channels(graph: Graph) -> Graph:
    """Removes channels that interval analysis proves constant, and what leads to them alone.

    Applies to 8-bit channels between layers with constant weights: the layer in front loses
    filters, the one behind it products, and its bias gets what they added. A channel stays where
    padding stands beside it and it is not the zero point; where an op needs all channels; and
    where it is an input or an output of the graph. Exact: the ranges hold for every input, their
    ends come from the ops' own references, and integer sums do not depend on where a term is
    added.
    """
    while True:
        smaller = _smaller(graph)
        if smaller is graph:
            return graph
        graph = smaller


def _smaller(graph: Graph) -> Graph:
    """The graph after one step, or as it is."""
    layers = find_layers(graph)
    ranges = channel_ranges(graph, layers)
    planted = _plant(graph, ranges)
    if planted is not graph:
        # What this makes known is for the next step.
        made = remove_dead_ops(fold_constants(planted))
        return _told(made, graph, _lost_layers(graph, ranges, made))
    places = find_places(graph, layers, ranges)
    kept = choose(graph, places)
    if not kept:
        return graph
    made = remove_dead_ops(remove(graph, layers, ranges, kept))
    return _told(made, graph, _lost_channels(graph, ranges, kept))


def left_out_note(graph: Graph) -> tuple[str, ...]:
    """One sentence for all that was left out; none where nothing was."""
    layers = len({note.split(": ")[0] for note in graph.notes})
    if not layers:
        return ()
    of = "1 layer" if layers == 1 else f"{layers} layers"
    return (
        f"{graph.channels_left_out:,} channels of {of} never change, or change nothing behind them:"
        " left out, exactly",
    )


def _told(made: Graph, graph: Graph, lost: Sequence[tuple[str, int]]) -> Graph:
    """``made`` with the notes of ``graph`` and those of (sentence, channels) that it has lost."""
    return replace(
        made,
        notes=(*graph.notes, *(text for text, _ in lost)),
        channels_left_out=graph.channels_left_out + sum(count for _, count in lost),
    )


def _plant(graph: Graph, ranges: Mapping[int, Range]) -> Graph:
    """Constants in place of tensors all of whose channels are constant; or the graph itself."""
    tensors: dict[int, Tensor] = {}
    whole: dict[int, int] = {}
    pixel: dict[int, int] = {}
    fresh = graph.fresh_ids()
    for tensor_id in (i for op in graph.ops for i in op.outputs):
        tensor, found = graph.tensors[tensor_id], ranges.get(tensor_id)
        if found is None or tensor.is_variable or not np.all(found.constant):
            continue
        one_pixel = (*[1] * (len(tensor.shape) - 1), channel_count(tensor))
        rows = [(pixel, one_pixel)]
        if tensor.nbytes <= _MAX_PLANTED_BYTES:
            rows.append((whole, tensor.shape))
        for renamed, shape in rows:
            renamed[tensor_id] = next(fresh)
            # A tensor without dimensions has one channel too.
            values = np.broadcast_to(found.low.astype(tensor.dtype.value), shape or (1,))
            values = values.reshape(shape)
            tensors[renamed[tensor_id]] = constant_like(replace(tensor, shape=shape), values)
    ops = [_with_constants(graph, op, whole, pixel) for op in graph.ops]
    outputs = tuple(whole.get(i, i) for i in graph.outputs)
    if tuple(ops) == graph.ops and outputs == graph.outputs:
        return graph
    return replace(graph.with_ops(ops, tensors), outputs=outputs)


def _with_constants(graph: Graph, op: Op, whole: Mapping[int, int], pixel: Mapping[int, int]) -> Op:
    """The op on constants where there are any: sums and the like take one pixel for all."""
    inputs = [whole.get(i, i) for i in op.inputs]
    if op.code in BINARY and len(op.inputs) == 2:
        for position in (0, 1):
            other = graph.input(op, 1 - position)
            if other.shape == graph.output(op).shape and op.inputs[1 - position] not in pixel:
                inputs[position] = pixel.get(op.inputs[position], op.inputs[position])
    return replace(op, inputs=tuple(inputs))


def _lost_layers(graph: Graph, ranges: Mapping[int, Range], made: Graph) -> list[tuple[str, int]]:
    """For each layer that is gone a sentence, and its channels."""
    notes = []
    written = {i for op in made.ops for i in op.outputs}
    for op in graph.ops:
        if op.code in CODES and op.outputs[0] not in written:
            found = ranges.get(op.outputs[0])
            constant = found is not None and bool(np.all(found.constant))
            what = (
                "gives the same output for every input" if constant else "changes nothing behind it"
            )
            count = channel_count(graph.tensors[op.outputs[0]])
            notes.append((f"{_layer(op)}: {what}: left out", count))
    return notes


def _lost_channels(graph: Graph, ranges: Mapping[int, Range], kept: Kept) -> list[tuple[str, int]]:
    """For each layer that lost some a sentence, and how many."""
    notes = []
    for op in graph.ops:
        if op.code not in CODES or op.outputs[0] not in kept:
            continue
        found = ranges[op.outputs[0]].constant
        gone = np.ones(len(found), bool)
        gone[kept[op.outputs[0]]] = False
        same, unread = int(np.sum(gone & found)), int(np.sum(gone & ~found))
        parts = [f"{same} of {len(found)} channels give the same output for every input"]
        if unread:
            of = "more" if same else f"of {len(found)} channels"
            parts = [*parts[: bool(same)], f"{unread} {of} change nothing behind them"]
        notes.append((f"{_layer(op)}: {', '.join(parts)}: left out", same + unread))
    return notes


def _layer(op: Op) -> str:
    return op.name.split(";")[0]
