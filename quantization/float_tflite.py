"""A .tflite from any converter → a plain float one: one graph, fixed shapes, float32 weights.

What is changed on the way computes the same: an open batch becomes 1, everything that depends on
shapes and constants alone is computed (that also widens float16 weights), int8 weights of a
dynamic-range file become float32, tensors of one name are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import (
    NO_TENSOR,
    DType,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
    frozen_array,
)
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.values import real_values
from edgecnn.core.tflite.writer import write_model
from quantization.float_rules import has_control_flow, require_builtin, require_float
from quantization.graph.edit import drop_unused, unique_name, with_main, with_operators

# Ops that take int8 weights beside float32 data (dynamic range) and float32 ones alike.
_HYBRID = frozenset(
    {
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "TRANSPOSE_CONV",
        "CONV_3D",
        "BATCH_MATMUL",
        "EMBEDDING_LOOKUP",
    }
)
_SHAPE_ONLY = frozenset({"SHAPE", "RANK"})
# Their value is not a function of their inputs.
_NEVER_FOLDED = ("RANDOM_", "MULTINOMIAL", "VAR_", "READ_VARIABLE", "HASHTABLE", "ASSIGN_")


def float_graph(
    data: bytes, model: TfModel, *, source: str
) -> tuple[bytes, TfModel, tuple[str, ...]]:
    """Checks a file and makes it plain.

    Args:
        data: the file's bytes.
        model: the same, read.
        source: what messages call it.

    Returns:
        The bytes and the model, the given ones where nothing had to change, and what the user
        should know about the file, one line each.

    Raises:
        ModelError: LiteRT does not run it.
        QuantizationError: custom ops, open sizes besides the batch, text tensors, or it is
            quantized already.
    """
    require_builtin(model, source)
    notes: list[str] = []
    plain = _widened(model, notes)
    if not has_control_flow(plain) and (_is_open(plain) or _foldable(plain.main)):
        plain = _settled(plain, notes)
    require_float(plain, source)
    plain = _named(plain)
    if plain is model:
        return data, model, ()
    data = write_model(plain)
    return data, read_model(data, source=source), tuple(notes)


def _widened(model: TfModel, notes: list[str]) -> TfModel:
    """int8 weights of float ops as float32 ones: real = scale · (q − zero point)."""
    graph = model.main
    used = {
        index: graph.tensors[index]
        for op in graph.operators
        if _is_hybrid(graph, op)
        for index in op.inputs[1:]
        if index != NO_TENSOR and _is_code(graph.tensors[index])
    }
    if not used:
        return model
    tensors = [_dequantized(tensor) if tensor.index in used else tensor for tensor in graph.tensors]
    operators = [
        replace(op, options={**op.options, "asymmetric_quantize_inputs": False})
        if "asymmetric_quantize_inputs" in op.options
        else op
        for op in graph.operators
    ]
    notes.append(
        f"{len(used)} weight tensors were int8 (dynamic range) and are taken as they are: what"
        " rounding took from them is lost, so the float model they come from is the better start"
    )
    return with_main(model, replace(graph, tensors=tuple(tensors), operators=tuple(operators)))


def _is_hybrid(graph: TfSubgraph, op: TfOperator) -> bool:
    outputs = [graph.tensors[index].dtype for index in op.outputs]
    return op.code in _HYBRID and outputs == [DType.FLOAT32]


def _is_code(tensor: TfTensor) -> bool:
    integer = tensor.dtype in (DType.INT8, DType.UINT8)
    return integer and tensor.data is not None and tensor.quantization is not None


def _dequantized(tensor: TfTensor) -> TfTensor:
    real = real_values(tensor)
    if real is None:
        return tensor
    return replace(tensor, dtype=DType.FLOAT32, quantization=None, data=frozen_array(real))


def _is_open(model: TfModel) -> bool:
    return any(-1 in tensor.shape_signature for tensor in model.main.tensors)


def _foldable(graph: TfSubgraph) -> list[TfOperator]:
    """Ops whose outputs depend on constants and shapes alone, in order."""
    constant = {t.index for t in graph.tensors if t.data is not None} | {NO_TENSOR}
    found = []
    for op in graph.operators:
        fixed = op.code in _SHAPE_ONLY or (op.inputs and all(i in constant for i in op.inputs))
        free = not any(graph.tensors[i].is_variable for i in (*op.inputs, *op.outputs) if i >= 0)
        if fixed and free and not op.code.startswith(_NEVER_FOLDED):
            found.append(op)
            constant.update(op.outputs)
    return found


def _settled(model: TfModel, notes: list[str]) -> TfModel:
    """Fixed shapes everywhere and constants computed, both as LiteRT sees them in one run."""
    fixed = with_main(model, _fixed(model.main, {}))
    predictor = LiteRTPredictor(
        write_model(fixed), threads=1, resolver="builtin", preserve_all=True
    )
    predictor.predict({i.name: np.zeros(i.shape, i.dtype) for i in predictor.inputs})
    graph = fixed.main
    written = [index for op in graph.operators for index in op.outputs]
    shapes = {index: predictor.tensor(index).shape for index in written}
    graph = _fixed(graph, shapes)
    folded = [op for op in _foldable(graph) if not set(op.outputs) & set(graph.outputs)]
    values = {index: predictor.tensor(index) for op in folded for index in op.outputs}
    halves = sum(op.code == "DEQUANTIZE" for op in folded)
    if halves:
        notes.append(f"{halves} weight tensors were stored narrower and are widened to float32")
    gone = {op.index for op in folded}
    tensors = [_constant(tensor, values.get(tensor.index)) for tensor in graph.tensors]
    operators = [op for op in graph.operators if op.index not in gone]
    graph = with_operators(replace(graph, tensors=tuple(tensors)), operators)
    return drop_unused(with_main(fixed, graph))


def _fixed(graph: TfSubgraph, shapes: Mapping[int, tuple[int, ...]]) -> TfSubgraph:
    """The graph with these shapes, and no open sizes (the reader puts 1 for them)."""
    tensors = []
    for tensor in graph.tensors:
        shape = shapes.get(tensor.index, tensor.shape)
        tensors.append(replace(tensor, shape=tuple(shape), shape_signature=tuple(shape)))
    return replace(graph, tensors=tuple(tensors))


def _constant(tensor: TfTensor, value: NDArray[Any] | None) -> TfTensor:
    if value is None:
        return tensor
    shape = tuple(value.shape)
    data = frozen_array(np.ascontiguousarray(value))
    return replace(tensor, data=data, shape=shape, shape_signature=shape, quantization=None)


def _named(model: TfModel) -> TfModel:
    """Tensors that ops write, inputs and outputs have a name of their own (no two the same)."""
    graph = model.main
    public = {index for op in graph.operators for index in op.outputs} | set(graph.inputs)
    taken: set[str] = set()
    tensors = []
    for tensor in graph.tensors:
        if tensor.index in public and tensor.name in taken:
            tensor = replace(tensor, name=unique_name(tensor.name, taken))
        taken.add(tensor.name)
        tensors.append(tensor)
    if all(old is new for old, new in zip(graph.tensors, tensors, strict=True)):
        return model
    return with_main(model, replace(graph, tensors=tuple(tensors)))
