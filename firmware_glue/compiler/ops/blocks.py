"""Ops that move blocks between dimensions: SPACE_TO_BATCH_ND, DEPTH_TO_SPACE and their inverses."""

from __future__ import annotations

import itertools
import math

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.movement import Arrays, Copy, Move, row
from firmware_glue.compiler.ops.padding import paddings, real_zero
from firmware_glue.compiler.ops.rules import constant, rank, same_quantization
from firmware_glue.compiler.ops.spec import Array, known_ints, rule

_KEPT = same_quantization(lambda op: (0,))


def _block_pairs(graph: Graph, op: Op, image: Array, batched: Array) -> list[tuple[Array, Array]]:
    """Pairs (view of the image, view of the batch of blocks) that correspond."""
    blocks, edges = known_ints(graph, op, 1), paddings(graph, op, 2)
    n, pairs = image.shape[0], []
    for block, offsets in enumerate(itertools.product(*(range(size) for size in blocks))):
        found = [
            _lattice(offset - before, size, image.shape[1 + d], batched.shape[1 + d])
            for d, (offset, size, (before, _)) in enumerate(
                zip(offsets, blocks, edges, strict=True)
            )
        ]
        inside = [pair for pair in found if pair is not None]
        if len(inside) == len(found):
            near = image[(slice(None), *(pair[0] for pair in inside))]
            far = batched[(slice(block * n, block * n + n), *(pair[1] for pair in inside))]
            pairs.append((near, far))
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
    padded = any(known_ints(graph, op, 2))
    quantized = (DType.INT8, DType.UINT8, DType.INT16, DType.BOOL)
    fill = real_zero(graph.output(op), *quantized) if padded else None
    return Move(tuple(Copy(0, near, far) for near, far in pairs), fill)


def _to_space_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    pairs = _block_pairs(graph, op, outs[0], ins[0])
    return Move(tuple(Copy(0, far, near) for near, far in pairs))


def _to_batch_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    blocks, pads = known_ints(graph, op, 1), paddings(graph, op, 2)
    n, *rest = graph.input(op, 0).shape
    for d, (block, (a, b)) in enumerate(zip(blocks, pads, strict=True)):
        if (rest[d] + a + b) % block:
            raise ValueError(f"{rest[d]} + {a} + {b} is no multiple of the block {block}")
        rest[d] = (rest[d] + a + b) // block
    return ((n * math.prod(blocks), *rest),)


def _to_space_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    blocks, crops = known_ints(graph, op, 1), paddings(graph, op, 2)
    n, *rest = graph.input(op, 0).shape
    if n % math.prod(blocks):
        raise ValueError(f"batch {n} is no multiple of the blocks {blocks}")
    for d, (block, (a, b)) in enumerate(zip(blocks, crops, strict=True)):
        rest[d] = rest[d] * block - a - b
    return ((n // math.prod(blocks), *rest),)


@rule("one to three dimensions, blocks of 1 to 64, paddings ≥ 0")
def _spatial(graph: Graph, op: Op) -> str | None:
    """Blocks must cover one to three dimensions, each with a size and paddings."""
    blocks, pads = known_ints(graph, op, 1), known_ints(graph, op, 2)
    dims = len(graph.input(op, 0).shape)
    fits = 1 <= len(blocks) <= min(3, dims - 1) and len(pads) == 2 * len(blocks)
    good = fits and min(blocks) > 0 and math.prod(blocks) <= 64 and min(pads) >= 0
    return None if good else f"blocks {list(blocks)}, paddings {list(pads)}, {dims} dimensions"


def _depth_pair(op: Op, space: Array, deep: Array) -> tuple[Array, Array]:
    """(view of the larger image, view of the deeper one), both (n, h, block, w, block, c)."""
    block = int(op.options)
    n, height, width, channels = space.shape
    small = (n, height // block, block, width // block, block, channels)
    # Channels of the deep image are (row in block, column in block, channel).
    split = deep.reshape(n, height // block, width // block, block, block, channels)
    return space.reshape(small), split.transpose(0, 1, 3, 2, 4, 5)


def _to_depth_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    near, far = _depth_pair(op, ins[0], outs[0])
    return Move((Copy(0, near, far),))


def _from_depth_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    near, far = _depth_pair(op, outs[0], ins[0])
    return Move((Copy(0, far, near),))


def _to_depth_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    n, height, width, channels = graph.input(op, 0).shape
    block = op.options
    if height % block or width % block:
        raise ValueError(f"{height} x {width} is no multiple of the block {block}")
    return ((n, height // block, width // block, channels * block * block),)


def _from_depth_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    n, height, width, channels = graph.input(op, 0).shape
    block = op.options
    if channels % (block * block):
        raise ValueError(f"{channels} channels for blocks of {block} x {block}")
    return ((n, height * block, width * block, channels // (block * block)),)


@rule("1 or more")
def _block_positive(graph: Graph, op: Op) -> str | None:
    """The block size must be positive."""
    return None if op.options > 0 else f"{op.options}"


_ND_RULES = (constant(1, "block shape"), constant(2, "paddings"), _spatial, _KEPT)
_DEPTH_RULES = (rank(0, 4, 4), _block_positive)
SPECS = {
    "SPACE_TO_BATCH_ND": row("space_to_batch", _to_batch_views, _to_batch_shape, _ND_RULES),
    "BATCH_TO_SPACE_ND": row("batch_to_space", _to_space_views, _to_space_shape, _ND_RULES),
    "SPACE_TO_DEPTH": row(
        "space_to_depth", _to_depth_views, _to_depth_shape, _DEPTH_RULES,
        lambda o: int(o["block_size"]), without=(DType.INT16, DType.BOOL),
    ),
    "DEPTH_TO_SPACE": row(
        "depth_to_space", _from_depth_views, _from_depth_shape, _DEPTH_RULES,
        lambda o: int(o["block_size"]), without=(DType.INT16, DType.BOOL),
    ),
}  # fmt: skip
