"""``max_ram``: the fastest plan that fits, exact at every size, or the smallest named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import PlanError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import Region, compile_model, memory_map, stream_curve
from firmware_glue.compiler.fast.candidate import KernelSet
from firmware_glue.compiler.fast.choose import Choice
from firmware_glue.compiler.importer import import_model
from tests.firmware_glue.compiler.exactness import check_steps
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.firmware_glue.compiler.stream.nets import deep_net, mobile_net, separable_net

SHARED = Path(os.environ.get("EDGECNN_SHARED", Path(__file__).parents[4] / "../shared"))


@pytest.fixture(scope="module")
def mobile() -> bytes:
    return mobile_net()


def test_curve_goes_down_and_costs_more(mobile: bytes) -> None:
    points = stream_curve(read_model(mobile))
    whole = compile_model(read_model(mobile), name="m").arena_bytes
    assert (points[0].arena_bytes, points[0].chains, points[0].factor) == (whole, 0, 1.0)
    sizes, factors = [p.arena_bytes for p in points], [p.factor for p in points]
    assert sizes == sorted(set(sizes), reverse=True) and factors == sorted(factors)
    assert sizes[-1] * 2 < sizes[0]
    assert all(p.chains and p.turns for p in points[1:])


@pytest.mark.parametrize("kernels", ["v6m", "rv32"])
def test_where_memory_is_short_ops_take_kernels_with_less_scratch(
    kernels: str, tmp_path: Path
) -> None:
    data = deep_net()
    model, library = read_model(data), Library(tmp_path)
    points = stream_curve(model, kernels=kernels)
    assert any(point.thrifty for point in points)
    for number, point in enumerate(points):
        name = f"m{number}"
        compiled = compile_model(model, name=name, kernels=kernels, max_ram=point.arena_bytes)
        assert compiled.arena_bytes <= point.arena_bytes
        library.models[name] = compiled
    library.build("-DEDGECNN_SHARE_ALL")
    for name in library.models:
        check_steps(data, library.runner(name), 7)


@pytest.mark.parametrize("kernels", ["v6m", "v7m", "rv32"])
def test_kernels_with_less_scratch_are_no_faster(kernels: str) -> None:
    graph = import_model(read_model(deep_net())).graph
    fast = Choice(KernelSet(kernels))
    thrifty = fast.thriftier()
    assert thrifty
    for op in graph.ops:
        least, scratch = fast.instructions(graph, op), fast(graph, op).scratch_bytes
        for choice in thrifty:
            taken, needed = choice.instructions(graph, op), choice(graph, op).scratch_bytes
            assert least <= taken <= choice.slack * least and needed <= scratch
            scratch = needed


@pytest.mark.parametrize("kernels", ["generic", "dsp", "v6m", "mve"])
def test_exact_at_every_size(kernels: str, mobile: bytes, tmp_path: Path) -> None:
    library, model = Library(tmp_path), read_model(mobile)
    points = stream_curve(model, kernels=kernels)
    # Proofs of the fast kernels take their time: of these only some sizes.
    for number, point in enumerate(points if kernels == "generic" else points[-1:0:-4]):
        name = f"m{number}"
        compiled = compile_model(model, name=name, kernels=kernels, max_ram=point.arena_bytes)
        assert compiled.arena_bytes <= point.arena_bytes
        library.models[name] = compiled
    library.build("-DEDGECNN_SHARE_ALL")
    inputs = random_inputs(model, np.random.default_rng(3))
    (want,) = Reference(mobile)(inputs)
    for name in library.models:
        np.testing.assert_array_equal(library.runner(name)(inputs)[0], want, name)


@pytest.mark.parametrize("kernels", ["generic", "dsp", "v6m", "mve"])
def test_every_point_of_the_curve_is_reached(kernels: str) -> None:
    """Also where depthwise layers lie exactly over their inputs."""
    model = read_model(separable_net())
    points = stream_curve(model, kernels=kernels)
    assert len(points) > 3
    for point in points[1:]:
        compiled = compile_model(model, name="m", kernels=kernels, max_ram=point.arena_bytes)
        assert compiled.arena_bytes == point.arena_bytes


def test_too_little_names_the_smallest(mobile: bytes) -> None:
    model = read_model(mobile)
    with pytest.raises(PlanError, match="the smallest plan takes ([0-9,]+) bytes") as caught:
        compile_model(model, name="m", max_ram=1000)
    least = int(caught.value.message.split()[-2].replace(",", ""))
    assert compile_model(model, name="m", max_ram=least).arena_bytes == least
    with pytest.raises(PlanError, match="does not fit an arena of"):
        compile_model(model, name="m", max_ram=least - 1)


def test_enough_changes_nothing(mobile: bytes) -> None:
    model = read_model(mobile)
    whole = compile_model(model, name="m")
    assert compile_model(model, name="m", max_ram=whole.arena_bytes).files == whole.files


def test_regions_that_are_too_small_ask_for_chains(mobile: bytes) -> None:
    model = read_model(mobile)
    whole = compile_model(model, name="m").arena_bytes
    small = compile_model(model, name="m", regions=[Region("sram", whole // 2)])
    assert small.arena_bytes <= whole // 2
    assert any(step.chain is not None for step in small.program.steps)
    with pytest.raises(PlanError, match="given: sram 1,000"):
        compile_model(model, name="m", regions=[Region("sram", 1000)])


def test_the_report_knows_the_chain(mobile: bytes) -> None:
    model = read_model(mobile)
    whole = compile_model(model, name="m")
    small = compile_model(model, name="m", max_ram=whole.arena_bytes // 2)
    assert sorted(i for s in small.steps for i in s.ops) == list(range(len(model.main.operators)))
    assert any(s.kernel.startswith("chain of") for s in small.steps)
    assert memory_map(small)["peak_bytes"] <= whole.arena_bytes // 2
    assert any("row" in note for note in small.notes)


def test_deterministic(mobile: bytes) -> None:
    model = read_model(mobile)
    size = compile_model(model, name="m").arena_bytes // 2
    one, two = (compile_model(model, name="m", max_ram=size) for _ in range(2))
    assert one.files == two.files


@pytest.mark.long
def test_mobilenet_v2_takes_a_quarter() -> None:
    path = SHARED / "models" / "coral" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    if not path.is_file():
        pytest.skip("shared models are not at hand")
    data = path.read_bytes()
    points = stream_curve(read_model(data))
    assert points[-1].arena_bytes * 4 <= points[0].arena_bytes
    assert points[-1].factor < 1.1
