"""Turns ops that leave the bytes as they are into views."""

from __future__ import annotations

from dataclasses import replace

from firmware_glue.compiler.ir import VIEW, Graph, Op

_SHAPE_ONLY = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


def make_views(graph: Graph) -> Graph:
    """RESHAPE, SQUEEZE, EXPAND_DIMS and identities become VIEW of their first input.

    Applies always to the first three, whose new shape is static; and to QUANTIZE, TRANSPOSE and
    PAD that change nothing. Exact: tensors are packed row-major, so the bytes are the same.
    """
    return graph.with_ops(
        replace(op, code=VIEW, inputs=op.inputs[:1], options=None) if _is_view(graph, op) else op
        for op in graph.ops
    )


def _is_view(graph: Graph, op: Op) -> bool:
    if op.code in _SHAPE_ONLY:
        return True
    x, y = graph.input(op, 0), graph.output(op)
    if op.code == "QUANTIZE":
        return x.dtype is y.dtype and x.quantization == y.quantization and not x.is_constant
    if op.code in ("PAD", "PADV2", "TILE", "SLICE"):
        return x.shape == y.shape
    if op.code == "TRANSPOSE":
        order = [int(axis) for axis in graph.tensors[op.inputs[1]].data.ravel()]  # type: ignore[union-attr]
        moved = [axis for axis in order if x.shape[axis] != 1]
        return moved == sorted(moved)
    return False
