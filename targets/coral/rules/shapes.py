"""Limits of ops that move, cut, join, reduce or resize tensors, and of arithmetic."""

from __future__ import annotations

from math import prod

import numpy as np

from targets.coral.rules.layers import NO_FUSED_ACTIVATION
from targets.coral.rules.view import LIMITATION, UNIT_STRIDES, OpView, Rule, shape_text

ON_CHIP_BYTES = 8 << 20
MAX_INTERPOLATED_BYTES = 5_000_000  # 513×513×19 was left on the CPU, 128×128×32 was mapped
MAX_ENLARGEMENT = 15  # 33 → 513 and 1 → 33 were left on the CPU, 64 → 128 was mapped
MAX_MEAN_POSITIONS = 32768  # 256×128 was left on the CPU, 64×128 was mapped


def zero_constant(op: OpView) -> str | None:
    """A constant input is allowed only beside one other input, and only if it is all zeros."""
    constants = list(op.constants)
    if not constants:
        return None
    if len(op.inputs) != 2:
        return f"{len(op.inputs)} inputs, {len(constants)} constant"
    for tensor in constants:
        zero = tensor.quantization.zero_point[0] if tensor.quantization else 0
        if tensor.data is not None and bool(np.any(tensor.data != zero)):
            return f"'{tensor.name}' with values other than zero"
    return None


def reduction_outside_batch(op: OpView) -> str | None:
    """The batch dimension must not be reduced."""
    axes = op.axes(1)
    return f"axes {list(axes)}" if 0 in axes else None


def channels_multiple_of_four(op: OpView) -> str | None:
    """Channels may be reduced only if their number is a multiple of 4."""
    data = op.input(0)
    if data is None or len(data.shape) < 2 or len(data.shape) - 1 not in op.axes(1):
        return None
    return None if data.shape[-1] % 4 == 0 else f"{data.shape[-1]} channels"


def moderate_mean(op: OpView) -> str | None:
    """A mean may cover fewer than 32,768 positions (256×128 is left on the CPU)."""
    data = op.input(0)
    if data is None:
        return None
    positions = prod(data.shape[axis] for axis in op.axes(1) if axis < len(data.shape))
    return None if positions < MAX_MEAN_POSITIONS else f"{positions:,} positions"


def pack_outside_batch(op: OpView) -> str | None:
    """Tensors must not be packed along the batch dimension."""
    output, axis = op.output, op.option("axis", 0)
    rank = len(output.shape) if output else 1
    return f"axis {axis}" if axis % max(1, rank) == 0 else None


def pad_outside_batch(op: OpView) -> str | None:
    """The batch dimension must not be padded."""
    amounts = op.integers(1)
    if amounts is None or not any(amounts[:2]):
        return None
    return f"{amounts[0]} before and {amounts[1]} after"


def leading_squeeze(op: OpView) -> str | None:
    """Only leading dimensions of 1 can be removed (1×5×10 → 5×10, not 5×1×10 → 5×10)."""
    data = op.input(0)
    if data is None:
        return None
    rank = max(1, len(data.shape))
    chosen = op.option("squeeze_dims") or ()
    removed = [int(dim) % rank for dim in chosen] or [
        axis for axis, dim in enumerate(data.shape) if dim == 1
    ]
    # Without chosen dimensions a single element keeps nothing: that moves no data.
    last = max(removed, default=-1)
    return None if prod(data.shape[: last + 1]) == 1 else f"{shape_text(data)}, removes {removed}"


def unit_strides(op: OpView) -> str | None:
    """All strides must be 1."""
    strides = op.integers(3)
    return None if strides is None or all(s == 1 for s in strides) else f"strides {list(strides)}"


def no_ellipsis_mask(op: OpView) -> str | None:
    """ellipsis_mask must be 0."""
    mask = op.option("ellipsis_mask", 0)
    return str(mask) if mask else None


def no_new_axis_mask(op: OpView) -> str | None:
    """new_axis_mask must be 0."""
    mask = op.option("new_axis_mask", 0)
    return str(mask) if mask else None


def interpolation_precision(op: OpView) -> str | None:
    """A side can be enlarged less than 15-fold (33 → 513 and 1 → 33 pixels stayed on the CPU)."""
    data, output = op.input(0), op.output
    if data is None or output is None or len(data.shape) != 4 or len(output.shape) != 4:
        return None
    enlarged = any(
        after >= MAX_ENLARGEMENT * before or before == 1 < after
        for before, after in zip(data.shape[1:3], output.shape[1:3], strict=True)
    )
    return f"{shape_text(data)} → {shape_text(output)}" if enlarged else None


def interpolated_size(op: OpView) -> str | None:
    """The resized tensor must be smaller than 5,000,000 bytes (513×513×19 stayed on the CPU)."""
    output = op.output
    if output is None or output.nbytes < MAX_INTERPOLATED_BYTES:
        return None
    return f"{shape_text(output)}, {output.nbytes:,} bytes"


def resized_fits_on_chip(op: OpView) -> str | None:
    """The resized tensor must be smaller than the 8 MiB on the chip."""
    output = op.output
    if output is None or output.nbytes < ON_CHIP_BYTES:
        return None
    return f"{shape_text(output)}, {output.nbytes:,} bytes"


_REDUCE = Rule(reduction_outside_batch, LIMITATION, "keep the batch dimension out of the axes")
_SMALLER = "resize to fewer pixels or channels, or on the host"
_RESIZE_FITS = Rule(resized_fits_on_chip, LIMITATION, _SMALLER)

RULES: dict[str, tuple[Rule, ...]] = {
    "ADD": (),
    "SUB": (),
    "MUL": (),
    "MAXIMUM": (),
    "MINIMUM": (),
    "SQUARED_DIFFERENCE": (),
    "RSQRT": (),
    "CONCATENATION": (
        NO_FUSED_ACTIVATION,
        Rule(zero_constant, LIMITATION, "fold the constant into the next layer, or use PAD"),
    ),
    "MEAN": (
        _REDUCE,
        Rule(channels_multiple_of_four, LIMITATION, "use a number of channels divisible by 4"),
        Rule(moderate_mean, LIMITATION, "average in two stages (AveragePooling2D, then mean)"),
    ),
    "SUM": (_REDUCE,),
    "REDUCE_MAX": (_REDUCE,),
    "REDUCE_MIN": (_REDUCE,),
    "PACK": (Rule(pack_outside_batch, LIMITATION, "stack along another axis, or concatenate"),),
    "PAD": (Rule(pad_outside_batch, LIMITATION, "pad only height, width or channels"),),
    "SQUEEZE": (Rule(leading_squeeze, LIMITATION, "use RESHAPE, or keep the dimension"),),
    "STRIDED_SLICE": (
        Rule(unit_strides, UNIT_STRIDES, "use a pooling or convolution layer with that stride"),
        Rule(no_ellipsis_mask, LIMITATION, "write all slices out instead of '...'"),
        Rule(no_new_axis_mask, LIMITATION, "slice first, then use expand_dims or reshape"),
    ),
    "RESIZE_BILINEAR": (
        Rule(
            interpolation_precision,
            LIMITATION,
            "enlarge in several steps, or on the host; repeat a single pixel with tf.tile, or let"
            " ADD or MUL broadcast it",
        ),
        Rule(interpolated_size, LIMITATION, _SMALLER),
    ),
    "RESIZE_NEAREST_NEIGHBOR": (_RESIZE_FITS,),
    "EXPAND_DIMS": (),
    "QUANTIZE": (),
    "RESHAPE": (),
    "SLICE": (),
    "SPACE_TO_DEPTH": (),
    "SPLIT": (),
    "TILE": (),
    "TRANSPOSE": (),
}
