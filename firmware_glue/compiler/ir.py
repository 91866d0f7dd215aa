"""The compiler's graph: small, typed, frozen. Passes map Graph → Graph and never edit in place."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, DType, Quantization

Shape = tuple[int, ...]
VIEW = "VIEW"
COPY = "COPY"
TABLE = "TABLE"
"""Op codes of our own: the same bytes under another shape, a copy of a tensor, and a function of
one byte by its 256 values."""


_FIRST_FRESH = 1 << 24
"""Beyond the tensors of any file, those too that passes have dropped."""


class Lifetime(Enum):
    """How long a tensor's bytes must hold."""

    CONSTANT = "constant"
    ACTIVATION = "activation"
    STATE = "state"


class Numerics(Enum):
    """Whose integer arithmetic the C reproduces, bit for bit."""

    LITERT_REF = "litert-ref"
    """LiteRT's reference kernels (BUILTIN_REF)."""
    TFLM = "tflm"
    """TFLite Micro: double rounding everywhere, its own LOGISTIC and TANH."""
    SINGLE = "single"
    """Single rounding everywhere (TFLITE_SINGLE_ROUNDING): cheaper, not always equal."""


@dataclass(frozen=True)
class Tensor:
    """One tensor, densely packed, row-major.

    Attributes:
        data: constants only, read-only, of the tensor's shape and dtype.
    """

    name: str
    shape: Shape
    dtype: DType
    lifetime: Lifetime = Lifetime.ACTIVATION
    quantization: Quantization | None = None
    data: NDArray[Any] | None = field(default=None, compare=False, repr=False)

    @property
    def elements(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.elements * self.dtype.bits // 8

    @property
    def is_constant(self) -> bool:
        """Whether the bytes are known at compile time."""
        return self.lifetime is Lifetime.CONSTANT

    @property
    def is_variable(self) -> bool:
        """Whether the bytes are kept from one inference to the next."""
        return self.lifetime is Lifetime.STATE

    @property
    def scale(self) -> float:
        """The per-tensor scale; rules guarantee that there is one where an op needs it."""
        return self.quantization.scale[0] if self.quantization else 1.0

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point; 0 where the tensor has none."""
        return self.quantization.zero_point[0] if self.quantization else 0


@dataclass(frozen=True)
class Op:
    """One operation.

    Attributes:
        code: a BuiltinOperator name, or ``VIEW`` / ``COPY`` / ``TABLE``.
        inputs, outputs: tensor ids; −1 is an absent optional input.
        options: the op's own frozen dataclass, or None.
        sources: indices of the .tflite ops that it stands for.
        name: the layer's name.
    """

    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    sources: tuple[int, ...]
    name: str

    def input_id(self, position: int) -> int:
        """Tensor id of an input; −1 if absent or left out."""
        return self.inputs[position] if position < len(self.inputs) else NO_TENSOR


@dataclass(frozen=True)
class Remains:
    """A tensor of the file of which some channels are left.

    Attributes:
        tensor: its id there.
        channels: those that are left, along the last axis.
    """

    tensor: int
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """Ops in execution order. ``tensors`` maps ids (the .tflite indices, then fresh ones).

    Attributes:
        numerics: whose arithmetic the ops follow.
        initial: variables that do not start as their zero point: tensor id → first contents.
        remains: tensors that passes took channels from: tensor id → what it is of the file's.
        notes: layers that passes took channels from, or left out: a sentence each.
        channels_left_out: how many channels that is, all together.
    """

    tensors: Mapping[int, Tensor]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    numerics: Numerics = Numerics.LITERT_REF
    initial: Mapping[int, NDArray[Any]] = field(
        default_factory=lambda: MappingProxyType({}), compare=False
    )
    remains: Mapping[int, Remains] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    channels_left_out: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        object.__setattr__(self, "remains", MappingProxyType(dict(self.remains)))

    def fresh_ids(self) -> Iterator[int]:
        """Ids for tensors that a pass makes: none that the graph has, or the file had."""
        return itertools.count(max(_FIRST_FRESH, max(self.tensors, default=0) + 1))

    def input(self, op: Op, position: int) -> Tensor:
        """The tensor at an input position (must be present)."""
        return self.tensors[op.inputs[position]]

    def optional(self, op: Op, position: int) -> Tensor | None:
        """The tensor at an input position, or None if absent."""
        tensor_id = op.input_id(position)
        return None if tensor_id == NO_TENSOR else self.tensors[tensor_id]

    def output(self, op: Op, position: int = 0) -> Tensor:
        """The tensor at an output position."""
        return self.tensors[op.outputs[position]]

    def constant(self, op: Op, position: int) -> NDArray[Any] | None:
        """The data of a constant input; None if absent or not constant."""
        tensor = self.optional(op, position)
        return tensor.data if tensor is not None and tensor.is_constant else None

    def with_ops(self, ops: Iterable[Op], tensors: Mapping[int, Tensor] | None = None) -> Graph:
        """A copy with other ops, and some tensors replaced or added."""
        merged = self.tensors if tensors is None else {**self.tensors, **tensors}
        return replace(self, ops=tuple(ops), tensors=merged)
