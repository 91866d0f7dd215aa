"""MODEL_CARD.md: the facts that travel with a model, from the same data as the report."""

from __future__ import annotations

from typing import Any

from edgecnn.report.markup import clean
from edgecnn.report.model import ReportData, dig
from edgecnn.report.quality import verdict
from edgecnn.report.table import metric_name, summary_rows
from edgecnn.report.text import interval, is_number, number, percent, size

_TASKS = {"classify": "image classification", "detect": "object detection"}
_KINDS = (("float", "float"), ("float_tflite", "float .tflite"), ("quantized", "quantized"))
_SPECIAL = "\\`*_{}[]<>()#+!|~$&"


def model_card(data: ReportData) -> str:
    """The card as Markdown; figures that nobody measured say so."""
    _, sentence, small = verdict(data)
    parts = [
        f"# {escape(data.name)}",
        escape(f"{sentence} {small}"),
        "## What it does",
        _purpose(data),
        "## Data",
        _facts(data.data) or "Not recorded.",
        "## Quality",
        _quality(data),
        "## On devices",
        _devices(data),
        "## Limits",
        "The figures hold for images like those of the test split, with this preprocessing."
        " Other cameras, light and viewpoints were not measured.",
        "## Made with",
        _facts({"seed": data.seed, **data.versions}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(content: object) -> str:
    r"""Text that Markdown shows as it is, on one line.

    >>> escape("a|b <i> [x](y)")
    'a\\|b \\<i\\> \\[x\\]\\(y\\)'
    """
    line = " ".join(clean(content).split())
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in line)


def _purpose(data: ReportData) -> str:
    labels = ", ".join(escape(label) for label in data.labels) or "none"
    lines = [
        f"- Task: {_TASKS.get(data.task, escape(data.task))}",
        f"- Classes ({len(data.labels)}): {labels}",
    ]
    items = dig(data.preprocess, "inputs")
    for item in items if isinstance(items, list) else []:
        if dig(item, "kind") == "image":
            shape = f"{dig(item, 'height')} × {dig(item, 'width')} {dig(item, 'colour')}"
            fit, resize = dig(item, "fit"), dig(item, "resize")
            lines.append(f"- Input: {escape(f'{shape}, {fit}, {resize}')}")
    lines += [
        f"- Variant {escape(variant.name)}: {size(variant.size_bytes)},"
        f" SHA-256 `{str(variant.sha256)[:16]}…`"
        for variant in data.variants
        if variant.size_bytes
    ]
    return "\n".join(lines)


def _facts(values: Any) -> str:
    return "\n".join(f"- {escape(key)}: {escape(_plain(value))}" for key, value in values.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value[:12])
    return str(value)


def _quality(data: ReportData) -> str:
    rows = [
        f"| {escape(variant.name)} | {kind} | {escape(metric_name(metric))} |"
        f" {percent(metric['value'])} | {interval(metric.get('interval95')) or '–'} |"
        f" {number(metric.get('n'))} |"
        for variant in data.variants
        for key, kind in _KINDS
        if (metric := variant.metric(key))
    ]
    if not rows:
        return "Not measured."
    head = "| variant | model | metric | value | 95 % interval | n |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows])


def _devices(data: ReportData) -> str:
    variant = data.measured
    rows = [
        f"| {escape(row.what)} | {escape(row.shown)} | {escape(row.note)} |"
        for row in summary_rows(data, variant.name if variant else "int8")
        if row.unit != "share" and (is_number(row.value) or isinstance(row.value, bool))
    ]
    if not rows:
        return "Not measured."
    return "\n".join(["| what | value | remark |\n|---|---|---|", *rows])
