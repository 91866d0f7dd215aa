"""A model's card for the live page: plain data on what runs, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.core.bundle import KERAS_MODEL, Bundle
from edgecnn.core.errors import BundleError
from edgecnn.core.files import sha256_file
from edgecnn.core.preprocess import ImageInput
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.specs import Runnable

# In a variant's metrics.json: which of its figures is of the file itself, the first that is there.
_OWN_METRICS = ("quantized", "float_tflite", "float")


def model_card(
    reference: ModelRef, runnable: Runnable, lines: Sequence[str] = ()
) -> dict[str, Any]:
    """The card of a model that is about to run.

    Args:
        reference: what the user named.
        runnable: what it became.
        lines: more that people should know, one thing each.

    Returns:
        ``name``, ``file``, ``bytes``, ``sha256``, ``variant``, ``runs_on``, ``input``, ``task``,
        ``classes``, ``recognised``, ``accuracy`` and ``lines``; None where a value is not known.
    """
    bundle, variant = reference.bundle, runnable.variant
    path = _file_of(reference, variant)
    image, postprocess = runnable.preprocess.image, runnable.postprocess
    found = runnable.recognised
    return {
        "name": bundle.manifest.name if bundle is not None else reference.path.name,
        "file": None if path is None else path.name,
        "bytes": None if path is None else path.stat().st_size,
        "sha256": None if path is None else sha256_file(path),
        "variant": variant,
        "runs_on": runnable.runs or None,
        "input": _input_text(image, runnable),
        "task": postprocess.task,
        "classes": len(postprocess.labels),
        "recognised": None if found is None else found.name,
        "accuracy": [] if bundle is None or variant is None else _accuracy(bundle, variant),
        "lines": [*lines, *(() if found is None else (*found.evidence, *found.warnings))],
    }


def _file_of(reference: ModelRef, variant: str | None) -> Path | None:
    """The file that runs; None: it is a folder."""
    bundle = reference.bundle
    try:
        if bundle is not None and variant == KERAS_MODEL:
            return bundle.path(KERAS_MODEL)
        path = reference.path if bundle is None else bundle.variant_model(variant)
    except BundleError:
        return None
    return path if path.is_file() else None


def _input_text(image: ImageInput, runnable: Runnable) -> str:
    """``300×300 rgb uint8``."""
    dtypes = [info.dtype for info in runnable.predictor.inputs if info.name == image.name]
    return " ".join([f"{image.width}×{image.height}", image.colour, *dtypes])


def _accuracy(bundle: Bundle, variant: str) -> list[dict[str, Any]]:
    """What was measured of this variant, from the bundle."""
    path = f"variants/{variant}/metrics.json"
    try:
        data = bundle.read_json(path) if bundle.has(path) else None
    except (BundleError, OSError):
        return []
    metrics = data.get("metrics") if isinstance(data, Mapping) else None
    if not isinstance(metrics, Mapping):
        return []
    own = next((metrics[name] for name in _OWN_METRICS if metrics.get(name)), None)
    if not isinstance(own, Mapping):
        return []
    return [
        {
            "metric": own.get("name"),
            "value": own.get("value"),
            "n": own.get("n"),
            "interval95": own.get("interval95"),
        }
    ]
