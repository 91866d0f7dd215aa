"""TfModel → Graph, op by op through the table; collects problems instead of stopping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from edgecnn.core.tflite.compiled import EDGE_TPU_OP
from edgecnn.core.tflite.custom_ops import custom_op_cure
from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfOperator, TfSubgraph, TfTensor
from edgecnn.core.tflite.values import unpacked
from firmware_glue.compiler.dynamic import resolve_shapes
from firmware_glue.compiler.ir import Graph, Lifetime, Numerics, Op, Tensor
from firmware_glue.compiler.limits import size_problems
from firmware_glue.compiler.ops.rules import dtype_cure
from firmware_glue.compiler.ops.spec import OptionError
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.ops.variables import CALL, CODES
from firmware_glue.compiler.problems import SUPPORTED, OpProblem
from firmware_glue.compiler.variables import (
    Handles,
    Resources,
    VariableError,
    copies,
    run_once,
)

IO_DTYPES = (
    DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32, DType.BOOL,
)  # fmt: skip
_DENSIFY = "convert the model without the sparsity optimization"
_PACKED = (DType.INT4, DType.INT2)


@dataclass(frozen=True)
class Imported:
    """The graph of all ops that could be read, and what was wrong with the others."""

    graph: Graph
    problems: tuple[OpProblem, ...]


def import_model(model: TfModel, numerics: Numerics = Numerics.LITERT_REF) -> Imported:
    """Reads the main subgraph. Never raises for a readable model."""
    subgraph = model.main
    too_large = tuple(size_problems(model))
    if too_large:
        return Imported(Graph({}, (), (), (), numerics), too_large)
    tensors = _tensors(subgraph)
    resources = Resources(len(tensors))
    handles = Handles()
    ops: list[Op] = []
    problems = list(_interface_problems(subgraph))
    for operator in subgraph.operators:
        try:
            ops += _ops(model, operator, tensors, handles, resources)
        except _ImportProblem as error:
            problems.append(error.problem)
    graph = Graph(
        {**tensors, **resources.tensors}, tuple(ops), subgraph.inputs, subgraph.outputs, numerics,
        MappingProxyType(resources.initial),
    )  # fmt: skip
    dynamic = {tensor.index for tensor in subgraph.tensors if -1 in tensor.shape_signature}
    # Files do not give the shapes of custom ops' outputs: the op knows them.
    dynamic |= {i for op in ops if op.code.startswith("CUSTOM:") for i in op.outputs}
    if dynamic:
        graph = resolve_shapes(graph, dynamic)
    return Imported(graph, tuple(problems))


class _ImportProblem(Exception):
    """An op that cannot be read."""

    def __init__(self, problem: OpProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _ops(
    model: TfModel, operator: TfOperator, tensors: Mapping[int, Tensor], handles: Handles,
    resources: Resources,
) -> tuple[Op, ...]:  # fmt: skip
    """What an operator is in the graph: one op; those on variables a copy, or nothing."""
    name = model.main.op_name(operator)
    try:
        if operator.code == CALL:
            run_once(model, operator, _tensors, _op, resources)
            return ()
        if operator.code in CODES:
            return copies(operator, name, tensors, handles, resources)
    except VariableError as error:
        raise _ImportProblem(
            OpProblem(
                operator.index, operator.code, name, error.rule, error.got, error.allowed,
                "keep the state outside of the model, as inputs and outputs",
            )
        ) from error  # fmt: skip
    result = _op(model.main, operator)
    if isinstance(result, OpProblem):
        raise _ImportProblem(result)
    return (result,)


def _tensors(subgraph: TfSubgraph) -> dict[int, Tensor]:
    return {tensor.index: _tensor(tensor) for tensor in subgraph.tensors}


def _tensor(tensor: TfTensor) -> Tensor:
    data, dtype = tensor.data, tensor.dtype
    if dtype in _PACKED and data is not None:
        data, dtype = unpacked(tensor, data), DType.INT8
    lifetime = Lifetime.ACTIVATION
    if tensor.is_variable:
        lifetime = Lifetime.STATE
    elif data is not None and data.shape == tensor.shape:
        lifetime = Lifetime.CONSTANT
    return Tensor(
        tensor.name, tensor.shape, dtype, lifetime, tensor.quantization,
        data if lifetime is Lifetime.CONSTANT else None,
    )  # fmt: skip


def _op(subgraph: TfSubgraph, operator: TfOperator) -> Op | OpProblem:
    def problem(rule: str, got: str, allowed: str, rewrite: str | None = None) -> OpProblem:
        name = subgraph.op_name(operator)
        return OpProblem(operator.index, operator.display_code, name, rule, got, allowed, rewrite)

    spec = OPS.get(operator.display_code)
    if operator.custom_code == EDGE_TPU_OP:
        return problem(
            "The file is compiled for the Edge TPU and runs only on a Coral.",
            operator.display_code,
            "a .tflite from before that compiler",
            custom_op_cure(operator.custom_code),
        )
    if spec is None:
        return problem(
            "This op is not supported.",
            operator.display_code,
            f"the {len(OPS) - 2} ops of docs/ops.md",
            custom_op_cure(operator.custom_code) if operator.code == "CUSTOM" else SUPPORTED,
        )
    if any(subgraph.tensors[i].sparse for i in operator.inputs if i != NO_TENSOR):
        return problem("Weights must be dense.", "a sparse tensor", "dense tensors", _DENSIFY)
    try:
        options = spec.parse(_options(subgraph, operator))
    except OptionError as error:
        return problem(error.message, error.got, error.allowed, error.rewrite)
    except (KeyError, TypeError, ValueError) as error:
        return problem("The op's options must be readable.", repr(error), "the schema's options")
    name = subgraph.op_name(operator)
    sources = (operator.index,)
    return Op(operator.display_code, operator.inputs, operator.outputs, options, sources, name)


def _options(subgraph: TfSubgraph, operator: TfOperator) -> Mapping[str, Any]:
    """The builtin options; with a custom op's bytes, and the quantization of intermediates."""
    extra: dict[str, Any] = {}
    if operator.code == "CUSTOM":
        extra["custom_options"] = operator.custom_options
    if operator.intermediates:
        extra["intermediates"] = tuple(
            subgraph.tensors[i].quantization for i in operator.intermediates
        )
    return {**operator.options, **extra} if extra else operator.options


def _interface_problems(subgraph: TfSubgraph) -> list[OpProblem]:
    problems = []
    for kind, indices in (("INPUT", subgraph.inputs), ("OUTPUT", subgraph.outputs)):
        for index in indices:
            tensor = subgraph.tensors[index]
            if kind == "INPUT" and tensor.is_variable:
                problems.append(
                    OpProblem(
                        -1, kind, tensor.name, "Inputs must not be variables.", "a variable",
                        "plain tensors",
                    )
                )  # fmt: skip
            if tensor.dtype not in IO_DTYPES:
                names = ", ".join(dtype.value for dtype in IO_DTYPES)
                problems.append(
                    OpProblem(
                        -1, kind, tensor.name, "Inputs and outputs must have a plain dtype.",
                        tensor.dtype.value, names, dtype_cure(tensor.dtype, IO_DTYPES),
                    )
                )  # fmt: skip
    return problems


def constant_like(tensor: Tensor, data: np.ndarray) -> Tensor:
    """``tensor`` as a constant with these contents."""
    array = np.array(data, order="C").reshape(tensor.shape)
    array.flags.writeable = False
    return Tensor(
        tensor.name, tensor.shape, tensor.dtype, Lifetime.CONSTANT, tensor.quantization, array
    )
