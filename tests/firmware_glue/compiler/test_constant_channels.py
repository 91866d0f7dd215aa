"""Channels that give the same output for every input: left out exactly, named, borders included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, channels_left_out, compile_model
from firmware_glue.compiler.importer import import_model
from firmware_glue.compiler.ir import Graph, Numerics
from firmware_glue.compiler.passes import FIRST, PASSES, run_passes
from firmware_glue.compiler.passes.channel_ranges import Range, channel_ranges
from firmware_glue.compiler.passes.constant_channels import leave_out_constant_channels
from firmware_glue.compiler.passes.weighted import find_layers
from firmware_glue.compiler.verify import check_limits, verify
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.dead_channels import random_net
from tests.firmware_glue.compiler.exactness import graph_outputs
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.firmware_glue.compiler.test_models_exact import MLPERF

RANDOM = 40
ON_HOST = 30
DEAD = -(1 << 30)
"""A bias that keeps RELU at 0 whatever the weights add."""


def _before(data: bytes, numerics: Numerics = Numerics.LITERT_REF) -> Graph:
    """The graph as the pass gets it."""
    graph = FIRST(import_model(read_model(data), numerics).graph)
    for step in PASSES[: PASSES.index(leave_out_constant_channels)]:
        graph = step(graph)
    return graph


def _ranges(data: bytes) -> Mapping[int, Range]:
    graph = import_model(read_model(data)).graph
    return channel_ranges(graph, find_layers(graph))


def _extremes(data: bytes, rng: np.random.Generator) -> np.ndarray:
    """An input of lowest and highest values."""
    tensor = read_model(data).main.tensors[0]
    ends = np.iinfo(tensor.dtype.value)
    return rng.choice(np.array([ends.min, ends.max], tensor.dtype.value), tensor.shape)


@pytest.mark.parametrize("numerics", list(Numerics), ids=lambda kind: kind.value)
def test_random_nets_keep_their_outputs(numerics: Numerics) -> None:
    smaller = 0
    for seed in range(RANDOM):
        rng = np.random.default_rng([seed, 3])
        data = random_net(rng)
        before = _before(data, numerics)
        after = verify(leave_out_constant_channels(before), "constant channels")
        smaller += after is not before
        assert not check_limits(after)
        assert leave_out_constant_channels(after) is after
        (random,) = random_inputs(read_model(data), rng)
        for inputs in ([random], [_extremes(data, rng)]):
            pairs = zip(graph_outputs(before, inputs), graph_outputs(after, inputs), strict=True)
            for want, got in pairs:
                np.testing.assert_array_equal(got, want, str(seed))
    assert smaller > RANDOM // 2


def test_nets_on_the_host_equal_litert_tensor_by_tensor(tmp_path: Path) -> None:
    library = Library(tmp_path)
    models = {f"n{i}": random_net(np.random.default_rng([i, 4])) for i in range(ON_HOST)}
    for name, data in models.items():
        library.add(data, name)
    library.build("-DEDGECNN_SHARE_ALL")
    lost = 0
    for name, data in models.items():
        reference, run, rng = Reference(data), library.runner(name), np.random.default_rng(1)
        inputs = [_extremes(data, rng)]
        want = reference(inputs)
        for tensor_id, value in run.steps(inputs).items():
            inner = reference.inner(run.model, tensor_id)
            if inner is not None:
                np.testing.assert_array_equal(value, inner, f"{name} {tensor_id}")
                lost += tensor_id in run.model.program.graph.remains
        for got, expected in zip(run(inputs), want, strict=True):
            np.testing.assert_array_equal(got, expected, name)
    assert lost > ON_HOST // 2


def test_no_activation_leaves_its_range() -> None:
    for seed in range(30):
        rng = np.random.default_rng([seed, 5])
        data = random_net(rng)
        ranges, reference = _ranges(data), Reference(data)
        reference([_extremes(data, rng)])
        for tensor_id, found in ranges.items():
            value = reference.tensor(tensor_id).astype(np.int64)
            assert np.all((value >= found.low) & (value <= found.high)), (seed, tensor_id)


class _Chain:
    """Convolutions one behind the other; weights 1 but for dead channels, whose bias rules."""

    def __init__(self, size: int = 6, channels: int = 2) -> None:
        self.build = ModelBuilder()
        self.input = self.x = self.build.tensor((1, size, size, channels), "int8", 0.05, 0)

    def layer(
        self, code: str, out_c: int, dead: Sequence[int], *, kernel: int = 1,
        padding: str = "SAME", bias: int = DEAD, zero: int = -128,
    ) -> _Chain:  # fmt: skip
        n, size, _, c = self.build.tensors[self.x].shape
        axis = 3 if code == "DEPTHWISE_CONV_2D" else 0
        shape = (1, kernel, kernel, c) if axis else (out_c, kernel, kernel, c)
        data = np.arange(np.prod(shape)).reshape(shape) % 5 - 2
        biases = np.arange(out_c) * 7
        for channel in dead:
            np.moveaxis(data, axis, 0)[channel] = 0
            biases[channel] = bias
        scales = [0.05] * out_c
        f = self.build.tensor(shape, "int8", scales, data=data, axis=axis)
        b = self.build.tensor((out_c,), "int32", [0.0025] * out_c, data=biases)
        out = size if padding == "SAME" else size - kernel + 1
        y = self.build.tensor((n, out, out, out_c), "int8", 0.05, zero)
        self.build.op(code, [self.x, f, b], [y], padding=padding, fused_activation_function="RELU")
        self.x = y
        return self

    def conv(self, out_c: int, dead: Sequence[int] = (), **options: object) -> _Chain:
        return self.layer("CONV_2D", out_c, dead, **options)  # type: ignore[arg-type]

    def depthwise(self, dead: Sequence[int] = (), **options: object) -> _Chain:
        c = self.build.tensors[self.x].shape[3]
        return self.layer("DEPTHWISE_CONV_2D", c, dead, kernel=3, **options)  # type: ignore[arg-type]

    def compiled(self, *more: int) -> CompiledModel:
        """Compiled, and compared with LiteRT by the ops' references."""
        data = self.build.build([self.input], [self.x, *more])
        compiled = compile_model(read_model(data), name="chain")
        rng = np.random.default_rng(0)
        for _ in range(3):
            inputs = random_inputs(read_model(data), rng)
            got = graph_outputs(compiled.program.graph, inputs)
            for a, b in zip(got, Reference(data)(inputs), strict=True):
                np.testing.assert_array_equal(a, b)
        return compiled


def _widths(compiled: CompiledModel) -> list[int]:
    """Output channels of each op."""
    graph = compiled.program.graph
    return [graph.output(op).shape[-1] for op in graph.ops]


def test_a_dead_channel_takes_its_chain_along() -> None:
    net = _Chain().conv(8, dead=(1, 5)).depthwise().conv(3)
    compiled = net.compiled()
    assert _widths(compiled) == [6, 6, 3]
    graph = compiled.program.graph
    filters = [graph.input(op, 1).shape for op in graph.ops]
    assert filters == [(6, 1, 1, 2), (1, 3, 3, 6), (3, 1, 1, 6)]
    name = compiled.steps[0].name
    assert f"{name}: 2 of 8 channels give the same output for every input: left out" in (
        compiled.left_out
    )


def test_the_trainer_is_told() -> None:
    net = _Chain().conv(8, dead=(1, 5)).conv(3)
    data = net.build.build([net.input], [net.x])
    (note,) = channels_left_out(read_model(data))[1]
    assert note.endswith(": 2 of 8 channels give the same output for every input: left out")
    assert channels_left_out(read_model(_other_op())) == ((), ())


def _other_op() -> bytes:
    """A model with an op that there is no kernel for."""
    build = ModelBuilder()
    x, y = (build.tensor((1, 4), "float32") for _ in range(2))
    build.op("CUSTOM", [x], [y], custom_code="NoSuchOp")
    return build.build([x], [y])


def test_what_leads_to_a_dead_channel_alone_goes_too() -> None:
    compiled = _Chain().conv(8).depthwise(dead=(0, 7)).conv(3).compiled()
    assert _widths(compiled) == [6, 6, 3]
    assert "2 of 8 channels change nothing behind them: left out" in compiled.left_out[0]


@pytest.mark.parametrize(
    ("padding", "bias", "kept"), [("SAME", DEAD, 3), ("SAME", 20_000, 4), ("VALID", 20_000, 3)]
)
def test_borders(padding: str, bias: int, kept: int) -> None:
    """Padding adds 0: a constant next to it must be the zero point, or the channel stays."""
    net = _Chain().conv(4, dead=(2,), bias=bias).conv(3, kernel=3, padding=padding)
    assert _widths(net.compiled()) == [kept, 3]


def test_one_pixel_has_one_border() -> None:
    """Every position sees the same taps: the constant goes into the bias though padded."""
    net = _Chain(size=1).conv(4, dead=(2,), bias=20_000).conv(3, kernel=3)
    assert _widths(net.compiled()) == [3, 3]


def test_graph_outputs_keep_their_channels() -> None:
    net = _Chain().conv(4, dead=(2,))
    inner = net.x
    assert _widths(net.conv(3).compiled(inner)) == [4, 3]


def test_a_residual_sum_loses_what_both_sides_lack() -> None:
    net = _Chain().conv(4, dead=(1, 2))
    left = net.x
    right = net.conv(4, dead=(1, 3)).x
    net.x = net.build.tensor((1, 6, 6, 4), "int8", 0.06, -128)
    net.build.op("ADD", [left, right], [net.x])
    assert _widths(net.conv(3).compiled()) == [3, 3, 3, 3]


def test_flattened_channels_go_from_every_pixel() -> None:
    net = _Chain(size=3).conv(4, dead=(1,), bias=20_000)
    flat = net.build.tensor((1, 36), "int8", 0.05, -128)
    shape = net.build.tensor((2,), "int32", data=[1, 36])
    net.build.op("RESHAPE", [net.x, shape], [flat], new_shape=[1, 36])
    f = net.build.tensor((2, 36), "int8", 0.01, data=np.arange(72).reshape(2, 36) % 7 - 3)
    net.x = net.build.tensor((1, 2), "int8", 0.1, 0)
    net.build.op("FULLY_CONNECTED", [flat, f, -1], [net.x])
    compiled = net.compiled()
    assert _widths(compiled) == [3, 27, 2]
    # A bias that the file does not have.
    assert compiled.program.graph.ops[-1].inputs[2] >= 0


def test_a_dead_branch_becomes_one_constant_pixel() -> None:
    net = _Chain(size=20).conv(4)
    left = net.x
    right = net.conv(5).conv(4, dead=range(4), bias=3_000).x
    net.x = net.build.tensor((1, 20, 20, 4), "int8", 0.06, -128)
    net.build.op("ADD", [left, right], [net.x])
    compiled = net.compiled()
    assert [step.kernel for step in compiled.steps] == ["conv2d_s8", "add_s8"]
    constants = [t.shape for t in compiled.program.graph.tensors.values() if t.is_constant]
    assert (1, 1, 1, 4) in constants
    said = [note.split(": ", 1)[1] for note in compiled.program.graph.notes]
    assert said == [
        "changes nothing behind it: left out",
        "gives the same output for every input: left out",
    ]


def test_a_model_that_says_nothing_is_a_copy() -> None:
    compiled = _Chain().conv(4, dead=range(4)).depthwise().conv(3).compiled()
    assert [step.kernel for step in compiled.steps] == ["copy"]


def test_of_a_large_dead_layer_one_channel_stays() -> None:
    """Its flash would cost more than its instructions, and no tensor may be empty."""
    net = _Chain(size=40).conv(4, dead=range(4), bias=20_000).conv(3)
    assert _widths(net.compiled()) == [1, 3]


def test_sums_that_may_wrap_around_prove_nothing() -> None:
    net = _Chain().conv(4, dead=(1,), bias=(1 << 31) - 1)
    data = net.build.build([net.input], [net.x])
    ranges = _ranges(data)
    assert ranges[net.x].constant.tolist() == [False, True, False, False]
    net = _Chain()
    f = net.build.tensor((1, 1, 1, 2), "int8", 0.05, data=[[[[0, 1]]]])
    b = net.build.tensor((1,), "int32", 0.0025, data=[(1 << 31) - 1])
    y = net.build.tensor((1, 6, 6, 1), "int8", 0.05, -128)
    net.build.op("CONV_2D", [net.input, f, b], [y], padding="SAME")
    found = _ranges(net.build.build([net.input], [y]))
    assert (found[y].low[0], found[y].high[0]) == (-128, 127)


@pytest.mark.skipif(not MLPERF.is_dir(), reason="EDGECNN_SHARED holds no models/mlperf_tiny")
def test_vww() -> None:
    model = read_model((MLPERF / "vww_96_int8.tflite").read_bytes())
    graph = run_passes(FIRST(import_model(model).graph))
    assert len(graph.notes) == 17
    assert graph.notes[6].endswith(
        "98 of 128 channels give the same output for every input: left out"
    )
    kws = read_model((MLPERF / "kws_ref_model.tflite").read_bytes())
    assert not run_passes(FIRST(import_model(kws).graph)).notes
