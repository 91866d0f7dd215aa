"""Sections on a detector: its classes, curves, confusions, and pictures of its mistakes."""

from __future__ import annotations

from typing import Any

from edgecnn.report import heatmap, svg
from edgecnn.report.markup import Html, el, join
from edgecnn.report.model import Json, ReportData, Variant, dig, dig_map
from edgecnn.report.parts import dash, figure, missing, picture_uri, section, table
from edgecnn.report.text import MINUS, is_number, number, percent

_MOST_CURVES = 12
_LARGEST = 4096
_TITLES = {
    "missed": "Missed",
    "false alarm": "False alarms",
    "misplaced": "Misplaced",
    "wrong class": "Wrong class",
    "double": "Found twice",
}
_MEANING = {
    "missed": "Nothing shown fits the box.",
    "false alarm": "Shown where no box of the class is.",
    "misplaced": "Overlaps a box of its class by less than half (IoU 0.1 to 0.5).",
    "wrong class": "Fits a box of another class.",
    "double": "A box that is found already.",
}


def has_classes(metric: Json) -> bool:
    """Whether the metric says more of a detector's classes than their average precision."""
    return bool(dig_map(metric, "by_class"))


def detection_classes(data: ReportData, variant: Variant, metric: Json) -> Html:
    """Every class's figures, precision-recall curves, the confusions, and boxes by size."""
    before = variant.metric("float") or variant.metric("float_tflite")
    return section(
        "classes",
        "Classes",
        _class_table(metric, before, variant.name),
        _curves(metric, before, variant.name),
        el("div", _confusion(metric, data.labels, variant.name), _sizes(metric), class_="grid2"),
    )


def mistakes(data: ReportData) -> Html | None:
    """How often each kind of mistake occurs, and pictures of the gravest."""
    variant = data.measured
    metric = variant.metric("quantized") if variant else None
    counts = dig_map(metric, "mistakes")
    if variant is None or not counts:
        return None
    right = counts.get("right")
    rows = [[title, number(counts.get(kind)), _MEANING[kind]] for kind, title in _TITLES.items()]
    wanted = dig(metric, "boxes")
    parts: list[Html] = [
        el("p", f"{number(right)} of {number(wanted)} boxes are found and shown as they should be,"
                f" at the score thresholds that {variant.name} is used with."),
        table(["mistake", "times#", "what it is"], rows),
    ]  # fmt: skip
    for kind, title in _TITLES.items():
        pictures = [
            _picture(item, jpeg) for item, jpeg in variant.gallery if item.get("kind") == kind
        ]
        known = [picture for picture in pictures if picture is not None]
        if known:
            parts += [el("h3", title), el("div", known, class_="gallery")]
    if variant.gallery:
        legend = el(
            "p",
            "Expected box: ",
            el("span", "solid", class_="key-truth"),
            ", shown box: ",
            el("span", "dashed", class_="key-found"),
            ". The gravest of each kind, every class in its turn.",
            class_="sub",
        )
        parts.insert(2, legend)
    return section("mistakes", "Mistakes", parts)


def _class_table(metric: Json, before: Json | None, name: str) -> Html:
    rows: list[list[Any]] = []
    for label, row in dig_map(metric, "by_class").items():
        old, new = dig(before, "per_class", label), dig(row, "ap50")
        change = ""
        if is_number(old) and is_number(new):
            change = f"{100 * (new - old):+.1f}".replace("-", MINUS)
        rows.append(
            [label, number(dig(row, "boxes")), _share(old), _share(new), change,
             *(_share(dig(row, key)) for key in ("ap5095", "ar100")),
             number(dig(row, "threshold")) if is_number(dig(row, "threshold")) else dash(),
             *(_share(dig(row, key)) for key in ("precision", "recall", "f1"))]
        )  # fmt: skip
    head = ["class", "boxes#", "AP float#", f"AP {name}#", "points#", "AP 0.5–0.95#", "AR#",
            "threshold#", "precision#", "recall#", "F1#"]  # fmt: skip
    caption = (
        "AP: average precision at IoU 0.5, of the float model and of this one; AR: recall over IoU"
        " 0.5 to 0.95; precision, recall and F1 at the class's score threshold."
    )
    return table(head, rows, caption=caption)


def _share(value: Any) -> Html | str:
    return percent(value) if is_number(value) else dash()


def _curves(metric: Json, before: Json | None, name: str) -> Html | None:
    """A small plot per class, the worst first; float and quantized together."""
    curves = dig_map(metric, "curves")
    figures = dig_map(metric, "by_class")
    known = [label for label, values in curves.items() if isinstance(values, list) and values]
    known.sort(key=lambda label: _precision(figures, label))
    plots = []
    for label in known[:_MOST_CURVES]:
        series = [svg.Series(name, curves[label])]
        old = dig(before, "curves", label)
        if isinstance(old, list) and old:
            series.append(svg.Series("float", old))
        plots.append(figure(svg.unit_curves(str(label), series, _mark(figures, label, name),
                                            "recall", "precision")))  # fmt: skip
    if not plots:
        return None
    rest = len(known) - len(plots)
    caption = "Precision over recall at IoU 0.5; the dot is where the class's score threshold is."
    if rest > 0:
        caption += (
            f" The {len(plots)} classes with the lowest average precision; {rest} are better."
        )
    return join(el("h3", "Precision and recall"), el("div", plots, class_="curves"),
                el("p", caption, class_="sub"))  # fmt: skip


def _precision(figures: Json, label: str) -> float:
    value = dig(figures, label, "ap50")
    return float(value) if is_number(value) else 2.0


def _mark(figures: Json, label: str, name: str) -> list[svg.Mark]:
    row = dig_map(figures, label)
    recall, precision = row.get("recall"), row.get("precision")
    if not (is_number(recall) and is_number(precision)):
        return []
    tip = (
        f"{name} from a score of {number(row.get('threshold'))} on: precision"
        f" {percent(precision)}, recall {percent(recall)}"
    )
    return [svg.Mark(float(recall), float(precision), tip)]


def _confusion(metric: Json, labels: tuple[str, ...], name: str) -> Html:
    matrix = metric.get("confusion")
    if not heatmap.valid_matrix(matrix):
        return el("div", missing())
    names = (*labels, "background")
    plot = heatmap.confusion(matrix, names)
    caption = (
        f"{name} at its score thresholds, IoU 0.5: rows are expected classes, columns shown ones."
        " Last column: not found; last row: shown where nothing is."
    )
    drawn = figure(plot, caption) if plot else el("p", missing(f"{len(matrix)} classes: not drawn"))
    known = [row[:-1] for row in matrix[:-1]]
    pairs = [
        [true, shown, number(count)] for true, shown, count in heatmap.worst_pairs(known, labels)
    ]
    if not pairs:
        return el("div", drawn)
    return el("div", drawn, table(["expected", "shown as", "times#"], pairs))


def _sizes(metric: Json) -> Html | None:
    areas = dig_map(metric, "areas")
    if not areas:
        return None
    sizes = {"small": "small, up to 32²", "medium": "medium, up to 96²", "large": "large"}
    rows = [
        [sizes.get(str(key), str(key)), number(dig(row, "boxes")),
         *(_share(dig(row, figure)) for figure in ("map50", "map5095", "ar100"))]
        for key, row in areas.items()
    ]  # fmt: skip
    overall = [
        [title, percent(metric.get(key))]
        for key, title in (
            ("map75", "mAP@0.75"), ("map5095", "mAP@0.5:0.95"), ("ar1", "recall, 1 box an image"),
            ("ar10", "recall, 10 boxes"), ("ar100", "recall, 100 boxes"),
        )
        if is_number(metric.get(key))
    ]  # fmt: skip
    ignored = metric.get("ignored")
    note = None
    if is_number(ignored) and ignored:
        note = f"{number(ignored)} boxes marked difficult or crowd count neither way."
    return el(
        "div",
        table(["boxes by size", "boxes#", "mAP@0.5#", "mAP@0.5:0.95#", "AR#"], rows,
              caption="Sizes in pixels of the photo, as COCO has them."),
        table(["over all classes", "value#"], overall),
        el("p", note, class_="sub") if note else None,
    )  # fmt: skip


def _picture(item: Json, jpeg: bytes) -> Html | None:
    size, uri = item.get("size"), picture_uri(jpeg)
    if not isinstance(size, list) or len(size) != 2 or not all(map(is_number, size)):
        return None
    width, height = (float(side) for side in size)
    if uri is None or not 1 <= min(width, height) <= max(width, height) <= _LARGEST:
        return None
    boxes = []
    for key in ("truth", "found"):
        box = item.get(key)
        if isinstance(box, list) and len(box) == 4 and all(map(is_number, box)):
            x1, y1, x2, y2 = (float(value) for value in box)
            place = {"x": x1, "y": y1, "width": max(x2 - x1, 0.0), "height": max(y2 - y1, 0.0)}
            boxes += [
                el("rect", class_="box-halo", **place),
                el("rect", class_=f"box-{key}", **place),
            ]
    said = _said(item)
    drawing = el(
        "svg", el("title", said), el("image", href=uri, width=width, height=height), boxes,
        viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", aria_label=said,
    )  # fmt: skip
    name = str(item.get("image", ""))
    caption = el("figcaption", said, el("small", name.rpartition("/")[2], title=name))
    return el("figure", drawing, caption)


def _said(item: Json) -> str:
    """What the picture shows, in a few words."""
    shown, expected = item.get("shown"), item.get("expected")
    score, iou = number(item.get("score")), number(item.get("iou"))
    if item.get("kind") == "missed":
        return str(expected)
    if item.get("kind") == "false alarm":
        return f"{shown} {score}"
    if item.get("kind") == "wrong class":
        return f"{shown} {score}, is {expected}"
    return f"{shown} {score}, IoU {iou}"
