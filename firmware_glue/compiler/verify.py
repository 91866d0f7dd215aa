"""Checks a graph: limits of each op for the user, and invariants that a pass must not break."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, DType
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.limits import MAX_TENSOR_BYTES, lowered_problem
from firmware_glue.compiler.ops.rules import dtype_cure
from firmware_glue.compiler.ops.spec import OpSpec
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.problems import OpProblem

_CODES = (DType.INT8, DType.UINT8)


class GraphError(Exception):
    """A pass broke the graph: a bug of the compiler, never the user's fault."""


def check_limits(graph: Graph) -> tuple[OpProblem, ...]:
    """The first missed limit of each op. Never raises."""
    found = (op_problem(graph, op, lower=True) for op in graph.ops)
    return tuple(problem for problem in found if problem is not None)


def op_problem(graph: Graph, op: Op, *, lower: bool = False) -> OpProblem | None:
    """The first limit that an op misses, or None. Never raises.

    Args:
        graph: the graph, with all shapes worked out.
        op: one of its ops.
        lower: also lower it to C, and check that C can hold what comes out.
    """
    spec = OPS[op.code]

    def problem(rule: str, got: str, allowed: str, rewrite: str | None = None) -> OpProblem:
        index = op.sources[0] if op.sources else -1
        return OpProblem(index, op.code, op.name, rule, got, allowed, rewrite)

    try:
        for tensor_id in (*op.inputs, *op.outputs):
            if tensor_id != NO_TENSOR and min(graph.tensors[tensor_id].shape, default=1) < 1:
                shape = list(graph.tensors[tensor_id].shape)
                return problem("Tensors must not be empty.", f"shape {shape}", "dimensions ≥ 1")
            if tensor_id != NO_TENSOR and graph.tensors[tensor_id].nbytes > MAX_TENSOR_BYTES:
                shape = list(graph.tensors[tensor_id].shape)
                allowed = f"up to {MAX_TENSOR_BYTES:,} bytes"
                return problem("Tensors must not be too large.", f"shape {shape}", allowed)
        weights = _hybrid_weights(graph, op)
        if weights is not None:
            return problem(
                "Integer weights beside float activations (dynamic-range quantization) have no C.",
                f"{weights} weights, float32 activations",
                "int8 throughout, or float32 throughout",
                "give edgecnn quantize --recipe int8 the float model that this one was made from",
            )
        variant = spec.variant(graph, op)
        if variant is None:
            return problem(*_no_variant(graph, op, spec))
        for limit in (*spec.rules, *variant.rules):
            got = limit.check(graph, op)
            if got is not None:
                return problem(limit.message, got, limit.allowed, limit.rewrite)
        shapes = spec.infer(graph, op)
        declared = tuple(graph.tensors[i].shape for i in op.outputs)
        if shapes != declared:
            got = f"{[list(s) for s in declared]}, computed {[list(s) for s in shapes]}"
            return problem("Output shapes must follow from the inputs.", got, "the computed shapes")
        if lower and variant.lower is not None:
            # Scales that leave float32 make numbers that are none.
            with np.errstate(invalid="raise", over="ignore", divide="ignore"):
                missed = lowered_problem(graph, variant.lower(graph, op))
            return None if missed is None else problem(*missed)
    except ArithmeticError as error:
        return problem(
            "Scales and options must lead to finite parameters.", str(error), "finite numbers",
            "the model looks untrained or miscalibrated: convert it again",
        )  # fmt: skip
    except (ValueError, IndexError, KeyError, TypeError) as error:
        return problem("Operands must fit each other.", str(error) or repr(error), "valid operands")
    return None


def _hybrid_weights(graph: Graph, op: Op) -> str | None:
    """The dtype of quantized constants beside float data and results; None where there are none."""
    if op.code in ("QUANTIZE", "DEQUANTIZE"):
        return None
    tensors = [graph.tensors[i] for i in op.inputs if i != NO_TENSOR]
    activations = [t for t in tensors if not t.is_constant]
    activations += [graph.tensors[i] for i in op.outputs]
    if not all(tensor.dtype is DType.FLOAT32 for tensor in activations):
        return None
    codes = (t for t in tensors if t.is_constant and t.dtype in _CODES and t.quantization)
    return next((tensor.dtype.value for tensor in codes), None)


def _no_variant(graph: Graph, op: Op, spec: OpSpec) -> tuple[str, str, str, str | None]:
    tensor = graph.optional(op, spec.data)
    allowed = ", ".join(spec.variants)
    rule = f"Input {spec.data} must be {allowed}."
    if tensor is None:
        return rule, "no such input", allowed, None
    cure = dtype_cure(tensor.dtype, [DType(name) for name in spec.variants])
    return rule, tensor.dtype.value, allowed, cure


def verify(graph: Graph, stage: str) -> Graph:
    """Returns the graph if it is sound.

    Raises:
        GraphError: naming ``stage``, the pass that broke it.
    """
    known = set(graph.inputs) | {i for i, t in graph.tensors.items() if t.is_constant}
    variables = {i for i, t in graph.tensors.items() if t.is_variable}
    known |= variables
    for op in graph.ops:
        missing = [i for i in op.inputs if i != NO_TENSOR and i not in known]
        if missing:
            raise GraphError(f"{stage}: {op.code} '{op.name}' reads {missing} before it is written")
        twice = [i for i in op.outputs if i in known and i not in variables]
        if twice:
            raise GraphError(f"{stage}: {op.code} '{op.name}' writes {twice} again")
        known.update(op.outputs)
    lost = [i for i in graph.outputs if i not in known]
    if lost:
        raise GraphError(f"{stage}: outputs {lost} are never written")
    for tensor_id, tensor in graph.tensors.items():
        if tensor.is_constant and (tensor.data is None or tensor.data.shape != tensor.shape):
            raise GraphError(f"{stage}: constant {tensor_id} '{tensor.name}' has no fitting data")
    return graph


def is_sound(graph: Graph) -> OpProblem | None:
    """A model whose ops are out of order or unconnected, as a problem of the user's file."""
    try:
        verify(graph, "import")
    except GraphError as error:
        return OpProblem(
            -1, "GRAPH", "main", "Every tensor must be written once, before it is read.",
            str(error), "ops in execution order",
        )  # fmt: skip
    return None
