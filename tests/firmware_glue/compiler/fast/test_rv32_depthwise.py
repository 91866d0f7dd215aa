"""DEPTHWISE_CONV_2D on RV32IM: exact on the host, on the core, in place, by rows."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler import api
from firmware_glue.compiler.api import compile_model
from tests.firmware_glue.compiler.fast.any_offer import take_any
from tests.firmware_glue.compiler.fast.layer_cases import (
    ACTIVATIONS,
    Layers,
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

_KERNEL = "rv32_depthwise3"


@pytest.fixture
def _any_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    take_any(monkeypatch)


def small(layers: Layers) -> None:
    """Windows of up to 3×3, of all sizes and places that the kernel takes, on small images."""
    pick, number = layers.pick, layers.number
    kernel, same = (number(1, 3), int(pick(2, 3, 3))), int(pick(1, 1, 2))
    depthwise(
        layers, (number(1, 11), number(2, 11)), number(2, 9), kernel, (same, same),
        padding=str(pick("SAME", "VALID")), multiplier=int(pick(1, 1, 1, 3)),
        batches=int(pick(1, 1, 2)), activation=pick(*ACTIVATIONS),
    )  # fmt: skip


@pytest.mark.usefixtures("_any_offer")
@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, shared: bool) -> None:
    data = model_of(small, 10 + int(shared), 25)
    check_host(data, tmp_path, kernel="rv32", shared=shared, kernels="rv32")


@pytest.mark.usefixtures("_any_offer")
def test_host_ugly(tmp_path: Path) -> None:
    check_host(model_of(ugly_depthwise, 3), tmp_path, kernel="rv32", kernels="rv32")


@pytest.mark.usefixtures("_any_offer")
@pytest.mark.parametrize(("make", "count"), [(small, 25), (ugly_depthwise, 1)])
def test_core(make: object, count: int) -> None:
    check_core(model_of(make, 4, count), kernel="rv32", core="rv32imc")  # type: ignore[arg-type]


@pytest.mark.usefixtures("_any_offer")
def test_in_place_without_undefined_behaviour(tmp_path: Path) -> None:
    """Alone, a layer's output lies over its input."""
    library, models, over = Library(tmp_path), {}, 0
    for seed in range(25):
        layers, name = Layers(np.random.default_rng([6, seed])), f"m{seed}"
        small(layers)
        models[name] = layers.model()
        compiled = compile_model(read_model(models[name]), name=name, kernels="rv32")
        library.models[name] = compiled
        over += compiled.arena_bytes < sum(
            io.nbytes for io in (*compiled.inputs, *compiled.outputs)
        )
    assert over > 5
    check_sanitized(library, models)


@pytest.mark.usefixtures("_any_offer")
@pytest.mark.parametrize("stride", [1, 2])
def test_in_place_on_the_core(stride: int) -> None:
    """The order in which the assembly reads and writes."""
    for size in ((6, 5), (25, 5), (9, 16)):
        layers = Layers(np.random.default_rng([7, stride, *size]))
        depthwise(layers, size, 12, stride=(stride, stride))
        compiled = compile_model(read_model(layers.model()), name="m", kernels="rv32")
        (x,), (y,) = compiled.inputs, compiled.outputs
        assert x.offset < y.offset + y.nbytes and y.offset < x.offset + x.nbytes
        check_core(layers.model(), kernel=_KERNEL, core="rv32imc")


@pytest.mark.usefixtures("_any_offer")
def test_rows_in_chains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of rows over rings that hold no more than a band is made of."""
    library, models, seed = Library(tmp_path), {}, 0
    while len(models) < 4:
        name, seed = f"m{seed}", seed + 1
        assert seed < 200, "few chains"
        data = random_net(np.random.default_rng([8, seed]), "int8")
        monkeypatch.setattr(api, "planned", Grouping((4, seed)))
        compiled = compile_model(read_model(data), name=name, max_ram=0, kernels="rv32")
        if f"ec_{_KERNEL}_rows(" in compiled.files[f"{name}.c"]:
            models[name], library.models[name] = data, compiled
    check_sanitized(library, models)


@pytest.mark.usefixtures("_any_offer")
def test_single_rounding(tmp_path: Path) -> None:
    """Against numpy."""
    data = model_of(small, 6, 12)
    check_numerics(data, tmp_path, kernels="rv32", numerics="single")


@pytest.mark.parametrize(
    ("shape", "most"),
    [((24, 24, 32, 1), 4.2), ((24, 24, 32, 2), 5.1), ((25, 5, 64, 1), 4.6), ((6, 6, 64, 1), 4.7)],
)
def test_instructions_per_product(shape: tuple[int, int, int, int], most: float) -> None:
    """The plain loops take more than 7."""
    layers = Layers(np.random.default_rng(8))
    layers.weights = partial(lively_weights, layers)  # type: ignore[method-assign]
    height, width, channels, stride = shape
    depthwise(layers, (height, width), channels, stride=(stride, stride))
    (counted,) = check_core(layers.model(), kernel=_KERNEL, core="rv32imc")
    outputs = -(-height // stride) * -(-width // stride) * channels
    assert counted < most * outputs * 9


def test_small_images_keep_the_plain_loops() -> None:
    layers = Layers(np.random.default_rng(8))
    depthwise(layers, (1, 1), 64)
    compiled = compile_model(read_model(layers.model()), name="m", kernels="rv32")
    assert compiled.program.steps[0].kernel == "depthwise_conv2d_s8"
