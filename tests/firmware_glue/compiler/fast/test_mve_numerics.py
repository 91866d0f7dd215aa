"""The Helium kernels in the other numerics: equal to the generic ones, which have judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.firmware_glue.compiler.fast import test_mve_dense, test_mve_depthwise, test_mve_gemm
from tests.firmware_glue.compiler.harness import Library, random_inputs

MAKERS = (test_mve_gemm.model, test_mve_depthwise.model, test_mve_dense.model)


@pytest.mark.parametrize("numerics", ["tflm", "single"])
def test_equal_to_generic(tmp_path: Path, numerics: str) -> None:
    library, models = Library(tmp_path), {}
    for number, make in enumerate(MAKERS):
        for kernels in ("generic", "mve"):
            data = make(100 + number, 12)
            name = f"m{number}_{kernels}"
            models[name] = data
            library.models[name] = compile_model(
                read_model(data), name=name, numerics=numerics, kernels=kernels
            )
    library.build("-DEDGECNN_SHARE_ALL")
    for number in range(len(MAKERS)):
        inputs = random_inputs(read_model(models[f"m{number}_mve"]), np.random.default_rng(number))
        found = library.runner(f"m{number}_mve")(inputs)
        for got, want in zip(found, library.runner(f"m{number}_generic")(inputs), strict=True):
            np.testing.assert_array_equal(got, want)
