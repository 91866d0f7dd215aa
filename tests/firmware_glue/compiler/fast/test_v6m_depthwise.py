"""DEPTHWISE_CONV_2D on Armv6-M: exact on the host, on Cortex-M0+ and M3, by rows."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler import api
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.fast.sums import Layer
from firmware_glue.compiler.fast.thresholds import layer_steps
from firmware_glue.compiler.fast.v6m import depthwise_layer
from firmware_glue.compiler.fast.v6m.top_byte import LOW_BITS, OUT_BITS, TopByte
from firmware_glue.compiler.ir import Numerics
from firmware_glue.kernels import kernel_text
from tests.firmware_glue.compiler.fast.layer_cases import (
    Layers,
    any_depthwise,
    depthwise,
    lively_weights,
    model_of,
    ugly_depthwise,
)
from tests.firmware_glue.compiler.fast.layer_checks import (
    check_core,
    check_host,
    check_numerics,
    check_sanitized,
)
from tests.firmware_glue.compiler.harness import Library
from tests.firmware_glue.compiler.stream.nets import Grouping, random_net
from tests.share import long_but_for


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """These kernels for images that are too small to gain from them, too."""
    monkeypatch.setattr(depthwise_layer, "_MAC", 10**6)


def lines(layers: Layers) -> None:
    """Pixels under each other only, and images that are worth going along their columns."""
    for kernel in ((9, 1), (3, 1), (3, 3), (2, 5)):
        for stride in ((1, 1), (2, 2), (3, 1)):
            depthwise(layers, (13, 1), 6, kernel, stride)
    for size in ((12, 3), (25, 5), (9, 2), (8, 1)):
        depthwise(layers, size, 7, batches=2)
        depthwise(layers, size, 7, (3, 2), activation="NONE")


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, shared: bool) -> None:
    data = model_of(any_depthwise, 10 + int(shared), 20)
    check_host(data, tmp_path, kernel="v6m_depthwise", shared=shared, kernels="v6m")


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("make", [ugly_depthwise, lines])
def test_host_ugly(tmp_path: Path, make: object) -> None:
    check_host(model_of(make, 3), tmp_path, kernel="v6m_depthwise", kernels="v6m")


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
@pytest.mark.parametrize(("make", "count"), [(any_depthwise, 15), (ugly_depthwise, 1), (lines, 1)])
def test_core(core: str, make: object, count: int) -> None:
    check_core(model_of(make, 4, count), kernel="v6m_depthwise", core=core)


@pytest.mark.usefixtures("_always")
def test_in_place_without_undefined_behaviour(tmp_path: Path) -> None:
    """Alone, a layer's output lies over its input."""
    library, models, small = Library(tmp_path), {}, 0
    for seed in range(30):
        layers, name = Layers(np.random.default_rng([6, seed])), f"m{seed}"
        any_depthwise(layers)
        models[name] = layers.model()
        compiled = compile_model(read_model(models[name]), name=name, kernels="v6m")
        library.models[name] = compiled
        sizes = sum(io.nbytes for io in (*compiled.inputs, *compiled.outputs))
        small += compiled.arena_bytes < sizes
    assert small > 5
    check_sanitized(library, models)


@pytest.mark.usefixtures("_always")
def test_rows_in_chains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of rows over rings that hold no more than a band is made of."""
    library, models = Library(tmp_path), {}
    found = dict.fromkeys(("ec_v6m_depthwise3_rows(", "ec_v6m_depthwise_any_rows("), 0)
    seed = 0
    while min(found.values()) < 3:
        name, seed = f"m{seed}", seed + 1
        data = random_net(np.random.default_rng([8, seed]), "int8")
        assert seed < 200, f"few chains: {found}"
        monkeypatch.setattr(api, "planned", Grouping((4, seed)))
        compiled = compile_model(read_model(data), name=name, max_ram=0, kernels="v6m")
        hits = [kernel for kernel in found if kernel in compiled.files[f"{name}.c"]]
        if hits:
            models[name], library.models[name] = data, compiled
        for kernel in hits:
            found[kernel] += 1
    check_sanitized(library, models)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("numerics", ["single", "tflm"])
def test_numerics(tmp_path: Path, numerics: str) -> None:
    """Other roundings, against numpy."""
    data = model_of(any_depthwise, 6, 12)
    check_numerics(data, tmp_path, kernels="v6m", numerics=numerics)


@pytest.mark.parametrize(
    ("shape", "most"),
    [((24, 24, 32, 1), 5.3), ((24, 24, 32, 2), 6.7), ((25, 5, 64, 1), 5.9), ((6, 6, 64, 1), 6.5)],
)
def test_instructions_per_product(shape: tuple[int, int, int, int], most: float) -> None:
    """The plain loops take 15 or more."""
    layers = Layers(np.random.default_rng(8))
    layers.weights = partial(lively_weights, layers)  # type: ignore[method-assign]
    height, width, channels, stride = shape
    depthwise(layers, (height, width), channels, stride=(stride, stride))
    (counted,) = check_core(layers.model(), kernel="v6m_depthwise3", core="cortex-m0plus")
    outputs = -(-height // stride) * -(-width // stride) * channels
    assert counted < most * outputs * 9


def test_small_images_keep_the_plain_loops() -> None:
    layers = Layers(np.random.default_rng(8))
    depthwise(layers, (1, 1), 64)
    compiled = compile_model(read_model(layers.model()), name="m", kernels="v6m")
    assert compiled.program.steps[0].kernel == "depthwise_conv2d_s8"


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5)])
def test_params_have_the_order_of_the_c_struct(kernel: tuple[int, int]) -> None:
    layers = Layers(np.random.default_rng(8))
    depthwise(layers, (9, 9), 5, kernel)
    compiled = compile_model(read_model(layers.model()), name="m", kernels="v6m")
    (call,) = compiled.program.steps[0].calls
    text = kernel_text(call.header)
    body = text[: text.index(f"}} {call.params.struct};")].rpartition("typedef struct {")[2]
    declared = re.sub(r"\b(int32_t|ec_window) ", "", body).replace(";", ",").split(",")
    names = [name for name, _ in call.params.fields]
    assert names == [name.strip() for name in declared if name.strip()]


@pytest.mark.parametrize("numerics", list(Numerics))
def test_requantization_is_exact_on_every_accumulator(numerics: Numerics) -> None:
    """All of them, one by one, where outputs have both signs, where they saturate and are few."""
    rng = np.random.default_rng(2)
    count = 24
    span = rng.integers(1, 9000, count)
    layer = Layer(
        np.zeros((count, 1), np.int64), rng.integers(-500, 500, count), 0,
        int(rng.integers(-128, 128)), rng.integers(1 << 30, 1 << 31, count),
        -rng.integers(3, 10, count), -span, span // 2, -120, 100, numerics,
    )  # fmt: skip
    found = TopByte.of(layer)
    assert found is not None
    for channel, steps in enumerate(layer_steps(layer)):
        sums = np.arange(steps.low, steps.high + 1)
        raw = sums - layer.folded_bias[channel]
        t = raw - found.low[channel]
        high, low = divmod(int(found.factor[channel]), 1 << LOW_BITS)
        drop = np.where(t < found.kink[channel], found.drop[channel], 0)
        word = found.addend[channel] + t * high + (t * low >> LOW_BITS) - drop
        inside = ((word >> OUT_BITS) + 128) % 256 - 128
        got = np.where(t < 0, layer.act_min, np.where(t > found.top[channel], 100, inside))
        np.testing.assert_array_equal(got, layer.outputs(sums, np.array(channel)))
