"""Tables of what was measured on labelled data, for eval and quantize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.output import print_table

if TYPE_CHECKING:
    from edgecnn.core.metric import Metric
    from edgecnn.jobs.evaluate import MeasuredModel

_OVERALL = ("map75", "map5095", "ar1", "ar10", "ar100")
_NONE = "–"


def print_metric(metric: Metric, title: str, *, verbose: bool = False) -> None:
    """The figure with its interval; of a detector also its classes, and if verbose more."""
    rows = [(metric.name, f"{metric.value:.4f}", f"{metric.low:.4f} – {metric.high:.4f}")]
    shown = _OVERALL if verbose else ("map5095",)
    extra = metric.extra
    rows += [(key, f"{extra[key]:.4f}", "") for key in shown if isinstance(extra.get(key), float)]
    print_table(title, ("metric", "value", "95 % interval"), rows, numeric=(1,))
    by_class = extra.get("by_class")
    if metric.name == "f1" and by_class:
        print_table(
            "points in boxes, one to one",
            ("class", "boxes", "precision", "recall", "F1"),
            [
                (label, str(row["boxes"]),
                 *(_number(row[key]) for key in ("precision", "recall", "f1")))
                for label, row in by_class.items()
            ],
            numeric=(1, 2, 3, 4),
        )  # fmt: skip
    if metric.name != "map50" or not by_class:
        return
    print_table(
        "by class (AP at IoU 0.5; precision, recall and F1 at the class's threshold)",
        ("class", "boxes", "AP", "AP 0.5–0.95", "threshold", "precision", "recall", "F1"),
        [
            (label, str(row["boxes"]), _number(row["ap50"]), _number(row["ap5095"]),
             *(_number(row.get(key)) for key in ("threshold", "precision", "recall", "f1")))
            for label, row in by_class.items()
        ],
        numeric=tuple(range(1, 8)),
    )  # fmt: skip
    if verbose:
        _print_areas(extra.get("areas", {}))
    kinds = extra.get("mistakes")
    if kinds:
        said = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        click.echo(f"boxes at these thresholds: {said or 'none'}")


def print_class_changes(before: Metric, after: Metric, names: tuple[str, str]) -> None:
    """A detector's average precision at IoU 0.5, or F1 of points, by class, before and after."""
    if after.name not in ("map50", "f1"):
        return
    figures: dict[str, dict[str, Any]] = after.extra.get("by_class", {})
    rows = []
    for label, values in figures.items():
        pair = [metric.extra["per_class"].get(label) for metric in (before, after)]
        shown = [_NONE if value is None else f"{100 * value:.2f} %" for value in pair]
        change = "" if None in pair else f"{100 * (pair[1] - pair[0]):+.2f}"
        rows.append((label, str(values["boxes"]), *shown, change))
    print_table(
        "average precision at IoU 0.5" if after.name == "map50" else "F1 of points",
        ("class", "boxes", *names, "points"),
        rows,
        numeric=(1, 2, 3, 4),
    )


def print_side_by_side(models: tuple[MeasuredModel, ...]) -> None:
    """Several models on the same data, with what each lost against the first."""
    rows = []
    for model in models:
        metric, loss = model.metric, model.loss
        lost = "" if loss is None else f"{loss.points:+.2f}"
        spread = "" if loss is None else f"{loss.low:+.2f} to {loss.high:+.2f}"
        rows.append((model.name, model.runs, f"{metric.value:.4f}",
                     f"{metric.low:.4f} – {metric.high:.4f}", lost, spread))  # fmt: skip
    first = models[0].metric
    print_table(
        f"{first.n} images",
        ("model", "runs as", first.name, "95 % interval", "points lost", "95 %, paired"),
        rows,
        numeric=(2, 4),
    )


def _print_areas(areas: dict[str, dict[str, Any]]) -> None:
    print_table(
        "by size of the boxes (up to 32², up to 96², more pixels)",
        ("size", "boxes", "AP", "AP 0.5–0.95", "recall"),
        [
            (name, str(row["boxes"]),
             *(_number(row[key]) for key in ("map50", "map5095", "ar100")))
            for name, row in areas.items()
        ],
        numeric=(1, 2, 3, 4),
    )  # fmt: skip


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"
