"""The report as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.report import compare
from edgecnn.report.detection import mistakes
from edgecnn.report.devices import devices
from edgecnn.report.markup import Html, el, join
from edgecnn.report.model import ReportData, dig
from edgecnn.report.parts import folded, picture_uri, section, table
from edgecnn.report.quality import classes, layers, quality, tile, tiles, training, verdict
from edgecnn.report.style import CSS, POLICY
from edgecnn.report.table import summary_rows
from edgecnn.report.text import is_number, number

_TASKS = {"classify": "Image classification", "detect": "Object detection"}


def render(data: ReportData | Sequence[ReportData]) -> str:
    """The whole page, of one bundle or of several with a comparison; same data, same bytes."""
    bundles = (data,) if isinstance(data, ReportData) else tuple(data)
    title = ", ".join(item.name for item in bundles) or "nothing"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title}: edgecnn report"),
        el("style", Html(CSS)),
    )
    several = len(bundles) > 1
    pages = [_one(item, f"b{k}-" if several else "") for k, item in enumerate(bundles, 1)]
    body = el(
        "body",
        compare.comparison(bundles) if several else None,
        pages,
        el("footer", "Made by edgecnn from the bundle's files; nothing was measured anew."),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _one(data: ReportData, prefix: str) -> Html:
    """One bundle's part; ``prefix`` keeps the anchors of several apart."""
    wrong = mistakes(data)
    sections = [
        quality(data),
        training(data),
        classes(data),
        wrong,
        layers(data),
        devices(data),
        _samples(data),
        _reproduce(data),
    ]
    page = join(_header(data, has_mistakes=wrong is not None), el("main", _summary(data), sections))
    # Quotes in any text are escaped, so these can only be our own attributes.
    page = Html(page.replace(' id="', f' id="{prefix}').replace(' href="#', f' href="#{prefix}'))
    return el("article", page, id=prefix.rstrip("-") or None)


def _header(data: ReportData, *, has_mistakes: bool) -> Html:
    count = len(data.labels)
    classes_text = f"{count} class{'es' if count != 1 else ''}"
    task = _TASKS.get(data.task, data.task)
    links = {"quality": "Quality", "training": "Training", "classes": "Classes",
             "mistakes": "Mistakes", "layers": "Layers", "devices": "Devices", "samples": "Samples",
             "reproduce": "Reproduce"}  # fmt: skip
    if not any(picture_uri(picture) for _, picture in data.images):
        del links["samples"]
    if not has_mistakes:
        del links["mistakes"]
    return el(
        "header",
        el("h1", data.name),
        el("p", f"{task} · {classes_text} · default variant {data.default_variant}", class_="sub"),
        el("nav", [el("a", title, href=f"#{anchor}") for anchor, title in links.items()]),
    )


def _summary(data: ReportData) -> Html:
    tone, sentence, small = verdict(data)
    variant = data.measured
    rows = summary_rows(data, variant.name if variant else "int8")
    shown = [
        row
        for row in rows
        if row.value is not None and row.unit in ("ms", "instructions", "ops", "bytes", "cycles")
    ]
    note = el("small", small) if small else None
    return join(
        el("div", sentence, note, class_=f"verdict {tone}".strip()),
        el(
            "div",
            tiles(data),
            [tile(row.shown, row.what) for row in shown],
            class_="tiles",
        ),
    )  # fmt: skip


def _samples(data: ReportData) -> Html | None:
    sound = [(caption, picture_uri(picture)) for caption, picture in data.images]
    pictures = [
        el("figure", el("img", src=uri, alt=caption, loading="lazy"), el("figcaption", caption))
        for caption, uri in sound
        if uri is not None
    ]
    if not pictures:
        return None
    return section("samples", "Samples", el("div", pictures, class_="samples"))


def _reproduce(data: ReportData) -> Html:
    facts: list[list[Any]] = [["seed", str(data.seed)]]
    facts += [[key, str(value)] for key, value in data.versions.items()]
    facts += [
        [f"data: {key}", _plain(value)] for key, value in data.data.items() if key != "splits"
    ]
    facts += _split_facts(data.data.get("splits"))
    hashes = [[el("code", path), el("code", digest)] for path, digest in data.files.items()]
    labels = ", ".join(data.labels)
    commands = "edgecnn train\nedgecnn quantize\n" + "".join(
        f"edgecnn bench -t {target}\n"
        for target in dict.fromkeys(row.target for row in data.targets if row.bench)
    )
    specs = [
        folded(f"{title} specification", table(["field", "value"], _rows(spec)))
        for title, spec in (("preprocess", data.preprocess), ("postprocess", data.postprocess))
        if spec is not None
    ]  # fmt: skip
    known = [
        [el("span", key, class_="key"), el("span", value, class_="any")] for key, value in facts
    ]
    right = el(
        "div",
        el("pre", commands + "edgecnn report"),
        el("p", f"Labels: {labels}", class_="sub") if labels else None,
        specs,
    )
    return section(
        "reproduce",
        "Reproduce",
        el("div", table(["what", "value"], known), right, class_="grid2"),
        folded(f"SHA-256 of the {len(hashes)} files", table(["file", "SHA-256"], hashes))
        if hashes
        else None,
    )


def _split_facts(splits: Any) -> list[list[Any]]:
    """A row per split: how many samples, what was left out, and the hash of their names."""
    rows: list[list[Any]] = []
    for part, facts in splits.items() if isinstance(splits, dict) else ():
        words = [f"{number(dig(facts, 'count'))} samples"]
        for key in ("skipped", "duplicates"):
            count = dig(facts, key, "count")
            if is_number(count) and count:
                words.append(f"{number(count)} {key}")
        digest = str(dig(facts, "ids_sha256") or "")
        tip = el("span", ", ".join(words), el("small", el("code", digest[:16])), title=digest)
        rows.append([f"data: {part}", tip])
    return rows


def _rows(spec: Any, prefix: str = "") -> list[list[Any]]:
    """Flat (path, value) rows of a spec; long lists shortened."""
    rows: list[list[Any]] = []
    for key, value in spec.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for k, item in enumerate(value[:16]):
                rows += _rows(item, f"{prefix}{key}[{k}].")
        elif key != "labels":
            rows.append([el("code", prefix + str(key)), _plain(value)])
    return rows


def _plain(value: Any) -> str:
    if is_number(value):
        return number(value, 4)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(_plain(item) for item in value[:12])
        return shown + (f" … ({len(value)})" if len(value) > 12 else "")
    return "–" if value is None else str(value)
