"""The verifier of chains refuses what would read or write the wrong bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from edgecnn.core.errors import PlanError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.fast.choose import Choice
from firmware_glue.compiler.planner.program import MemoryPlan, Program
from firmware_glue.compiler.planner.regions import plan_memory
from firmware_glue.compiler.stream.build import Group, programs
from firmware_glue.compiler.stream.chain import Chain
from firmware_glue.compiler.stream.check import check_chains
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.stream.nets import net


@pytest.fixture(scope="module")
def planned() -> tuple[Program, MemoryPlan]:
    program = compile_model(read_model(tiny_classifier()), name="m").program
    known = net(program, Choice())
    assert known.stages[0] is not None and known.stages[1] is not None
    (made,) = programs(known, [Group(0, 2, (1, 2))])
    return made, plan_memory(made)


def _changed(program: Program, change: Callable[[Chain], Chain]) -> Program:
    step = program.steps[0]
    assert step.chain is not None
    return replace(program, steps=(replace(step, chain=change(step.chain)), *program.steps[1:]))


def test_the_plan_holds(planned: tuple[Program, MemoryPlan]) -> None:
    check_chains(*planned)


def _smaller_ring(chain: Chain) -> Chain:
    ((tensor, ring),) = chain.rings.items()
    return replace(chain, rings=MappingProxyType({tensor: replace(ring, rows=ring.rows - 1)}))


def _ring_outside(chain: Chain) -> Chain:
    ((tensor, ring),) = chain.rings.items()
    return replace(chain, rings=MappingProxyType({tensor: replace(ring, offset=ring.offset + 8)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_smaller_ring, "reads rows that are not there"),
        (_ring_outside, "leave the step's memory"),
        (lambda c: replace(c, turns=c.turns[1:]), "reads rows that are not there"),
        (lambda c: replace(c, turns=c.turns[:-1]), "not complete"),
        (lambda c: replace(c, turns=(*c.turns, (1, 1))), "runs to row"),
        (lambda c: replace(c, turns=((7, 1),)), "a turn of 1 rows of stage 7"),
        (lambda c: replace(c, turns=((0, 0), *c.turns)), "a turn of 0 rows"),
    ],
)
def test_a_broken_chain_is_refused(
    change: Callable[[Chain], Chain], message: str, planned: tuple[Program, MemoryPlan]
) -> None:
    program, plan = planned
    with pytest.raises(PlanError, match=message):
        check_chains(_changed(program, change), plan)


def test_an_output_over_rows_that_are_still_read_is_refused(
    planned: tuple[Program, MemoryPlan],
) -> None:
    program, plan = planned
    step = program.steps[0]
    (read,), (written,) = step.reads, step.writes
    offsets = list(plan.offsets)
    row = program.buffers[read].nbytes // 16
    offsets[written] = offsets[read] + 6 * row
    with pytest.raises(PlanError, match="writes row|not there"):
        check_chains(program, replace(plan, offsets=tuple(offsets)))
