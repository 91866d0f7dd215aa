"""Turns ops that leave the bytes as they are into views."""

from __future__ import annotations

from dataclasses import replace

from firmware_glue.compiler.ir import VIEW, Graph, Lifetime, Op
from firmware_glue.compiler.ops import blocks, joining, movement, padding, slicing
from firmware_glue.compiler.ops.table import OPS

_SHAPE_ONLY = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_MOVES = frozenset({**blocks.SPECS, **joining.SPECS, **padding.SPECS, **slicing.SPECS})


def make_views(graph: Graph) -> Graph:
    """RESHAPE, SQUEEZE, EXPAND_DIMS and identities become VIEW of the input that they show.

    Applies always to the first three, whose new shape is static; and to QUANTIZE and movements
    (TRANSPOSE, PAD, CONCATENATION of one …) that change nothing. Exact: tensors are packed
    row-major, so the bytes are the same.
    """
    return graph.with_ops(_as_view(graph, op) for op in graph.ops)


def _as_view(graph: Graph, op: Op) -> Op:
    source = _source(graph, op)
    if source is None:
        return op
    return replace(op, code=VIEW, inputs=(source,), options=None)


def _source(graph: Graph, op: Op) -> int | None:
    """The input whose bytes are the output's, or None."""
    if op.code in _SHAPE_ONLY:
        return op.inputs[0]
    if op.code == "QUANTIZE":
        x, y = graph.input(op, 0), graph.output(op)
        same = x.dtype is y.dtype and x.quantization == y.quantization
        return op.inputs[0] if same and not x.is_constant else None
    if op.code not in _MOVES or len(op.outputs) != 1:
        return None
    lower = OPS[op.code].known_variant(graph, op).lower
    source = None if lower is None else movement.identity(lower(graph, op), graph.output(op).nbytes)
    if source is None:
        return None
    tensor = graph.tensors[source]
    # A variable may change while its view should still hold the old contents.
    whole = tensor.nbytes == graph.output(op).nbytes and tensor.lifetime is not Lifetime.STATE
    return source if whole else None
