"""Cuts an op off the end of a model: what it read becomes the model's outputs.

For ops that no LiteRT has, such as the PosenetDecoderOp of Coral's files, and for those whose work
is done elsewhere, such as TFLite_Detection_PostProcess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.compiled import EDGE_TPU_OP
from edgecnn.core.tflite.flexbuffers import FlexError, read_numbers
from edgecnn.core.tflite.model import (
    NO_TENSOR,
    Signature,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
)
from edgecnn.core.tflite.values import real_values
from edgecnn.core.tflite.writer import write_model


@dataclass(frozen=True)
class CutOp:
    """An op that was cut off.

    Attributes:
        code: its own name, for example ``PosenetDecoderOp``.
        options: its numbers and booleans by name; empty where they cannot be read.
        inputs: tensors that it read and that are outputs of the model now, by name and in its
            order.
        outputs: tensors that it wrote, in its order.
        constants: real values of its constant inputs (the anchors of TFLite_Detection_PostProcess),
            by their place among its inputs.
    """

    code: str
    options: Mapping[str, float | int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[int, NDArray[Any]] = field(compare=False)


def last_custom(model: TfModel) -> str:
    """The name of a custom op that ends the model and can be cut off; empty where none does."""
    operators = model.main.operators
    op = operators[-1] if operators else None
    if op is None or op.custom_code == EDGE_TPU_OP:
        return ""
    read = set(_read(model, op))
    return op.custom_code if read - set(model.main.inputs) else ""


def without_last_custom(model: TfModel, code: str) -> tuple[bytes, CutOp]:
    """The model without its custom op ``code``, as a file.

    Outputs of the model that the op wrote make way for the tensors that it read (its constants
    aside); all others stay.

    Args:
        model: a model whose outputs the op writes.
        code: the op's own name.

    Raises:
        ModelError: there is no such op or several, another op reads what it writes, or the model
            cannot be written.
    """
    graph = model.main
    found = [op for op in graph.operators if op.custom_code == code]
    if len(found) != 1:
        raise ModelError(
            f"the model has {len(found)} ops '{code}', expected one at its end",
            hint="export the model without the op",
        )
    op = found[0]
    written = set(op.outputs)
    reader = next((other for other in graph.operators if written & set(other.inputs)), None)
    new = _read(model, op)
    if reader is not None or not written & set(graph.outputs) or not new:
        reason = f"op #{reader.index} {reader.display_code} reads it" if reader else "no output"
        raise ModelError(
            f"the op '{code}' cannot be cut off the model's end: {reason}",
            hint="export the model without the op",
        )
    tensors = graph.tensors
    cut = CutOp(
        code,
        _options(op),
        tuple(tensors[k].name for k in new),
        tuple(tensors[k].name for k in op.outputs),
        MappingProxyType(
            {
                place: value
                for place, k in enumerate(op.inputs)
                if k != NO_TENSOR and (value := real_values(tensors[k])) is not None
            }
        ),
    )
    return write_model(_without(model, op, new)), cut


def _read(model: TfModel, op: TfOperator) -> tuple[int, ...]:
    """The tensors that an op reads and that are no constants, each once."""
    tensors = model.main.tensors
    return tuple(
        dict.fromkeys(
            k
            for k in op.inputs
            if k != NO_TENSOR and tensors[k].data is None and not tensors[k].sparse
        )
    )


def _options(op: TfOperator) -> Mapping[str, float | int]:
    try:
        return MappingProxyType(read_numbers(op.custom_options))
    except FlexError:
        return MappingProxyType({})


def _without(model: TfModel, op: TfOperator, new: tuple[int, ...]) -> TfModel:
    graph = model.main
    operators = tuple(other for other in graph.operators if other is not op)
    kept = tuple(k for k in graph.outputs if k not in op.outputs)
    outputs = tuple(dict.fromkeys((*kept, *new)))
    used = {*graph.inputs, *outputs}
    for other in operators:
        used.update(other.inputs, other.outputs, other.intermediates)
    places = {k: place for place, k in enumerate(sorted(used - {NO_TENSOR}))}
    places[NO_TENSOR] = NO_TENSOR
    smaller = TfSubgraph(
        graph.name,
        tuple(replace(graph.tensors[k], index=place) for k, place in places.items() if place >= 0),
        tuple(
            replace(
                other,
                index=index,
                inputs=_moved(other.inputs, places),
                outputs=_moved(other.outputs, places),
                intermediates=_moved(other.intermediates, places),
            )
            for index, other in enumerate(operators)
        ),
        _moved(graph.inputs, places),
        _moved(outputs, places),
    )
    signatures = tuple(
        _signature(item, graph.tensors, outputs, places) if item.subgraph == 0 else item
        for item in model.signatures
    )
    return replace(model, subgraphs=(smaller, *model.subgraphs[1:]), signatures=signatures)


def _moved(indices: tuple[int, ...], places: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(places[k] for k in indices)


def _signature(
    item: Signature,
    tensors: tuple[TfTensor, ...],
    outputs: tuple[int, ...],
    places: Mapping[int, int],
) -> Signature:
    """The signature with the new outputs, called as their tensors are."""
    names = {k: name for name, k in item.outputs}
    return replace(
        item,
        inputs=tuple((name, places[k]) for name, k in item.inputs if k in places),
        outputs=tuple((names.get(k, tensors[k].name), places[k]) for k in outputs),
    )
