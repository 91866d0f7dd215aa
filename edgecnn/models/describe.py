"""Sizes of a Keras model, for tables and reports."""

from __future__ import annotations

import math
from typing import Any


def multiply_accumulates(model: Any) -> int:
    """Multiplications of one inference in convolutions and dense layers (batch 1).

    Batch norm is left out: it is folded on conversion.
    """
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: Any) -> int:
    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D", "Conv1D"):
        # A kernel is applied once per output position: (…, in, out) or (…, in, multiplier).
        positions = math.prod(size or 1 for size in layer.output.shape[1:-1])
        return int(positions * math.prod(layer.kernel.shape))
    if kind == "Dense":
        positions = math.prod(size or 1 for size in layer.output.shape[1:-1])
        return int(positions * math.prod(layer.kernel.shape))
    return 0
