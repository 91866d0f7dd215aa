"""float16: constants at half the size, widened by a DEQUANTIZE as the model runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn.core.tflite.model import (
    DType,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
    frozen_array,
)
from quantization.graph.edit import unique_name, with_operators

_LARGEST = float(np.finfo(np.float16).max)


def emit_half(model: TfModel) -> TfModel:
    """``model`` with its float32 constants as float16, in all subgraphs.

    A constant with values that float16 cannot hold (above 65504) stays float32.
    """
    return replace(model, subgraphs=tuple(map(_halved, model.subgraphs)))


def _halved(graph: TfSubgraph) -> TfSubgraph:
    tensors = list(graph.tensors)
    names = {tensor.name for tensor in tensors}
    read = {index for op in graph.operators for index in op.inputs}
    widening = []
    for tensor in graph.tensors:
        if tensor.index not in read or not _fits(tensor) or tensor.index in graph.outputs:
            continue
        half = frozen_array(np.asarray(tensor.data).astype(np.float16))
        name = unique_name(f"{tensor.name}/float16", names)
        names.add(name)
        index = len(tensors)
        tensors.append(replace(tensor, index=index, name=name, dtype=DType.FLOAT16, data=half))
        tensors[tensor.index] = replace(tensor, data=None)
        widening.append(TfOperator(0, "DEQUANTIZE", (index,), (tensor.index,), 3))
    graph = replace(graph, tensors=tuple(tensors))
    return with_operators(graph, (*widening, *graph.operators))


def _fits(tensor: TfTensor) -> bool:
    if tensor.dtype is not DType.FLOAT32 or tensor.data is None or tensor.data.size == 0:
        return False
    return float(np.abs(tensor.data).max()) <= _LARGEST
