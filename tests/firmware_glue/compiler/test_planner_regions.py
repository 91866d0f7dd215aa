"""Several regions of memory, and memory over time as data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.planner.bound import lower_bound
from firmware_glue.compiler.planner.check import check_plan
from firmware_glue.compiler.planner.layout import plan_layout
from firmware_glue.compiler.planner.program import Program, Region
from firmware_glue.compiler.planner.regions import plan_memory
from firmware_glue.compiler.planner.timeline import memory_timeline
from tests.firmware_glue.compiler.planner_programs import Maker, random_program


def hot_and_cold() -> Program:
    """A small tensor that all steps read, and large ones that are used once."""
    make = Maker()
    hot = make.step([make.input(1000)], 100)
    last = hot
    for _ in range(5):
        last = make.step([last, hot], 900)
    return make.build([last])


def test_the_busiest_bytes_lie_in_the_first_region() -> None:
    program = hot_and_cold()
    plan = plan_memory(program, (Region("dtcm", 128), Region("sram")))
    check_plan(program, plan)
    assert [program.buffers[i].name for i, r in enumerate(plan.regions) if r == 0] == ["t0"]
    assert plan.region_names == ("dtcm", "sram")
    assert plan.region_bytes[0] == 100
    assert plan.arena_bytes == sum(plan.region_bytes)


def test_one_region_holds_all_if_it_can() -> None:
    program = hot_and_cold()
    one = plan_memory(program)
    assert one.region_bytes == (one.arena_bytes,)
    two = plan_memory(program, (Region("dtcm", one.arena_bytes), Region("sram", 10)))
    assert two.regions == (0,) * len(program.buffers)
    assert two.region_bytes == (one.arena_bytes, 0)
    assert two.offsets == one.offsets == plan_layout(program.buffers, program.allowances).offsets


@pytest.mark.parametrize("seed", range(25))
def test_limits_hold(seed: int) -> None:
    rng = np.random.default_rng([41, seed])
    program = random_program(rng)
    whole = plan_memory(program).arena_bytes
    limits = [int(v) for v in rng.integers(1, whole, 2)]
    regions = (Region("a", limits[0]), Region("b", limits[1]), Region("c"))
    plan = plan_memory(program, regions)
    check_plan(program, plan)
    assert plan == plan_memory(program, regions)
    assert plan.region_bytes[0] <= limits[0]
    assert plan.region_bytes[1] <= limits[1]
    assert lower_bound(program.buffers, program.allowances) <= plan.arena_bytes + 3 * 3


def test_what_fits_only_in_the_first_region_goes_there() -> None:
    """450 bytes fit nowhere else; beside them the busy 40 bytes, not the larger 48."""
    make = Maker()
    busy, calm = make.input(40), make.input(48)
    large = make.step([busy, busy, busy], 450)
    out = make.step([large, busy, busy, calm, calm], 40)
    program = make.build([out])
    plan = plan_memory(program, (Region("first", 500), Region("second", 200)))
    check_plan(program, plan)
    assert [plan.regions[i] for i in (large, busy, calm)] == [0, 0, 1]


def test_the_largest_choose_first_where_the_busiest_leave_no_room() -> None:
    """By traffic 60 and 90 bytes fill the first region; 90 + 32 do not fit into the second."""
    make = Maker()
    a, e = make.input(60), make.input(32)
    b = make.step([a, a], 90)
    c = make.step([a, b, a, a], 90)
    d = make.step([a, b, c, e], 8)
    program = make.build([d])
    plan = plan_memory(program, (Region("first", 182), Region("second", 100)))
    check_plan(program, plan)
    assert [plan.regions[i] for i in (a, b, c, d, e)] == [1, 0, 0, 1, 1]


def test_too_small_regions_are_told_with_their_numbers() -> None:
    program = hot_and_cold()
    with pytest.raises(PlanError) as caught:
        plan_memory(program, (Region("dtcm", 128), Region("sram", 1024)))
    error = caught.value
    whole = plan_memory(program).arena_bytes
    assert error.message == (
        f"the model needs {whole:,} bytes of memory for its tensors, given: dtcm 128 + sram 1,024"
    )
    assert error.details == (
        "dtcm: 128 bytes, 100 used",
        "sram: 1,024 bytes, 1,800 needed for what is left;"
        " its largest buffer is 'in0' of 1,000 bytes",
    )
    assert "board" in error.hint
    with pytest.raises(PlanError, match="needs"):
        plan_memory(program, (Region("arena", 500),))


@pytest.mark.parametrize("names", [(), ("a", "a"), ("A",), ("a b",), ("1a",), ("",)])
def test_region_names_must_be_different_identifiers(names: tuple[str, ...]) -> None:
    with pytest.raises(PlanError, match="different lower-case C identifiers"):
        plan_memory(hot_and_cold(), tuple(Region(name) for name in names))


def test_timeline_of_a_small_program() -> None:
    make = Maker()
    a = make.input(40)
    b = make.step([a], 40, {a: (0, None)}, scratch=16)
    c = make.step([b], 60)
    program = make.build([c])
    plan = plan_memory(program)
    timeline = memory_timeline(program, plan)
    assert [(x.name, x.holder, x.kind, x.first, x.last) for x in timeline.blocks] == [
        ("in0", "input", "input", -1, 0),
        ("t0", "layer0", "activation", 0, 1),
        ("t0 scratch", "layer0", "scratch", 0, 0),
        ("t1", "layer1", "output", 1, 2),
    ]
    assert [x.offset for x in timeline.blocks] == list(plan.offsets)
    # In place: input and output of step 0 count once.
    assert [(s.live, s.live_bytes) for s in timeline.steps] == [((0, 1, 2), 56), ((1, 3), 100)]
    assert (timeline.peak_step, timeline.peak_bytes) == (1, 100)
    assert (timeline.arena_bytes, timeline.lower_bound_bytes) == (100, 100)
    data = json.loads(json.dumps(timeline.to_json()))
    assert data["schema"] == "edgecnn.memory/1"
    assert data["regions"] == [{"name": "arena", "bytes": 100}]
    assert data["steps"][0]["live"] == [0, 1, 2]
    assert data["blocks"][2]["nbytes"] == 16


@pytest.mark.parametrize("seed", range(10))
def test_timeline_peak_lies_between_bound_and_arena(seed: int) -> None:
    program = random_program(np.random.default_rng([42, seed]))
    for regions in ((Region("arena"),), (Region("fast", 300), Region("slow"))):
        plan = plan_memory(program, regions)
        timeline = memory_timeline(program, plan)
        assert timeline.peak_bytes <= plan.arena_bytes
        for step in timeline.steps:
            assert sum(step.live_by_region) == step.live_bytes <= timeline.peak_bytes
            for region, live in enumerate(step.live_by_region):
                taken = np.zeros(plan.region_bytes[region], bool)
                for i in step.live:
                    if plan.regions[i] == region:
                        at = plan.offsets[i]
                        taken[at : at + program.buffers[i].nbytes] = True
                assert taken.sum() == live
