"""eval -t: the float model, the quantized one and what a target computes, on the same images."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.core.progress import Progress
from edgecnn.core.tflite.compiled import is_edge_tpu_model
from edgecnn.data.table import same_source
from edgecnn.jobs.evaluate import EvalRequest, EvalResult, MeasuredModel, run, same_range
from edgecnn.jobs.inspect import FLOAT
from edgecnn.jobs.place import Place
from edgecnn.jobs.specs import file_to_run
from quantization.parity import drop
from targets.base import ModelFile
from targets.litert import LiteRTTarget


def run_side_by_side(request: EvalRequest, progress: Progress) -> EvalResult:
    """Evaluates a model where it was asked for, beside what it was made from.

    A bundle's float model stands first, where there is one, then the .tflite in LiteRT on this
    machine, then the target. LiteRT is not measured twice: a target that is LiteRT itself has no
    row before it; nor has a file for the Edge TPU, which LiteRT alone does not run.

    A bundle keeps the figures on its own test images for the report.

    Args:
        request: its place has a target.
        progress: told of each image.

    Returns:
        The target's figures, with all of them in ``compared``.

    Raises:
        UsageError: there is no .tflite.
        Whatever opening the model there raises (:class:`targets.base.RunsModels`).
    """
    name = request.place.name
    bundle = request.reference.bundle
    if request.reference.kind not in ("bundle", "tflite") or (bundle and bundle.only_trained):
        raise UsageError(
            f"'{request.reference.path}' is not quantized yet: '{name}' takes a .tflite",
            hint="run edgecnn quantize first",
        )
    size = request.files.size if request.files is not None else None
    model = file_to_run(request.reference, request.variant, size).model
    with ExitStack() as stack:
        opener = request.place.opener(stack, progress.say)
        # First: what cannot run there is said before minutes of measuring here.
        running = opener(model) if opener is not None else None
        rows: list[MeasuredModel] = []
        files = request.files
        for step in (*_here(request, model), request):
            last = step is request
            progress.stage(f"evaluate {name if last else step.variant or 'the .tflite'}")
            result = run(replace(step, files=files), progress, running if last else None)
            files = same_range(files, result.input_range)
            loss = drop(rows[0].metric, result.metric) if rows else None
            shown = name if last else result.variant or "model"
            rows.append(MeasuredModel(shown, result.runs, result.metric, loss))
    result = replace(result, compared=tuple(rows))
    _keep(request, name, result)
    return result


def _here(request: EvalRequest, model: ModelFile) -> list[EvalRequest]:
    """What is measured in LiteRT on this machine, before the target."""
    here = replace(request, place=Place(threads=request.place.threads))
    steps = []
    bundle = request.reference.bundle
    if bundle is not None and FLOAT in bundle.variants:
        measured = request.variant or bundle.manifest.default_variant
        if measured != FLOAT:
            steps.append(replace(here, variant=FLOAT))
    litert_again = isinstance(request.place.target, LiteRTTarget)
    if not litert_again and not is_edge_tpu_model(model.model):
        steps.append(here)
    return steps


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
