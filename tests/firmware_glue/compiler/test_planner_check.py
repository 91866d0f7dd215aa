"""The verifier accepts what the planner makes, and finds whatever is broken in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from edgecnn.core.errors import PlanError
from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Lifetime, Tensor
from firmware_glue.compiler.planner.check import check_plan
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Region
from firmware_glue.compiler.planner.regions import plan_memory
from tests.firmware_glue.compiler.planner_programs import Maker, random_program

Case = tuple[Program, MemoryPlan]
TWO = (Region("fast", 300), Region("slow"))


def planned(seed: int, regions: tuple[Region, ...] = TWO) -> Case:
    program = random_program(np.random.default_rng([21, seed]))
    return program, plan_memory(program, regions)


@pytest.mark.parametrize("seed", range(40))
def test_accepts_what_the_planner_makes(seed: int) -> None:
    check_plan(*planned(seed, (Region("arena"),)))
    check_plan(*planned(seed))


def replay(program: Program, plan: MemoryPlan) -> bool:
    """The bytes themselves: every step writes elements in its order and reads before it writes.

    Element k of an output of w bytes written over an input of r bytes forwards needs all input
    from byte k + lead' on, with the kernel's own lead; so the input below that may be gone.
    """
    memory = [np.full(size, -1, np.int64) for size in plan.region_bytes]

    def cells(buffer: int) -> np.ndarray:
        at, nbytes = plan.offsets[buffer], program.buffers[buffer].nbytes
        return memory[plan.regions[buffer]][at : at + nbytes]

    def whole(buffer: int, skip: slice = slice(0)) -> bool:
        intact = cells(buffer) == buffer
        intact[skip] = True
        return bool(intact.all())

    for tensor_id in program.graph.inputs:
        cells(program.homes[tensor_id])[:] = program.homes[tensor_id]
    for number, step in enumerate(program.steps):
        if step.scratch is not None:
            cells(step.scratch)[:] = step.scratch
        if not all(whole(i) for i in step.reads):
            return False
        (written,) = step.writes
        nbytes = program.buffers[written].nbytes
        allowed = {a.read: a for a in program.allowances if a.step == number}
        backwards = number in plan.reversed
        for k in reversed(range(nbytes)) if backwards else range(nbytes):
            cells(written)[k] = written
            for read in step.reads:
                # The first k + 1 bytes are written: what may be gone of the input by now.
                size, lead = program.buffers[read].nbytes, allowed.get(read)
                gone = slice(0)
                if lead is not None and backwards and lead.reverse_lead is not None:
                    gone = slice(max(0, size - max(0, nbytes - k - lead.reverse_lead)), size)
                elif lead is not None and not backwards:
                    gone = slice(0, max(0, k + 1 - lead.lead))
                if not whole(read, gone):
                    return False
        if step.scratch is not None and not whole(step.scratch):
            return False
        if not whole(written):
            return False
    return all(whole(program.homes[i]) for i in program.graph.outputs)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_accepted_runs_byte_by_byte(seed: int) -> None:
    case = planned(seed)
    check_plan(*case)
    assert replay(*case)


def accepted(program: Program, plan: MemoryPlan) -> bool:
    try:
        check_plan(program, plan)
    except PlanError:
        return False
    return True


@pytest.mark.parametrize("seed", range(30))
def test_moved_buffers_are_caught_whenever_they_break_the_run(seed: int) -> None:
    """Random moves of a buffer: accepted or not, exactly as the bytes say."""
    rng = np.random.default_rng([22, seed])
    program, plan = planned(seed)
    broken = 0
    for _ in range(8):
        offsets, regions = list(plan.offsets), list(plan.regions)
        i = int(rng.integers(len(offsets)))
        regions[i] = int(rng.integers(2))
        room = plan.region_bytes[regions[i]] - program.buffers[i].nbytes
        if room < 0:
            continue
        offsets[i] = int(rng.integers(0, room // 4 + 1)) * 4
        moved = replace(plan, offsets=tuple(offsets), regions=tuple(regions))
        fine = accepted(program, moved)
        assert not fine or replay(program, moved)
        broken += not fine
    assert broken


@pytest.mark.parametrize("seed", range(30))
def test_flipped_directions_are_caught(seed: int) -> None:
    program, plan = planned(seed, (Region("arena"),))
    for step in range(len(program.steps)):
        flipped = replace(plan, reversed=plan.reversed ^ {step})
        assert not accepted(program, flipped) or replay(program, flipped)


def direction() -> Case:
    make = Maker()
    a = make.input(100)
    b = make.step([a], 100, {a: (8, 8)})
    c = make.step([b], 100, {b: (8, 8)}, scratch=20)
    return (program := make.build([c])), plan_memory(program)


BREAK: dict[str, tuple[str, Callable[[MemoryPlan], MemoryPlan]]] = {
    "arena too small": ("leaves", lambda p: replace(p, arena_bytes=p.arena_bytes - 1,
                                                     region_bytes=(p.arena_bytes - 1,))),
    "sizes that do not add up": ("together", lambda p: replace(p, arena_bytes=1)),
    "negative offset": ("leaves", lambda p: replace(p, offsets=(-4, *p.offsets[1:]))),
    "misaligned": ("misaligned", lambda p: replace(p, offsets=(p.offsets[0] + 1, *p.offsets[1:]),
                                                    arena_bytes=900, region_bytes=(900,))),
    "no such region": ("region", lambda p: replace(p, regions=(1, *p.regions[1:]))),
    "all at 0": ("over buffer|overwritten", lambda p: replace(p, offsets=(0,) * len(p.offsets))),
    "nothing reversed": ("over buffer", lambda p: replace(p, reversed=frozenset())),
    "all reversed": ("over buffer", lambda p: replace(p, reversed=frozenset({0, 1}))),
    "a name too many": ("names", lambda p: replace(p, region_names=("a", "b"))),
    "a bound that is too high": ("bound", lambda p: replace(p, lower_bound_bytes=9_999)),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAK)
def test_rejects(name: str) -> None:
    program, plan = direction()
    assert len(plan.reversed) == 1
    check_plan(program, plan)
    message, change = BREAK[name]
    with pytest.raises(PlanError, match=message):
        check_plan(program, change(plan))


def test_rejects_a_step_that_cannot_run_backwards() -> None:
    program, plan = direction()
    one_way = tuple(replace(a, reverse_lead=None) for a in program.allowances)
    with pytest.raises(PlanError, match="cannot run backwards"):
        check_plan(replace(program, allowances=one_way), plan)


def test_rejects_overlaps_that_the_kernel_does_not_allow() -> None:
    program, plan = direction()
    with pytest.raises(PlanError, match="over buffer|backwards"):
        check_plan(replace(program, allowances=()), plan)
    wider = tuple(replace(a, lead=12, reverse_lead=12) for a in program.allowances)
    with pytest.raises(PlanError, match="over buffer"):
        check_plan(replace(program, allowances=wider), plan)


def test_rejects_scratch_on_top_of_anything() -> None:
    program, plan = direction()
    scratch = program.steps[1].scratch
    assert scratch is not None
    for other in (*program.steps[1].reads, *program.steps[1].writes):
        offsets = list(plan.offsets)
        offsets[scratch] = plan.offsets[other]
        with pytest.raises(PlanError, match="overwritten"):
            check_plan(program, replace(plan, offsets=tuple(offsets)))


def test_rejects_an_input_that_dies_too_early() -> None:
    """The lives that the layout trusted were wrong: the replay does not read them."""
    make = Maker()
    a = make.input(40)
    b = make.step([a], 40)
    c = make.step([a, b], 40)
    program = make.build([c])
    wrong = replace(program, buffers=(replace(program.buffers[0], last=0), *program.buffers[1:]))
    plan = replace(plan_memory(wrong), offsets=(0, 40, 0), arena_bytes=80, region_bytes=(80,))
    with pytest.raises(PlanError, match="over buffer"):
        check_plan(wrong, plan)
    make.step([b], 40)
    longer = make.build([a])
    plan = MemoryPlan((0, 40, 0, 80), 120, 0, "by hand")
    with pytest.raises(PlanError, match="over buffer|overwritten"):
        check_plan(longer, plan)


def test_rejects_variables_that_share_bytes_or_leave_the_state() -> None:
    program, plan = direction()
    state = Tensor("v", (12,), DType.INT8, Lifetime.STATE)
    graph = replace(program.graph, tensors={**program.graph.tensors, 90: state, 91: state})

    def with_state(first: int, second: int) -> Program:
        places = MappingProxyType({90: first, 91: second})
        return replace(program, graph=graph, variables=places, variable_bytes=32)

    check_plan(with_state(0, 16), plan)
    with pytest.raises(PlanError, match="share byte 8"):
        check_plan(with_state(0, 8), plan)
    with pytest.raises(PlanError, match="leaves the state"):
        check_plan(with_state(0, 24), plan)


def test_an_arena_of_a_gigabyte_is_checked_without_holding_it() -> None:
    make = Maker()
    a = make.input(2**30)
    b = make.step([a], 2**29, {a: (0, None)})
    program = make.build([b])
    plan = plan_memory(program)
    assert plan.arena_bytes == 2**30
    check_plan(program, plan)
