"""A main subgraph while a step rewrites it: ops leave, constants come, wires move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import (
    NO_TENSOR,
    DType,
    TfModel,
    TfOperator,
    TfTensor,
    frozen_array,
)
from quantization.graph.edit import renumbered, unique_name, with_main, with_operators
from quantization.work import Work


@dataclass(frozen=True)
class Edited:
    """A rewritten model, and where its parts came from.

    Attributes:
        model: without the tensors that nothing uses any more.
        operators, tensors: old index → new index, of those that stayed.
    """

    model: TfModel
    operators: Mapping[int, int]
    tensors: Mapping[int, int]

    def carried(self, work: Work) -> Work:
        """``work`` on this model; what it decided moves along, its ranges are void."""
        return replace(
            work,
            model=self.model,
            ranges=None,
            precision={
                self.operators[k]: v for k, v in work.precision.items() if k in self.operators
            },
            weights={self.tensors[k]: v for k, v in work.weights.items() if k in self.tensors},
        )


class Draft:
    """The mutable copy that one step works on; the model that it came from stays as it is.

    Ops and tensors keep their old numbers until :meth:`finish`.
    """

    def __init__(self, model: TfModel) -> None:
        self._model = model
        graph = model.main
        self.tensors: list[TfTensor] = list(graph.tensors)
        self.operators: dict[int, TfOperator] = {op.index: op for op in graph.operators}
        self._public = {*graph.inputs, *graph.outputs}
        self._names = {tensor.name for tensor in graph.tensors}
        self._writer: dict[int, int] = {}
        self._readers: dict[int, list[int]] = {}
        for op in graph.operators:
            self._wire(op)

    def writer(self, tensor: int) -> TfOperator | None:
        """The op that writes a tensor."""
        index = self._writer.get(tensor)
        return None if index is None else self.operators[index]

    def readers(self, tensor: int) -> list[TfOperator] | None:
        """The ops that read a tensor, one entry per use; None where it is an input or output."""
        if tensor in self._public:
            return None
        return [self.operators[index] for index in self._readers.get(tensor, [])]

    def read_once(self, tensor: int) -> bool:
        """Whether exactly one op reads a tensor, once, and the model does not give it out."""
        return tensor not in self._public and len(self._readers.get(tensor, [])) == 1

    def constant(self, tensor: int) -> NDArray[Any] | None:
        """A float32 constant's values; None for everything else."""
        if tensor == NO_TENSOR:
            return None
        found = self.tensors[tensor]
        return found.data if found.dtype is DType.FLOAT32 and not found.sparse else None

    def add(self, name: str, shape: tuple[int, ...], like: TfTensor) -> int:
        """A new float32 activation named ``name`` with the batch of ``like``; its index."""
        signature = shape
        if shape and like.shape_signature and like.shape_signature[0] < 0:
            signature = (-1, *shape[1:])
        return self._append(TfTensor(0, name, shape, signature, DType.FLOAT32))

    def add_constant(self, name: str, values: NDArray[np.float32]) -> int:
        """A new float32 constant; its index."""
        data = frozen_array(np.ascontiguousarray(values, np.float32))
        return self._append(TfTensor(0, name, data.shape, data.shape, DType.FLOAT32, data=data))

    def replace(self, op: TfOperator) -> None:
        """Puts ``op`` in the place of the one with its index."""
        self._unwire(self.operators[op.index])
        self.operators[op.index] = op
        self._wire(op)

    def remove(self, op: TfOperator) -> None:
        """Takes an op out; whoever calls has moved its wires."""
        self._unwire(op)
        del self.operators[op.index]

    def finish(self) -> Edited:
        """The model, numbered anew."""
        model = self._model
        order = sorted(self.operators)
        graph = replace(model.main, tensors=tuple(self.tensors))
        graph = with_operators(graph, (self.operators[index] for index in order))
        used = {*graph.inputs, *graph.outputs}
        used.update(i for op in graph.operators for i in (*op.inputs, *op.outputs))
        used.update(i for op in graph.operators for i in op.intermediates)
        for signature in model.signatures:
            if signature.subgraph == 0:
                used.update(i for _, i in (*signature.inputs, *signature.outputs))
        kept = [tensor for tensor in self.tensors if tensor.index in used]
        number = {tensor.index: k for k, tensor in enumerate(kept)}
        tensors = tuple(replace(tensor, index=k) for k, tensor in enumerate(kept))
        done = renumbered(with_main(model, graph), tensors, {**number, NO_TENSOR: NO_TENSOR})
        return Edited(done, {index: k for k, index in enumerate(order)}, number)

    def _append(self, tensor: TfTensor) -> int:
        index = len(self.tensors)
        name = unique_name(tensor.name, self._names)
        self._names.add(name)
        self.tensors.append(replace(tensor, index=index, name=name))
        return index

    def _wire(self, op: TfOperator) -> None:
        for tensor in op.inputs:
            if tensor != NO_TENSOR:
                self._readers.setdefault(tensor, []).append(op.index)
        for tensor in op.outputs:
            self._writer[tensor] = op.index

    def _unwire(self, op: TfOperator) -> None:
        for tensor in op.inputs:
            if tensor != NO_TENSOR:
                self._readers[tensor].remove(op.index)
        for tensor in op.outputs:
            if self._writer.get(tensor) == op.index:
                del self._writer[tensor]
