"""Well-formed models on which the native interpreter would end the whole process."""

from __future__ import annotations

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.model import DType, TfModel, TfOperator, TfSubgraph

#: LiteRT checks that input scale × beta × 2²⁶ is above 1 with an assertion that aborts.
SOFTMAX_FACTOR = 2.0**26
SOFTMAX_WIDE = 512
_SVDF_STATE = 4


def softmax_aborts(graph: TfSubgraph, op: TfOperator) -> bool:
    """Whether this SOFTMAX's multiplier is one that LiteRT aborts on."""
    if op.code != "SOFTMAX" or not op.inputs or op.inputs[0] < 0:
        return False
    tensor = graph.tensors[op.inputs[0]]
    if tensor.dtype not in (DType.INT8, DType.UINT8):
        return False
    scale = tensor.quantization.scale[0] if tensor.quantization else 0.0
    return scale * float(op.options.get("beta", 1.0)) * SOFTMAX_FACTOR <= 1


def svdf_misread(graph: TfSubgraph, op: TfOperator) -> bool:
    """Whether this is an SVDF with int8 state: TFLite Micro's form, which LiteRT does not check."""
    if op.code != "SVDF" or len(op.inputs) < _SVDF_STATE + 1 or min(op.inputs[:3]) < 0:
        return False
    quantized = graph.tensors[op.inputs[0]].dtype is DType.INT8
    return quantized and graph.tensors[op.inputs[_SVDF_STATE]].dtype is DType.INT8


def hazard(graph: TfSubgraph, op: TfOperator) -> tuple[str, str] | None:
    """Says why LiteRT must not get an op.

    Returns:
        (what is wrong, what to do), or None where nothing is.
    """
    if softmax_aborts(graph, op):
        return (
            "input scale × beta is at most 2^-26, which LiteRT cannot run",
            "the model looks untrained or miscalibrated: convert it again",
        )
    if svdf_misread(graph, op):
        return (
            "its state is int8, which LiteRT reads and writes as int16, beyond its end",
            "compile it for a microcontroller with --numerics tflm, or convert it with int16 state",
        )
    return None


def refuse_hazards(model: TfModel) -> None:
    """Raises before the interpreter gets such a model.

    Raises:
        ModelError: naming the op, its index and the value.
    """
    for graph in model.subgraphs:
        for op in graph.operators:
            found = hazard(graph, op)
            if found is not None:
                raise ModelError(
                    f"op #{op.index} {op.code} '{graph.op_name(op)}': {found[0]}", hint=found[1]
                )


def softmax_may_abort(model: TfModel) -> bool:
    """Whether an 8-bit SOFTMAX is wide enough for the reference kernel's sum to overflow.

    The reference kernel keeps Σ exp(x − max) with 12 integer bits of which it can use 9, and ends
    the process where that overflows; every addend is at most 1.
    """
    for graph in model.subgraphs:
        for op in graph.operators:
            if op.code == "SOFTMAX" and op.inputs and op.inputs[0] >= 0:
                tensor = graph.tensors[op.inputs[0]]
                eight_bit = tensor.dtype in (DType.INT8, DType.UINT8)
                if eight_bit and tensor.shape and tensor.shape[-1] >= SOFTMAX_WIDE:
                    return True
    return False


def reference_sum_is_broken(model: TfModel) -> bool:
    """Whether the model has an int8 or int16 SUM, which LiteRT's reference kernel gets wrong.

    LiteRT 2.3.0's reference kernel takes the bytes for uint8, clamps to 0 … 255 and writes one
    byte per element; its optimised kernel and TFLite Micro's are right.
    """
    return any(
        op.code == "SUM"
        and op.inputs
        and op.inputs[0] >= 0
        and graph.tensors[op.inputs[0]].dtype in (DType.INT8, DType.INT16)
        for graph in model.subgraphs
        for op in graph.operators
    )
