"""y = scale · x + shift per channel: which ops are that, and what they may be moved across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType, TfOperator
from quantization.steps.fold_draft import Draft

Float64 = NDArray[np.float64]
ACTIVATION = "fused_activation_function"
#: Ops that give the same elements again, in another shape or at other places.
MOVES = frozenset(
    {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BATCH_TO_SPACE_ND", "RESIZE_NEAREST_NEIGHBOR"}
)
_ZERO_FILLED = frozenset({"PAD", "SPACE_TO_BATCH_ND"})
_AVERAGES = frozenset({"AVERAGE_POOL_2D", "MEAN", "RESIZE_BILINEAR"})


@dataclass(frozen=True)
class Affine:
    """An op that scales and shifts by constants.

    Attributes:
        op: MUL, DIV, ADD or SUB.
        data: the tensor that it reads beside the constant.
        scale, shift: float64, broadcastable to the op's output.
    """

    op: TfOperator
    data: int
    scale: Float64
    shift: Float64


def affine(draft: Draft, op: TfOperator) -> Affine | None:
    """What ``op`` does, if it is such an op and keeps its input's shape."""
    if op.code not in ("MUL", "DIV", "ADD", "SUB") or len(op.inputs) != 2:
        return None
    values = [draft.constant(index) for index in op.inputs]
    if (values[0] is None) == (values[1] is None):
        return None
    first = values[0] is None  # whether the data come first
    data = op.inputs[0 if first else 1]
    raw = values[1] if first else values[0]
    shape, out = draft.tensors[data], draft.tensors[op.outputs[0]]
    if raw is None or shape.shape != out.shape or not shape.shape or out.dtype != DType.FLOAT32:
        return None
    constant = raw.astype(np.float64)
    if not np.isfinite(constant).all() or (op.code == "DIV" and not (first and constant.all())):
        return None
    one, zero = np.ones(1), np.zeros(1)
    scale, shift = {
        "MUL": (constant, zero),
        "DIV": (1 / constant if op.code == "DIV" else one, zero),
        "ADD": (one, constant),
        "SUB": (one, -constant) if first else (-one, constant),
    }[op.code]
    return Affine(op, data, scale, shift)


def per_channel(values: Float64, shape: Sequence[int]) -> Float64 | None:
    """``values`` broadcast to ``shape`` as one number per last dimension, float64 (channels,).

    None where they differ along another dimension.
    """
    channels = shape[-1]
    if values.size == 1:
        return np.full(channels, values.reshape(()))
    if values.size == channels and values.shape[-1] == channels:
        return values.reshape(channels)
    rows = np.broadcast_to(values, tuple(shape)).reshape(-1, channels)
    return np.array(rows[0]) if bool((rows == rows[0]).all()) else None


def across(draft: Draft, op: TfOperator, scale: Float64, shift: Float64) -> bool:
    """Whether scaling and shifting ``op``'s input per channel does the same to its output.

    Args:
        draft: the graph.
        op: an op with one data input.
        scale: (channels,).
        shift: (channels,).
    """
    source, out = (draft.tensors[i] for i in (op.inputs[0], op.outputs[0]))
    if not source.shape or not out.shape or source.shape[-1] != out.shape[-1]:
        return False
    if op.code in MOVES:
        return True
    if op.code in _ZERO_FILLED:
        return not shift.any()
    if op.options.get(ACTIVATION, "NONE") != "NONE":
        return False
    if op.code == "MAX_POOL_2D":
        return bool((scale > 0).all())
    if op.code == "MEAN":
        axes = draft.tensors[op.inputs[1]].data
        rank = len(source.shape)
        return axes is not None and (rank - 1) not in {int(a) % rank for a in axes.reshape(-1)}
    return op.code in _AVERAGES


def commutes_with_clipping(op: TfOperator) -> bool:
    """Whether clipping ``op``'s output is the same as clipping its input (0 stays 0)."""
    return op.code in MOVES or op.code in _ZERO_FILLED
