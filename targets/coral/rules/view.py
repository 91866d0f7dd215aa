"""What a rule sees of an op, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgecnn.core.tflite.model import NO_TENSOR, TfOperator, TfSubgraph, TfTensor

# The compiler's own words, as its logs print them.
MAPPED = "Mapped to Edge TPU"
ONE_SUBGRAPH = "More than one subgraph is not supported"
LIMITATION = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
NOT_SUPPORTED = "Operation not supported"
BAD_TYPE = "Operation is working on an unsupported data type"
UNIT_STRIDES = "Only Strided-Slice with unitary strides supported"
DYNAMIC = (
    "Attempting to use a delegate that only supports static-sized tensors"
    " with a graph that has dynamic-sized tensors"
)


@dataclass(frozen=True)
class OpView:
    """An op with its tensors resolved."""

    op: TfOperator
    graph: TfSubgraph

    def input(self, position: int) -> TfTensor | None:
        """The input at ``position``; None if absent."""
        if position >= len(self.op.inputs) or self.op.inputs[position] == NO_TENSOR:
            return None
        return self.graph.tensors[self.op.inputs[position]]

    @property
    def inputs(self) -> tuple[TfTensor, ...]:
        """The inputs that are there."""
        return tuple(self.graph.tensors[i] for i in self.op.inputs if i != NO_TENSOR)

    @property
    def outputs(self) -> tuple[TfTensor, ...]:
        """The outputs."""
        return tuple(self.graph.tensors[i] for i in self.op.outputs if i != NO_TENSOR)

    @property
    def output(self) -> TfTensor | None:
        """The first output, if there is one."""
        return next(iter(self.outputs), None)

    @property
    def activations(self) -> Iterator[tuple[str, TfTensor]]:
        """Computed inputs and outputs with their side (``input``), no constants and no state."""
        for side, tensors in (("input", self.inputs), ("output", self.outputs)):
            for tensor in tensors:
                if tensor.data is None and not tensor.is_variable:
                    yield side, tensor

    @property
    def constants(self) -> Iterator[TfTensor]:
        """Inputs whose values are in the file."""
        return (tensor for tensor in self.inputs if tensor.data is not None)

    def option(self, name: str, default: Any = None) -> Any:
        """A builtin option by its schema field name."""
        return self.op.options.get(name, default)

    def integers(self, position: int) -> tuple[int, ...] | None:
        """The values of a constant integer input (axes, strides …); None if not constant."""
        tensor = self.input(position)
        if tensor is None or tensor.data is None:
            return None
        return tuple(int(value) for value in tensor.data.reshape(-1))

    def axes(self, position: int) -> tuple[int, ...]:
        """Constant axes of input 0, counted from the front; empty if not constant."""
        data, values = self.input(0), self.integers(position)
        if data is None or values is None:
            return ()
        rank = max(1, len(data.shape))
        return tuple(sorted({value % rank for value in values}))


Check = Callable[[OpView], str | None]


@dataclass(frozen=True)
class Rule:
    """A limit.

    Attributes:
        check: returns what the op has when the limit is missed, else None; its docstring says
            what is allowed and is the user's message.
        status: the compiler's words for it.
        rewrite: what to change in the model.
    """

    check: Check
    status: str
    rewrite: str

    @property
    def message(self) -> str:
        """The limit in words."""
        return (self.check.__doc__ or self.check.__name__).strip().splitlines()[0]


def shape_text(tensor: TfTensor) -> str:
    """``1×28×28×3``.

    >>> from edgecnn.core.tflite.model import DType
    >>> shape_text(TfTensor(0, "x", (1, 2), (1, 2), DType.INT8))
    '1×2'
    """
    return "×".join(str(dim) for dim in tensor.shape) or "scalar"
