"""The kernels a net may run on: the fastest, and slower ones that need less scratch memory.

Each op has its choice: a plan takes slower kernels where the fastest need too much, and there only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from firmware_glue.compiler.fast.choose import Lower
from firmware_glue.compiler.ir import VIEW, Graph, Op
from firmware_glue.compiler.stream import cost
from firmware_glue.compiler.stream.build import Net, net_of
from firmware_glue.compiler.stream.chain import Stage
from firmware_glue.compiler.stream.segments import Segment, segments
from firmware_glue.compiler.stream.stages import find_stages


@dataclass(frozen=True)
class Kernels:
    """The kernels of every op.

    Attributes:
        lower: of an op.
        instructions: (graph, op) → what they take, an estimate; 0 where that is not known.
    """

    lower: Lower
    instructions: Callable[[Graph, Op], int]


@dataclass(frozen=True)
class Options:
    """A net with all kernels that it may run on.

    Attributes:
        nets: one for each kind of kernels, the fastest first.
        segments: single ops and chains with each of them, sorted by their start.
        instructions: of all ops on the fastest, an estimate.
    """

    nets: tuple[Net, ...]
    segments: tuple[Segment, ...]
    instructions: int

    @property
    def fastest(self) -> Net:
        """The net on its fastest kernels."""
        return self.nets[0]

    def net(self, way: Sequence[Segment]) -> Net:
        """The net with the kernels that the segments of a way take."""
        taken = [segment.kernels for segment in way for _ in range(segment.start, segment.end)]
        picked = [self.nets[number] for number in taken]
        return replace(
            self.fastest,
            lowered=tuple(net.lowered[at] for at, net in enumerate(picked)),
            stages=tuple(net.stages[at] for at, net in enumerate(picked)),
        )


def options_of(graph: Graph, kernels: Sequence[Kernels]) -> Options:
    """What a graph may run on.

    Args:
        graph: without chains, in the order that they are to keep to.
        kernels: the fastest first.
    """
    nets = tuple(_net(graph, each.lower) for each in kernels)
    least = _instructions(graph, kernels[0])
    found: dict[tuple[int, int, int], Segment] = {}
    kept: list[Segment] = []
    for number, (net, each) in enumerate(zip(nets, kernels, strict=True)):
        if number and _scratch(net) == _scratch(nets[0]):
            continue
        taken = _instructions(graph, each) if number else least
        for segment in segments(net):
            known = found.setdefault(_place(segment), segment)
            if number == 0 or segment.peak < known.peak:
                ops = range(segment.start, segment.end)
                more = sum(_alone(taken[at], segment, net.stages[at]) - least[at] for at in ops)
                kept.append(replace(segment, cost=segment.cost + more, kernels=number))
    total = cost.instructions(nets[0], least)
    return Options(nets, tuple(sorted(kept, key=_place)), total)


def _instructions(graph: Graph, kernels: Kernels) -> list[int]:
    return [0 if op.code == VIEW else kernels.instructions(graph, op) for op in graph.ops]


def _alone(instructions: int, segment: Segment, stage: Stage | None) -> int:
    """What an op of a segment takes, beside the calls of a chain: row by row it may be more."""
    if not segment.band or not instructions or stage is None or stage.by_row:
        return instructions
    return max(instructions, stage.height * stage.row_instructions)


def _place(segment: Segment) -> tuple[int, int, int]:
    return segment.start, segment.end, segment.band


def _scratch(net: Net) -> list[tuple[int, int]]:
    return [
        (kernel.scratch_bytes if kernel else 0, stage.scratch_bytes if stage else 0)
        for kernel, stage in zip(net.lowered, net.stages, strict=True)
    ]


def _net(graph: Graph, lower: Lower) -> Net:
    lowered = [None if op.code == VIEW else lower(graph, op) for op in graph.ops]
    return net_of(graph, lowered, find_stages(graph, lowered, lower))
