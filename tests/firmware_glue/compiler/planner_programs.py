"""Programs for the planner's tests: op graphs made in code, without kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Lifetime, Op, Tensor
from firmware_glue.compiler.planner.program import Allowance, Buffer, Program, Step


@dataclass
class Maker:
    """A program, step by step; one tensor per buffer, under the same number."""

    buffers: list[Buffer] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    leads: list[Allowance] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)

    def input(self, nbytes: int) -> int:
        self.inputs.append(self._add(f"in{len(self.inputs)}", nbytes, -1))
        return self.inputs[-1]

    def _add(self, name: str, nbytes: int, now: int) -> int:
        self.buffers.append(Buffer(name, nbytes, now, now))
        return len(self.buffers) - 1

    def step(
        self,
        reads: Sequence[int],
        nbytes: int,
        leads: Mapping[int, tuple[int, int | None]] = MappingProxyType({}),
        scratch: int = 0,
    ) -> int:
        """Returns the buffer that it writes."""
        now = len(self.steps)
        for i in reads:
            self.buffers[i] = replace(self.buffers[i], last=now)
        made = self._add(f"t{now}", nbytes, now)
        own = self._add(f"t{now} scratch", scratch, now) if scratch else None
        self.leads += [Allowance(now, i, made, *lead) for i, lead in leads.items()]
        row = tuple(dict.fromkeys(reads))
        self.steps.append(
            Step(f"layer{now}", "RELU", "k", (now,), (), tuple(reads), (made,), row, (made,), own)
        )
        return made

    def build(self, outputs: Sequence[int]) -> Program:
        for i in outputs:
            self.buffers[i] = replace(self.buffers[i], last=len(self.steps))
        tensors = {
            i: Tensor(b.name, (b.nbytes,), DType.INT8, Lifetime.ACTIVATION)
            for i, b in enumerate(self.buffers)
        }
        ops = tuple(Op(s.code, s.inputs, s.outputs, None, s.sources, s.name) for s in self.steps)
        graph = Graph(tensors, ops, tuple(self.inputs), tuple(outputs))
        dying = tuple(a for a in self.leads if self.buffers[a.read].last == a.step)
        homes = MappingProxyType({i: i for i in range(len(self.buffers))})
        return Program(
            graph, tuple(self.steps), tuple(self.buffers), homes, MappingProxyType({}), dying
        )


def random_program(rng: np.random.Generator, steps: int = 12, most: int = 400) -> Program:
    """A DAG with in-place steps, steps in both directions, scratch, and several outputs."""
    make = Maker()
    alive = [make.input(int(rng.integers(1, most))) for _ in range(int(rng.integers(1, 3)))]
    for _ in range(steps):
        reads = [int(rng.choice(alive[-4:])) for _ in range(int(rng.integers(1, 3)))]
        leads: dict[int, tuple[int, int | None]] = {}
        for i in set(reads):
            if rng.random() < 0.7:
                both = len(set(reads)) == 1 and rng.random() < 0.7
                lead, reverse = (int(v) for v in rng.integers(-8, 60, 2))
                leads[i] = (lead, reverse if both else None)
        scratch = int(rng.integers(1, most // 4)) if rng.random() < 0.2 else 0
        alive.append(make.step(reads, int(rng.integers(1, most)), leads, scratch))
    return make.build(sorted({alive[-1], int(rng.choice(alive))}))
