"""Ops that add a border: PAD, PADV2, MIRROR_PAD."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape, Tensor
from firmware_glue.compiler.ops.movement import Arrays, Copy, Move, row
from firmware_glue.compiler.ops.rules import constant, same_quantization
from firmware_glue.compiler.ops.spec import known_ints, rule

_KEPT = same_quantization(lambda op: (0,))


def paddings(graph: Graph, op: Op, position: int = 1) -> list[tuple[int, int]]:
    """(before, after) of each dimension, from a constant of shape (n, 2)."""
    values = known_ints(graph, op, position)
    return list(zip(values[::2], values[1::2], strict=True))


def real_zero(tensor: Tensor, *quantized: DType) -> int:
    """What stands for the real value 0: the zero point of ``quantized`` dtypes, else 0."""
    return tensor.zero_point if tensor.dtype in quantized else 0


def _fill(graph: Graph, op: Op) -> int | float | None:
    """PAD fills with the real value 0; PADV2 with its third operand."""
    if not any(known_ints(graph, op, 1)):
        return None
    given = graph.constant(op, 2)
    if given is None:
        return real_zero(graph.output(op), DType.INT8, DType.UINT8, DType.INT16)
    value: int | float = given.ravel()[0].item()
    return value


def _pad_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    index = tuple(
        slice(before, before + n)
        for (before, _), n in zip(paddings(graph, op), ins[0].shape, strict=True)
    )
    return Move((Copy(0, ins[0], outs[0][index]),), _fill(graph, op))


def _pad_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape = graph.input(op, 0).shape
    pads = paddings(graph, op)
    return (tuple(n + a + b for n, (a, b) in zip(shape, pads, strict=True)),)


@rule("paddings ≥ 0")
def _pads_positive(graph: Graph, op: Op) -> str | None:
    """Paddings must not be negative."""
    low = min(known_ints(graph, op, 1), default=0)
    return None if low >= 0 else f"{low}"


@rule("one element of the output's dtype")
def _fill_fits(graph: Graph, op: Op) -> str | None:
    """The padding value must be one element of the output's dtype."""
    value = graph.optional(op, 2)
    if value is None:
        return None
    good = value.elements == 1 and value.dtype is graph.output(op).dtype
    return None if good else f"{value.elements} of {value.dtype.value}"


def _mirror_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    """Each dimension in up to three parts (before, the input, after), all their combinations."""
    edge = 1 if op.options == "REFLECT" else 0
    axes = []
    for n, (before, after) in zip(ins[0].shape, paddings(graph, op), strict=True):
        parts = [(slice(None), slice(before, before + n))]
        if before:
            # From position edge + before − 1 down to edge.
            down = slice(edge + before - 1, edge - 1 if edge else None, -1)
            parts.append((down, slice(0, before)))
        if after:
            first, last = n - 1 - edge, n - 1 - edge - after
            down = slice(first, last if last >= 0 else None, -1)
            parts.append((down, slice(before + n, before + n + after)))
        axes.append(parts)
    copies = []
    for chosen in itertools.product(*axes):
        source = ins[0][tuple(part[0] for part in chosen)]
        copies.append(Copy(0, source, outs[0][tuple(part[1] for part in chosen)]))
    return Move(tuple(copies))


def _parse_mirror(options: Mapping[str, Any]) -> str:
    return str(options["mode"])


@rule("less than the dimension, or at most that (SYMMETRIC)")
def _mirrors_fit(graph: Graph, op: Op) -> str | None:
    """A mirrored border must not be larger than the input."""
    room = 1 if op.options == "REFLECT" else 0
    for n, pads in zip(graph.input(op, 0).shape, paddings(graph, op), strict=True):
        if max(pads) > n - room:
            return f"{max(pads)} of a dimension of {n}"
    return None


_PAD_RULES = (constant(1, "paddings"), _pads_positive)
_FILL_RULES = (constant(2, "padding value"), _fill_fits, _KEPT)
SPECS = {
    "PAD": row("pad", _pad_views, _pad_shape, _PAD_RULES),
    "PADV2": row("pad", _pad_views, _pad_shape, (*_PAD_RULES, *_FILL_RULES)),
    "MIRROR_PAD": row(
        "mirror_pad", _mirror_views, _pad_shape, (*_PAD_RULES, _mirrors_fit), _parse_mirror
    ),
}
