"""Plots as inline SVG: pure functions from numbers to markup.

Colours are CSS classes of the page (light and dark). Non-finite values are left out of a plot, and
said to be missing in its tooltips. Every plot has a name for screen readers and tooltips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.report.markup import Html, el, join
from edgecnn.report.text import is_number

_CHAR = 6.4


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: its label, value, the value as text, tooltip, and colour class."""

    label: str
    value: Any
    shown: str
    tip: str = ""
    tone: str = "s1"


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    values: Sequence[Any]


@dataclass(frozen=True)
class Mark:
    """A point of interest on a chart from 0 to 1, with its tooltip and colour class."""

    x: float
    y: float
    tip: str
    tone: str = "l1"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round values that cover [low, high].

    >>> ticks(0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        low, high = (low, low + 1.0) if math.isfinite(low) else (0.0, 1.0)
    raw = (high - low) / max(1, count)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10, 20) if m * magnitude >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(k * step, digits) for k in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A tick's number, short.

    >>> tick_text(0.5), tick_text(1500000.0), tick_text(2.0)
    ('0.5', '1.5M', '2')
    """
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if suffix == 'k' else limit):g}{suffix}"
    return f"{value:g}"


def clip(label: str, limit: int) -> str:
    """At most ``limit`` characters; the middle goes, because layer names differ at both ends.

    >>> clip("block_12_depthwise", 11)
    'block…hwise'
    """
    if len(label) <= limit:
        return label
    tail = (limit - 1) // 2
    return f"{label[: limit - 1 - tail]}…{label[len(label) - tail :]}"


def _figure(width: float, height: float, name: str, *children: Any) -> Html:
    view = f"0 0 {width:.0f} {height:.0f}"
    return el(
        "svg", el("title", name), *children, viewBox=view, role="img", aria_label=name,
        style=f"max-width:{width:.0f}px", class_="plot",
    )  # fmt: skip


def _text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> Html:
    return el("text", content, x=x, y=y, text_anchor=anchor, class_=kind or None)


def bars(name: str, rows: Sequence[Bar], unit: str, *, width: int = 520, top: Any = None) -> Html:
    """Horizontal bars, in the order given; ``top`` fixes the axis' end."""
    chars = 26 if width < 600 else 44
    left = 14 + _CHAR * max((min(len(row.label), chars) for row in rows), default=0)
    right = 12 + _CHAR * max((len(row.shown) for row in rows), default=0)
    values = [float(row.value) for row in rows if is_number(row.value)]
    axis = ticks(min([0.0, *values]), float(top) if is_number(top) else max([0.0, *values]), 4)
    low, high = axis[0], axis[-1]
    span = max(60.0, width - left - right)
    row_h, base = 19.0, 6 + 19.0 * len(rows)

    def at(value: float) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * span

    parts: list[Html] = []
    for tick in axis:
        parts.append(el("line", x1=at(tick), x2=at(tick), y1=2.0, y2=base, class_="grid"))
        parts.append(_text(at(tick), base + 14, tick_text(tick), "tick", "middle"))
    for k, row in enumerate(rows):
        y = 4 + k * row_h
        known = is_number(row.value)
        x0, x1 = sorted((at(0.0), at(float(row.value)))) if known else (at(0.0), at(0.0))
        parts.append(
            el(
                "g",
                el("title", row.tip or f"{row.label}: {row.shown}"),
                el("rect", x=0.0, y=y, width=float(width), height=row_h, class_="hit"),
                _text(left - 6, y + 13, clip(row.label, chars), "", "end"),
                el(
                    "rect",
                    x=x0,
                    y=y + 2,
                    width=max(x1 - x0, 0.75),
                    height=row_h - 5,
                    rx=2,
                    class_=row.tone,
                ),
                _text(x1 + 5, y + 13, row.shown, "val"),
            )  # fmt: skip
        )
    parts.append(_text(left + span / 2, base + 29, unit, "axis", "middle"))
    return _figure(width, base + 34, name, parts)


def lines(name: str, series: Sequence[Series], x_label: str, y_label: str) -> Html:
    """Lines over 1, 2, 3 …; a non-finite value leaves a gap."""
    width, height, bottom, top = 340.0, 216.0, 40.0, 26.0
    known = [float(v) for item in series for v in item.values if is_number(v)]
    count = max((len(item.values) for item in series), default=0)
    axis = ticks(min(known, default=0.0), max(known, default=1.0))
    low, high = axis[0], axis[-1]
    left = 28 + _CHAR * max(len(tick_text(tick)) for tick in axis)
    span_x, span_y = width - left - 10, height - top - bottom

    def at(k: int, value: float) -> tuple[float, float]:
        x = left + (span_x * k / (count - 1) if count > 1 else span_x / 2)
        return x, top + span_y * (1 - (value - low) / (high - low))

    parts: list[Html] = []
    for tick in axis:
        y = at(0, tick)[1]
        parts.append(el("line", x1=left, x2=left + span_x, y1=y, y2=y, class_="grid"))
        parts.append(_text(left - 6, y + 4, tick_text(tick), "tick", "end"))
    for tick in ticks(1, max(2, count), 6):
        if tick == int(tick) and 1 <= tick <= count:
            x = at(int(tick) - 1, low)[0]
            parts.append(_text(x, height - bottom + 15, tick_text(tick), "tick", "middle"))
    legend = left - 16
    for k, item in enumerate(series):
        tone = f"l{k % 4 + 1}"
        parts.append(el("g", el("title", item.name), _path(item.values, at, tone, count)))
        parts.append(el("line", x1=legend, x2=legend + 16, y1=10.0, y2=10.0, class_=f"line {tone}"))
        parts.append(_text(legend + 21, 14, clip(item.name, 18)))
        legend += 36 + _CHAR * min(len(item.name), 18)
    parts.append(_text(left + span_x / 2, height - 6, x_label, "axis", "middle"))
    turn = f"rotate(-90 12 {top + span_y / 2:.0f})"
    parts.append(
        el("text", y_label, x=12.0, y=top + span_y / 2, transform=turn, text_anchor="middle",
           class_="axis")
    )  # fmt: skip
    return _figure(width, height, name, parts)


def _path(values: Sequence[Any], at: Any, tone: str, count: int) -> Html:
    pieces, pen = [], "M"
    dots: list[Html] = []
    for k, value in enumerate(values):
        if not is_number(value):
            pen = "M"
            continue
        x, y = at(k, float(value))
        pieces.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
        if count <= 60:
            tip = el("title", f"epoch {k + 1}: {float(value):.4g}")
            dots.append(el("circle", tip, cx=x, cy=y, r=2.2, class_=f"dot {tone}"))
    return join(el("path", d=" ".join(pieces) or "M0 0", class_=f"line {tone}"), dots)


def unit_curves(
    name: str, series: Sequence[Series], marks: Sequence[Mark], x_label: str, y_label: str
) -> Html:
    """Lines over evenly spaced points from 0 to 1, in a square from 0 to 1."""
    side, left, top = 190.0, 44.0, 38.0

    def at(x: float, y: float) -> tuple[float, float]:
        return left + side * min(max(x, 0.0), 1.0), top + side * (1 - min(max(y, 0.0), 1.0))

    parts: list[Html] = [_text(left - 16, 11, clip(name, 34))]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = at(tick, tick)
        parts.append(el("line", x1=left, x2=left + side, y1=y, y2=y, class_="grid"))
        parts.append(el("line", x1=x, x2=x, y1=top, y2=top + side, class_="grid"))
        parts.append(_text(left - 6, y + 4, tick_text(tick), "tick", "end"))
        parts.append(_text(x, top + side + 15, tick_text(tick), "tick", "middle"))
    legend = left - 16
    for k, item in enumerate(series):
        tone, last = f"l{k % 4 + 1}", max(1, len(item.values) - 1)
        points = [at(j / last, float(v)) for j, v in enumerate(item.values) if is_number(v)]
        path = " ".join(f"{'L' if j else 'M'}{x:.1f} {y:.1f}" for j, (x, y) in enumerate(points))
        parts.append(
            el("g", el("title", item.name), el("path", d=path or "M0 0", class_=f"line {tone}"))
        )
        parts.append(el("line", x1=legend, x2=legend + 16, y1=24.0, y2=24.0, class_=f"line {tone}"))
        parts.append(_text(legend + 21, 28, clip(item.name, 12)))
        legend += 36 + _CHAR * min(len(item.name), 12)
    for mark in marks:
        x, y = at(mark.x, mark.y)
        parts.append(
            el("circle", el("title", mark.tip), cx=x, cy=y, r=4.0, class_=f"dot {mark.tone}")
        )
    parts.append(_text(left + side / 2, top + side + 32, x_label, "axis", "middle"))
    turn = f"rotate(-90 12 {top + side / 2:.0f})"
    parts.append(
        el("text", y_label, x=12.0, y=top + side / 2, transform=turn, text_anchor="middle",
           class_="axis")
    )  # fmt: skip
    return _figure(left + side + 12, top + side + 38, name, parts)


def stack(name: str, parts: Sequence[Bar], limit: Any = None, *, width: int = 420) -> Html:
    """One bar of segments next to each other, against a limit where there is one."""
    known = [part for part in parts if is_number(part.value) and part.value > 0]
    filled = sum(float(part.value) for part in known)
    whole = max(filled, float(limit)) if is_number(limit) and limit > 0 else filled
    drawn: list[Html] = [
        el("rect", x=0.0, y=2.0, width=float(width), height=16.0, rx=3, class_="hole")
    ]
    x = 0.0
    for part in known:
        wide = width * float(part.value) / whole
        tip = el("title", part.tip or f"{part.label}: {part.shown}")
        drawn.append(
            el("rect", tip, x=x, y=2.0, width=max(wide, 1.0), height=16.0, class_=part.tone)
        )
        x += wide
    at = 0.0
    for part in known:
        label = f"{part.label} {part.shown}"
        drawn.append(el("rect", x=at, y=25.0, width=9.0, height=9.0, rx=2, class_=part.tone))
        drawn.append(_text(at + 13, 33.5, label))
        at += 26 + _CHAR * len(label)
    return _figure(max(width, at), 38, name, drawn)
