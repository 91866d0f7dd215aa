"""CAST between int8, uint8, int16, int32, int64, float32 and bool."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import rescale
from firmware_glue.compiler.ops.rescale import SUFFIX
from firmware_glue.compiler.ops.rules import dtypes
from firmware_glue.compiler.ops.spec import (
    Array,
    Lowered,
    OpSpec,
    Params,
    Variant,
    no_options,
    same_shape,
)


def convert(values: Array, dtype: DType) -> Array:
    """Integers keep their low bits. Floats go towards zero and saturate; NaN gives the highest."""
    if values.dtype != np.float32 or dtype in (DType.BOOL, DType.FLOAT32):
        return values.astype(dtype.value)
    info = np.iinfo(dtype.value)
    with np.errstate(invalid="ignore"):
        low, fits = values < np.float32(info.min), values < np.float32(2.0**63)
        if dtype is not DType.INT64:
            fits = values < np.float32(info.max + 1)
        inside = np.where(~low & fits, values, 0).astype(np.int64)
    result = np.where(low, np.int64(info.min), np.where(fits, inside, np.int64(info.max)))
    return result.astype(dtype.value)


def _reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    return (convert(values[0], graph.output(op).dtype),)


def _lower(graph: Graph, op: Op) -> Lowered:
    x, y = graph.input(op, 0).dtype, graph.output(op).dtype
    kernel = f"cast_{SUFFIX[x]}_{SUFFIX[y]}"
    params = Params("ec_cast_params", ())
    return rescale.convert_call(graph, op, kernel, "edgecnn_cast.h", params)


SPECS = {
    "CAST": OpSpec(
        no_options,
        same_shape,
        {
            dtype.value: Variant(f"cast_{suffix}", _reference, _lower)
            for dtype, suffix in SUFFIX.items()
        },
        (dtypes(0, *SUFFIX, output=True),),
    )
}
