"""TfModel → Graph, op by op through the table; collects problems instead of stopping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfOperator, TfSubgraph, TfTensor
from firmware_glue.compiler.dynamic import resolve_shapes
from firmware_glue.compiler.ir import Graph, Lifetime, Numerics, Op, Tensor
from firmware_glue.compiler.ops.rules import QUANTIZE_HINT
from firmware_glue.compiler.ops.spec import OptionError
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.problems import OpProblem

IO_DTYPES = (DType.INT8, DType.UINT8, DType.INT32, DType.FLOAT32)


@dataclass(frozen=True)
class Imported:
    """The graph of all ops that could be read, and what was wrong with the others."""

    graph: Graph
    problems: tuple[OpProblem, ...]


def import_model(model: TfModel, numerics: Numerics = Numerics.LITERT_REF) -> Imported:
    """Reads the main subgraph. Never raises for a readable model."""
    subgraph = model.main
    tensors = {tensor.index: _tensor(tensor) for tensor in subgraph.tensors}
    ops: list[Op] = []
    problems = list(_interface_problems(subgraph))
    for operator in subgraph.operators:
        result = _op(subgraph, operator)
        if isinstance(result, OpProblem):
            problems.append(result)
        else:
            ops.append(result)
    graph = Graph(tensors, tuple(ops), subgraph.inputs, subgraph.outputs, numerics)
    dynamic = {tensor.index for tensor in subgraph.tensors if -1 in tensor.shape_signature}
    if dynamic:
        graph = resolve_shapes(graph, dynamic)
    return Imported(graph, tuple(problems))


def _tensor(tensor: TfTensor) -> Tensor:
    data = tensor.data
    lifetime = Lifetime.ACTIVATION
    if tensor.is_variable:
        lifetime = Lifetime.STATE
    elif data is not None and data.shape == tensor.shape:
        lifetime = Lifetime.CONSTANT
    return Tensor(
        tensor.name, tensor.shape, tensor.dtype, lifetime, tensor.quantization,
        data if lifetime is Lifetime.CONSTANT else None,
    )  # fmt: skip


def _op(subgraph: TfSubgraph, operator: TfOperator) -> Op | OpProblem:
    def problem(rule: str, got: str, allowed: str, rewrite: str | None = None) -> OpProblem:
        name = subgraph.op_name(operator)
        return OpProblem(operator.index, operator.display_code, name, rule, got, allowed, rewrite)

    spec = OPS.get(operator.code)
    if spec is None:
        return problem(
            "This op is not supported.",
            operator.display_code,
            ", ".join(sorted(code for code in OPS if code not in ("VIEW", "COPY"))),
            f"replace {operator.display_code}, or compile for a target that runs it",
        )
    if any(subgraph.tensors[i].is_variable for i in operator.inputs if i != NO_TENSOR):
        return problem("Variables are not supported.", "a variable tensor", "stateless ops")
    try:
        options = spec.parse(operator.options)
    except OptionError as error:
        return problem(error.message, error.got, error.allowed, error.rewrite)
    except (KeyError, TypeError, ValueError) as error:
        return problem("The op's options must be readable.", repr(error), "the schema's options")
    name = subgraph.op_name(operator)
    sources = (operator.index,)
    return Op(operator.code, operator.inputs, operator.outputs, options, sources, name)


def _interface_problems(subgraph: TfSubgraph) -> list[OpProblem]:
    problems = []
    for kind, indices in (("INPUT", subgraph.inputs), ("OUTPUT", subgraph.outputs)):
        for index in indices:
            tensor = subgraph.tensors[index]
            if tensor.dtype not in IO_DTYPES:
                names = ", ".join(dtype.value for dtype in IO_DTYPES)
                problems.append(
                    OpProblem(
                        -1, kind, tensor.name, "Inputs and outputs must have a plain dtype.",
                        tensor.dtype.value, names, QUANTIZE_HINT,
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
