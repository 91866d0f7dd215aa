"""Which models cannot be quantized here, and what to do about each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.model import DType, TfModel
from quantization.recipe import Recipe

_INTEGERS = frozenset({DType.INT8, DType.UINT8, DType.INT16, DType.INT4, DType.INT2, DType.UINT4})
_RECURRENT = frozenset(
    {
        "LSTM",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "RNN",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "SVDF",
    }
)
_CONTROL: Mapping[str, str] = MappingProxyType(
    {
        "WHILE": "a loop",
        "IF": "a branch",
        "CALL": "a call",
        "CALL_ONCE": "variables that are set up as the model starts",
        "STABLEHLO_WHILE": "a loop",
        "STABLEHLO_CASE": "a branch",
    }
)
_FLOAT_HINT = "give the float32 .tflite or the Keras model that it was made from"


def check_float(model: TfModel, recipe: Recipe | None = None) -> None:
    """Raises where :func:`quantization.graph.emit.emit` could not quantize ``model``.

    Args:
        model: as read from the file (float16 constants may still be there).
        recipe: what is wanted; recipes with float activations take more. None: integers wanted.

    Raises:
        QuantizationError: quantized already, sparse, or (for integer activations) recurrent, with
            control flow, or with dynamic shapes; names the op or tensor and the cure.
    """
    checks = [_quantized, _sparse]
    if recipe is None or recipe.quantized:
        checks += [_recurrent, _control_flow, _dynamic]
    for check in checks:
        for message, hint in check(model):
            raise QuantizationError(message, hint=hint)


def _quantized(model: TfModel) -> Iterator[tuple[str, str]]:
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.dtype in _INTEGERS and tensor.quantization is not None:
                yield (
                    f"the model is quantized already: '{tensor.name}' is {tensor.dtype.value} with"
                    f" scale {tensor.quantization.scale[0]:g}, expected a float32 model",
                    _FLOAT_HINT,
                )


def _sparse(model: TfModel) -> Iterator[tuple[str, str]]:
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.sparse:
                yield (
                    f"the weights '{tensor.name}' are stored in a sparse format, which is not read",
                    "convert the model without sparsity (keep the zeros in the weights)",
                )


def _recurrent(model: TfModel) -> Iterator[tuple[str, str]]:
    for graph in model.subgraphs:
        for op in graph.operators:
            if op.code in _RECURRENT:
                yield (
                    f"op #{op.index} {op.code} '{graph.op_name(op)}': a recurrent layer cannot be"
                    " quantized to integers yet",
                    "use --recipe float16 or dynamic, or convolutions in its place",
                )


def _control_flow(model: TfModel) -> Iterator[tuple[str, str]]:
    for op in model.main.operators:
        if op.code in _CONTROL:
            yield (
                f"op #{op.index} {op.code} '{model.main.op_name(op)}': {_CONTROL[op.code]} in the"
                " graph cannot be quantized to integers",
                "export the model without control flow (Keras: unroll=True on recurrent layers,"
                " training=False), or use --recipe float16 or dynamic",
            )
    if len(model.subgraphs) > 1:
        names = ", ".join(f"'{graph.name}'" for graph in model.subgraphs[1:4])
        yield (
            f"the model has {len(model.subgraphs)} subgraphs (besides the main one {names}),"
            " expected one",
            "export one signature only, without control flow",
        )


def _dynamic(model: TfModel) -> Iterator[tuple[str, str]]:
    graph = model.main
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if -1 in tensor.shape_signature[1:]:
            yield (
                f"the input '{tensor.name}' has the dynamic shape {list(tensor.shape_signature)};"
                " only the batch may be open",
                "convert the model with a fixed input shape (Keras: Input(shape=…) with numbers)",
            )
