"""The way from a float model to a quantized file: steps, calibration, emission."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.writer import write_model
from quantization import audit
from quantization.blas import one_blas_thread
from quantization.calibration.run import calibrate
from quantization.graph.emit import emit
from quantization.steps.table import get_step
from quantization.types import StepReport
from quantization.work import StepContext, Work


@dataclass(frozen=True)
class Built:
    """A state and the file that it gives.

    Attributes:
        work: with ranges, if the recipe calibrates.
        data: the quantized .tflite.
        twin: the float model whose tensors those of ``data`` stand for: the original after the
            steps that move scale between channels, without those that change weights.
        reports: what each step did.
    """

    work: Work
    data: bytes
    twin: TfModel
    reports: tuple[StepReport, ...] = ()


def build(work: Work, context: StepContext, steps: Sequence[str]) -> Built:
    """Runs ``steps`` in order, calibrating where one left no ranges, and emits the file.

    Raises:
        QuantizationError: the result is not what the recipe promises.
        DataError: calibration samples that cannot be used.
    """
    reports, twin = [], work.model
    for name in steps:
        if name not in _BEFORE_RANGES:
            work = calibrated(work, context)
        began = time.monotonic()
        with one_blas_thread():
            outcome = get_step(name)(work, context)
        work = outcome.work
        if name in _SAME_FUNCTION:
            twin = work.model
        reports.append(
            StepReport(name, outcome.applied, outcome.note, seconds=time.monotonic() - began)
        )
    work = calibrated(work, context)
    return Built(work, emitted(work, context), twin, tuple(reports))


def calibrated(work: Work, context: StepContext) -> Work:
    """``work`` with ranges."""
    if work.ranges is not None or not context.recipe.quantized:
        return work
    ranges = calibrate(
        work.model, context.calibration(), context.recipe, context.executor, context.progress
    )
    return replace(work, ranges=ranges)


def emitted(work: Work, context: StepContext) -> bytes:
    """The quantized file, audited against the recipe.

    Raises:
        QuantizationError: it holds float ops that the recipe does not allow, for example.
    """
    model = emit(work.model, work.plan(context.recipe))
    audit.require(model, context.recipe)
    return write_model(model)


# Rewrites of the float graph that need no ranges.
_BEFORE_RANGES = frozenset({"fold-batch-norm", "equalize"})
# Their float model computes what the original does.
_SAME_FUNCTION = frozenset({"fold-batch-norm", "equalize"})
