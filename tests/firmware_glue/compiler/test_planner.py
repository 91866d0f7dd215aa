"""Offsets: sound, near the lower bound, and the best there is where all can be tried."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_glue.compiler.planner.bound import lower_bound
from firmware_glue.compiler.planner.layout import plan_layout
from firmware_glue.compiler.planner.program import Allowance, Buffer
from tests.firmware_glue.compiler.planner_cases import Problem, problem_of, random_problem

SHARED = Path(os.environ.get("EDGECNN_SHARED", Path(__file__).parents[3] / "../shared"))
MODELS = sorted(
    path for path in (SHARED / "models").rglob("*.tflite") if "_edgetpu" not in path.name
)


@st.composite
def problems(draw: st.DrawFn, most: int = 12, size: int = 200, wide: int = 60) -> Problem:
    """Any buffers; some steps may cover what they read, forwards or both ways; some parts."""
    buffers: list[Buffer] = []
    # First fit reaches every good layout where one alignment holds; else it may miss a few bytes.
    aligns = [1, 4, 8] if size > 20 else [draw(st.sampled_from([1, 2]))]
    for i in range(draw(st.integers(1, most))):
        first = draw(st.integers(-1, 5))
        last = draw(st.integers(first, 6))
        align = draw(st.sampled_from(aligns))
        nbytes = draw(st.integers(1, size))
        wholes = [j for j, b in enumerate(buffers) if b.parent is None and b.nbytes >= nbytes]
        if wholes and draw(st.integers(0, 4)) == 0:
            whole = draw(st.sampled_from(wholes))
            inner = draw(st.integers(0, (buffers[whole].nbytes - nbytes) // align)) * align
            buffers.append(Buffer(f"b{i}", nbytes, first, last, align, whole, inner))
        else:
            buffers.append(Buffer(f"b{i}", nbytes, first, last, align))
    allowances: list[Allowance] = []
    for i, a in enumerate(buffers):
        for j, b in enumerate(buffers):
            related = i in (j, b.parent) or j == a.parent
            if not related and a.last == b.first > a.first and draw(st.booleans()):
                lead = draw(st.integers(-wide // 4, wide))
                reverse = draw(st.none() | st.integers(-wide // 4, wide))
                allowances.append(Allowance(a.last, i, j, lead, reverse))
    return buffers, allowances


def may_lie(problem: Problem, i: int, at_i: int, j: int, at_j: int) -> bool:
    """Whether two buffers may lie so, said once more in other words than the planner's."""
    buffers, allowances = problem
    a, b = buffers[i], buffers[j]
    roots = [k if buffers[k].parent is None else buffers[k].parent for k in (i, j)]
    if roots[0] == roots[1]:
        return at_i - a.inner == at_j - b.inner
    if a.last < b.first or b.last < a.first:
        return True
    if at_i + a.nbytes <= at_j or at_j + b.nbytes <= at_i:
        return True
    for x in allowances:
        if (x.read, x.written) in ((i, j), (j, i)):
            read, written = (at_i, at_j) if x.read == i else (at_j, at_i)
            if written + x.lead <= read:
                return True
            ends = read + buffers[x.read].nbytes, written + buffers[x.written].nbytes
            if x.reverse_lead is not None and ends[0] + x.reverse_lead <= ends[1]:
                return True
    return False


def is_sound(problem: Problem, offsets: Sequence[int], arena: int) -> bool:
    buffers = problem[0]
    inside = all(
        at >= 0 and at % b.align == 0 and at + b.nbytes <= arena
        for b, at in zip(buffers, offsets, strict=True)
    )
    pairs = ((i, j) for i in range(len(buffers)) for j in range(i))
    return inside and all(may_lie(problem, i, offsets[i], j, offsets[j]) for i, j in pairs)


@settings(max_examples=150, deadline=None)
@given(problems())
def test_layout_is_sound(problem: Problem) -> None:
    buffers, allowances = problem
    plan = plan_layout(buffers, allowances)
    assert is_sound(problem, plan.offsets, plan.arena_bytes)
    assert plan.lower_bound_bytes == lower_bound(buffers, allowances) <= plan.arena_bytes
    assert plan == plan_layout(buffers, allowances)


def smallest_arena(problem: Problem, most: int) -> int:
    """Tries all offsets of all buffers in arenas of 1, 2, … bytes."""
    buffers = problem[0]

    def fits(arena: int, offsets: list[int]) -> bool:
        i = len(offsets)
        if i == len(buffers):
            return True
        for at in range(0, arena - buffers[i].nbytes + 1, buffers[i].align):
            if all(may_lie(problem, i, at, j, offsets[j]) for j in range(i)):
                offsets.append(at)
                if fits(arena, offsets):
                    return True
                offsets.pop()
        return False

    return next(arena for arena in range(1, most + 1) if fits(arena, []))


@settings(max_examples=200, deadline=None)
@given(problems(5, 8, 10))
def test_bound_and_plan_against_all_plans(problem: Problem) -> None:
    plan = plan_layout(*problem)
    assert plan.lower_bound_bytes <= smallest_arena(problem, plan.arena_bytes) == plan.arena_bytes


def test_known_peaks() -> None:
    chain = [Buffer("a", 100, -1, 0), Buffer("b", 60, 0, 1), Buffer("c", 40, 1, 2)]
    assert plan_layout(chain).arena_bytes == lower_bound(chain, []) == 160
    in_place = [Allowance(0, 0, 1, 0), Allowance(1, 1, 2, 0)]
    assert plan_layout(chain, in_place).arena_bytes == lower_bound(chain, in_place) == 100
    shifted = [Allowance(0, 0, 1, 8)]
    assert plan_layout(chain, shifted).arena_bytes == lower_bound(chain, shifted) == 108


def test_a_chain_goes_up_and_down() -> None:
    """Equal layers that must keep 8 bytes apart: 108 bytes two-sided, one way 8 more per layer."""
    chain = [Buffer(f"{i}", 100, i - 1, i) for i in range(6)]
    one_way = [Allowance(i, i, i + 1, 8) for i in range(5)]
    both = [Allowance(i, i, i + 1, 8, 8) for i in range(5)]
    plan = plan_layout(chain, both)
    assert plan.arena_bytes == lower_bound(chain, both) == 108
    assert len(plan.reversed) in (2, 3)
    assert plan_layout(chain, one_way).arena_bytes == 140
    for step in range(5):
        down = plan.offsets[step + 1] + 8 <= plan.offsets[step]
        assert down != (step in plan.reversed)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_real_models_are_within_two_percent(path: Path) -> None:
    plan = plan_layout(*problem_of(path))
    assert plan.arena_bytes <= 1.02 * plan.lower_bound_bytes


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_are_within_two_percent(seed: int) -> None:
    rng = np.random.default_rng([3, seed])
    problem = random_problem(rng, int(rng.integers(20, 120)), 80)
    plan = plan_layout(*problem)
    assert is_sound(problem, plan.offsets, plan.arena_bytes)
    assert plan.arena_bytes <= 1.02 * plan.lower_bound_bytes
