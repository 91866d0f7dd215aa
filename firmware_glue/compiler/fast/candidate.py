"""What the choice of kernels is made between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import Lowered


class KernelSet(Enum):
    """Kernels for a kind of core, from the folders of ``firmware_glue/kernels``.

    All of them are C that runs anywhere and gives the same bytes; what differs is where it is fast.
    """

    GENERIC = "generic"
    """Any core: the plain loops of ``ops/`` alone."""
    V6M = "v6m"
    """Armv6-M: one 32-bit multiplication at a time, few registers."""
    V7M = "v7m"
    """Armv7-M without DSP: those of V6M, where the generic ones, twice as fast here, are slower."""
    DSP = "dsp"
    """Armv7E-M, Armv8-M with DSP: two 16-bit multiply-accumulates at a time."""
    MVE = "mve"
    """Armv8.1-M with Helium: vectors of 128 bits."""
    RV32 = "rv32"
    """RV32IM: three products of two 32-bit multiplications, many registers."""


class Optimize(Enum):
    """What the choice goes by."""

    SPEED = "speed"
    """The fewest instructions: each layer has its kernel made for it."""
    BALANCED = "balanced"
    """The kernels of SPEED, in one copy for all layers wherever that is smaller."""
    SIZE = "size"
    """The least flash: no kernels for pairs, the fewest weights, copies as in BALANCED, and
    compiled for size."""


@dataclass(frozen=True)
class Candidate:
    """One way to run an op, exact for it.

    Attributes:
        lowered: the kernel calls.
        instructions: executed in one run, an estimate.
        flash_bytes: of the constants that it adds to the model's own weights (padding, tables), an
            estimate; negative where it drops some.
    """

    lowered: Lowered
    instructions: int
    flash_bytes: int = 0


Offer = Callable[[Graph, Op], Candidate | None]
"""(graph, op) → how these kernels run the op, or None where they cannot, exactly."""

PairOffer = Callable[[Graph, Op], tuple[Candidate, ...]]
"""(graph, a pair of ops as :mod:`firmware_glue.compiler.planner.pairs` makes it) → ways to run both
at once, exact for them, from the fewest instructions on."""
