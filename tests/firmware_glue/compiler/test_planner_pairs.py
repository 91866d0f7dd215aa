"""Pairs: which ops make one, and that they cost no memory that is not allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, Region, compile_model, stream_curve
from firmware_glue.compiler.fast import table
from firmware_glue.compiler.planner.pairs import PAIR
from tests.builders import ModelBuilder, conv_weights
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.firmware_glue.compiler.stream.nets import mobile_net, random_net

SETS = tuple(kernels.value for kernels in table.PAIRS)


def _model(
    extra: str = "", in_c: int = 16, channels: int = 16, size: int = 12, stride: int = 1
) -> bytes:
    """A pointwise and a depthwise convolution. extra: who else wants what lies between them."""
    build, rng = ModelBuilder(), np.random.default_rng(5)
    shape, out = (1, size, size, channels), size // stride
    x = build.tensor((1, size, size, in_c), "int8", 0.02, -128)
    t = build.tensor(shape, "int8", 0.05, -128)
    y = build.tensor((1, out, out, channels), "int8", 0.05, -128)
    outputs = [y]
    for code, source, out, axis, taps in (
        ("CONV_2D", x, t, 0, (channels, 1, 1, in_c)),
        ("DEPTHWISE_CONV_2D", t, y, 3, (1, 3, 3, channels)),
    ):
        scales = rng.uniform(0.002, 0.006, channels).tolist()
        w = build.tensor(taps, "int8", scales, data=conv_weights(rng, taps), axis=axis)
        bias = rng.integers(-900, 900, channels)
        b = build.tensor((channels,), "int32", 0.0001, data=bias)
        options = {"stride_h": stride, "stride_w": stride} if axis else {}
        build.op(
            code, [source, w, b], [out], padding="SAME", fused_activation_function="RELU", **options
        )
    if extra == "output":
        outputs.append(t)
    if extra == "reader":
        other = build.tensor(shape, "int8", 0.05, -128)
        build.op("ADD", [t, y], [other])
        outputs.append(other)
    if extra == "remembered":
        _remember(build, x)
    if extra == "view":
        flat = build.tensor((1, size * size * channels), "int8", 0.05, -128)
        build.op("RESHAPE", [t], [flat], new_shape=(1, size * size * channels))
        outputs.append(flat)
    return build.build([x], outputs)


def _remember(build: ModelBuilder, x: int) -> None:
    """The first op reads what the inference before has left of x instead."""
    shape, named = build.tensors[x].shape, {"container": "", "shared_name": "x"}
    old, handle = build.tensor(shape, "int8", 0.02, -128), build.tensor((), "int32")
    build.ops[0].inputs = [old, *build.ops[0].inputs[1:]]
    init = build.subgraph()
    first = init.tensor(shape, "int8", 0.02, -128, data=np.full(shape, 7))
    target = init.tensor((), "int32")
    init.op("VAR_HANDLE", [], [target], **named)
    init.op("ASSIGN_VARIABLE", [target, first], [])
    index, count = build.add_subgraph(init, [], []), len(build.ops)
    build.op("CALL_ONCE", [], [], init_subgraph_index=index)
    build.op("VAR_HANDLE", [], [handle], **named)
    build.op("READ_VARIABLE", [handle], [old])
    build.ops = build.ops[count:] + build.ops[:count]
    build.op("ASSIGN_VARIABLE", [handle, x], [])


def _pairs(compiled: CompiledModel) -> int:
    return sum(step.code == PAIR for step in compiled.program.steps)


def _arenas(models: Sequence[bytes], kernels: str) -> list[int]:
    return [
        compile_model(read_model(data), name="m", kernels=kernels).arena_bytes for data in models
    ]


@pytest.mark.parametrize("kernels", SETS)
def test_a_pair_is_one_step_of_both_ops(kernels: str) -> None:
    compiled = compile_model(read_model(_model()), name="m", kernels=kernels, max_ram=1 << 20)
    (step,) = compiled.steps
    assert step.ops == (0, 1) and _pairs(compiled) == 1
    assert any("planes" in note for note in compiled.notes)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("extra", ["output", "reader", "view"])
def test_what_others_want_is_there_as_a_whole(kernels: str, extra: str) -> None:
    compiled = compile_model(read_model(_model(extra)), name="m", kernels=kernels, max_ram=1 << 20)
    assert _pairs(compiled) == 0


@pytest.mark.parametrize("kernels", SETS)
def test_a_pair_may_read_what_is_remembered(kernels: str, tmp_path: Path) -> None:
    data, library = _model("remembered"), Library(tmp_path)
    model = read_model(data)
    compiled = compile_model(model, name="m", kernels=kernels, max_ram=1 << 20)
    library.models["m"] = compiled
    assert _pairs(compiled) == 1
    library.build()
    run, reference = library.runner("m"), Reference(data)
    for seed in range(3):
        inputs = random_inputs(model, np.random.default_rng(seed))
        np.testing.assert_array_equal(run(inputs)[0], reference(inputs)[0])


@pytest.mark.parametrize("kernels", SETS)
def test_size_takes_none(kernels: str) -> None:
    compiled = compile_model(read_model(_model()), name="m", kernels=kernels, optimize="size")
    assert _pairs(compiled) == 0


@pytest.mark.parametrize("kernels", SETS)
def test_they_cost_no_memory(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nets = [random_net(np.random.default_rng([3, seed])) for seed in range(12)]
    wide = _model(in_c=16, channels=96, size=24, stride=2)
    models = [wide, mobile_net(), mobile_net(1, 33), *nets]
    paired = _arenas(models, kernels)
    monkeypatch.setattr("firmware_glue.compiler.fast.choose.PAIRS", {})
    apart = _arenas(models, kernels)
    assert all(one <= other for one, other in zip(paired, apart, strict=True))
    # A wide tensor that only a depthwise convolution reads is never there as a whole.
    assert paired[0] < 0.75 * apart[0]


@pytest.mark.parametrize("kernels", SETS)
def test_more_memory_may_buy_speed(kernels: str) -> None:
    """A limit is there to be used; without one, memory is left alone."""
    model = read_model(mobile_net(0, 40))
    usual = compile_model(model, name="m", kernels=kernels)
    roomy = compile_model(model, name="m", kernels=kernels, max_ram=4 * usual.arena_bytes)
    assert roomy.arena_bytes >= usual.arena_bytes and _pairs(roomy) >= _pairs(usual) > 0


@pytest.mark.parametrize("kernels", SETS)
def test_limits_between_pairs_and_ops_take_pairs(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs come before chains, which are slower, for limits and for regions."""
    model = read_model(mobile_net(0, 40))
    paired = compile_model(model, name="m", kernels=kernels)
    for given in (
        {"max_ram": paired.arena_bytes},
        {"regions": [Region("sram", paired.arena_bytes)]},
    ):
        compiled = compile_model(model, name="m", kernels=kernels, **given)  # type: ignore[arg-type]
        assert compiled.arena_bytes <= paired.arena_bytes
        assert _pairs(compiled) and not any(step.chain for step in compiled.program.steps)
    points = stream_curve(model, kernels=kernels)
    best = next(point for point in points if point.pairs)
    assert best.arena_bytes == paired.arena_bytes and best.factor < 1
    sizes = [point.arena_bytes for point in points]
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(point.chains for point in points if point.arena_bytes < paired.arena_bytes)
