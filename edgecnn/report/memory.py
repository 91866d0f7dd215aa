"""The memory map as inline SVG: which bytes are held by whom, step by step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgecnn.report.markup import Html, el
from edgecnn.report.svg import clip, tick_text, ticks

MEMORY_SCHEMA = "edgecnn.memory/1"
_TONES = {"input": "s4", "output": "s3", "activation": "s1", "scratch": "s2"}
_CHAR = 6.4
_LEFT, _TOP, _GAP = 62.0, 54.0, 26.0
_WIDEST, _COLUMN, _NARROWEST = 110.0, 1000.0, 7.0
_LEAST = 680.0
_HEIGHT = 320.0
_HOLDERS = 3
Scale = Callable[[float], float]
# What exporters append to a layer's path.
_TAIL = re.compile(
    r"(Conv2D|DepthwiseConv2D|depthwise|convolution|BiasAdd|MatMul|Relu6?|Softmax|Mean|add|Add\w*"
    r"|FusedBatchNorm\w*|ReadVariableOp\w*|resource|Pad|Reshape|AvgPool|MaxPool)[_\d]*"
)


def memory_map(timeline: Mapping[str, Any]) -> Html:
    """Steps from left to right, addresses upwards, one rectangle per buffer.

    Args:
        timeline: ``<name>_memory.json`` as the compiler writes it (schema edgecnn.memory/1):
            ``arena_bytes``, ``lower_bound_bytes``, ``regions``, ``blocks``, ``steps``,
            ``peak_step``, ``peak_bytes``.

    Returns:
        One SVG. A line shows the bytes live at each step, dashed lines the arena's end and the
        lower bound; of several regions each has a field of its own, the first at the bottom.
    """
    steps: Sequence[Mapping[str, Any]] = timeline["steps"]
    columns = len(steps) + 2
    column = min(_WIDEST, max(_NARROWEST, _COLUMN / columns))
    width = max(_LEAST, _LEFT + column * columns + 12)
    fields = _fields(timeline["regions"])
    bottom = max((top + height for top, height in fields), default=_TOP)
    title, second = _headline(timeline)
    parts: list[Html] = [
        _text(2, 13, clip(title, int(width / _CHAR)), "val"),
        _text(2, 28, clip(second, int(width / _CHAR)), "tick"),
    ]
    for number, region in enumerate(timeline["regions"]):
        parts += _region(timeline, number, region, fields[number], column)
        parts += _live_line(timeline, number, fields[number], column)
    peak = _LEFT + (timeline["peak_step"] + 1.5) * column
    if steps:
        parts.append(el("line", x1=peak, x2=peak, y1=_TOP - 8, y2=bottom, class_="line l4"))
        parts += _step_axis(steps, bottom, column)
    parts += _legend(bottom + 42)
    return el(
        "svg", el("title", f"{title} {second}"), parts,
        viewBox=f"0 0 {width:.0f} {bottom + 54:.0f}", role="img", aria_label="Memory over time",
        style=f"max-width:{width:.0f}px", class_="plot",
    )  # fmt: skip


def _headline(timeline: Mapping[str, Any]) -> tuple[str, str]:
    """What the peak is, and who holds it."""
    arena, bound = timeline["arena_bytes"], timeline["lower_bound_bytes"]
    gap = f"{100 * (arena / bound - 1):.1f} % above" if arena > bound else "at"
    if not timeline["steps"]:
        return f"Arena {arena:,} bytes, {gap} the lower bound.", "No steps."
    number = timeline["peak_step"]
    step = timeline["steps"][number]
    first = (
        f"Arena {arena:,} bytes, {gap} the lower bound; peak at step {number}"
        f" ({clip(_short(step['name']), 30)}): {timeline['peak_bytes']:,} bytes."
    )
    blocks = sorted((timeline["blocks"][i] for i in step["live"]), key=lambda b: -b["nbytes"])
    held = [f"{clip(_who(block), 30)} {block['nbytes']:,}" for block in blocks[:_HOLDERS]]
    more = [f"{len(blocks) - _HOLDERS} more"] if len(blocks) > _HOLDERS else []
    return first, f"Held there by {', '.join([*held, *more])}."


def _who(block: Mapping[str, Any]) -> str:
    if block["kind"] == "input":
        return str(block["name"])
    layer = _short(block["holder"])
    return f"scratch of {layer}" if block["kind"] == "scratch" else layer


def _short(name: str) -> str:
    """A layer's own name within the path that exporters give it.

    >>> _short("model/relu/Relu;model/norm/FusedBatchNormV3;model/conv_1/Conv2D1")
    'conv_1'
    >>> _short("net/block_2/expand/Conv2D")
    'block_2/expand'
    """
    path = [part for part in name.split(";")[-1].split("/") if part]
    while len(path) > 1 and _TAIL.fullmatch(path[-1]):
        path.pop()
    # Names like "expand" come back in every block, which has a number.
    numbered = len(path) > 1 and re.search(r"\d", path[-2]) and not re.search(r"\d", path[-1])
    return "/".join(path[-2:] if numbered else path[-1:]) or name


def _fields(regions: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """(top, height) of each region's field: heights in proportion, none lost from sight."""
    whole = sum(region["bytes"] for region in regions) or 1
    heights = [
        max(48.0, _HEIGHT * region["bytes"] / whole) if region["bytes"] else 0.0
        for region in regions
    ]
    result: list[tuple[float, float]] = []
    at = _TOP
    for height in reversed(heights):
        result.append((at, height))
        at += height + (_GAP if height else 0.0)
    return list(reversed(result))


def _region(
    timeline: Mapping[str, Any],
    number: int,
    region: Mapping[str, Any],
    field: tuple[float, float],
    column: float,
) -> list[Html]:
    """Axis, rectangles and limits of one region."""
    top, height = field
    if not height:
        return []
    columns = len(timeline["steps"]) + 2
    right = _LEFT + column * columns
    size = region["bytes"]

    def at(address: float) -> float:
        return top + height * (1 - address / size)

    parts = [el("rect", x=_LEFT, y=top, width=right - _LEFT, height=height, class_="hole")]
    for tick in ticks(0, size, 4 if height > 120 else 2):
        if tick <= size:
            parts.append(el("line", x1=_LEFT, x2=right, y1=at(tick), y2=at(tick), class_="grid"))
            parts.append(_text(_LEFT - 5, at(tick) + 4, tick_text(tick), "tick", "end"))
    for block in timeline["blocks"]:
        if block["region"] == number:
            parts.append(_rectangle(block, columns, column, at))
    if len(timeline["regions"]) > 1:
        parts.append(_text(_LEFT, top - 5, f"{region['name']}: {size:,} bytes", "tick"))
    else:
        parts += _limits(timeline, right, at)
    return parts


def _limits(timeline: Mapping[str, Any], right: float, at: Scale) -> list[Html]:
    """The arena's end and the bound; one line where they are the same."""
    arena, bound = timeline["arena_bytes"], timeline["lower_bound_bytes"]
    parts = [el("line", x1=_LEFT, x2=right, y1=at(arena), y2=at(arena), class_="line l2")]
    label = f"arena {arena:,}" if arena != bound else f"arena = bound {arena:,}"
    if arena != bound:
        parts.append(el("line", x1=_LEFT, x2=right, y1=at(bound), y2=at(bound), class_="line l3"))
        label += f", bound {bound:,}"
    parts.append(_text(right, at(arena) - 4, label, "tick", "end"))
    return parts


def _rectangle(block: Mapping[str, Any], columns: int, column: float, at: Scale) -> Html:
    first = max(0, block["first"] + 1)
    last = min(columns - 1, block["last"] + 1)
    x, width = _LEFT + first * column, (last - first + 1) * column
    y, low = at(block["offset"] + block["nbytes"]), at(block["offset"])
    height = max(low - y, 0.75)
    tip = (
        f"{block['name']} ({block['kind']}, from {block['holder']}): {block['nbytes']:,} bytes"
        f" at {block['offset']:,}, steps {block['first']} to {block['last']}"
    )
    parts = [
        el("title", tip),
        el(
            "rect", x=x + 0.5, y=y, width=max(width - 1, 0.75), height=height, rx=1.5,
            class_=_TONES.get(block["kind"], "s0"), fill_opacity=0.62, stroke="var(--bg)",
            stroke_width=0.7,
        ),
    ]  # fmt: skip
    label = _who(block)
    parts += _label(label, x, min(column, width), y, height)
    return el("g", parts)


def _label(label: str, x: float, width: float, y: float, height: float) -> list[Html]:
    """In the column of the step that writes it, so that no two labels meet; upright if need be."""
    chars, upright = int((width - 4) / _CHAR), int((height - 6) / _CHAR)
    middle, centre = x + width / 2, y + height / 2
    across = height >= 13 and chars >= min(len(label), 10)
    along = width >= 12 and upright >= min(len(label), 6)
    if along and not (across and chars >= len(label)) and (upright > chars or not across):
        turn = f"rotate(-90 {middle + 4:.1f} {centre:.1f})"
        return [
            el("text", clip(label, upright), x=middle + 4, y=centre, transform=turn,
               text_anchor="middle")
        ]  # fmt: skip
    if across:
        return [_text(middle, centre + 4, clip(label, chars), "", "middle")]
    return []


def _live_line(
    timeline: Mapping[str, Any], region: int, field: tuple[float, float], column: float
) -> list[Html]:
    """Bytes live at each step, as stairs."""
    top, height = field
    if not height:
        return []
    size = timeline["regions"][region]["bytes"]
    pieces: list[str] = []
    for number, step in enumerate(timeline["steps"]):
        y = top + height * (1 - step["live_by_region"][region] / size)
        x = _LEFT + (number + 1) * column
        pieces.append(f"{'L' if pieces else 'M'}{x:.1f} {y:.1f}L{x + column:.1f} {y:.1f}")
    return [
        el(
            "path", el("title", "bytes live at each step"), d=" ".join(pieces) or "M0 0",
            fill="none", stroke="var(--ink)", stroke_width=1.6, stroke_linejoin="round",
        )
    ]  # fmt: skip


def _step_axis(steps: Sequence[Mapping[str, Any]], bottom: float, column: float) -> list[Html]:
    """Step numbers, as many as fit; a backwards step carries an arrow."""
    parts = []
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if n * column >= 17)
    for number, step in enumerate(steps):
        x = _LEFT + (number + 1.5) * column
        tip = el("title", f"step {number}: {step['code']} {step['name']}")
        if number % every == 0:
            parts.append(
                el("text", tip, number, x=x, y=bottom + 13, text_anchor="middle", class_="tick")
            )
        if step["backwards"] and column >= 9:
            mark = el("title", f"step {number} writes its output from the end")
            parts.append(
                el("text", mark, "◂", x=x, y=bottom + 24, text_anchor="middle", class_="tick")
            )
    parts.append(_text(_LEFT - 5, bottom + 13, "step", "axis", "end"))
    return parts


def _legend(y: float) -> list[Html]:
    parts: list[Html] = []
    x = _LEFT
    for kind, tone in _TONES.items():
        parts.append(
            el("rect", x=x, y=y - 9, width=10.0, height=10.0, rx=2, class_=tone, fill_opacity=0.62)
        )
        parts.append(_text(x + 14, y, kind))
        x += 34 + _CHAR * len(kind)
    parts.append(
        el("line", x1=x, x2=x + 16, y1=y - 4, y2=y - 4, stroke="var(--ink)", stroke_width=1.6)
    )
    parts.append(_text(x + 21, y, "bytes live"))
    parts.append(_text(x + 104, y, "◂ step writes from the end"))
    return parts


def _text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> Html:
    return el("text", content, x=x, y=y, text_anchor=anchor, class_=kind or None)
