"""MediaPipe's custom op ``Convolution2DTransposeBias`` as the builtin op that computes the same.

MediaPipe's segmentation models carry it from a time when TFLite's TRANSPOSE_CONV took no bias; no
other runtime has it. Its inputs are the image, weights (out, height, width, in) and the bias; its
options are three whole numbers: padding (1: same, 2: valid), stride along x, and along y
(google-ai-edge/mediapipe, util/tflite/operations/transpose_conv_bias.cc).
"""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.model import DType, TfModel, TfOperator, TfSubgraph, TfTensor

CODE = "Convolution2DTransposeBias"
_OPTIONS = struct.Struct("<iii")
_PADDINGS = {1: "SAME", 2: "VALID"}
_MOST_STRIDE = 64


def with_builtin_transpose_conv(model: TfModel) -> TfModel:
    """The model with each such op replaced; the same model where it has none.

    Raises:
        ModelError: an op's options or shapes are not as MediaPipe writes them.
    """
    graphs = tuple(_replaced(graph) for graph in model.subgraphs)
    changed = any(new is not old for new, old in zip(graphs, model.subgraphs, strict=True))
    return replace(model, subgraphs=graphs) if changed else model


def _replaced(graph: TfSubgraph) -> TfSubgraph:
    if all(op.custom_code != CODE for op in graph.operators):
        return graph
    tensors, operators = list(graph.tensors), []
    for op in graph.operators:
        if op.custom_code != CODE:
            operators.append(op)
            continue
        size = TfTensor(
            len(tensors), f"{graph.op_name(op)}/output_size", (4,), (4,), DType.INT32,
            data=np.asarray(_output_shape(graph, op), np.int32),
        )  # fmt: skip
        tensors.append(size)
        operators.append(_builtin(op, size.index))
    return replace(graph, tensors=tuple(tensors), operators=tuple(operators))


def _builtin(op: TfOperator, size: int) -> TfOperator:
    padding, stride_w, stride_h = _options(op)
    image, weights, bias = op.inputs
    return replace(
        op,
        code="TRANSPOSE_CONV",
        custom_code="",
        custom_options=b"",
        inputs=(size, weights, image, bias),
        version=3,  # the first with a bias
        options={
            "padding": padding, "stride_w": stride_w, "stride_h": stride_h,
            "fused_activation_function": "NONE",
        },
    )  # fmt: skip


def _options(op: TfOperator) -> tuple[str, int, int]:
    raw = op.custom_options
    values = _OPTIONS.unpack(raw[: _OPTIONS.size]) if len(raw) >= _OPTIONS.size else (0, 0, 0)
    padding, stride_w, stride_h = values
    if padding not in _PADDINGS or not all(0 < n <= _MOST_STRIDE for n in (stride_w, stride_h)):
        raise _unlike(op, f"its options are {list(values)}")
    return _PADDINGS[padding], stride_w, stride_h


def _output_shape(graph: TfSubgraph, op: TfOperator) -> tuple[int, ...]:
    """(1, height, width, channels) as MediaPipe computes it."""
    if len(op.inputs) != 3 or min(op.inputs) < 0 or len(op.outputs) != 1:
        raise _unlike(op, f"it has {len(op.inputs)} inputs and {len(op.outputs)} outputs")
    padding, stride_w, stride_h = _options(op)
    image, weights = (graph.tensors[k].shape for k in op.inputs[:2])
    if len(image) != 4 or len(weights) != 4 or image[3] != weights[3]:
        raise _unlike(op, f"its image is {list(image)}, its weights are {list(weights)}")
    sides = []
    for stride, size, kernel in zip((stride_h, stride_w), image[1:3], weights[1:3], strict=True):
        cut = max(0, kernel - (size - 1) % stride - 1) if padding == "SAME" else 0
        sides.append(stride * (size - 1) + kernel - cut)
    return (image[0], *sides, weights[0])


def _unlike(op: TfOperator, what: str) -> ModelError:
    return ModelError(
        f"op #{op.index} {CODE} is not as MediaPipe writes it: {what}",
        hint="export the model without the custom op",
    )
