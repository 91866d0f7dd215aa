"""Limits that hold for every op on the Edge TPU."""

from __future__ import annotations

from edgecnn.core.tflite.model import DType
from targets.coral.rules.view import BAD_TYPE, DYNAMIC, LIMITATION, OpView, Rule, shape_text

_EIGHT_BITS = (DType.INT8, DType.UINT8)
_PARAMETERS = (*_EIGHT_BITS, DType.INT32, DType.INT64, DType.BOOL)

# Positions of the inputs that must be constants, by op: weights, and what gives the output's shape.
_WEIGHTS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "PRELU": (1,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 18)),
}
SHAPE_INPUTS = {
    "RESHAPE": (1,),
    "TILE": (1,),
    "PAD": (1,),
    "PADV2": (1,),
    "MIRROR_PAD": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "MEAN": (1,),
    "SUM": (1,),
    "REDUCE_MAX": (1,),
    "REDUCE_MIN": (1,),
    "REDUCE_PROD": (1,),
    "TRANSPOSE": (1,),
    "EXPAND_DIMS": (1,),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
    "TRANSPOSE_CONV": (0,),
    "SPACE_TO_BATCH_ND": (1, 2),
    "BATCH_TO_SPACE_ND": (1, 2),
    "BROADCAST_TO": (1,),
    "FILL": (0,),
    "RANGE": (0, 1, 2),
    "ONE_HOT": (1,),
    "TOPK_V2": (1,),
}
_DATA_DEPENDENT = ("WHERE", "UNIQUE", "NON_ZERO")


def eight_bit_activations(op: OpView) -> str | None:
    """Inputs and outputs must be int8 or uint8."""
    wrong = [
        f"{side} {tensor.dtype.value}"
        for side, tensor in op.activations
        if tensor.dtype not in _EIGHT_BITS
        # An index that should be a constant is told apart by another rule.
        and not _is_shape_input(op, tensor.index)
    ]
    return ", ".join(dict.fromkeys(wrong)) or None


def eight_bit_parameters(op: OpView) -> str | None:
    """Weights must be int8 or uint8, biases and indices int32."""
    wrong = [tensor.dtype.value for tensor in op.constants if tensor.dtype not in _PARAMETERS]
    return ", ".join(dict.fromkeys(wrong)) or None


def three_inner_dimensions(op: OpView) -> str | None:
    """Of a tensor with more than three dimensions only the three innermost may exceed 1."""
    for _, tensor in op.activations:
        if len(tensor.shape) > 3 and any(dim != 1 for dim in tensor.shape[:-3]):
            return shape_text(tensor)
    return None


def constant_parameters(op: OpView) -> str | None:
    """Weights and biases must be constants in the file."""
    for position in _WEIGHTS.get(op.op.code, ()):
        tensor = op.input(position)
        if tensor is not None and tensor.data is None and not tensor.is_variable:
            return f"input {position} '{tensor.name}' is computed"
    return None


def static_shapes(op: OpView) -> str | None:
    """The output's shape must be known when compiling: shapes, axes and sizes are constants."""
    if op.op.code in _DATA_DEPENDENT:
        return f"{op.op.code}, whose output's shape depends on the data"
    for position in SHAPE_INPUTS.get(op.op.code, ()):
        tensor = op.input(position)
        if tensor is not None and tensor.data is None:
            return f"input {position} '{tensor.name}' is computed"
    return None


def _is_shape_input(op: OpView, index: int) -> bool:
    positions = SHAPE_INPUTS.get(op.op.code, ())
    return any(
        index == op.op.inputs[position] for position in positions if position < len(op.op.inputs)
    )


TYPES = (
    Rule(
        eight_bit_activations,
        BAD_TYPE,
        "quantize the whole model to int8, inputs and outputs too (edgecnn quantize --recipe int8)",
    ),
    Rule(
        eight_bit_parameters,
        BAD_TYPE,
        "quantize weights to 8 bits (edgecnn quantize --recipe int8)",
    ),
)
GENERAL = (
    Rule(
        constant_parameters,
        LIMITATION,
        "make the weights constants; a product of two activations can only be an element-wise MUL",
    ),
    Rule(
        three_inner_dimensions,
        LIMITATION,
        "use batch 1 and at most height, width and channels; for UpSampling2D use"
        " interpolation='bilinear', which needs no such shapes",
    ),
)
STATIC = Rule(
    static_shapes,
    DYNAMIC,
    "give the Keras Input a fixed batch and size (batch_shape=(1, height, width, channels))",
)
