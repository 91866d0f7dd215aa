"""report: sample pictures from the bundle's model, then one HTML file and the model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.overlay import OverlayOptions, draw
from edgecnn.camera.pipeline import Pipeline, find
from edgecnn.core.bundle import Bundle
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.files import write_atomic
from edgecnn.core.progress import Progress
from edgecnn.core.sample import Dataset, Sample, spread
from edgecnn.data.table import load_dataset
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.specs import open_runnable
from edgecnn.report.card import model_card
from edgecnn.report.html import render
from edgecnn.report.model import ReportData, collect

SAMPLES = 12
_MIN_SIDE = 224
_MAX_SIDE, _QUALITY = 640, 85


@dataclass(frozen=True)
class ReportOutcome:
    """The page, what it shows, and what could not be shown."""

    path: Path
    data: tuple[ReportData, ...]
    notes: tuple[str, ...]


def run(
    references: Sequence[ModelRef], output_dir: Path | None, progress: Progress
) -> ReportOutcome:
    """Writes ``report.html`` for one or several bundles.

    One bundle without ``output_dir`` keeps the page itself. Every bundle gets its model card.

    Raises:
        UsageError: not a bundle.
        BundleError: a damaged one.
    """
    notes: list[str] = []
    found: list[ReportData] = []
    for reference in references:
        bundle = reference.bundle_or_fail("report")
        progress.stage(f"report {bundle.root.name}")
        images = _samples(reference, bundle, notes)
        data = collect(bundle, images)
        found.append(data)
        with bundle.edit() as edit:
            edit.write("MODEL_CARD.md", model_card(data))
            if output_dir is None and len(references) == 1:
                edit.write("report.html", render((data,)))
    if output_dir is None and len(references) == 1:
        return ReportOutcome(references[0].path / "report.html", tuple(found), tuple(notes))
    path = (output_dir or Path()) / "report.html"
    write_atomic(path, render(tuple(found)))
    return ReportOutcome(path, tuple(found), tuple(notes))


def _samples(reference: ModelRef, bundle: Bundle, notes: list[str]) -> dict[str, bytes]:
    """Caption → test image with the model's results; none where the data is not here."""
    manifest = bundle.manifest
    try:
        test = load_dataset(bundle.data_source, manifest.task, "test", seed=manifest.seed)
        runnable = open_runnable(reference, variant=None)
    except EdgecnnError as error:
        notes.append(f"no sample pictures: {error.message}")
        return {}
    pipeline = Pipeline(runnable.predictor, runnable.preprocess, runnable.postprocess)
    pictures: dict[str, bytes] = {}
    for index in spread(len(test), SAMPLES):
        sample = test[index]
        caption, picture = _picture(pipeline, test, sample)
        encoded = _encoded(picture)
        if encoded is not None:
            pictures[f"{sample.id}: {caption}"] = encoded
    return pictures


def _picture(pipeline: Pipeline, test: Dataset, sample: Sample) -> tuple[str, NDArray[np.uint8]]:
    import cv2

    image = sample.image
    frame = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy()
    items = find(pipeline, frame, {})
    options = OverlayOptions(status=False, min_side=_MIN_SIDE)
    drawn = draw(frame, items, options)
    if sample.label is None:
        known = len(sample.boxes) if sample.boxes is not None else 0
        return f"{len(items)} found, {known} there", drawn
    truth = test.labels[sample.label]
    best = items[0].label if items else "nothing"
    return (f"{best}, right" if best == truth else f"{best}, is {truth}"), drawn


def _encoded(image: NDArray[np.uint8]) -> bytes | None:
    """A PNG of a small picture; a large one gets smaller and becomes a JPEG."""
    import cv2

    longest = max(image.shape[:2])
    if longest <= _MIN_SIDE:
        good, data = cv2.imencode(".png", image)
        return data.tobytes() if good else None
    scale = min(1.0, _MAX_SIDE / longest)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    good, data = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes() if good else None
