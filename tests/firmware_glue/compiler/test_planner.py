"""Memory plans: sound by an independent check, near the lower bound, in place where allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import PlanError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.planner.check import check_plan
from firmware_glue.compiler.planner.layout import lower_bound, plan_layout
from firmware_glue.compiler.planner.program import Allowance, Buffer
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.graphs import random_graph


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Buffer], list[Allowance]]:
    count = draw(st.integers(1, 12))
    buffers = []
    for i in range(count):
        first = draw(st.integers(-1, 8))
        last = draw(st.integers(first, 9))
        size = draw(st.integers(1, 200))
        buffers.append(Buffer(f"b{i}", size, first, last, draw(st.sampled_from([1, 4, 16]))))
    allowances = []
    for i, a in enumerate(buffers):
        for j, b in enumerate(buffers):
            if i != j and a.last == b.first >= 0 and a.first < b.first and draw(st.booleans()):
                allowances.append(Allowance(a.last, i, j, draw(st.integers(0, 60))))
    return buffers, allowances


@settings(max_examples=150, deadline=None)
@given(problems())
def test_layout_is_sound(problem: tuple[list[Buffer], list[Allowance]]) -> None:
    buffers, allowances = problem
    plan = plan_layout(buffers, allowances)
    leads = {(a.read, a.written): a.lead for a in allowances}
    for i, (a, at_a) in enumerate(zip(buffers, plan.offsets, strict=True)):
        assert at_a >= 0 and at_a % a.align == 0
        assert at_a + a.nbytes <= plan.arena_bytes
        for j in range(i):
            b, at_b = buffers[j], plan.offsets[j]
            together = a.first <= b.last and b.first <= a.last
            if together and at_a < at_b + b.nbytes and at_b < at_a + a.nbytes:
                low = (i, j) in leads and at_b <= at_a - leads[i, j]
                high = (j, i) in leads and at_a <= at_b - leads[j, i]
                assert low or high
    assert plan.lower_bound_bytes <= plan.arena_bytes <= sum(b.padded + 15 for b in buffers)
    assert plan == plan_layout(buffers, allowances)


def test_known_peaks() -> None:
    chain = [Buffer("a", 100, -1, 0), Buffer("b", 60, 0, 1), Buffer("c", 40, 1, 2)]
    assert plan_layout(chain).arena_bytes == lower_bound(chain, []) == 160
    in_place = [Allowance(0, 0, 1, 0), Allowance(1, 1, 2, 0)]
    assert plan_layout(chain, in_place).arena_bytes == lower_bound(chain, in_place) == 100
    shifted = [Allowance(0, 0, 1, 8)]
    assert plan_layout(chain, shifted).arena_bytes == lower_bound(chain, shifted) == 108


@pytest.mark.parametrize("seed", range(12))
def test_check_rejects_every_wrong_move(seed: int) -> None:
    compiled = compile_model(read_model(random_graph(np.random.default_rng([4, seed]))), name="dag")
    program, plan = compiled.program, compiled.plan
    check_plan(program, plan)
    with pytest.raises(PlanError, match="leaves the arena"):
        check_plan(program, replace(plan, arena_bytes=plan.arena_bytes - 1))
    crowded = replace(plan, offsets=tuple(0 for _ in plan.offsets))
    allowed = {(a.read, a.written) for a in program.allowances}
    clash = any(
        (i, j) not in allowed and (j, i) not in allowed and a.first <= b.last and b.first <= a.last
        for i, a in enumerate(program.buffers)
        for j, b in enumerate(program.buffers[:i])
    )
    if clash:
        with pytest.raises(PlanError, match="over buffer|overwritten"):
            check_plan(program, crowded)


def test_check_rejects_too_small_a_lead() -> None:
    compiled = compile_model(read_model(tiny_classifier()), name="tiny")
    program, plan = compiled.program, compiled.plan
    shared = [a for a in program.allowances if a.lead > 4]
    assert shared
    for a in shared:
        offsets = list(plan.offsets)
        offsets[a.read] = offsets[a.written] + (a.lead - 4) // 4 * 4
        with pytest.raises(PlanError, match="memory plan"):
            check_plan(program, replace(plan, offsets=tuple(offsets), arena_bytes=100_000))
