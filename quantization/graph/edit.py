"""Small pure edits of a parsed model; nothing is changed in place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import (
    NO_TENSOR,
    Signature,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
    frozen_array,
)


def with_main(model: TfModel, graph: TfSubgraph) -> TfModel:
    """``model`` with another main subgraph; tensor numbers of signatures must still fit."""
    return replace(model, subgraphs=(graph, *model.subgraphs[1:]))


def with_constants(model: TfModel, values: Mapping[int, NDArray[Any]]) -> TfModel:
    """``model`` with other values in constants of the main subgraph.

    Args:
        model: the model.
        values: tensor index → array of that tensor's shape and dtype.

    Raises:
        ValueError: another shape or dtype than the tensor has (a bug of the caller).
    """
    tensors = list(model.main.tensors)
    for index, array in values.items():
        tensor = tensors[index]
        if array.shape != tensor.shape or array.dtype != np.dtype(tensor.dtype.value):
            raise ValueError(f"'{tensor.name}': {array.dtype} {array.shape} does not fit {tensor}")
        tensors[index] = replace(tensor, data=frozen_array(np.ascontiguousarray(array)))
    return with_main(model, replace(model.main, tensors=tuple(tensors)))


def add_tensor(graph: TfSubgraph, tensor: TfTensor) -> tuple[TfSubgraph, int]:
    """``graph`` with one more tensor (its name made unique) and that tensor's index."""
    index = len(graph.tensors)
    name = unique_name(tensor.name, {item.name for item in graph.tensors})
    added = replace(tensor, index=index, name=name)
    return replace(graph, tensors=(*graph.tensors, added)), index


def with_operators(graph: TfSubgraph, operators: Iterable[TfOperator]) -> TfSubgraph:
    """``graph`` with these operators, numbered in their order."""
    numbered = tuple(
        op if op.index == k else replace(op, index=k) for k, op in enumerate(operators)
    )
    return replace(graph, operators=numbered)


def unique_name(name: str, taken: Collection[str]) -> str:
    """``name``, or ``name_1`` and so on where it is taken."""
    if name not in taken:
        return name
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def producers(graph: TfSubgraph) -> dict[int, TfOperator]:
    """Tensor → the op that writes it."""
    return {index: op for op in graph.operators for index in op.outputs}


def consumers(graph: TfSubgraph) -> dict[int, list[TfOperator]]:
    """Tensor → the ops that read it, in order (an op that reads it twice stands there once)."""
    found: dict[int, list[TfOperator]] = {}
    for op in graph.operators:
        for index in dict.fromkeys(op.inputs):
            if index != NO_TENSOR:
                found.setdefault(index, []).append(op)
    return found


def drop_unused(model: TfModel) -> TfModel:
    """``model`` without tensors that nothing reads, writes or exports.

    The others keep their order and are numbered anew, in ops and signatures too.
    """
    named: dict[int, set[int]] = {}
    for item in model.signatures:
        indices = {index for _, index in (*item.inputs, *item.outputs)}
        named.setdefault(item.subgraph, set()).update(indices)
    graphs, numbers = [], []
    for k, graph in enumerate(model.subgraphs):
        compact, number = _compacted(graph, named.get(k, set()))
        graphs.append(compact)
        numbers.append(number)
    signatures = tuple(_renumbered(item, numbers[item.subgraph]) for item in model.signatures)
    return replace(model, subgraphs=tuple(graphs), signatures=signatures)


def with_names(graph: TfSubgraph, names: Mapping[str, str]) -> TfSubgraph:
    """``graph`` with tensors renamed, where the new name is free.

    Args:
        graph: the graph.
        names: old name → new name.
    """
    taken = {tensor.name for tensor in graph.tensors}
    tensors = []
    for tensor in graph.tensors:
        name = names.get(tensor.name)
        if name is not None and name not in taken:
            taken.add(name)
            tensor = replace(tensor, name=name)
        tensors.append(tensor)
    return replace(graph, tensors=tuple(tensors))


def renumbered(model: TfModel, tensors: tuple[TfTensor, ...], number: Mapping[int, int]) -> TfModel:
    """``model`` with these tensors in its main subgraph; ``number``: old index → new index."""
    main = _with_tensors(model.main, tensors, number)
    signatures = tuple(
        _renumbered(item, number) if item.subgraph == 0 else item for item in model.signatures
    )
    return replace(with_main(model, main), signatures=signatures)


def _compacted(graph: TfSubgraph, named: set[int]) -> tuple[TfSubgraph, Mapping[int, int]]:
    """``graph`` without unused tensors, and old index → new index."""
    used = {*graph.inputs, *graph.outputs, *named}
    for op in graph.operators:
        used.update(op.inputs, op.outputs, op.intermediates)
    kept = [tensor for tensor in graph.tensors if tensor.index in used]
    number = {tensor.index: k for k, tensor in enumerate(kept)} | {NO_TENSOR: NO_TENSOR}
    if len(kept) == len(graph.tensors):
        return graph, number

    tensors = tuple(
        tensor if tensor.index == k else replace(tensor, index=k) for k, tensor in enumerate(kept)
    )
    return _with_tensors(graph, tensors, number), number


def _with_tensors(
    graph: TfSubgraph, tensors: tuple[TfTensor, ...], number: Mapping[int, int]
) -> TfSubgraph:
    def new(indices: Sequence[int]) -> tuple[int, ...]:
        return tuple(number[index] for index in indices)

    operators = tuple(
        replace(
            op,
            inputs=new(op.inputs),
            outputs=new(op.outputs),
            intermediates=new(op.intermediates),
        )
        for op in graph.operators
    )
    return TfSubgraph(graph.name, tensors, operators, new(graph.inputs), new(graph.outputs))


def _renumbered(item: Signature, number: Mapping[int, int]) -> Signature:
    return replace(
        item,
        inputs=tuple((name, number[index]) for name, index in item.inputs),
        outputs=tuple((name, number[index]) for name, index in item.outputs),
    )
