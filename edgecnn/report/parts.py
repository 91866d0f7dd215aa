"""Small pieces of the page that several sections use."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from edgecnn.report.markup import Child, Html, el, join
from edgecnn.report.text import MISSING

_PICTURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff"}


def missing(what: str = MISSING) -> Html:
    """What stands where a figure is absent."""
    return el("span", what, class_="missing")


def dash() -> Html:
    """A short "not measured" for wide tables."""
    return el("span", "–", class_="missing", title=MISSING)


def figure_text(shown: str) -> Html:
    """A figure as text, greyed when it is missing."""
    return missing() if shown == MISSING else join(shown)


def section(anchor: str, title: str, *children: Child) -> Html:
    """A section with its heading."""
    return el("section", el("h2", title), *children, id=anchor)


def badge(content: str, tone: str = "") -> Html:
    """A small coloured word; it also reads without colour."""
    return el("span", content, class_=f"badge {tone}".strip())


def verdict_badge(value: Any, good: str = "yes", bad: str = "no") -> Html:
    """True, False or not measured."""
    if not isinstance(value, bool):
        return missing()
    return badge(good, "ok") if value else badge(bad, "bad")


def table(head: Sequence[str], rows: Sequence[Sequence[Child]], *, caption: str = "") -> Html:
    """A table; columns whose heading ends in ``#`` hold numbers."""
    numeric = [title.endswith("#") for title in head]
    kinds = ["num" if is_numeric else None for is_numeric in numeric]
    titles = [
        el("th", title.rstrip("#"), class_=kind, scope="col")
        for title, kind in zip(head, kinds, strict=True)
    ]
    body = [
        el("tr", [el("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)])
        for row in rows
    ]
    return el(
        "div",
        el(
            "table",
            el("caption", caption) if caption else None,
            el("thead", el("tr", titles)),
            el("tbody", body),
        ),
        class_="scroll",
    )


def figure(plot: Html, caption: str = "") -> Html:
    """A plot with its caption."""
    return el("figure", plot, el("figcaption", caption) if caption else None)


def folded(summary: str, *children: Child) -> Html:
    """Details that open on a click (and always in print)."""
    return el("details", el("summary", summary), *children)


def picture_uri(data: bytes) -> str | None:
    """A PNG or JPEG file as a ``data:`` address; None: it is neither."""
    for kind, start in _PICTURES.items():
        if data.startswith(start):
            return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return None
