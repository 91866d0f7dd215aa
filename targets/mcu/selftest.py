"""The self-test that ``compile --selftest`` writes: inputs, expected outputs, and how near."""

from __future__ import annotations

import numpy as np

from edgecnn.core.reference import best_reference
from edgecnn.core.runtime import tensor_infos
from firmware_glue.compiler.api import CompiledModel
from firmware_glue.compiler.ir import Numerics
from firmware_glue.compiler.selftest import Expected, selftest_c
from targets.base import ModelFile
from targets.golden import float_tolerance, golden_samples, lcg_reference
from targets.mcu.measure import OTHER_NUMERICS_LSB, TOLERANCE_LSB


def selftest(model: ModelFile, compiled: CompiledModel) -> str:
    """C with the golden vector of a bundle, or with lcg:1 and what LiteRT makes of it.

    Raises:
        ModelError: LiteRT refuses the model, or has no lcg:1 for an input's dtype.
        BundleError: the golden vector is not of this model.
    """
    caveats = best_reference(model.data)[1]
    exact = compiled.numerics == Numerics.LITERT_REF.value and not caveats
    lsb = TOLERANCE_LSB if exact else OTHER_NUMERICS_LSB
    samples = list(golden_samples(model, *tensor_infos(model.model)))
    judge = "LiteRT's optimised kernels" if caveats else "LiteRT's reference kernels"
    relative = float_tolerance(model, lsb)
    if not samples:
        _, outputs = lcg_reference(model)
        rows = [[np.asarray(value) for value in outputs.values()]]
        return selftest_c(compiled, Expected("lcg:1", rows, None, judge, lsb, relative))
    inputs = [[np.asarray(value) for value in given.values()] for given, _ in samples]
    rows = [[np.asarray(value) for value in wanted.values()] for _, wanted in samples]
    source = f"the golden vector of the bundle, {len(samples)} sample(s)"
    return selftest_c(compiled, Expected(source, rows, inputs, judge, lsb, relative))
