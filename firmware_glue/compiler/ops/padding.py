"""Ops that pad or rearrange blocks: PAD, PADV2, SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND."""

from __future__ import annotations

import itertools

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.movement import Copy, Move, row
from firmware_glue.compiler.ops.rules import constant, same_quantization
from firmware_glue.compiler.ops.spec import Array, const_ints, known_ints, rule

Arrays = tuple[Array, ...]
_KEPT = same_quantization(lambda op: (0,))


def _paddings(graph: Graph, op: Op, position: int = 1) -> list[tuple[int, int]]:
    values = known_ints(graph, op, position)
    return list(zip(values[::2], values[1::2], strict=True))


def _fill_byte(graph: Graph, op: Op) -> int:
    """PAD fills with the real value 0; PADV2 with its third operand."""
    given = const_ints(graph, op, 2)
    return graph.output(op).zero_point if given is None else given[0]


def _pad_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    index = tuple(
        slice(before, before + n)
        for (before, _), n in zip(_paddings(graph, op), ins[0].shape, strict=True)
    )
    return Move((Copy(0, ins[0], outs[0][index]),), _fill_byte(graph, op))


def _pad_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape = graph.input(op, 0).shape
    pads = _paddings(graph, op)
    return (tuple(n + a + b for n, (a, b) in zip(shape, pads, strict=True)),)


@rule("paddings ≥ 0")
def _pads_positive(graph: Graph, op: Op) -> str | None:
    """Paddings must not be negative."""
    low = min(known_ints(graph, op, 1), default=0)
    return None if low >= 0 else f"{low}"


@rule("int8, uint8; other dtypes only filled with 0")
def _byte_fill(graph: Graph, op: Op) -> str | None:
    """The padding value must be one byte, or 0."""
    if graph.output(op).dtype in (DType.INT8, DType.UINT8):
        return None
    value = graph.constant(op, 2)
    return None if value is None or not np.any(value) else f"{value.ravel()[0]}"


def _blocks(graph: Graph, op: Op) -> tuple[int, int]:
    values = known_ints(graph, op, 1)
    return (values[0], values[1]) if len(values) == 2 else (values[0], 1)


def _as_4d(array: Array, spatial: int) -> Array:
    """(N, S…, rest…) with one or two spatial dimensions as (N, H, W, C)."""
    shape = array.shape
    width = shape[2] if spatial == 2 else 1
    rest = int(np.prod(shape[1 + spatial :], dtype=np.int64))
    return array.reshape(shape[0], shape[1], width, rest)


def _block_pairs(graph: Graph, op: Op, image: Array, batched: Array) -> list[tuple[Array, Array]]:
    """Pairs (view of the image, view of the batch of blocks) that correspond."""
    spatial = len(known_ints(graph, op, 1))
    (bh, bw), edges = _blocks(graph, op), [*_paddings(graph, op, 2), (0, 0)]
    small, many = _as_4d(image, spatial), _as_4d(batched, spatial)
    n, height, width, _ = small.shape
    pairs = []
    for i, j in itertools.product(range(bh), range(bw)):
        rows = _lattice(i - edges[0][0], bh, height, many.shape[1])
        columns = _lattice(j - edges[1][0], bw, width, many.shape[2])
        if rows is not None and columns is not None:
            batch = (i * bw + j) * n
            block = many[batch : batch + n, rows[1], columns[1]]
            pairs.append((small[:, rows[0], columns[0]], block))
    return pairs


def _lattice(start: int, block: int, size: int, count: int) -> tuple[slice, slice] | None:
    """Positions start + k · block inside [0, size) for k in [0, count), and those k."""
    first = max(0, -(start // block))
    last = min(count - 1, (size - 1 - start) // block)
    if last < first:
        return None
    begin = start + first * block
    return slice(begin, begin + (last - first) * block + 1, block), slice(first, last + 1)


def _to_batch_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    pairs = _block_pairs(graph, op, ins[0], outs[0])
    return Move(tuple(Copy(0, a, b) for a, b in pairs), graph.output(op).zero_point)


def _to_space_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    pairs = _block_pairs(graph, op, outs[0], ins[0])
    return Move(tuple(Copy(0, b, a) for a, b in pairs))


def _to_batch_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    blocks, pads = known_ints(graph, op, 1), _paddings(graph, op, 2)
    n, *rest = graph.input(op, 0).shape
    for d, (block, (a, b)) in enumerate(zip(blocks, pads, strict=True)):
        if (rest[d] + a + b) % block:
            raise ValueError(f"{rest[d]} + {a} + {b} is no multiple of the block {block}")
        rest[d] = (rest[d] + a + b) // block
    return ((n * int(np.prod(blocks)), *rest),)


def _to_space_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    blocks, crops = known_ints(graph, op, 1), _paddings(graph, op, 2)
    n, *rest = graph.input(op, 0).shape
    if n % int(np.prod(blocks)):
        raise ValueError(f"batch {n} is no multiple of the blocks {blocks}")
    for d, (block, (a, b)) in enumerate(zip(blocks, crops, strict=True)):
        rest[d] = rest[d] * block - a - b
    return ((n // int(np.prod(blocks)), *rest),)


@rule("one or two spatial dimensions")
def _spatial(graph: Graph, op: Op) -> str | None:
    """Blocks must cover one or two dimensions and be positive."""
    blocks = known_ints(graph, op, 1)
    return None if len(blocks) in (1, 2) and min(blocks) > 0 else f"{blocks}"


_BLOCK_RULES = (constant(1, "block shape"), constant(2, "paddings"), _spatial, _KEPT)
_PAD_RULES = (constant(1, "paddings"), constant(2, "padding value"), _pads_positive, _byte_fill)
SPECS = {
    "PAD": row("pad", _pad_views, _pad_shape, _PAD_RULES),
    "PADV2": row("pad", _pad_views, _pad_shape, (*_PAD_RULES, _KEPT)),
    "SPACE_TO_BATCH_ND": row("space_to_batch", _to_batch_views, _to_batch_shape, _BLOCK_RULES),
    "BATCH_TO_SPACE_ND": row("batch_to_space", _to_space_views, _to_space_shape, _BLOCK_RULES),
}
