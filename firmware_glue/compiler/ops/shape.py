"""SHAPE: known at compile time, since shapes are static; a pass folds it away."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.rules import dtypes
from firmware_glue.compiler.ops.spec import Array, OpSpec, Variant, no_options


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """One number per dimension."""
    return ((len(graph.input(op, 0).shape),),)


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """The input's shape; its elements do not matter."""
    return (np.array(graph.input(op, 0).shape, graph.output(op).dtype.value),)


SPEC = OpSpec(
    no_options,
    infer,
    {dtype.value: Variant("", reference, None) for dtype in DType},
    (dtypes(0, DType.INT32, DType.INT64, output=True),),
)
