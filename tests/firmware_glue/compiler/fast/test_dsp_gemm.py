"""CONV_2D and FULLY_CONNECTED by the DSP matrix product: exact on the host and on a Cortex-M4."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast.dsp.gemm import conv_2d_offer
from firmware_glue.compiler.fast.dsp.packing import run_pairs
from tests.firmware_glue.compiler.fast.bands import band_sizes, bands_c
from tests.firmware_glue.compiler.fast.layer_cases import (
    Layers,
    convolution,
    pointwise,
    products,
)
from tests.firmware_glue.compiler.fast.layer_checks import check_core, check_host
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.share import long_but_for


@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, shared: bool) -> None:
    check_host(products(int(shared), 24), tmp_path, kernel="dsp", shared=shared, kernels="dsp")


def test_core() -> None:
    check_core(products(2, 24), kernel="dsp", core="cortex-m4")


def test_instructions_per_product() -> None:
    """Six times fewer than the plain loops: these take more than 5.5 per product."""
    (counted,) = check_core(pointwise(12, 64, 32), kernel="dsp", core="cortex-m4")
    assert counted < 0.92 * 12 * 4 * 64 * 32


@pytest.mark.parametrize("count", range(1, 20))
def test_every_byte_of_a_run_has_its_place(count: int) -> None:
    found = [k for pair in run_pairs(count) for k in pair]
    assert sorted(k for k in found if k >= 0) == list(range(count))


_BANDS = bands_c(
    "const ec_dsp_gemm_params *p, const int8_t *in, const int32_t *w, uint32_t *x, int8_t *out,"
    " ec_dsp_gather gather, ec_dsp_two two, ec_dsp_one one",
    "p, ring_in, w, x, ring_out, rows, gather, two, one",
)  # fmt: skip


def by_bands(compiled: CompiledModel, band: int, spare: int) -> CompiledModel:
    """The model with its only step computed in bands of rows, over rings."""
    program = compiled.program
    candidate = conv_2d_offer(program.graph, program.graph.ops[0])
    assert candidate is not None and candidate.lowered.rows is not None
    call, reach = candidate.lowered.rows.call, candidate.lowered.rows.reads[0]
    (step,) = program.steps
    replace_scratch = max(candidate.lowered.scratch_bytes, candidate.lowered.rows.scratch_bytes)
    assert replace_scratch == candidate.lowered.scratch_bytes
    defines = band_sizes(reach, band, spare)
    made = [f"{i.macro}({', '.join(map(str, (i.name, *i.values)))})" for i in call.instances]
    known = compiled.files["m.c"]
    missing = [row for row in made if row not in known]
    helper = "\n".join([*missing, *defines, _BANDS.replace("KERNEL", call.kernel)])
    whole = step.calls[0]
    text = known.replace("/* Step 0", helper + "\n/* Step 0", 1)
    text = text.replace(f"    {whole.kernel}(\n", "    by_bands(\n", 1)
    text = re.sub(
        rf"{re.escape(', '.join(whole.functions))}\);", f"{', '.join(call.functions)});", text
    )
    return replace(compiled, files={**compiled.files, "m.c": text})


@pytest.mark.parametrize("seed", range(8))
def test_rows_in_rings(tmp_path: Path, seed: int) -> None:
    """Bands of rows over rings that hold no more than a band is made of."""
    for attempt in range(20):
        layers = Layers(np.random.default_rng([5, seed, attempt]))
        convolution(layers)
        data = layers.model()
        compiled = compile_model(read_model(data), name="m", kernels="dsp")
        if compiled.program.steps[0].kernel.startswith("dsp"):
            break
    library = Library(tmp_path)
    library.models["m"] = by_bands(compiled, 1 + seed % 3, seed % 2)
    library.build()
    inputs = random_inputs(read_model(data), np.random.default_rng(0))
    np.testing.assert_array_equal(library.runner("m")(inputs)[0], Reference(data)(inputs)[0])
