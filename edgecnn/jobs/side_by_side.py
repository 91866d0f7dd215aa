"""eval -t: the float model, the quantized one and its C for a target, on the same images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgecnn.core.errors import UsageError
from edgecnn.core.progress import Progress
from edgecnn.jobs.evaluate import EvalRequest, EvalResult, MeasuredModel, run, same_range
from edgecnn.jobs.inspect import FLOAT
from quantization.parity import drop
from targets.mcu.on_host import kernels_of
from targets.table import chosen_target

_REFERENCE = "litert-ref"


def run_side_by_side(
    request: EvalRequest, target: str | None, board_file: Path | None, progress: Progress
) -> EvalResult:
    """Evaluates what a device with ``target`` computes, beside what it was made from.

    The C is that of the target's own kernels, built for this machine: the same bytes as there. A
    bundle's float model stands first, where there is one, then the .tflite in LiteRT, then the C.

    Returns:
        The C's figures, with all of them in ``compared``.

    Raises:
        UsageError: the target is no microcontroller, or there is no .tflite.
        UnknownNameError, TargetError: as :func:`targets.table.chosen_target`.
        MissingExtraError, ToolError, TargetError: the C cannot be built for this machine.
        UnsupportedModelError: the model has ops without a kernel.
    """
    chosen = chosen_target(target, board_file)
    kernels = kernels_of(chosen)
    bundle = request.reference.bundle
    if request.reference.kind not in ("bundle", "tflite") or (bundle and bundle.only_trained):
        raise UsageError(
            f"'{request.reference.path}' is not quantized yet: there is no C of it",
            hint="run edgecnn quantize first",
        )
    numerics = request.numerics or _REFERENCE
    steps = [(replace(request, numerics=None), "", "LiteRT")]
    if bundle is not None and FLOAT in bundle.variants:
        measured = request.variant or bundle.manifest.default_variant
        if measured != FLOAT:
            steps.insert(0, (replace(steps[0][0], variant=FLOAT), "", "LiteRT"))
    compiled = replace(request, numerics=numerics, kernels=kernels)
    steps.append((compiled, chosen.name, f"C on this machine, {kernels} kernels, {numerics}"))
    rows: list[MeasuredModel] = []
    files = request.files
    for step, name, runs in steps:
        progress.stage(f"evaluate {name or step.variant or 'the .tflite'}")
        result = run(replace(step, files=files), progress)
        files = same_range(files, result.input_range)
        loss = drop(rows[0].metric, result.metric) if rows else None
        rows.append(MeasuredModel(name or result.variant or "model", runs, result.metric, loss))
    return replace(result, compared=tuple(rows))
