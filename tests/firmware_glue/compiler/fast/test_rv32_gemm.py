"""CONV_2D and FULLY_CONNECTED on RV32IM: exact on the host, on the core, in place, by rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast.rv32.gemm import conv_2d_offer, packed_filters
from firmware_glue.compiler.ops.spec import Call
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.fast.any_offer import take_any
from tests.firmware_glue.compiler.fast.bands import band_sizes, bands_c
from tests.firmware_glue.compiler.fast.layer_cases import (
    Layers,
    convolution,
    dense,
    lively_weights,
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


@pytest.fixture(autouse=True)
def _any_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    take_any(monkeypatch)


def ugly() -> bytes:
    """Weights at the ends of their range, sums that just fit their lanes or just do not, biases
    that do not, one to eight pixels, channels around multiples of four and eight."""
    build, rng, tensors = ModelBuilder(), np.random.default_rng(4), []
    for number, depth in enumerate((1, 2, 3, 63, 64, 65, 127, 260)):
        for units in (1, 3, 5, 9):
            pixels = 1 + (number + units) % 8
            x = build.tensor((1, 1, pixels, depth), "int8", 0.02, int(rng.integers(-128, 128)))
            values = rng.choice([-128, 127, -127], (units, 1, 1, depth))
            values[0] = -128
            w = build.tensor((units, 1, 1, depth), "int8", 0.004, data=values)
            reach = 1 << (10 if units == 3 else 22)
            bias = rng.integers(-reach, reach, units)
            b = build.tensor((units,), "int32", 0.00008, data=bias)
            y = build.tensor((1, 1, pixels, units), "int8", 0.02 * depth, 3)
            build.op("CONV_2D", [x, w, b], [y], padding="VALID")
            tensors.append((x, y))
    return build.build([x for x, _ in tensors], [y for _, y in tensors])


@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, shared: bool) -> None:
    check_host(products(int(shared), 15), tmp_path, kernel="rv32", shared=shared, kernels="rv32")


@pytest.mark.parametrize("optimize", long_but_for(["speed", "balanced"], "speed"))
def test_core(optimize: str) -> None:
    check_core(products(2, 12), kernel="rv32", core="rv32imc", optimize=optimize)


def test_host_ugly(tmp_path: Path) -> None:
    check_host(ugly(), tmp_path, kernel="", kernels="rv32")


def test_core_ugly() -> None:
    check_core(ugly(), kernel="", core="rv32imc")


def deep(activation: str) -> bytes:
    """Patches whose sums fit no lane, in six pixels at a time and three, and one pixel alone."""
    layers = Layers(np.random.default_rng(9))
    for size, channels in (((3, 3), 90), ((14, 12), 40), ((1, 1), 150)):
        x, scale = layers.data((1, *size, channels))
        shape = (6, 3, 3, channels)
        filters, bias, product = lively_weights(layers, shape, 0, scale)
        y = layers.output((1, *size, 6), product, 9 * channels)
        layers.build.op(
            "CONV_2D", [x, filters, bias], [y], padding="SAME", stride_h=1, stride_w=1,
            fused_activation_function=activation,
        )  # fmt: skip
    return layers.model()


@pytest.mark.parametrize("activation", ["NONE", "RELU"])
def test_sums_by_parts(tmp_path: Path, activation: str) -> None:
    data = deep(activation)
    compiled = compile_model(read_model(data), name="m", kernels="rv32")
    fields = [dict(step.calls[0].params.fields) for step in compiled.program.steps]
    assert sorted(field["group"] for field in fields) == [3, 3, 6]
    assert all(field["whole"] == 0 for field in fields)
    assert any(field["part"] < field["depth"] for field in fields)
    check_host(data, tmp_path, kernel="rv32", kernels="rv32")
    check_core(data, kernel="rv32", core="rv32imc")


def test_single_rounding(tmp_path: Path) -> None:
    """Against numpy."""
    data = products(6, 12)
    check_numerics(data, tmp_path, kernels="rv32", numerics="single")


def test_instructions_per_product() -> None:
    """The plain loops take more than 4."""
    (counted,) = check_core(pointwise(12, 64, 32), kernel="rv32", core="rv32imc")
    assert counted < 2.2 * 12 * 4 * 64 * 32


def test_fully_connected_instructions_per_product() -> None:
    layers = Layers(np.random.default_rng(3))
    x, scale = layers.data((1, 256))
    filters, bias, product = lively_weights(layers, (64, 256), 0, scale)
    layers.build.op("FULLY_CONNECTED", [x, filters, bias], [layers.output((1, 64), product, 256)])
    (counted,) = check_core(layers.model(), kernel="rv32", core="rv32imc")
    assert counted < 3.6 * 64 * 256


def single(seed: int) -> tuple[bytes, CompiledModel]:
    """A model of one layer that runs on these kernels."""
    for attempt in range(30):
        layers = Layers(np.random.default_rng([seed, attempt]))
        if seed % 5:
            convolution(layers, batches=1 + seed % 3 // 2)
        else:
            dense(layers)
        data = layers.model()
        compiled = compile_model(read_model(data), name=f"m{seed}", kernels="rv32")
        if compiled.program.steps[0].kernel.startswith("rv32"):
            return data, compiled
    raise AssertionError("no layer is offered a kernel")


def test_in_place_without_undefined_behaviour(tmp_path: Path) -> None:
    """Alone, a layer's output lies over its input as far as the kernel allows."""
    library, models = Library(tmp_path), {}
    for seed in range(20):
        data, compiled = single(seed)
        models[compiled.name], library.models[compiled.name] = data, compiled
    check_sanitized(library, models)
    made = library.models.values()
    assert sum(map(lies_over, made)) > 5
    assert sum(bool(compiled.plan.reversed) for compiled in made) > 1


def test_packed_filters() -> None:
    packed = packed_filters(np.arange(5 * 3).reshape(5, 3))
    assert packed.shape == (2, 3, 4)
    assert packed[0, 1].tolist() == [1, 4, 7, 10]
    assert packed[1, 2].tolist() == [14, 0, 0, 0]


_BANDS = bands_c(
    "const ec_rv32_gemm_params *p, const int8_t *in, const int8_t *w, const int32_t *numbers,"
    " uint32_t *scratch, int8_t *out, ec_rv32_loop six, ec_rv32_loop three, ec_rv32_loop one",
    "p, ring_in, w, numbers, scratch, ring_out, rows, LOOPS",
    "    (void)six, (void)three, (void)one;\n",
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
    body = _BANDS.replace("KERNEL", rows.call.kernel).replace(
        "LOOPS", ", ".join(rows.call.functions)
    )
    helper = "\n".join([*defines, body])
    whole: Call = program.steps[0].calls[0]
    text = compiled.files["m.c"].replace("/* Step 0", helper + "\n/* Step 0", 1)
    text = text.replace(f"    {whole.kernel}(\n", "    by_bands(\n", 1)
    return replace(compiled, files={**compiled.files, "m.c": text})


@pytest.mark.parametrize("seed", range(5))
def test_rows_in_rings(tmp_path: Path, seed: int) -> None:
    """Bands of rows over rings that hold no more than a band is made of."""
    for attempt in range(20):
        layers = Layers(np.random.default_rng([5, seed, attempt]))
        convolution(layers)
        data = layers.model()
        compiled = compile_model(read_model(data), name="m", kernels="rv32")
        if compiled.program.steps[0].kernel.startswith("rv32") and not compiled.plan.reversed:
            break
    library = Library(tmp_path)
    library.models["m"] = by_bands(compiled, 1 + seed % 3, seed % 2)
    library.build()
    inputs = random_inputs(read_model(data), np.random.default_rng(0))
    np.testing.assert_array_equal(library.runner("m")(inputs)[0], Reference(data)(inputs)[0])
