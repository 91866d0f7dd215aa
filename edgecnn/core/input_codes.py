"""What the codes of a quantized input say about the values behind them."""

from __future__ import annotations

import numpy as np

from edgecnn.core.conventions import CONVENTIONS, Convention, nearest
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.tflite.model import TfModel

# Within this share of the width a byte is taken as the code itself, as exporters mean it.
_EXACT, _CLOSE, _EQUAL = 0.012, 0.1, 0.03


def coded_conventions(info: TensorInfo, graph: TfModel | None) -> tuple[Convention, ...] | None:
    """The conventions that a quantized image input was made for.

    Args:
        info: the input.
        graph: the model: a float input that is quantized first tells as much.

    Returns:
        Mostly one. Of int8 and uint8 a range that is like none of the usual ones is taken as it
        is, byte 0 for the lowest code; without a zero point several may be left. None: the input
        is not quantized, or tells nothing.
    """
    if info.scale is None and graph is not None:
        info = _quantized_first(graph) or info
    if info.scale is None or info.dtype not in ("int8", "uint8", "int16"):
        return None
    limits = np.iinfo(info.dtype)
    zero = info.zero_point or 0
    low, high = info.scale * (limits.min - zero), info.scale * (limits.max - zero)
    if info.dtype == "int16" or (info.dtype == "int8" and zero == 0):
        found = _symmetric(high)
        if found or info.dtype == "int16":
            return found
    close = nearest(low, high, _CLOSE)
    exact = nearest(low, high, _EXACT)
    if close and not (exact and exact[0].gray):
        return close
    name = exact[0].name if exact else f"{low:.4g}..{high:.4g}"
    return (Convention(name, (float(info.scale),), (float(low),)),)


def _symmetric(high: float) -> tuple[Convention, ...] | None:
    found = []
    for item in CONVENTIONS:
        most = max(abs(value) for ends in item.ends() for value in ends)
        if abs(most - high) <= _EQUAL * most:
            found.append(item)
    return tuple(found) or None


def _quantized_first(graph: TfModel) -> TensorInfo | None:
    """The quantized tensor that a float input becomes first."""
    main = graph.main
    for op in main.operators:
        if op.code == "QUANTIZE" and len(main.inputs) == 1 and main.inputs[0] in op.inputs:
            tensor = main.tensors[op.outputs[0]]
            quantization = tensor.quantization
            if quantization is None or len(quantization.scale) != 1:
                return None
            zero = int(quantization.zero_point[0]) if len(quantization.zero_point) else 0
            return TensorInfo(
                tensor.name, tensor.shape, tensor.dtype.value, float(quantization.scale[0]), zero
            )
    return None
