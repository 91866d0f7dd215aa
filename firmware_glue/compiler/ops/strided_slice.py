"""STRIDED_SLICE with all its masks, as an index of numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.movement import Arrays, Copy, Move, row
from firmware_glue.compiler.ops.rules import constant
from firmware_glue.compiler.ops.spec import known_ints, rule

Index = tuple[slice | int | None, ...]


@dataclass(frozen=True)
class Options:
    """Bit masks over the entries of begin, end and strides; offset: ends count from begins."""

    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_axis_mask: int
    offset: bool


def parse(options: Mapping[str, Any]) -> Options:
    """Reads StridedSliceOptions."""

    def mask(key: str) -> int:
        return int(options[f"{key}_mask"])

    return Options(
        mask("begin"), mask("end"), mask("ellipsis"), mask("new_axis"), mask("shrink_axis"),
        bool(options.get("offset", False)),
    )  # fmt: skip


@rule("strides other than 0, positive where the axis is dropped")
def _strides_fit(graph: Graph, op: Op) -> str | None:
    """Strides must not be 0, nor negative where an axis is dropped."""
    for position, step in enumerate(known_ints(graph, op, 3)):
        dropped = op.options.shrink_axis_mask >> position & 1
        if step == 0 or (step < 0 and dropped):
            return f"stride {step}"
    return None


@rule("at most one")
def _one_ellipsis(graph: Graph, op: Op) -> str | None:
    """There must be at most one ellipsis."""
    mask = op.options.ellipsis_mask
    return None if mask & (mask - 1) == 0 else f"mask {mask:#b}"


@rule("one per dimension, steps forward inside of the input, no masks")
def _offsets_fit(graph: Graph, op: Op) -> str | None:
    """Ends that count from begins must stay inside (LiteRT reads beyond the input otherwise)."""
    masks: Options = op.options
    if not masks.offset:
        return None
    if masks.begin_mask or masks.end_mask or masks.ellipsis_mask or masks.new_axis_mask:
        return "masks"
    begin, end, step = (known_ints(graph, op, position) for position in (1, 2, 3))
    shape = graph.input(op, 0).shape
    if len(begin) != len(shape):
        return f"{len(begin)} slices of {len(shape)} dimensions"
    for b, e, s, size in zip(begin, end, step, shape, strict=True):
        first = b + size if b < 0 else b
        if s < 0 or e < 0 or first < 0 or first + e > size:
            return f"{e} from {b} on an axis of {size}"
    return None


def index_of(graph: Graph, op: Op) -> Index:
    """The slices of input 0, entry by entry.

    Raises:
        ValueError: more entries than dimensions, or an index outside of a dropped axis.
    """
    shape, masks = graph.input(op, 0).shape, op.options
    count = len(known_ints(graph, op, 1))
    new = sum(
        1 for i in range(count) if masks.new_axis_mask >> i & 1 and not masks.ellipsis_mask >> i & 1
    )
    hidden = max(0, len(shape) - (count - new - (masks.ellipsis_mask > 0)))
    index: list[slice | int | None] = []
    axis = 0
    for i in range(count):
        if masks.ellipsis_mask >> i & 1:
            index += [slice(None)] * hidden
            axis += hidden
        elif masks.new_axis_mask >> i & 1:
            index.append(None)
        elif axis < len(shape):
            index.append(_part(graph, op, i, shape[axis]))
            axis += 1
        else:
            raise ValueError(f"more slices than the {len(shape)} dimensions")
    return tuple(index)


def _part(graph: Graph, op: Op, i: int, size: int) -> slice | int:
    """Entry i on an axis of this size, clamped as TFLite does."""
    begin, end, step = (known_ints(graph, op, position)[i] for position in (1, 2, 3))
    masks: Options = op.options
    low, high = (0, size) if step > 0 else (-1, size - 1)
    first = min(max(begin + (size if begin < 0 else 0), low), high)
    if masks.begin_mask >> i & 1:
        first = 0 if step > 0 else size - 1
    if masks.shrink_axis_mask >> i & 1:
        if not 0 <= first < size:
            raise ValueError(f"index {begin} is outside of an axis of {size}")
        return first
    last = end + (first if masks.offset else 0)
    last = min(max(last + (size if last < 0 else 0), low), high)
    if masks.end_mask >> i & 1:
        last = high if step > 0 else low
    if first < 0:
        return slice(0, 0)
    return slice(first, None if last < 0 else last, step)


def _views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(0, ins[0][(*index_of(graph, op), ...)], outs[0]),))


def _shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return (np.empty(graph.input(op, 0).shape, bool)[index_of(graph, op)].shape,)


SPEC = row(
    "strided_slice", _views, _shape,
    (
        constant(1, "begin"), constant(2, "end"), constant(3, "strides"), _strides_fit,
        _one_ellipsis, _offsets_fit,
    ),
    parse,
)  # fmt: skip
