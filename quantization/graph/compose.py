"""int16 ops that LiteRT lacks, written as a few ops that it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType, Quantization, TfOperator, TfTensor, frozen_array
from quantization.graph.params import quantization

_PEAK = 32767
_ADD_FLOOR = 2.002 / 2**15
_VERSIONS = {"ADD": 3, "SUB": 5, "MUL": 4}

Add = Callable[[TfTensor], int]
"""Adds a tensor to the graph in the making; its new index."""

Compose = Callable[[list[TfTensor], TfTensor, Add], list[TfOperator]]
"""(operands, output, add) → the ops; all tensors are int16 with scales."""


def _hard_swish(operands: list[TfTensor], out: TfTensor, add: Add) -> list[TfOperator]:
    """As x · relu6(x + 3) · ⅙."""
    x = operands[0]
    three, sixth = (add(_scalar(out, value)) for value in (3.0, 1 / 6))
    largest = max(_scale(x), 3.0 / _PEAK)
    shifted = add(_inner(out, "shifted", max(6.0 / _PEAK, _ADD_FLOOR * largest)))
    product = add(_inner(out, "product", 6.0 * _scale(out)))
    return [
        _op("ADD", (x.index, three), shifted, "RELU6"),
        _op("MUL", (x.index, shifted), product),
        _op("MUL", (product, sixth), out.index),
    ]


def _squared_difference(operands: list[TfTensor], out: TfTensor, add: Add) -> list[TfOperator]:
    """(a − b)²; the difference is as large as the root of what was seen of its square."""
    largest = max(map(_scale, operands))
    seen = math.sqrt(_PEAK * _scale(out)) / _PEAK
    difference = add(_inner(out, "difference", max(seen, _ADD_FLOOR * largest)))
    one, other = (tensor.index for tensor in operands)
    return [
        _op("SUB", (one, other), difference),
        _op("MUL", (difference, difference), out.index),
    ]


COMPOSED: Mapping[str, Compose] = MappingProxyType(
    {"HARD_SWISH": _hard_swish, "SQUARED_DIFFERENCE": _squared_difference}
)
"""Op → how to compute it in int16."""


def _op(code: str, inputs: tuple[int, ...], out: int, activation: str = "NONE") -> TfOperator:
    options: dict[str, Any] = {"fused_activation_function": activation}
    if code != "MUL":
        options["pot_scale_int16"] = False
    return TfOperator(0, code, inputs, (out,), _VERSIONS[code], options=MappingProxyType(options))


def _inner(out: TfTensor, what: str, scale: float) -> TfTensor:
    return replace(out, name=f"{out.name}/{what}", quantization=quantization(scale, 0))


def _scalar(out: TfTensor, value: float) -> TfTensor:
    code = np.full((), _PEAK, np.int16)
    return TfTensor(
        0,
        f"{out.name}/{value:.3g}",
        (),
        (),
        DType.INT16,
        quantization(value / _PEAK, 0),
        frozen_array(code),
    )


def _scale(tensor: TfTensor) -> float:
    params: Quantization | None = tensor.quantization
    return params.scale[0] if params else 1.0
