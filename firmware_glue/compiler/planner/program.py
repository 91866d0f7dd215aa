"""What runs, in order, and the memory it needs: Program → Steps and Buffers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_glue.compiler.ir import Graph
from firmware_glue.compiler.ops.spec import Call
from firmware_glue.compiler.stream.chain import Chain

BEFORE = -1
"""The time at which inputs are written, before step 0."""


@dataclass(frozen=True)
class Buffer:
    """A block of the arena.

    Attributes:
        first, last: steps at which it is first written and last needed; −1 is before step 0, and
            the number of steps is after the last one.
        parent: the buffer that this one is a part of, or None; a parent has none itself.
        inner: bytes from the start of the parent.
    """

    name: str
    nbytes: int
    first: int
    last: int
    align: int = 4
    parent: int | None = None
    inner: int = 0


@dataclass(frozen=True)
class Allowance:
    """At ``step``, buffer ``written`` may share memory with dying buffer ``read``.

    It has to start at least ``lead`` bytes before it, or, where ``reverse_lead`` is given, to end
    at least that many bytes after it: the step then runs backwards. Or, where ``same``, at the same
    byte.
    """

    step: int
    read: int
    written: int
    lead: int
    reverse_lead: int | None = None
    same: bool = False


@dataclass(frozen=True)
class Step:
    """One piece of work: an op, a fused group or a chain of ops.

    Attributes:
        sources: .tflite op indices.
        code: op codes for comments.
        inputs, outputs: tensor ids for comments.
        reads, writes: buffers.
        scratch: buffer of its own, or None.
        chain: how its ops take turns, if they work row by row; ``calls`` are then theirs, and the
            rings lie in ``scratch``.
    """

    name: str
    code: str
    kernel: str
    sources: tuple[int, ...]
    calls: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    scratch: int | None = None
    chain: Chain | None = None


@dataclass(frozen=True)
class Program:
    """Steps in order, their buffers, and where each tensor lives.

    Attributes:
        homes: tensor id → buffer; tensors that are constants are missing.
        constants: tensor id → the constant whose bytes it shows (views of constants).
        variables: tensor id of a variable → bytes from the start of ``<name>_state.variables``.
        variable_bytes: size of all variables.
    """

    graph: Graph
    steps: tuple[Step, ...]
    buffers: tuple[Buffer, ...]
    homes: Mapping[int, int]
    constants: Mapping[int, int]
    allowances: tuple[Allowance, ...]
    variables: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    variable_bytes: int = 0


@dataclass(frozen=True)
class Region:
    """Memory that buffers may lie in.

    Attributes:
        name: a C identifier.
        nbytes: how much there is, or None for as much as it takes.
    """

    name: str
    nbytes: int | None = None


@dataclass(frozen=True)
class MemoryPlan:
    """Where each buffer lies.

    Attributes:
        offsets: bytes from the start of the buffer's region, one per buffer.
        arena_bytes: all regions together, each up to the end of its highest buffer.
        lower_bound_bytes: no plan of this program can be smaller.
        strategy: the search that found it.
        reversed: steps that run backwards, because their output lies behind the input it covers.
        regions: one per buffer: an index into the two following.
        region_names: C identifiers, in order of preference.
        region_bytes: how much of each region the plan takes.
    """

    offsets: tuple[int, ...]
    arena_bytes: int
    lower_bound_bytes: int
    strategy: str
    reversed: frozenset[int] = frozenset()
    regions: tuple[int, ...] = ()
    region_names: tuple[str, ...] = ("arena",)
    region_bytes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.regions:
            object.__setattr__(self, "regions", (0,) * len(self.offsets))
        if not self.region_bytes:
            object.__setattr__(self, "region_bytes", (self.arena_bytes,))
