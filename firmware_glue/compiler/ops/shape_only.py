"""Ops that leave the bytes as they are: RESHAPE, SQUEEZE, EXPAND_DIMS; and our VIEW and COPY.

A pass turns the first three into VIEW, which the planner gives the memory of its input.
"""

from __future__ import annotations

from firmware_glue.compiler.ir import COPY, VIEW, Graph, Op, Shape
from firmware_glue.compiler.ops.movement import MOVABLE, Copy, Move, row
from firmware_glue.compiler.ops.rules import same_dtype, same_quantization
from firmware_glue.compiler.ops.spec import Array, OpSpec, Variant, no_options, rule


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The file's own shape, which must hold as many elements."""
    return (graph.output(op).shape,)


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """The same elements under the output's shape."""
    return (values[0].reshape(graph.output(op).shape),)


@rule("as many elements as the input")
def same_size(graph: Graph, op: Op) -> str | None:
    """The new shape must have as many elements as the old one."""
    a, b = graph.input(op, 0), graph.output(op)
    return None if a.elements == b.elements else f"{list(a.shape)} to {list(b.shape)}"


def _copy_views(graph: Graph, op: Op, ins: tuple[Array, ...], outs: tuple[Array, ...]) -> Move:
    return Move((Copy(0, ins[0].reshape(outs[0].shape), outs[0]),))


_RULES = (same_dtype, same_size)
_VARIANTS = {dtype.value: Variant("", reference, None) for dtype in MOVABLE}
_VIEW = OpSpec(no_options, infer, _VARIANTS, _RULES)
_EXPAND = OpSpec(no_options, infer, _VARIANTS, (*_RULES, same_quantization(lambda op: (0,))))
SPECS = {
    "RESHAPE": _VIEW,
    "SQUEEZE": _VIEW,
    "EXPAND_DIMS": _EXPAND,
    VIEW: _VIEW,
    COPY: row("copy", _copy_views, infer),
}
