"""CONV_2D and FULLY_CONNECTED on Armv6-M: exact on the host, on a Cortex-M0+ and M3, by rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast.v6m.gemm import conv_2d_offer, packed_filters, pairs_fit
from firmware_glue.compiler.ops.spec import Call
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.fast.bands import band_sizes, bands_c
from tests.firmware_glue.compiler.fast.layer_cases import (
    Layers,
    convolution,
    dense,
    pointwise,
    products,
)
from tests.firmware_glue.compiler.fast.layer_checks import (
    check_core,
    check_host,
    check_numerics,
    check_sanitized,
    lies_over,
)
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.share import long_but_for


def ugly() -> bytes:
    """Depths around multiples of four and of the unrolled loop, one pixel, one or two channels."""
    build, rng, tensors = ModelBuilder(), np.random.default_rng(4), []
    for depth in (1, 2, 3, 4, 5, 31, 32, 33, 127, 260):
        for units in (1, 2, 3, 8):
            x = build.tensor((1, 1, depth % 3 + 1, depth), "int8", 0.02, int(rng.integers(-128, 9)))
            w = build.tensor((units, 1, 1, depth), "int8", 0.004, data=_values(rng, units, depth))
            b = build.tensor((units,), "int32", 0.00008, data=rng.integers(-9000, 9000, units))
            y = build.tensor((1, 1, depth % 3 + 1, units), "int8", 0.02, -128 if units == 8 else 3)
            build.op("CONV_2D", [x, w, b], [y], padding="VALID")
            tensors.append((x, y))
    return build.build([x for x, _ in tensors], [y for _, y in tensors])


def _values(rng: np.random.Generator, units: int, depth: int) -> np.ndarray:
    """Weights at the ends of what two products in a word can hold."""
    values = rng.choice([-127, 127, -128, 0, 1], (units, 1, 1, depth))
    values[..., 2::4] = np.maximum(values[..., 2::4], -127)
    values[..., 3::4] = np.maximum(values[..., 3::4], -127)
    return values


@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, shared: bool) -> None:
    check_host(products(int(shared), 25), tmp_path, kernel="v6m", shared=shared, kernels="v6m")


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
def test_core(core: str) -> None:
    check_core(products(2, 20), kernel="v6m", core=core)


def test_host_ugly(tmp_path: Path) -> None:
    check_host(ugly(), tmp_path, kernel="", kernels="v6m")


def test_core_ugly() -> None:
    check_core(ugly(), kernel="", core="cortex-m0plus")


def wide() -> bytes:
    """Outputs that stand for thousands of accumulators each: finished by 64-bit products."""
    build, rng = ModelBuilder(), np.random.default_rng(9)
    x = build.tensor((1, 3, 3, 300), "int8", 0.02, 4)
    w = build.tensor((41, 1, 1, 300), "int8", 0.004, data=rng.integers(-127, 128, (41, 1, 1, 300)))
    b = build.tensor((41,), "int32", 0.00008, data=rng.integers(-(1 << 22), 1 << 22, 41))
    y = build.tensor((1, 3, 3, 41), "int8", 2.9, 3)
    build.op("CONV_2D", [x, w, b], [y], padding="SAME")
    rows = build.tensor((1, 300), "int8", 0.02, 4)
    w2 = build.tensor((41, 300), "int8", 0.004, data=rng.integers(-127, 128, (41, 300)))
    b2 = build.tensor((41,), "int32", 0.00008, data=rng.integers(-(1 << 22), 1 << 22, 41))
    z = build.tensor((1, 41), "int8", 2.9, -9)
    build.op("FULLY_CONNECTED", [rows, w2, b2], [z])
    return build.build([x, rows], [y, z])


def test_wide_steps(tmp_path: Path) -> None:
    data = wide()
    compiled = compile_model(read_model(data), name="m", kernels="v6m")
    finishes = [dict(step.calls[0].params.fields)["finish"] for step in compiled.program.steps]
    assert sorted(finishes) == [2, 3]
    check_host(data, tmp_path, kernel="v6m", kernels="v6m")
    check_core(data, kernel="v6m", core="cortex-m0plus")


@pytest.mark.parametrize("numerics", ["single", "tflm"])
def test_numerics(tmp_path: Path, numerics: str) -> None:
    """Other roundings, against numpy."""
    data = products(6, 25)
    check_numerics(data, tmp_path, kernels="v6m", numerics=numerics)


def test_instructions_per_product() -> None:
    """The plain loops take more than 8 per product."""
    (counted,) = check_core(pointwise(12, 64, 32), kernel="v6m", core="cortex-m0plus")
    assert counted < 2.6 * 12 * 4 * 64 * 32


def test_fully_connected_instructions_per_product() -> None:
    layers = Layers(np.random.default_rng(3))
    x, scale = layers.data((1, 256))
    filters, bias, product = layers.weights((64, 256), 0, scale)
    layers.build.op("FULLY_CONNECTED", [x, filters, bias], [layers.output((1, 64), product, 256)])
    (counted,) = check_core(layers.model(), kernel="v6m_dense", core="cortex-m0plus")
    assert counted < 3.8 * 64 * 256


def single(seed: int) -> tuple[bytes, CompiledModel]:
    """A model of one layer that runs on these kernels."""
    for attempt in range(30):
        layers = Layers(np.random.default_rng([seed, attempt]))
        if seed % 5:
            convolution(layers, batches=1 + seed % 3 // 2)
        else:
            dense(layers)
        data = layers.model()
        compiled = compile_model(read_model(data), name=f"m{seed}", kernels="v6m")
        if compiled.program.steps[0].kernel.startswith("v6m"):
            return data, compiled
    raise AssertionError("no layer is offered a kernel")


def test_in_place_without_undefined_behaviour(tmp_path: Path) -> None:
    """Alone, a layer's output lies over its input as far as the kernel allows."""
    library, models = Library(tmp_path), {}
    for seed in range(30):
        data, compiled = single(seed)
        models[compiled.name], library.models[compiled.name] = data, compiled
    check_sanitized(library, models)
    made = library.models.values()
    assert sum(map(lies_over, made)) > 5
    assert sum(bool(compiled.plan.reversed) for compiled in made) > 2


def test_packed_filters() -> None:
    filters = np.arange(3 * 5).reshape(3, 5)
    words = packed_filters(filters)
    assert words.shape == (2, 2, 2)
    raw = words[1, 0, 1].tobytes()
    # Channel 2 is the second of the last pair, channel 1 is there twice.
    assert [byte - 128 for byte in raw] == [12, 13, 10, 11]
    assert words[0, :, 1].tolist() == words[1, :, 0].tolist()


def test_two_products_of_the_lowest_weights_do_not_fit() -> None:
    assert pairs_fit(np.array([[-128, -128, 127, 127]]))
    assert not pairs_fit(np.array([[-128, 0, -128, 0]]))


_BANDS = bands_c(
    "const ec_v6m_gemm_params *p, const int8_t *in, const uint32_t *w, const int32_t *starts,"
    " const uint32_t *numbers, uint32_t *scratch, int8_t *out, ec_v6m_pair pair",
    "p, ring_in, w, starts, numbers, scratch, ring_out, rows, pair",
)  # fmt: skip


def by_bands(compiled: CompiledModel, band: int, spare: int) -> CompiledModel:
    """The model with its only step computed in bands of rows, over rings."""
    program = compiled.program
    candidate = conv_2d_offer(program.graph, program.graph.ops[0])
    assert candidate is not None and candidate.lowered.rows is not None
    rows = candidate.lowered.rows
    assert rows.scratch_bytes <= candidate.lowered.scratch_bytes
    reach = rows.reads[0]
    defines = band_sizes(reach, band, spare)
    helper = "\n".join([*defines, _BANDS.replace("KERNEL", rows.call.kernel)])
    whole: Call = program.steps[0].calls[0]
    text = compiled.files["m.c"].replace("/* Step 0", helper + "\n/* Step 0", 1)
    text = text.replace(f"    {whole.kernel}(\n", "    by_bands(\n", 1)
    return replace(compiled, files={**compiled.files, "m.c": text})


@pytest.mark.parametrize("seed", range(8))
def test_rows_in_rings(tmp_path: Path, seed: int) -> None:
    """Bands of rows over rings that hold no more than a band is made of."""
    for attempt in range(20):
        layers = Layers(np.random.default_rng([5, seed, attempt]))
        convolution(layers)
        data = layers.model()
        compiled = compile_model(read_model(data), name="m", kernels="v6m")
        if compiled.program.steps[0].kernel.startswith("v6m") and not compiled.plan.reversed:
            break
    library = Library(tmp_path)
    library.models["m"] = by_bands(compiled, 1 + seed % 3, seed % 2)
    library.build()
    inputs = random_inputs(read_model(data), np.random.default_rng(0))
    np.testing.assert_array_equal(library.runner("m")(inputs)[0], Reference(data)(inputs)[0])
