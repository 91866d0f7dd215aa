"""The kernels of every op: the best offer, or the op's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.fast import plain
from firmware_glue.compiler.fast.candidate import Candidate, KernelSet, Offer, Optimize
from firmware_glue.compiler.fast.table import OFFERS, PAIRS, THRIFTY
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.ops.spec import Lowered
from firmware_glue.compiler.ops.table import OPS

_PLAIN_C, _SET_UP = 0.5, 100
"""Compiled for size, the linear forms of other ops, which are C, lose up to half more than the
generic kernels, and some instructions of every call."""
_SLACKS = (1.1, 1.5)
"""Steps of instructions for memory."""
_Made = TypeVar("_Made")


class _Memory:
    """What has been asked for, of the same op on the same tensors.

    Proofs for a layer take longer than all else, and pairs and chains ask once more for what a
    schedule has asked for.
    """

    def __init__(self) -> None:
        # Holds what its keys are identities of.
        self._known: dict[tuple[Hashable, ...], tuple[Op, tuple[Tensor, ...], Any]] = {}

    def once(
        self, make: Callable[[Graph, Op], _Made], graph: Graph, op: Op, *what: Hashable
    ) -> _Made:
        """What ``make`` gives for an op; ``what`` tells apart what is made of the same op."""
        ids = (i for i in (*op.inputs, *op.outputs) if i != NO_TENSOR)
        tensors = tuple(graph.tensors[i] for i in ids)
        key = (*what, id(op), *map(id, tensors))
        if key not in self._known:
            self._known[key] = (op, tensors, make(graph, op))
        return cast(_Made, self._known[key][2])


@dataclass(frozen=True)
class Choice:
    """How kernels are chosen: a callable (graph, op) → its kernel calls.

    Attributes:
        kernels: the set at hand.
        optimize: what counts.
        slack: what an op may take of the best kernel's instructions to need less scratch memory.
    """

    kernels: KernelSet = KernelSet.GENERIC
    optimize: Optimize = Optimize.SPEED
    slack: float = 1.0
    _memory: _Memory = field(default_factory=_Memory, compare=False, repr=False)

    def __call__(self, graph: Graph, op: Op) -> Lowered:
        """The op's kernel calls.

        Raises:
            ValueError: the op has no kernel: a pass should have folded it away.
        """
        best = self.best(graph, op)
        return self._memory.once(own, graph, op, "own") if best is None else best.lowered

    def best(self, graph: Graph, op: Op) -> Candidate | None:
        """The best offer; None where the op's own kernel is better."""
        best = self._memory.once(self._fastest, graph, op, "best")
        if best is None or self.slack == 1.0:
            return best
        most = min(self._most(graph, op), self.slack * best.instructions)
        found = self._memory.once(self._thrifty, graph, op, "thrifty")
        others = (made for made in found if made.instructions <= most)
        return min((best, *others), key=lambda made: made.lowered.scratch_bytes)

    def thriftier(self) -> tuple[Choice, ...]:
        """The same with less and less scratch memory, where there are kernels for that."""
        slacks = _SLACKS if self.kernels in THRIFTY else ()
        return tuple(replace(self, slack=slack) for slack in slacks)

    def instructions(self, graph: Graph, op: Op) -> int:
        """Of the best offer, an estimate; 0 where the op's own kernel is better."""
        best = self.best(graph, op)
        return 0 if best is None else best.instructions

    def _most(self, graph: Graph, op: Op) -> float:
        """Instructions above which the op's own kernel is better."""
        least = plain.least(self.kernels, graph, op)
        if least is None:
            return math.inf
        plain_c = op.code not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        if self.optimize is Optimize.SIZE and plain_c:
            return (least - _SET_UP) * _PLAIN_C
        return least

    def pairs(self, graph: Graph, op: Op) -> tuple[Candidate, ...]:
        """Ways to run a pair of ops at once (``planner/pairs.py``), the fastest first.

        None where flash counts more than speed: they have code of their own.
        """
        offer = PAIRS.get(self.kernels)
        return () if offer is None or self.optimize is Optimize.SIZE else offer(graph, op)

    def alternatives(self, graph: Graph, op: Op) -> tuple[Lowered, ...]:
        """All that is offered for the op, and its own kernel."""
        return (*(made.lowered for made in self._offered(graph, op)), own(graph, op))

    def offers(self, graph: Graph, op: Op) -> bool:
        """Whether a kernel of the set takes the op, whatever it costs."""
        return self.best(graph, op) is not None or bool(self._offered(graph, op))

    def _fastest(self, graph: Graph, op: Op) -> Candidate | None:
        most = self._most(graph, op)
        found = [made for made in self._offered(graph, op) if made.instructions <= most]
        return min(found, key=self._cost, default=None)

    def _offered(self, graph: Graph, op: Op) -> list[Candidate]:
        return _made(OFFERS[self.kernels].get(op.code, ()), graph, op)

    def _thrifty(self, graph: Graph, op: Op) -> list[Candidate]:
        return _made(THRIFTY.get(self.kernels, {}).get(op.code, ()), graph, op)

    def _cost(self, candidate: Candidate) -> tuple[int, int]:
        if self.optimize is Optimize.SIZE:
            return candidate.flash_bytes, candidate.instructions
        return candidate.instructions, candidate.flash_bytes


def _made(offers: Sequence[Offer], graph: Graph, op: Op) -> list[Candidate]:
    return [made for offer in offers if (made := offer(graph, op)) is not None]


def own(graph: Graph, op: Op) -> Lowered:
    """The op's generic kernel.

    Raises:
        ValueError: it has none.
    """
    lower = OPS[op.code].known_variant(graph, op).lower
    if lower is None:
        raise ValueError(f"{op.code} '{op.name}' has no kernel and was not folded away")
    return lower(graph, op)


Lower = Callable[[Graph, Op], Lowered]
