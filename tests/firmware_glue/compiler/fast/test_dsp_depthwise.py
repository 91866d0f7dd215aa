"""DEPTHWISE_CONV_2D on cores with DSP: exact on the host and on a Cortex-M4, in place, by rows."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast.dsp.depthwise import offer
from tests.firmware_glue.compiler.fast.bands import bands_c
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
    lies_over,
)
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.share import long_but_for


@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, shared: bool) -> None:
    data = model_of(any_depthwise, int(shared), 14)
    check_host(data, tmp_path, kernel="d", shared=shared, kernels="dsp")


def test_host_ugly(tmp_path: Path) -> None:
    check_host(model_of(ugly_depthwise, 3), tmp_path, kernel="d", kernels="dsp")


def test_core() -> None:
    check_core(model_of(any_depthwise, 4, 16), kernel="d", core="cortex-m4")


@pytest.mark.parametrize("optimize", long_but_for(["speed", "size"], "speed"))
def test_core_ugly(optimize: str) -> None:
    """Loops made for a layer, and those that all layers share; tiny layers keep the plain ones."""
    check_core(model_of(ugly_depthwise, 5), kernel="d", core="cortex-m4", optimize=optimize)


def single(seed: int) -> tuple[bytes, CompiledModel]:
    """A model of one layer that runs on these kernels."""
    for attempt in range(30):
        layers = Layers(np.random.default_rng([seed, attempt]))
        any_depthwise(layers)
        data = layers.model()
        compiled = compile_model(read_model(data), name=f"m{seed}", kernels="dsp")
        if compiled.program.steps[0].kernel.startswith("dsp"):
            return data, compiled
    raise AssertionError("no layer is offered a kernel")


def test_in_place_without_undefined_behaviour(tmp_path: Path) -> None:
    """Alone, a layer's output lies over its input as far as the kernel allows."""
    library, models = Library(tmp_path), {}
    for seed in range(24):
        data, compiled = single(seed)
        models[compiled.name], library.models[compiled.name] = data, compiled
    check_sanitized(library, models)
    assert sum(map(lies_over, library.models.values())) > 5


@pytest.mark.parametrize("numerics", ["single", "tflm"])
def test_numerics(tmp_path: Path, numerics: str) -> None:
    """Other roundings, against numpy."""
    data = model_of(any_depthwise, 6, 8)
    compiled = check_numerics(data, tmp_path, kernels="dsp", numerics=numerics)
    kernels = [step.kernel for step in compiled.program.steps]
    assert sum(kernel.startswith("dsp") for kernel in kernels) * 2 > len(kernels), kernels


@pytest.mark.parametrize(
    ("shape", "most"),
    [((24, 24, 32, 1), 1.75), ((24, 24, 32, 2), 2.6), ((25, 5, 64, 1), 2.0), ((6, 6, 128, 1), 2.0)],
)
def test_instructions_per_product(shape: tuple[int, int, int, int], most: float) -> None:
    """The plain loops take 7 or more."""
    layers = Layers(np.random.default_rng(8))
    layers.zero = lambda: -128  # type: ignore[method-assign]
    layers.weights = partial(lively_weights, layers)  # type: ignore[method-assign]
    height, width, channels, stride = shape
    depthwise(layers, (height, width), channels, stride=(stride, stride))
    (counted,) = check_core(layers.model(), kernel="dsp_depthwise3", core="cortex-m4")
    outputs = -(-height // stride) * -(-width // stride) * channels
    assert counted < most * outputs * 9


_BANDS = bands_c(
    "const PARAMS *p, const int8_t *from, const int32_t *w, SCRATCH *scratch, int8_t *outFUNCTIONS",
    "p, ring_in, w, scratch, ring_out, rowsGIVEN",
    "    static int8_t in[1 << 16];\n"
    "    for (int i = 0; i < g->in_h * in_row; ++i) {\n        in[i] = from[i];\n    }\n",
)  # fmt: skip


def by_bands(compiled: CompiledModel, band: int, spare: int) -> CompiledModel:
    """The model with its only step computed in bands of rows, over rings."""
    program = compiled.program
    candidate = offer(program.graph, program.graph.ops[0])
    assert candidate is not None and candidate.lowered.rows is not None
    rows = candidate.lowered.rows
    assert rows.scratch_bytes <= candidate.lowered.scratch_bytes
    reach, names = rows.reads[0], ("two", "one")[: len(rows.call.functions)]
    texts = {
        "PARAMS": rows.call.params.struct, "KERNEL": rows.call.kernel,
        "SCRATCH": "uint32_t" if names else "int8_t",
        "FUNCTIONS": "".join(f", ec_dsp_depthwise_kernel {name}" for name in names),
        "GIVEN": "".join(f", {name}" for name in names), "BAND": str(band),
        "IN_ROWS": str(reach.span + (band - 1) * reach.stride), "OUT_ROWS": str(band + spare),
    }  # fmt: skip
    whole, known = program.steps[0].calls[0], compiled.files[f"{compiled.name}.c"]
    made = [f"{i.macro}({', '.join(map(str, (i.name, *i.values)))})" for i in rows.call.instances]
    helper = re.sub("|".join(texts), lambda found: texts[found[0]], _BANDS)
    helper = "\n".join([*(row for row in made if row not in known), helper])
    text = known.replace("/* Step 0", helper + "\n/* Step 0", 1)
    text = text.replace(f"    {whole.kernel}(\n", "    by_bands(\n", 1)
    if names:
        given = re.escape(", ".join(whole.functions)).replace(r"\ ", r"\s+")
        text = re.sub(rf"{given}\);", f"{', '.join(rows.call.functions)});", text)
    return replace(compiled, files={**compiled.files, f"{compiled.name}.c": text})


@pytest.mark.parametrize("seed", range(8))
def test_rows_in_rings(tmp_path: Path, seed: int) -> None:
    """Bands of rows over rings that hold no more than a band is made of."""
    number = 100 * seed
    while True:
        data, compiled = single(number)
        wanted = ("dsp_depthwise3", "dsp_depthwise_any")[seed % 2]
        if compiled.program.steps[0].kernel == wanted and compiled.inputs[0].shape[0] == 1:
            break
        number += 1
    library = Library(tmp_path, {compiled.name: by_bands(compiled, 1 + seed % 4, seed % 3)})
    library.build()
    inputs = random_inputs(read_model(data), np.random.default_rng(0))
    got = library.runner(compiled.name)(inputs)[0]
    np.testing.assert_array_equal(got, Reference(data)(inputs)[0])
