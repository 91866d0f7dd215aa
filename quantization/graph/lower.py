"""Float ops without an integer kernel, written as ops that have one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from edgecnn.core.tflite.model import DType, TfModel, TfOperator, TfSubgraph, TfTensor, frozen_array
from quantization.graph.edit import add_tensor, with_main, with_operators

_NO_ACTIVATION = MappingProxyType({"fused_activation_function": "NONE"})
_SUM = MappingProxyType({"fused_activation_function": "NONE", "pot_scale_int16": False})


def lowered(model: TfModel) -> TfModel:
    """SQUARE and NEG as MUL, ADD_N of two as ADD, DIV by a constant as MUL.

    Op indices stay, and so do tensor indices: new constants come behind the old ones.
    """
    graph = model.main
    for op in graph.operators:
        rewrite = _REWRITES.get(op.code)
        if rewrite is not None and graph.tensors[op.outputs[0]].dtype is DType.FLOAT32:
            graph = rewrite(graph, op)
    return with_main(model, graph) if graph is not model.main else model


def _square(graph: TfSubgraph, op: TfOperator) -> TfSubgraph:
    inputs = (op.inputs[0], op.inputs[0])
    return _replaced(graph, replace(op, code="MUL", inputs=inputs, options=_NO_ACTIVATION))


def _add_n(graph: TfSubgraph, op: TfOperator) -> TfSubgraph:
    if len(op.inputs) != 2:
        return graph
    return _replaced(graph, replace(op, code="ADD", options=_SUM))


def _divide(graph: TfSubgraph, op: TfOperator) -> TfSubgraph:
    divisor = graph.tensors[op.inputs[1]]
    if divisor.data is None:
        return graph
    with np.errstate(divide="ignore", over="ignore"):
        inverse = (1.0 / divisor.data.astype(np.float64)).astype(np.float32)
    if not np.isfinite(inverse).all():
        return graph
    graph, index = add_tensor(
        graph, replace(divisor, name=f"{divisor.name}/reciprocal", data=frozen_array(inverse))
    )
    inputs = (op.inputs[0], index)
    return _replaced(graph, replace(op, code="MUL", inputs=inputs, version=1))


def _negate(graph: TfSubgraph, op: TfOperator) -> TfSubgraph:
    name = f"{graph.op_name(op)}/minus_one"
    minus = np.full((), -1.0, np.float32)
    graph, index = add_tensor(
        graph, TfTensor(0, name, (), (), DType.FLOAT32, data=frozen_array(minus))
    )
    inputs = (op.inputs[0], index)
    return _replaced(graph, replace(op, code="MUL", inputs=inputs, options=_NO_ACTIVATION))


def _replaced(graph: TfSubgraph, op: TfOperator) -> TfSubgraph:
    operators = list(graph.operators)
    operators[op.index] = op
    return with_operators(graph, operators)


_REWRITES: Mapping[str, Callable[[TfSubgraph, TfOperator], TfSubgraph]] = MappingProxyType(
    {"SQUARE": _square, "ADD_N": _add_n, "DIV": _divide, "NEG": _negate}
)
