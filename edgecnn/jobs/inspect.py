"""inspect: what a quantized model is made of, where its error comes from, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import EdgecnnError, UsageError
from edgecnn.core.files import make_folder, write_atomic
from edgecnn.core.progress import Progress
from edgecnn.jobs.input_range import InputRange
from edgecnn.jobs.model_samples import DataRequest, load_samples
from edgecnn.jobs.reference import ModelRef, model_file, resolve
from edgecnn.report.inspection import render
from edgecnn.report.inspection_tables import InspectionPage
from firmware_glue.compiler.api import channels_left_out
from quantization.inspection.inspect import Inspection, inspect
from quantization.inspection.measure import LayerMeasure
from quantization.inspection.weights import WeightStats
from targets.base import CheckReport, ModelFile
from targets.table import all_targets, get_target

FLOAT = "float32"
_NARROWER = (
    "left out where the model is compiled to C: a narrower net, or one pruned while it is trained,"
    " does the same on other targets too"
)
#: Worst channels that JSON names for each layer.
WORST_CHANNELS = 5
_JSON_BINS = 32


@dataclass(frozen=True)
class InspectRequest:
    """What the user asked for.

    Attributes:
        against: the float model; None: a bundle's float32 variant.
        variant: of a bundle; None: its default.
        targets: names; (): those that need nothing installed.
        html: file to write; None: none.
    """

    reference: ModelRef
    against: Path | None = None
    data: DataRequest = field(default_factory=DataRequest)
    variant: str | None = None
    targets: tuple[str, ...] = ()
    html: Path | None = None


@dataclass(frozen=True)
class InspectOutcome:
    """``edgecnn.inspect/1``.

    Attributes:
        model, against, source: what was looked at; None where it was not given.
        targets: what each target says.
        html: the page that was written.
        notes: what could not be done, and why.
        input_range: what a byte of an image means, and why; None: a bundle, or no images.
        left_out: layers of which the compiler leaves channels out, a sentence each.
    """

    model: str
    against: str | None
    source: str | None
    found: Inspection
    targets: tuple[CheckReport, ...] = ()
    html: Path | None = None
    notes: tuple[str, ...] = ()
    input_range: InputRange | None = None
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn inspect --json``."""
        return _finite(self._json())

    def _json(self) -> dict[str, Any]:
        measured = self.found.measured
        layers = {layer.index: layer for layer in measured.layers} if measured else {}
        return {
            "schema": "edgecnn.inspect/1",
            "model": self.model,
            "against": self.against,
            "data": self.source,
            "samples": measured.samples if measured else 0,
            "totals": self.found.table.totals(),
            "layers": [
                {
                    **row.to_json(),
                    "targets": self._mapped(row.index),
                    "weights": _weights_json(self.found.weights.get(row.index)),
                    **_measured_json(layers.get(row.index)),
                }
                for row in self.found.table.rows
            ],
            "inputs": [
                {"name": item.name, "dtype": item.dtype, **_measured_json(item)}
                for item in (measured.inputs if measured else ())
            ],
            "suspects": [suspect.to_json() for suspect in self.found.suspects],
            "targets": [
                {"target": report.target, "mapped": report.mapped, "total": len(report.ops)}
                for report in self.targets
            ],
            "html": str(self.html) if self.html else None,
            "notes": list(self.notes),
            "left_out": list(self.left_out),
            "input_range": self.input_range.to_json() if self.input_range else None,
        }

    def _mapped(self, index: int) -> dict[str, bool]:
        return {
            report.target: op.mapped
            for report in self.targets
            for op in report.ops
            if op.index == index
        }


def run(request: InspectRequest, progress: Progress) -> InspectOutcome:
    """Inspects a .tflite or a bundle's variant, as far as what is at hand allows.

    Raises:
        ModelError: a file is damaged or does not run.
        UsageError: a Keras file; or data that cannot be used without a preprocess spec.
        QuantizationError: the two files are not of one model.
        DataError: data that do not fit.
    """
    model = model_file(request.reference, request.variant)
    against, shown = _against(request, model)
    given = load_samples(request.reference, model, request.data, progress)
    found = inspect(model.data, against, given.samples, progress)
    reports, notes = check_targets(model, request.targets)
    notes += given.notes
    notes = [*model.model.notes, *notes]
    summary, left_out = channels_left_out(model.model)
    if summary:
        notes += [*summary, _NARROWER]
    if against is None and found.table.quantized:
        notes.append("no float model to compare with: add --against FLOAT")
    if not given.samples:
        notes.append("no data: nothing was run; add --data")
    if found.rescaled:
        notes.append(
            f"the file holds the channels of {found.rescaled} layers scaled (equalization):"
            " the float model was scaled alike before it was compared"
        )
    outcome = InspectOutcome(
        str(request.reference.path), shown, given.source, found, reports, None, tuple(notes),
        given.input_range, left_out,
    )  # fmt: skip
    if request.html is None:
        return outcome
    make_folder(request.html.parent)
    page = InspectionPage(
        model.path.name if request.reference.bundle is None else request.reference.path.name,
        len(model.data),
        model.sha256,
        outcome.against,
        outcome.source,
        found,
        reports,
        outcome.notes,
    )
    write_atomic(request.html, render(page))
    return replace(outcome, html=request.html)


def check_targets(
    model: ModelFile, names: Sequence[str]
) -> tuple[tuple[CheckReport, ...], list[str]]:
    """What targets say of each op; a target that cannot say gives a note."""
    targets = (
        [get_target(name) for name in names]
        if names
        else [target for target in all_targets() if not target.capabilities.extra]
    )
    reports, notes = [], []
    for target in targets:
        try:
            reports.append(target.check(model))
        except EdgecnnError as error:
            notes.append(f"{target.name}: {error.message}")
    return tuple(reports), notes


def _against(request: InspectRequest, model: ModelFile) -> tuple[bytes | None, str | None]:
    """The float model's bytes and what it is called."""
    if request.against is None:
        bundle = request.reference.bundle
        if bundle is None or model.recipe == FLOAT or FLOAT not in bundle.variants:
            return None, None
        # After equalization inner tensors stand for those of a float model of their own.
        own = f"variants/{model.recipe}/{FLOAT}.tflite"
        if own in bundle.manifest.files:
            return bundle.path(own).read_bytes(), own
        return model_file(request.reference, FLOAT).data, f"variants/{FLOAT}/model.tflite"
    reference = resolve(request.against)
    if reference.kind == "keras":
        from quantization.load import load_float

        unsafe = request.reference.unsafe
        return load_float(reference.path, unsafe=unsafe).data, str(request.against)
    if reference.bundle is not None and FLOAT not in reference.bundle.variants:
        raise UsageError(
            f"the bundle '{request.against}' has no {FLOAT} variant",
            hint="run edgecnn quantize on it first, or give a float .tflite",
        )
    variant = FLOAT if reference.bundle is not None else None
    return model_file(reference, variant).data, str(request.against)


def _weights_json(stats: WeightStats | None) -> dict[str, Any] | None:
    if stats is None:
        return None
    return {
        "channels": len(stats.ranges),
        "range_low": float(stats.ranges.min()),
        "range_median": float(np.median(stats.ranges)),
        "range_high": float(stats.ranges.max()),
        "worst_channels": _worst(stats.channel_db),
        "float": _bins(stats.real),
        "stored": _bins(stats.stored),
    }


def _measured_json(layer: LayerMeasure | None) -> dict[str, Any]:
    if layer is None:
        return {"values": None, "codes": None, "total": None, "added": None}
    values, coding, total, added = layer.values, layer.coding, layer.total, layer.added
    return {
        "values": {
            "low": values.low,
            "high": values.high,
            "bulk": values.bulk,
            "float": _bins(values.real),
            "own": _bins(values.own),
        },
        "codes": None
        if coding is None
        else {
            "low": coding.low,
            "high": coding.high,
            "levels": coding.levels,
            "used": coding.used,
            "at_low": coding.at_low,
            "at_high": coding.at_high,
            "clipped": coding.clipped,
        },
        **{
            key: None
            if errors is None
            else {
                "sqnr_db": errors.sqnr_db,
                "cosine": errors.cosine,
                "shift": errors.shift,
                "bias_share": errors.bias_share,
                "worst_channels": _worst(errors.channel_db),
            }
            for key, errors in (("total", total), ("added", added))
        },
    }


def _worst(channel_db: NDArray[np.float64] | None) -> list[dict[str, Any]] | None:
    """The channels with the least SQNR; channels without signal are left out."""
    if channel_db is None:
        return None
    order = np.argsort(np.where(np.isnan(channel_db), np.inf, channel_db), kind="stable")
    worst = [int(k) for k in order[:WORST_CHANNELS] if not np.isnan(channel_db[k])]
    return [{"channel": k, "sqnr_db": float(channel_db[k])} for k in worst]


def _bins(bins: Any) -> dict[str, Any] | None:
    return None if bins is None else bins.fewer(_JSON_BINS).to_json()


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
