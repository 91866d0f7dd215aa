"""The requantization of a layer as the kernels for RV32IM read it (edgecnn_rv32_common.h)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.requant import Form, Requant
from firmware_glue.compiler.fast.sums import Ints, Layer

FORMS: Mapping[Form, tuple[str, int]] = MappingProxyType(
    {Form.AFFINE: ("affine", 0), Form.TWICE: ("twice", 1), Form.ONCE: ("once", 2)}
)
"""Names of functions, and the C side's EC_RV32_AFFINE and so on."""
INSTRUCTIONS: Mapping[Form, int] = MappingProxyType({Form.AFFINE: 7, Form.TWICE: 13, Form.ONCE: 8})
"""Per output, from its sum to its byte."""


def starts(layer: Layer, requant: Requant) -> Ints:
    """What sums over raw inputs start from."""
    return layer.folded_bias + requant.betas


def numbers(first: tuple[Ints, ...], requant: Requant, channels: int) -> NDArray[np.int32]:
    """A constant array of the C kernels: (channels, words), zeros behind the layer's.

    Args:
        first: the words of each channel before m and C, modulo 2³².
        requant: the others; s where it is per channel.
        channels: of the array, the layer's at least.
    """
    rest = (requant.multipliers, requant.addends)
    columns = (*first, *rest) if requant.form is Form.AFFINE else (*first, *rest, requant.shifts)
    words = np.zeros((channels, len(columns)), np.int64)
    words[: len(requant.multipliers)] = np.stack(columns, axis=1)
    return (words & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
