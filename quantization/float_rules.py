"""What no recipe can start from, each limit of a float .tflite with its own message.

What only integer recipes refuse (loops, recurrent layers) is :mod:`quantization.graph.check`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NoReturn

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.compiled import EDGE_TPU_OP
from edgecnn.core.tflite.model import DType, TfModel, TfOperator, TfSubgraph, TfTensor
from quantization.graph.check import check_float
from quantization.recipe import get_recipe

_ODD = (
    DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64, DType.COMPLEX64, DType.COMPLEX128, DType.STRING,
)  # fmt: skip
_STATEFUL = ("IF", "WHILE", "CALL", "STABLEHLO_", "VAR_", "READ_VARIABLE", "ASSIGN_", "HASHTABLE")
_NAMED = 10


def has_control_flow(model: TfModel) -> bool:
    """Whether the main graph does more than compute its outputs op by op."""
    called = any(op.code.startswith(_STATEFUL) for op in model.main.operators)
    return called or len(model.subgraphs) > 1


def require_builtin(model: TfModel, source: str) -> None:
    """Builtin ops only, and inputs with at most the batch open.

    Raises:
        QuantizationError: it is not so.
    """
    custom = [op for op in model.main.operators if op.code == "CUSTOM"]
    if custom:
        names = Counter(op.custom_code for op in custom)
        shown = ", ".join(f"{count} × {name}" for name, count in list(names.items())[:_NAMED])
        _refuse(
            f"'{source}' has custom ops ({shown}), whose arithmetic is unknown",
            _custom_hint(custom),
            model.main,
            custom,
        )
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        if -1 in tensor.shape_signature[1:]:
            sizes = ", ".join("?" if size == -1 else str(size) for size in tensor.shape_signature)
            _refuse(
                f"'{source}': the input '{tensor.name}' has the dynamic shape ({sizes}); only the"
                " batch may be open",
                "convert it with a full input shape, for example (1, 96, 96, 3)",
            )


def require_float(model: TfModel, source: str) -> None:
    """float32 activations; integers without a scale may stand beside them.

    Raises:
        QuantizationError: quantized already, or of a type that is not quantized.
    """
    try:
        check_float(model, get_recipe("float32"))
    except QuantizationError as error:
        raise QuantizationError(f"'{source}': {error.message}", hint=error.hint) from error
    graph = model.main
    for op in graph.operators:
        for tensor in _used(graph, (*op.inputs, *op.outputs)):
            if tensor.dtype in _ODD:
                _refuse(
                    f"'{source}' computes with {tensor.dtype.value} ('{tensor.name}')",
                    "convert it in float32",
                    graph,
                    [op],
                )
    for tensor in _used(graph, graph.inputs):
        if tensor.dtype in _ODD:
            _refuse(
                f"'{source}': the input '{tensor.name}' is of type {tensor.dtype.value}",
                "export the part of the model that takes float32 numbers",
            )
    live = _used(graph, [index for op in graph.operators for index in op.outputs])
    if not any(tensor.dtype is DType.FLOAT32 for tensor in live):
        _refuse(
            f"'{source}' computes nothing in float32: there is nothing to quantize",
            "give a float model",
        )


def _custom_hint(custom: Sequence[TfOperator]) -> str:
    if any(op.custom_code == EDGE_TPU_OP for op in custom):
        return "it was compiled for the Edge TPU: give the float model that it was made from"
    if all(op.custom_code.startswith("Flex") for op in custom):
        return "convert it with builtin ops only (without SELECT_TF_OPS)"
    return "export the model without them: cut off what decodes boxes, and do that afterwards"


def _used(graph: TfSubgraph, indices: Iterable[int]) -> list[TfTensor]:
    return [graph.tensors[index] for index in indices if index >= 0]


def _refuse(
    message: str, hint: str, graph: TfSubgraph | None = None, operators: Iterable[TfOperator] = ()
) -> NoReturn:
    details = [f"#{op.index} {op.display_code} '{graph.op_name(op)}'" for op in operators if graph]
    raise QuantizationError(message, hint=hint, details=details)
