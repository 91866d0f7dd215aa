"""Plots of an inspection: error along the depth, ranges by channel, values before and after."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.report.markup import Html, el
from edgecnn.report.svg import tick_text, ticks
from edgecnn.report.text import is_number, number
from quantization.inspection.distributions import Bins

_CHAR = 6.4
_MOST_COLUMNS = 256
# Of logarithmic axes: what is smaller lies on the ground.
_DECADES = 4.0
_LEAST_DENSITY = 1e-5


@dataclass(frozen=True)
class DepthPoint:
    """One layer of the depth plot: decibels with all that came before, and by itself."""

    label: str
    total_db: float | None
    added_db: float | None
    marked: bool = False


def depth(points: Sequence[DepthPoint]) -> Html:
    """Columns: the error that each layer adds; line: the error that has gathered there."""
    width, height, left, top, bottom = 1000.0, 270.0, 44.0, 28.0, 34.0
    known = [v for p in points for v in (p.total_db, p.added_db) if is_number(v)]
    most = min(60.0, max([20.0, *known]))
    axis = ticks(0.0, most, 5)
    span_x, span_y = width - left - 8, height - top - bottom
    step = span_x / max(1, len(points))

    def at(value: float) -> float:
        return top + span_y * (1 - min(max(value, 0.0), axis[-1]) / axis[-1])

    parts = _levels(axis, left, span_x, at)
    pieces, pen = [], "M"
    for k, point in enumerate(points):
        x = left + k * step
        tip = (
            f"{point.label}: adds {_db(point.added_db)}, gathered {_db(point.total_db)}"
            + (", suspect" if point.marked else "")
        )  # fmt: skip
        column: list[Html] = [
            el("title", tip),
            el("rect", x=x, y=top, width=step, height=span_y, class_="hit"),
        ]
        if is_number(point.added_db):
            y = at(float(point.added_db))
            column.append(
                el(
                    "rect",
                    x=x + step * 0.14,
                    y=y,
                    width=step * 0.72,
                    height=max(top + span_y - y, 1.0),
                    class_="sbad" if point.marked else "s1",
                )
            )
        parts.append(el("g", column))
        if is_number(point.total_db):
            pieces.append(f"{pen}{x + step / 2:.1f} {at(float(point.total_db)):.1f}")
            pen = "L"
        else:
            pen = "M"
    parts.append(el("path", d=" ".join(pieces) or "M0 0", class_="line l2"))
    parts += _legend(
        [("s1", "layer alone"), ("sbad", "suspect"), ("l2", "with all that came before")], left
    )
    parts.append(_text(left + span_x / 2, height - 8, "layers in order", "axis", "middle"))
    parts.append(_turned(12.0, top + span_y / 2, "SQNR, dB"))
    return _figure(width, height, "Signal to quantization noise along the depth", parts)


def channel_ranges(name: str, ranges: Sequence[float], marked: Collection[int]) -> Html:
    """Columns: the range of each channel, on a logarithmic axis; ``marked`` stand out."""
    width, height, left, top, bottom = 460.0, 210.0, 52.0, 10.0, 34.0
    top_value = max([v for v in ranges if is_number(v)], default=0.0) or 1.0
    high = math.ceil(math.log10(top_value) * 2) / 2
    living = [v for v in ranges if is_number(v) and v > top_value * 10**-_DECADES]
    low = max(high - _DECADES, math.floor(math.log10(min(living, default=top_value)) * 2) / 2 - 0.5)
    span_x, span_y = width - left - 8, height - top - bottom
    groups = _grouped(ranges, marked)
    step = span_x / max(1, len(groups))

    def at(value: float) -> float:
        place = (math.log10(value) - low) / (high - low) if value > 0 else 0.0
        return top + span_y * (1 - min(max(place, 0.0), 1.0))

    parts: list[Html] = []
    for power in range(math.ceil(low), math.floor(high) + 1):
        y = at(10.0**power)
        parts.append(el("line", x1=left, x2=left + span_x, y1=y, y2=y, class_="grid"))
        parts.append(_text(left - 6, y + 4, f"{10.0**power:g}", "tick", "end"))
    for k, (value, channel, is_marked) in enumerate(groups):
        y = at(value)
        tip = el("title", f"channel {channel}: {value:.4g}")
        parts.append(
            el(
                "rect",
                tip,
                x=left + k * step,
                y=y,
                width=max(step * 0.86, 0.8),
                height=max(top + span_y - y, 1.0),
                class_="sbad" if is_marked else "s1",
            )  # fmt: skip
        )
    parts.append(_text(left + span_x / 2, height - 8, f"{len(ranges)} channels", "axis", "middle"))
    parts.append(_turned(12.0, top + span_y / 2, "largest |value|"))
    return _figure(width, height, name, parts)


def overlay(
    name: str, real: Bins | None, own: Bins | None, limits: tuple[float, float] | None
) -> Html:
    """How values are spread: float filled, stored as a line; the code's limits dashed.

    The height is the logarithm of the density, so that rare values are seen too.
    """
    width, height, left, top, bottom = 460.0, 210.0, 12.0, 28.0, 34.0
    shown = [item for item in (real, own) if item is not None and item.total]
    ends = [end for item in shown for end in _occupied(item)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if limits is not None:
        low, high = min(low, limits[0]), max(high, limits[1])
    margin = (high - low) * 0.02 or 0.5
    low, high = low - margin, high + margin
    span_x, span_y = width - left - 8, height - top - bottom

    def x_at(value: float) -> float:
        return left + span_x * (value - low) / (high - low)

    parts: list[Html] = []
    for tick in ticks(low, high, 6):
        if low <= tick <= high:
            x = x_at(tick)
            parts.append(el("line", x1=x, x2=x, y1=top, y2=top + span_y, class_="grid"))
            parts.append(_text(x, height - bottom + 15, tick_text(tick), "tick", "middle"))
    peak = max((max(_densities(item)) for item in shown), default=1.0) or 1.0
    legend = []
    for item, kind, label in ((real, "s1", "float"), (own, "l3", "stored")):
        if item is None or not item.total:
            continue
        path = _outline(item, x_at, top, span_y, peak, closed=kind == "s1")
        if kind == "s1":
            parts.append(el("path", d=path, class_="s1", fill_opacity="0.45"))
        else:
            parts.append(el("path", d=path, class_="line l3"))
        legend.append((kind, label))
    if limits is not None:
        for end in limits:
            x = x_at(end)
            parts.append(
                el("line", x1=x, x2=x, y1=top, y2=top + span_y, class_="line l4")
            )  # fmt: skip
        legend.append(("l4", "ends of the codes"))
    parts += _legend(legend, left)
    parts.append(_text(left + span_x / 2, height - 6, "value", "axis", "middle"))
    return _figure(width, height, name, parts)


def _occupied(bins: Bins) -> tuple[float, float]:
    """The limits of the bins that hold something."""
    width = (bins.high - bins.low) / len(bins.counts)
    full = [k for k, count in enumerate(bins.counts) if count]
    return bins.low + full[0] * width, bins.low + (full[-1] + 1) * width


def _densities(bins: Bins) -> list[float]:
    width = (bins.high - bins.low) / len(bins.counts) or 1.0
    return [count / bins.total / width for count in bins.counts]


def _outline(bins: Bins, x_at: Any, top: float, span_y: float, peak: float, *, closed: bool) -> str:
    width = (bins.high - bins.low) / len(bins.counts)
    first, last = _occupied(bins)
    ground = top + span_y
    pieces = [f"M{x_at(first):.1f} {ground:.1f}"]
    for k, density in enumerate(_densities(bins)):
        a, b = bins.low + k * width, bins.low + (k + 1) * width
        if b <= first or a >= last:
            continue
        share = math.log(max(density / peak, _LEAST_DENSITY)) / math.log(_LEAST_DENSITY)
        y = top + span_y * share if density > 0 else ground
        pieces.append(f"L{x_at(a):.1f} {y:.1f}L{x_at(b):.1f} {y:.1f}")
    pieces.append(f"L{x_at(last):.1f} {ground:.1f}" + ("Z" if closed else ""))
    return "".join(pieces)


def _grouped(ranges: Sequence[float], marked: Collection[int]) -> list[tuple[float, int, bool]]:
    """(value, channel, marked): every channel, or the largest of neighbours where many."""
    each = -(-len(ranges) // _MOST_COLUMNS) or 1
    groups = []
    for start in range(0, len(ranges), each):
        part = range(start, min(start + each, len(ranges)))
        best = max(part, key=lambda k: float(ranges[k]) if is_number(float(ranges[k])) else 0.0)
        value = float(ranges[best])
        groups.append((value if is_number(value) else 0.0, best, any(k in marked for k in part)))
    return groups


def _levels(axis: Sequence[float], left: float, span_x: float, at: Any) -> list[Html]:
    parts: list[Html] = []
    for tick in axis:
        y = at(tick)
        parts.append(el("line", x1=left, x2=left + span_x, y1=y, y2=y, class_="grid"))
        parts.append(_text(left - 6, y + 4, tick_text(tick), "tick", "end"))
    return parts


def _legend(entries: Sequence[tuple[str, str]], left: float) -> list[Html]:
    parts: list[Html] = []
    x = left
    for kind, label in entries:
        if kind.startswith("l"):
            parts.append(el("line", x1=x, x2=x + 16, y1=10.0, y2=10.0, class_=f"line {kind}"))
        else:
            parts.append(el("rect", x=x, y=5.0, width=10.0, height=10.0, rx=2, class_=kind))
        parts.append(_text(x + 21, 14, label))
        x += 38 + _CHAR * len(label)
    return parts


def _db(value: float | None) -> str:
    return f"{number(float(value), 1)} dB" if is_number(value) else "nothing known"


def _text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> Html:
    return el("text", content, x=x, y=y, text_anchor=anchor, class_=kind or None)


def _turned(x: float, y: float, content: str) -> Html:
    turn = f"rotate(-90 {x:.0f} {y:.0f})"
    return el("text", content, x=x, y=y, transform=turn, text_anchor="middle", class_="axis")


def _figure(width: float, height: float, name: str, parts: Sequence[Html]) -> Html:
    return el(
        "svg", el("title", name), parts, viewBox=f"0 0 {width:.0f} {height:.0f}", role="img",
        aria_label=name, style=f"max-width:{width:.0f}px", class_="plot",
    )  # fmt: skip
