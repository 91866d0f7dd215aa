"""Tables of the page of ``edgecnn inspect``: layers, codes, weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.report.inspection_plots import channel_ranges
from edgecnn.report.markup import Html, el
from edgecnn.report.parts import badge, dash, figure, folded, section, table
from edgecnn.report.text import is_number, number, percent, size
from quantization.inspection.inspect import Inspection
from quantization.inspection.measure import LayerMeasure
from quantization.inspection.table import OpRow
from targets.base import CheckReport

_MOST_CLIPPED = 6


@dataclass(frozen=True)
class InspectionPage:
    """What the page shows.

    Attributes:
        name: of the model.
        nbytes, sha256: of its file.
        against, source: float model and data; None where not given.
        found: the inspection.
        targets: what each target says of each op.
        notes: what could not be done.
    """

    name: str
    nbytes: int
    sha256: str
    against: str | None
    source: str | None
    found: Inspection
    targets: Sequence[CheckReport] = ()
    notes: Sequence[str] = ()


def short_name(name: str) -> str:
    """Of names that TensorFlow fused, the first."""
    return name.split(";")[0]


def layers(page: InspectionPage) -> Html:
    """Every op: what it is made of, its error, where it runs."""
    measured = page.found.measured
    known = {layer.index: layer for layer in measured.layers} if measured else {}
    compared = any(layer.total for layer in known.values())
    named = {(suspect.layer, suspect.op) for suspect in page.found.suspects}
    mapped = [
        (report.target, {op.index: op for op in report.ops}) for report in page.targets
    ]  # fmt: skip
    head = ["index#", "layer", "shape", "MACs#", "weights#", "filter", "output", "precision"]
    head += ["SQNR, dB#", "adds, dB#", "cosine#"] if compared else []
    head += [target for target, _ in mapped]
    rows = []
    for row in page.found.table.rows:
        cells: list[Any] = [
            number(row.index),
            _name(row.name, row.op),
            el("span", " × ".join(map(str, row.shape)), class_="key"),
            number(row.macs) if row.macs else "",
            size(row.weight_bytes) if row.weight_bytes else "",
            _filter(row),
            _output(row),
            badge("float", "warn") if row.island else row.precision,
        ]
        if compared:
            cells += _errors(known.get(row.index), marked=(row.name, row.op) in named)
        for _, ops in mapped:
            op = ops.get(row.index)
            cells.append(_support(op))
        rows.append(cells)
    totals = page.found.table
    caption = (
        f"{len(totals.rows)} ops, {number(totals.macs)} multiply-accumulates,"
        f" {size(totals.weight_bytes)} of weights and other constants."
    )
    return section("layers", "Layers", table(head, rows, caption=caption))


def _name(layer: str, op: str) -> Html:
    return el("span", short_name(layer), el("small", op), class_="layer")


def _support(op: Any) -> Html:
    if op is None:
        return dash()
    mark = badge("yes", "ok") if op.mapped else badge("no", "bad")
    return mark if op.mapped else el("span", mark, title=op.reason or "")


def _filter(row: OpRow) -> Html | str:
    if row.weight_dtype is None:
        return ""
    if row.granularity is None or row.weight_scale is None:
        return row.weight_dtype
    low, high = row.weight_scale
    scales = f"{low:.2g}" if low == high else f"{low:.2g} … {high:.2g}"
    zero = row.weight_zero_point or (0, 0)
    points = "" if zero == (0, 0) else f", zero point {zero[0]}" + (
        f" … {zero[1]}" if zero[0] != zero[1] else ""
    )  # fmt: skip
    return el(
        "span",
        f"{row.weight_dtype} {row.granularity}",
        el("small", f"{scales}{points}"),
        class_="tight",
    )


def _output(row: OpRow) -> Html | str:
    if row.scale is None:
        return ""
    return el(
        "span", f"{row.scale:.4g}", el("small", f"zero point {row.zero_point}"), class_="tight"
    )


def _errors(layer: LayerMeasure | None, *, marked: bool) -> list[Any]:
    if layer is None or layer.total is None:
        return [dash(), dash(), dash()]
    shown = _decibels(layer.added.sqnr_db) if layer.added else ""
    added = badge(shown, "bad") if marked and shown else shown or dash()
    return [_decibels(layer.total.sqnr_db), added, number(layer.total.cosine, 5)]


def _decibels(value: float) -> str:
    return "exact" if value >= 120.0 else number(value, 1)


def codes(page: InspectionPage) -> Html | None:
    """How many codes the layers use, how many values lie at their ends or outside."""
    layers = [
        layer
        for layer in (page.found.measured.layers if page.found.measured else ())
        if layer.coding is not None
    ]
    if not layers:
        return None
    rows = []
    for layer in layers:
        coding = layer.coding
        if coding is None:
            continue
        clipped = coding.clipped
        rows.append(
            [
                number(layer.index) if layer.index is not None else "",
                _name(layer.name, layer.op),
                f"{coding.low:.4g} … {coding.high:.4g}",
                f"{layer.values.low:.4g} … {layer.values.high:.4g}",
                f"{number(coding.used)} of {number(coding.levels)}",
                percent(coding.at_low),
                percent(coding.at_high),
                dash() if clipped is None else percent(clipped, 2),
            ]
        )
    head = ["index#", "layer", "codes reach#", "values reach#", "codes used#", "at low end#",
            "at high end#", "clipped#"]  # fmt: skip
    caption = (
        "Clipped: share of the float values that lie more than one step outside. Values at the low"
        " end are often the zeros of a ReLU."
    )
    worst = [pair for pair in zip(layers, rows, strict=True) if _by_clipping(pair) < 0]
    shown = [row for _, row in sorted(worst, key=_by_clipping)[:_MOST_CLIPPED]]
    return section(
        "codes",
        "Use of the codes",
        table(head, shown, caption=f"{caption} The most clipped layers:")
        if shown
        else el("p", "No layer clips values of this data."),
        folded(f"all {len(rows)} layers", table(head, rows)),
    )


def _by_clipping(pair: tuple[LayerMeasure, list[Any]]) -> float:
    coding = pair[0].coding
    return -(coding.clipped or 0.0) if coding is not None else 0.0


def weights(page: InspectionPage) -> Html | None:
    """Ranges of the filters, channel by channel."""
    found = page.found
    rows = {row.index: row for row in found.table.rows}
    known = [(rows[index], stats) for index, stats in found.weights.items()]
    if not known:
        return None
    lines = []
    for row, stats in known:
        living = stats.ranges[stats.ranges > 0]
        median = float(np.median(living)) if len(living) else 0.0
        top = float(stats.ranges.max(initial=0.0))
        left = stats.channel_db
        median_db = float(np.nanmedian(left)) if left is not None and len(living) else None
        lines.append(
            [
                number(row.index), _name(row.name, row.op), stats.dtype,
                number(len(stats.ranges)), f"{median:.3g}", f"{top:.3g}",
                f"{top / median:.1f}" if median else "–",
                dash() if not is_number(median_db) else number(median_db, 1),
            ]
        )  # fmt: skip
    head = ["index#", "layer", "stored", "channels#", "median range#", "widest#", "ratio#",
            "median SQNR, dB#"]  # fmt: skip
    widest = sorted(known, key=lambda pair: -_ratio(pair[1].ranges))[:4]
    plots = [
        figure(
            channel_ranges(f"Weight ranges of {row.name}", list(stats.ranges), ()),
            f"#{row.index} {short_name(row.name)}",
        )
        for row, stats in widest
        if len(stats.ranges) > 1
    ]
    return section(
        "weights",
        "Weights by channel",
        el("p", "Layers whose channels differ most:", class_="sub"),
        el("div", plots, class_="grid2"),
        folded(f"all {len(lines)} layers with weights", table(head, lines)),
    )


def _ratio(ranges: Any) -> float:
    living = ranges[ranges > 1e-9 * ranges.max(initial=0.0)]
    return float(living.max() / np.median(living)) if len(living) else 0.0
