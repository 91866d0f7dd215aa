"""Sections on quality: the verdict, metrics, training curves, classes, layers."""

from __future__ import annotations

from typing import Any

from edgecnn.report import heatmap, svg
from edgecnn.report.detection import detection_classes, has_classes
from edgecnn.report.markup import Html, el, join
from edgecnn.report.model import Json, ReportData, TargetResult, Variant, dig, dig_list
from edgecnn.report.parts import badge, figure, figure_text, folded, missing, section, table
from edgecnn.report.table import metric_name
from edgecnn.report.text import MINUS, interval, is_number, number, percent, size

_KINDS = (
    ("float", "float, Keras"),
    ("float_tflite", "float, LiteRT"),
    ("quantized", "quantized, LiteRT"),
)
_WORST_LAYERS = 24


def verdict(data: ReportData) -> tuple[str, str, str]:
    """The report in one sentence: (tone ``ok`` | ``bad`` | ``""``, sentence, small print)."""
    variant = data.measured
    quantized = variant.metric("quantized") if variant else None
    if variant is None or quantized is None:
        return "", "Quality after quantization is not measured.", "Run edgecnn quantize with data."
    points = dig(variant.quantize, "drop_points")
    name, n = metric_name(quantized), quantized.get("n")
    if not is_number(points):
        sentence = f"{variant.name}: {name} {percent(quantized['value'])}"
        return "", f"{sentence} on {n} test images; the float model is not measured.", ""
    change = "gains" if round(points, 1) < 0 else "loses"
    change = "keeps" if round(points, 1) == 0 else change
    spread = interval(dig(variant.quantize, "drop_interval95"), scale=1)
    shown = f"{abs(points):.1f} points" + (f" {spread}" if spread and change == "loses" else "")
    amount = f"{change} {shown}" if change != "keeps" else "keeps its"
    float_metric = variant.metric("float") or variant.metric("float_tflite") or {}
    sentence = (
        f"{variant.name} {amount} {'of ' if change != 'keeps' else ''}{name}: "
        f"{percent(float_metric.get('value'))} → {percent(quantized['value'])} (n = {n})."
    )
    passed, gate = dig(variant.quantize, "passed"), dig(variant.quantize, "max_drop")
    small = []
    if spread:
        paired = ", paired over the same images" if dig(variant.quantize, "drop_paired") else ""
        small.append(f"Loss in points {number(float(points), 1)}, 95 % interval {spread}{paired}.")
    if is_number(gate):
        small.append(f"Gate, at most {gate:g} points: {'passed' if passed else 'missed'}.")
    tone = {True: "ok", False: "bad"}.get(passed, "") if isinstance(passed, bool) else ""
    return tone, sentence.replace(" %", "\u00a0%"), " ".join(small)


def quality(data: ReportData) -> Html:
    """Metrics of every variant, with n and interval."""
    rows: list[list[Any]] = []
    for variant in data.variants:
        for key, title in _KINDS:
            metric = variant.metric(key)
            # A key that is not there was never to be measured (the float32 variant has no int8).
            if metric is None and key not in variant.metrics:
                continue
            rows.append([variant.name, title, *_metric_cells(metric)])
    rows += [row for result in data.targets for row in _compiled(result)]
    if not rows:
        return section("quality", "Quality", el("p", missing()))
    head = ["variant", "model", "metric", "value#", "95 % interval#", "n#", "further"]
    warnings = [
        el("p", badge("warning", "warn"), " ", f"{variant.name}: {line}")
        for variant in data.variants
        for line in dig_list(variant.quantize, "warnings")
    ]
    caption = "n: test images."
    return section(
        "quality",
        "Quality",
        table(head, rows, caption=caption),
        warnings,
        *_steps_and_suspects(data),
    )


def _compiled(result: TargetResult) -> list[list[Any]]:
    """The row of what a target computes, with what it lost against the float model."""
    compared = dig_list(result.evaluated, "compared")
    last = compared[-1] if compared else None
    metric = dig(last, "metric")
    if not isinstance(metric, dict) or not is_number(metric.get("value")):
        return []
    title = el("span", f"on {result.target}", el("small", str(dig(last, "runs") or "")))
    cells = _metric_cells(metric)
    lost = dig(last, "loss", "points")
    if is_number(lost):
        spread = interval(dig(last, "loss", "interval95"), scale=1)
        against = str(dig(compared[0], "name") or "")
        text = f"{number(float(lost), 1)} points {spread} less than {against}"
        cells[-1] = f"{cells[-1]}; {text}" if cells[-1] else text
    return [[result.recipe, title, *cells]]


def _steps_and_suspects(data: ReportData) -> list[Html]:
    """What the accuracy steps did to the measured variant, and which layers look wrong."""
    variant = data.measured
    if variant is None:
        return []
    steps = [item for item in dig_list(variant.quantize, "steps") if isinstance(item, dict)]
    found = [item for item in dig_list(variant.quantize, "suspects") if isinstance(item, dict)]
    parts = []
    if steps:
        rows = [[str(item.get("name")), _fate(item), str(item.get("note", ""))] for item in steps]
        parts.append(table(["step", "", "what it did"], rows, caption="Accuracy steps."))
    if found:
        rows = [[str(item.get(key, "")) for key in ("layer", "cause", "cure")] for item in found]
        parts.append(table(["layer", "cause", "cure"], rows, caption="Layers that look wrong."))
    return parts


def _fate(step: Json) -> str:
    if not step.get("applied"):
        return "skipped"
    return "kept" if step.get("kept", True) else "dropped"


def _metric_cells(metric: Json | None) -> list[Any]:
    if metric is None:
        return [missing(), "", "", "", ""]
    further = metric.get("map5095")
    return [
        metric_name(metric),
        percent(metric["value"]),
        interval(metric.get("interval95")) or missing(),
        number(metric.get("n")),
        f"mAP@0.5:0.95 {percent(further)}" if is_number(further) else "",
    ]


def training(data: ReportData) -> Html:
    """Training curves: a figure and its ``val_`` twin share one plot."""
    groups: dict[str, list[svg.Series]] = {}
    for name, values in data.curves.items():
        groups.setdefault(name.removeprefix("val_"), []).append(svg.Series(name, values))
    order = sorted(groups, key=lambda name: (name == "learning_rate", name != "loss"))
    plots = [
        figure(svg.lines(f"{name} by epoch", groups[name], "epoch", name.replace("_", " ")))
        for name in order[:6]
    ]
    facts = [
        f"{key.replace('_', ' ')}: {number(value) if is_number(value) else value}"
        for key, value in data.training.items()
        if isinstance(value, str) or is_number(value)
    ]
    weights = dig(data.training, "initial_weights")
    if isinstance(weights, dict):
        source, count = str(weights.get("source", "")), number(weights.get("layers"))
        facts.append(f"initial weights: {count} layers of {source}")
    return section(
        "training",
        "Training",
        el("p", " · ".join(facts), class_="sub") if facts else None,
        el("div", plots, class_="grid3") if plots else el("p", missing("no history recorded")),
    )


def classes(data: ReportData) -> Html:
    """The confusion matrix, or average precision by class."""
    variant = data.measured
    metric = variant.metric("quantized") if variant else None
    if variant is None or metric is None:
        return section("classes", "Classes", el("p", missing()))
    if data.task == "detect" and has_classes(metric):
        return detection_classes(data, variant, metric)
    matrix = metric.get("confusion")
    if heatmap.valid_matrix(matrix):
        return section("classes", "Classes", _confusion(matrix, data.labels, variant))
    plain = metric.get("per_class")
    per_class = _per_class(plain, data.labels)
    if not per_class:
        return section("classes", "Classes", el("p", missing()))
    before = dict(_per_class((variant.metric("float") or {}).get("per_class"), data.labels))
    bars = []
    for label, value in per_class:
        tip = f"{label}: {percent(value)}"
        if label in before:
            tip += f"; float {percent(before[label])}"
        bars.append(svg.Bar(label, _hundred(value), percent(value), tip))
    unit = "average precision, %" if data.task == "detect" else "%"
    plot = svg.bars(f"By class, {variant.name}", bars, unit, top=100)
    return section("classes", "Classes", figure(plot, f"{metric_name(metric)} of {variant.name}."))


def _hundred(value: Any) -> float | None:
    return value * 100 if is_number(value) else None


def _per_class(values: Any, labels: tuple[str, ...]) -> list[tuple[str, Any]]:
    """(label, figure) from a list in class order or from an object by label."""
    if isinstance(values, dict):
        rows = [(str(key), value) for key, value in values.items()]
    elif isinstance(values, list):
        rows = [
            (labels[k] if k < len(labels) else f"class {k}", value)
            for k, value in enumerate(values)
        ]
    else:
        return []
    return [
        (label, dig(value, "ap50") if isinstance(value, dict) else value) for label, value in rows
    ]


def _confusion(matrix: list[list[float]], labels: tuple[str, ...], variant: Variant) -> Html:
    plot = heatmap.confusion(matrix, labels)
    pairs = [
        [true, predicted, number(count)]
        for true, predicted, count in heatmap.worst_pairs(matrix, labels)
    ]
    mistakes = (
        table(["true", "taken for", "times#"], pairs, caption="Commonest mistakes")
        if pairs
        else el("p", "No mistakes.")
    )
    caption = f"{variant.name}: rows are true classes; the shade is the share of the row."
    drawn = figure(plot, caption) if plot else el("p", missing(f"{len(matrix)} classes: not drawn"))
    return el("div", drawn, el("div", mistakes), class_="grid2")


def layers(data: ReportData) -> Html:
    """What quantization does to each layer, worst first."""
    variant = data.measured
    rows = variant.layers if variant else ()
    if variant is None or not rows:
        return section("layers", "Error by layer", el("p", missing()))
    bars = [
        svg.Bar(
            f"#{row.get('index')} {row.get('name')}",
            row.get("sqnr_db"),
            f"{row['sqnr_db']:.1f} dB" if is_number(row.get("sqnr_db")) else "exact",
            f"#{row.get('index')} {row.get('op')} {row.get('name')}: "
            f"{number(row.get('sqnr_db'), 1)} dB, cosine {number(row.get('cosine'), 4)}",
            "sbad" if is_number(row.get("sqnr_db")) and row["sqnr_db"] < 10 else "s1",
        )
        for row in rows[:_WORST_LAYERS]
    ]
    full = [
        [number(row.get("index")), row.get("op"), row.get("name"),
         figure_text(number(row.get("sqnr_db"), 1)), figure_text(number(row.get("cosine"), 5))]
        for row in sorted(rows, key=lambda row: row.get("index") or 0)
    ]  # fmt: skip
    rest = len(rows) - len(bars)
    caption = (
        "Signal to quantization noise of each layer's output against the float model: lower is"
        " worse; below 10 dB is marked."
        + (f" {rest} better layers are in the table." if rest > 0 else "")
    )
    head = ["#", "op", "layer", "SQNR, dB#", "cosine#"]
    head[0] = "index#"
    return section(
        "layers",
        "Error by layer",
        figure(svg.bars(f"SQNR by layer, {variant.name}", bars, "dB", width=760), caption),
        folded(f"all {len(rows)} layers in the model's order", table(head, full)),
    )


def tiles(data: ReportData) -> Html:
    """Key figures: sizes of the models."""
    rows = [(variant.name, variant.size_bytes) for variant in data.variants if variant.size_bytes]
    return join([tile(size(value), f"{name} .tflite") for name, value in rows])


def tile(shown: str, what: str) -> Html:
    """One key figure."""
    return el("div", el("b", shown.replace("-", MINUS)), el("span", what), class_="tile")
