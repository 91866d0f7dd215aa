"""Pools and MEAN: the generic division, and the kernels for the DSP extension, host and core."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler import api
from firmware_glue.compiler.fast.dsp import pool
from tests.firmware_glue.compiler.fast.layer_cases import ACTIVATIONS, Layers, fitted, model_of
from tests.firmware_glue.compiler.fast.layer_checks import check_core, check_host
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.firmware_glue.compiler.stream.nets import Grouping, random_net
from tests.share import long_but_for

_MOST_DIVIDED = 128
"""Counts up to which edgecnn_pool2d.h divides by a multiplication."""


def pooling(layers: Layers) -> None:
    """A random one that is offered: whole inputs, small windows with and without borders."""
    pick, number = layers.pick, layers.number
    code, channels = str(pick("AVERAGE_POOL_2D", "MAX_POOL_2D")), number(6, 23)
    kernel = (number(2, 9), number(2, 9)) if layers.rng.random() < 0.3 else (2, number(2, 3))
    size = (kernel[0] + number(0, 6), kernel[1] + number(0, 6))
    stride, padding = (number(1, 3), number(1, 3)), str(pick("SAME", "VALID"))
    out = [fitted(n, k, s, 1, padding) for n, k, s in zip(size, kernel, stride, strict=True)]
    batches, zero = int(pick(1, 1, 2)), layers.zero()
    x = layers.build.tensor((batches, *size, channels), "int8", 0.05, zero)
    y = layers.build.tensor((batches, *out, channels), "int8", 0.05, zero)
    layers.inputs.append(x)
    layers.outputs.append(y)
    layers.build.op(
        code, [x], [y], padding=padding, stride_h=stride[0], stride_w=stride[1],
        filter_height=kernel[0], filter_width=kernel[1],
        fused_activation_function=pick(*ACTIVATIONS),
    )  # fmt: skip


def mean(layers: Layers) -> None:
    """A random one over height and width, of any scales."""
    number = layers.number
    shape = (number(1, 2), number(2, 9), number(2, 9), number(4, 23))
    x, scale = layers.data(shape)
    axes = layers.build.tensor((2,), "int32", data=[1, 2])
    out = float(np.float32(scale * layers.rng.uniform(0.6, 2)))
    y = layers.build.tensor((shape[0], shape[3]), "int8", out, layers.zero())
    layers.outputs.append(y)
    layers.build.op("MEAN", [x, axes], [y], keep_dims=False)


MAKERS = {"dsp_pool": pooling, "dsp_mean": mean}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, kind: str, shared: bool) -> None:
    data = model_of(MAKERS[kind], int(shared), 30)
    check_host(data, tmp_path, kernel=kind, shared=shared, kernels="dsp")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("optimize", long_but_for(["speed", "size"], "speed"))
def test_core(kind: str, optimize: str) -> None:
    data = model_of(MAKERS[kind], 2, 20)
    check_core(data, kernel=kind, core="cortex-m4", optimize=optimize)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
@pytest.mark.parametrize("optimize", long_but_for(["speed", "balanced"], "speed"))
def test_generic_on_cores(core: str, optimize: str) -> None:
    check_core(model_of(pooling, 3, 12), kernel="", core=core, optimize=optimize)


def test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, models, kernels = Library(tmp_path), {}, set()
    for index in range(16):
        name = f"m{index}"
        models[name] = random_net(np.random.default_rng([11, index]), "int8")
        monkeypatch.setattr(api, "planned", Grouping((5, index)))
        made = api.compile_model(read_model(models[name]), name=name, max_ram=0, kernels="dsp")
        library.models[name] = made
        chained = [step for step in made.program.steps if step.chain is not None]
        kernels |= {call.kernel for step in chained for call in step.calls}
    library.build()
    for index, (name, data) in enumerate(models.items()):
        inputs = random_inputs(read_model(data), np.random.default_rng(index))
        pairs = zip(library.runner(name)(inputs), Reference(data)(inputs), strict=True)
        assert all(np.array_equal(got, want) for got, want in pairs), name
    assert "ec_dsp_pool_rows" in kernels


def test_every_count_is_divided_exactly() -> None:
    assert all(pool._divides(count) for count in range(1, 257))


@pytest.mark.parametrize("low", [-128, 0])
def test_generic_division_is_exact(low: int) -> None:
    for count in range(1, _MOST_DIVIDED + 1):
        sums = np.arange(low * count, (low + 255) * count + 1, dtype=np.int64)
        half, factor = count // 2, (1 << 23) // count + 1
        wanted = np.where(sums > 0, (sums + half) // count, -((half - sums) // count))
        products = sums * factor + (1 << 22)
        assert np.abs(products).max() < 1 << 31
        np.testing.assert_array_equal(products >> 23, wanted)
