"""eval -t: the float model, the quantized one and its C for a target, on the same images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.core.progress import Progress
from edgecnn.data.table import same_source
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

    A bundle keeps the figures on its own test images for the report.

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
    result = replace(result, compared=tuple(rows))
    _keep(request, chosen.name, result)
    return result


def _keep(request: EvalRequest, target: str, result: EvalResult) -> None:
    """A bundle that can be written to keeps what was measured on its own test images."""
    bundle, own = request.reference.bundle, request.split in (None, "test")
    if bundle is None or request.limit or not own or not os.access(bundle.root, os.W_OK):
        return
    if request.data and not same_source(request.data, bundle.data_source):
        return
    brief = {
        "schema": "edgecnn.eval/1",
        "task": result.task,
        "variant": result.variant,
        "n": result.metric.n,
        "compared": [_brief(row) for row in result.compared],
    }
    with bundle.edit() as edit:
        edit.write_json(f"targets/{target}/{result.variant}/eval.json", brief)


def _brief(row: MeasuredModel) -> dict[str, Any]:
    """A row without curves and confusions."""
    data = row.to_json()
    kept = ("name", "value", "n", "interval95", "map5095", "per_class")
    return {**data, "metric": {key: data["metric"][key] for key in kept if key in data["metric"]}}
