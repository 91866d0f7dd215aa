"""All ops: BuiltinOperator name → specification. A new op is one row here, or in its family."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.ops import (
    binary,
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    padding,
    pool_2d,
    quantize,
    reduce,
    resize,
    shape,
    shape_only,
    slicing,
    softmax,
    unary,
)
from firmware_glue.compiler.ops.spec import OpSpec

OPS: Mapping[str, OpSpec] = MappingProxyType(
    {
        "CONV_2D": conv_2d.SPEC,
        "DEPTHWISE_CONV_2D": depthwise_conv_2d.SPEC,
        "FULLY_CONNECTED": fully_connected.SPEC,
        "RESIZE_NEAREST_NEIGHBOR": resize.SPEC,
        "SHAPE": shape.SPEC,
        "SOFTMAX": softmax.SPEC,
        **binary.SPECS,
        **padding.SPECS,
        **pool_2d.SPECS,
        **quantize.SPECS,
        **reduce.SPECS,
        **shape_only.SPECS,
        **slicing.SPECS,
        **unary.SPECS,
    }
)
