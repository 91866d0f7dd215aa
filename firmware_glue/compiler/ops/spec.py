"""What the compiler knows about an op: ``OpSpec``, its limits (``Rule``) and kernel calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.ir import Graph, Op, Shape

Array = NDArray[Any]
MAX_DIMS = 8
"""Loops of the strided kernels; the C side's EC_MAX_DIMS."""


@dataclass(frozen=True)
class Rule:
    """A limit of an op.

    Attributes:
        check: (graph, op) → None if it holds, else the offending value as text. Its docstring is
            the message that users read.
        allowed: the allowed values as text.
        rewrite: what to change in the model, or None.
    """

    check: Callable[[Graph, Op], str | None]
    allowed: str
    rewrite: str | None = None

    @property
    def message(self) -> str:
        """The sentence shown to the user."""
        return (self.check.__doc__ or self.check.__name__).strip()


def rule(
    allowed: str, rewrite: str | None = None
) -> Callable[[Callable[[Graph, Op], str | None]], Rule]:
    """Decorator: a check function as a :class:`Rule`."""
    return lambda check: Rule(check, allowed, rewrite)


class OptionError(Exception):
    """Options that an op's parser does not cover. Caught by the importer; never leaves it."""

    def __init__(self, message: str, got: str, allowed: str, rewrite: str | None = None) -> None:
        super().__init__(message)
        self.message, self.got, self.allowed, self.rewrite = message, got, allowed, rewrite


class Planned(Enum):
    """Values of a parameter struct that are known only once memory is planned."""

    REVERSE = "reverse"
    """1 where the step writes its output from the last element to the first, else 0."""


Value = int | float | tuple[int | float, ...] | Planned


@dataclass(frozen=True)
class Params:
    """A ``const`` parameter struct of a kernel: C type, and (field, value) in declared order."""

    struct: str
    fields: tuple[tuple[str, Value | Params], ...]

    def asks(self, planned: Planned) -> bool:
        """Whether a field is a value that the memory plan decides."""
        values = [value for _, value in self.fields]
        return any(v.asks(planned) if isinstance(v, Params) else v is planned for v in values)


@dataclass(frozen=True)
class TensorArg:
    """A pointer to a tensor: its bytes in the arena, or its constant array."""

    tensor: int


@dataclass(frozen=True)
class ConstArg:
    """A pointer to a constant array that the compiler made (multipliers, a table).

    Attributes:
        from_file: the model's own weights, rearranged, and its scales in fixed point where a kernel
            packs them alike: reports count them as weights.
    """

    role: str
    data: Array = field(compare=False)
    from_file: bool = False


@dataclass(frozen=True)
class ScratchArg:
    """A pointer to the step's own scratch memory, ``offset`` bytes into it (a multiple of 4)."""

    ctype: str
    offset: int = 0


NULL = None
Arg = TensorArg | ConstArg | ScratchArg | None


@dataclass(frozen=True)
class Instance:
    """A function that a macro of a kernel header defines: ``macro(name, values…)``.

    For what must be a literal in assembly (a shift, a stride). Emitted once per distinct name.
    """

    macro: str
    name: str
    values: tuple[int, ...] = ()


@dataclass(frozen=True)
class Call:
    """One call of a C kernel: ``kernel(&params, args…)``.

    Attributes:
        instances: functions that must be defined for it, in this order.
        functions: those that the kernel is handed, after its other arguments.
    """

    kernel: str
    header: str
    params: Params
    args: tuple[Arg, ...]
    instances: tuple[Instance, ...] = ()
    functions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Overlap:
    """The output may share memory with a dying input, on one side of it.

    Attributes:
        lead: fine if the output starts at least this many bytes before the input starts.
        reverse_lead: fine too if the output ends at least this many bytes after the input ends,
            and the kernel then runs backwards; None: it never is. Only where the kernel can be told
            to: see :meth:`Lowered.reverse_lead`. Either lead may be negative.
        same: fine too if both start at the same byte (a kernel that takes a whole channel before it
            writes that channel's outputs over it, and no others).
    """

    input: int
    output: int
    lead: int
    reverse_lead: int | None = None
    same: bool = False


@dataclass(frozen=True)
class RowReach:
    """Which rows of an input the output's rows are made of.

    Output row y is made of input rows y · stride − pad … y · stride − pad + span − 1, as far as
    there are such rows.

    Attributes:
        input: tensor id, of shape (1, height, width, channels).
        span: (kernel height − 1) · dilation + 1.
    """

    input: int
    stride: int
    pad: int
    span: int


@dataclass(frozen=True)
class Rows:
    """How a kernel computes some rows of its output, for chains over row buffers (``stream/``).

    The C function is ``kernel(&params, args…, rows, functions…)``: the call of the whole tensor
    with one argument more, an ``ec_rows`` by value. It computes output rows [first, end) of an op
    on one image (batches = 1). Row y of the input lies at ``in + (y % in_rows) · in_w · in_c``, row
    y of the output at ``out + (y % out_rows) · out_w · out_c``. All input rows that the band is
    made of are there, and output rows elsewhere in the ring must not be touched. Bands come in
    ascending order and cover each row once, but are of any height, and other kernels run in
    between, so scratch holds nothing from one call to the next.

    Attributes:
        call: kernel, params and args; :class:`ScratchArg` allowed; ``Planned.REVERSE`` is 0.
        reads: one entry per input that is no constant, as :meth:`window.Geometry.row_reach` gives.
        scratch_bytes: of one call, whatever the number of rows.
        call_instructions: estimate of what a call costs beside its rows: set-up, and gathering
            input rows that the call before has gathered too.
        row_instructions: estimate per output row.
        step: rows that are computed at a time: a band that is no multiple takes as long as the next
            one that is.
    """

    call: Call
    reads: tuple[RowReach, ...]
    scratch_bytes: int = 0
    call_instructions: int = 100
    row_instructions: int = 0
    step: int = 1


@dataclass(frozen=True)
class Lowered:
    """An op as kernel calls.

    Attributes:
        kernel: the kernel's name as reports print it.
        overlaps: (input, output) tensor pairs that may share memory.
        rows: the kernel's rows form, or None if it has none, or the op runs on several images.
    """

    kernel: str
    calls: tuple[Call, ...]
    scratch_bytes: int = 0
    overlaps: tuple[Overlap, ...] = ()
    rows: Rows | None = None

    @cached_property
    def reversible(self) -> bool:
        """Whether the kernel runs backwards where the plan says so: it asks, and has one overlap.

        A step runs in one direction: with two inputs to cover, forwards.
        """
        asks = any(call.params.asks(Planned.REVERSE) for call in self.calls)
        return asks and len(self.overlaps) == 1

    def reverse_lead(self, overlap: Overlap) -> int | None:
        """That of one of the overlaps; None if the kernel only runs forwards."""
        return overlap.reverse_lead if self.reversible else None


Reference = Callable[[Graph, Op, tuple[Array, ...]], tuple[Array, ...]]
"""(graph, op, input arrays, None where absent) → output arrays: bit-exact numpy."""
Lower = Callable[[Graph, Op], Lowered]


@dataclass(frozen=True)
class Variant:
    """How an op is computed for one dtype.

    Attributes:
        kernel: the C kernel's name as reports print it; "" where a pass folds the op away.
        reference: the arithmetic in numpy: constants are folded with it, tests compare with it.
            Integer results are those of the C kernel bit for bit under ``graph.numerics``.
        lower: the kernel calls; None for an op that has to be folded away by a pass.
        rules: limits of this dtype alone, checked after the op's.
        note: what a user of it has to know, a sentence, or "".
    """

    kernel: str
    reference: Reference
    lower: Lower | None
    rules: tuple[Rule, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class OpSpec:
    """One op.

    Attributes:
        parse: .tflite options by schema name → the op's frozen options (None if it has none).
        infer: output shapes from input shapes, options and constant operands.
        variants: numpy dtype name of the data input → how it is computed.
        rules: limits of all variants, checked in this order; the first miss of an op is reported.
        data: position of the input whose dtype picks the variant.
        mutates: positions of inputs that are variables and change while the op runs.
    """

    parse: Callable[[Mapping[str, Any]], Any]
    infer: Callable[[Graph, Op], tuple[Shape, ...]]
    variants: Mapping[str, Variant]
    rules: tuple[Rule, ...] = ()
    data: int = 0
    mutates: tuple[int, ...] = ()

    def variant(self, graph: Graph, op: Op) -> Variant | None:
        """The variant for this op's dtype, or None if there is none."""
        tensor = graph.optional(op, self.data)
        return None if tensor is None else self.variants.get(tensor.dtype.value)

    def known_variant(self, graph: Graph, op: Op) -> Variant:
        """The variant of an op that is within its limits.

        Raises:
            ValueError: there is none for its dtype.
        """
        variant = self.variant(graph, op)
        if variant is None:
            raise ValueError(f"{op.code} '{op.name}' has no kernel for its dtype")
        return variant


def noted(spec: OpSpec, note: str, *dtypes: str) -> OpSpec:
    """``spec`` with a note on the variants of some dtypes."""
    variants = {
        dtype: replace(variant, note=note) if dtype in dtypes else variant
        for dtype, variant in spec.variants.items()
    }
    return replace(spec, variants=variants)


def no_options(options: Mapping[str, Any]) -> None:
    """Parser of ops without options."""


def same_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """Shape rule of elementwise unary ops."""
    return (graph.input(op, 0).shape,)


def const_ints(graph: Graph, op: Op, position: int) -> tuple[int, ...] | None:
    """A constant integer operand as a flat tuple; None if absent, computed, or no integers."""
    data = graph.constant(op, position)
    if data is None or data.dtype.kind not in "iub":
        return None
    return tuple(int(v) for v in np.ravel(data))


def known_ints(graph: Graph, op: Op, position: int) -> tuple[int, ...]:
    """A constant integer operand that a rule has already guaranteed.

    Raises:
        ValueError: it is not constant, or holds no integers.
    """
    values = const_ints(graph, op, position)
    if values is None:
        raise ValueError(f"operand {position} must be constant integers")
    return values


def tensor_args(op: Op, count: int) -> tuple[Arg, ...]:
    """The first ``count`` inputs as arguments; absent ones are NULL."""
    ids = (op.input_id(position) for position in range(count))
    return tuple(NULL if tensor_id < 0 else TensorArg(tensor_id) for tensor_id in ids)


def out_args(op: Op) -> tuple[Arg, ...]:
    """The outputs as arguments."""
    return tuple(TensorArg(tensor_id) for tensor_id in op.outputs)
