"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE: codes of ops on resource variables.

They never reach the graph: the importer turns variables into state tensors, and these ops into
copies from and to them, so they need no kernels; see ``compiler/variables.py``.
"""

from __future__ import annotations

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.movement import MOVABLE
from firmware_glue.compiler.ops.spec import Array, OpSpec, Variant, no_options

HANDLE = "VAR_HANDLE"
READ = "READ_VARIABLE"
ASSIGN = "ASSIGN_VARIABLE"
CALL = "CALL_ONCE"
CODES = (HANDLE, READ, ASSIGN, CALL)


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The file's own shapes."""
    return tuple(graph.tensors[i].shape for i in op.outputs)


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """The value itself."""
    return values[-1:]


_SPEC = OpSpec(no_options, infer, {dtype.value: Variant("", reference, None) for dtype in MOVABLE})
SPECS = dict.fromkeys(CODES, _SPEC)
"""Rows for the list of ops alone."""
