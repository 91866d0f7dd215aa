"""The page of ``edgecnn inspect``: suspects first, then the error along the depth, then all."""

from __future__ import annotations

from edgecnn.report.inspection_plots import DepthPoint, channel_ranges, depth, overlay
from edgecnn.report.inspection_tables import InspectionPage, codes, layers, short_name, weights
from edgecnn.report.markup import Html, el, join
from edgecnn.report.parts import badge, figure, section
from edgecnn.report.quality import tile
from edgecnn.report.style import CSS, POLICY
from edgecnn.report.text import percent, short, size
from quantization.inspection.inspect import Inspection
from quantization.inspection.measure import LayerMeasure
from quantization.types import Suspect

_STYLE = """
.suspect{border:1px solid var(--line);border-left:5px solid var(--bad);border-radius:8px;
padding:10px 16px;margin:12px 0;break-inside:avoid}
.suspect.mild{border-left-color:var(--warn)}
.suspect h3{margin:0 0 4px;overflow-wrap:anywhere}
.suspect p{margin:3px 0}
.suspect .grid2{margin-top:6px}
main,header,footer{max-width:1300px}
.layer{display:inline-block;min-width:170px;overflow-wrap:anywhere}
table .badge{overflow-wrap:normal;white-space:nowrap}
.tight,.tight small{white-space:nowrap}
"""
# They cost time, not signal.
_MILD_KINDS = ("float-island",)
_DRAWN_SUSPECTS = 12
_WORST_LAYERS = 6


def render(page: InspectionPage) -> str:
    """One HTML file that needs nothing else; same data, same bytes."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{page.name}: edgecnn inspect"),
        el("style", Html(CSS + _STYLE)),
    )
    sections = [
        _summary(page),
        _suspects(page),
        _depth(page),
        _inputs(page),
        layers(page),
        codes(page),
        weights(page),
        _spread(page),
    ]
    body = el(
        "body",
        _header(page),
        el("main", sections),
        el("footer", f"Made by edgecnn inspect. SHA-256 of the model: {page.sha256}"),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _header(page: InspectionPage) -> Html:
    found = page.found
    precisions = ", ".join(f"{count} × {name}" for name, count in found.table.precisions.items())
    measured = found.measured
    facts = [f"{len(found.table.rows)} ops ({precisions})"]
    if page.against:
        facts.append(f"against {page.against}")
    if measured is not None:
        facts.append(f"{measured.samples} samples of {page.source}")
    links = {"suspects": "Suspects", "layers": "Layers"}
    if measured is not None:
        links = {"suspects": "Suspects", "depth": "Depth", "inputs": "Inputs", "layers": "Layers",
                 "codes": "Codes", "weights": "Weights", "values": "Values"}  # fmt: skip
    return el(
        "header",
        el("h1", page.name),
        el("p", " · ".join(facts), class_="sub"),
        el("nav", [el("a", title, href=f"#{anchor}") for anchor, title in links.items()]),
    )


def _summary(page: InspectionPage) -> Html:
    found = page.found
    worst = found.suspects[0] if found.suspects else None
    if worst is not None:
        more = len(found.suspects) - 1
        rest = f" {more} further suspect{'s' if more != 1 else ''} below." if more else ""
        sentence = f"{short_name(worst.layer)}: {worst.cause}."
        box = el("div", sentence, el("small", f"{worst.cure}.{rest}"), class_="verdict bad")
    elif found.measured is not None and found.compared:
        box = el("div", "No layer stands out.", class_="verdict ok")
    else:
        box = el(
            "div", "Nothing stands out in what was looked at.",
            el("small", "; ".join(page.notes)), class_="verdict",
        )  # fmt: skip
    tiles = [
        tile(size(page.nbytes), "file"),
        tile(short(found.table.macs), "multiply-accumulates"),
        tile(size(found.table.weight_bytes), "weights"),
        tile(str(len(found.table.islands)), "float ops in a quantized model"),
    ]
    last = _last_total(found)
    if last is not None:
        tiles.append(tile(f"{last:.1f} dB", "SQNR at the last layer"))
    for report in page.targets:
        tiles.append(tile(f"{report.mapped} of {len(report.ops)}", f"ops on {report.target}"))
    return join(box, el("div", tiles, class_="tiles"))


def _last_total(found: Inspection) -> float | None:
    layers = found.measured.layers if found.measured else ()
    totals = [layer.total.sqnr_db for layer in layers if layer.total is not None]
    return totals[-1] if totals else None


def _suspects(page: InspectionPage) -> Html:
    suspects = page.found.suspects
    if not suspects:
        return section("suspects", "Suspects", el("p", "None."))
    cards = [
        _card(page.found, suspect, drawn=k < _DRAWN_SUSPECTS) for k, suspect in enumerate(suspects)
    ]
    return section("suspects", "Suspects, the worst first", cards)


def _card(found: Inspection, suspect: Suspect, *, drawn: bool) -> Html:
    mild = suspect.kind in _MILD_KINDS
    title = el(
        "h3",
        f"{suspect.rank}. {short_name(suspect.layer)} ",
        badge(suspect.op),
        " ",
        badge(suspect.kind, "warn" if mild else "bad"),
    )
    cause, cure = suspect.cause, suspect.cure.rstrip(".")
    texts = [el("p", f"{cause[:1].upper()}{cause[1:]}."), el("p", el("b", "Cure: "), f"{cure}.")]
    plots = _suspect_plots(found, suspect) if drawn else []
    shown = el("div", plots, class_="grid2") if plots else None
    return el("div", title, texts, shown, class_="suspect mild" if mild else "suspect")


def _suspect_plots(found: Inspection, suspect: Suspect) -> list[Html]:
    layer = _layer_of(found, suspect)
    plots: list[Html] = []
    channel = suspect.evidence.get("channel")
    marked = {int(channel)} if channel is not None else set()
    index = layer.index if layer is not None else _index_of(found, suspect)
    weights = found.weights.get(index) if index is not None else None
    if weights is not None and suspect.kind in ("outlier-channel", "narrow-channels", "noisy"):
        plots.append(
            figure(
                channel_ranges(f"Weight ranges of {suspect.layer}", list(weights.ranges), marked),
                "Weights: largest value of each output channel.",
            )
        )
    if layer is None:
        return plots
    ranges = layer.values.channel_ranges
    if suspect.kind in ("outlier-channel", "narrow-channels") and len(ranges) > 1:
        plots.append(
            figure(
                channel_ranges(f"Value ranges of {suspect.layer}", list(ranges), marked),
                "Values on the data: largest of each channel.",
            )
        )
    plots.append(_overlay(layer))
    return plots


def _overlay(layer: LayerMeasure) -> Html:
    limits = (layer.coding.low, layer.coding.high) if layer.coding else None
    plot = overlay(f"Values of {layer.name}", layer.values.real, layer.values.own, limits)
    return figure(plot, f"{short_name(layer.name)}: how its values are spread (logarithmic).")


def _layer_of(found: Inspection, suspect: Suspect) -> LayerMeasure | None:
    measured = found.measured
    for item in (*measured.inputs, *measured.layers) if measured else ():
        if item.name == suspect.layer and item.op == suspect.op:
            return item
    return None


def _index_of(found: Inspection, suspect: Suspect) -> int | None:
    rows = found.table.rows
    return next((r.index for r in rows if r.name == suspect.layer and r.op == suspect.op), None)


def _depth(page: InspectionPage) -> Html | None:
    measured = page.found.measured
    if measured is None or not any(layer.total for layer in measured.layers):
        return None
    named = {(suspect.layer, suspect.op) for suspect in page.found.suspects}
    points = [
        DepthPoint(
            f"#{layer.index} {layer.op} {short_name(layer.name)}",
            layer.total.sqnr_db if layer.total else None,
            layer.added.sqnr_db if layer.added else None,
            (layer.name, layer.op) in named,
        )
        for layer in measured.layers
    ]
    caption = (
        "Signal to quantization noise against the float model; lower is worse, above 60 dB is cut"
        " off. The columns compare each layer with its float twin on the same inputs; the line"
        " holds everything that came before."
    )
    return section("depth", "Error along the depth", figure(depth(points), caption))


def _inputs(page: InspectionPage) -> Html | None:
    measured = page.found.measured
    if measured is None or not measured.inputs:
        return None
    plots = []
    for item in measured.inputs:
        spread = item.values.real or item.values.own
        limits = (item.coding.low, item.coding.high) if item.coding else None
        text = f"{item.name}: data from {item.values.low:.4g} to {item.values.high:.4g}"
        if item.coding is not None:
            text += f", the codes reach {item.coding.low:.4g} to {item.coding.high:.4g}"
            if item.coding.clipped:
                text += f"; {percent(item.coding.clipped)} clipped"
        plots.append(figure(overlay(f"Input {item.name}", spread, None, limits), f"{text}."))
    return section("inputs", "Inputs", el("div", plots, class_="grid2"))


def _spread(page: InspectionPage) -> Html | None:
    measured = page.found.measured
    if measured is None:
        return None
    known = [layer for layer in measured.layers if layer.added is not None]
    worst = sorted(known, key=lambda layer: layer.added.sqnr_db if layer.added else 0.0)
    chosen = worst[:_WORST_LAYERS] or list(measured.layers[:_WORST_LAYERS])
    title = "Values of the layers that add most error" if known else "Values"
    return section("values", title, el("div", [_overlay(x) for x in chosen], class_="grid2"))
