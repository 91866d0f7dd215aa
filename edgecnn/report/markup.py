"""Markup in which text is escaped unless it was made here: labels and names are untrusted."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# C0/C1 controls, and the marks that turn the direction of the text around them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_VOID = frozenset({"meta", "br", "img", "hr", "col", "link"})


class Html(str):
    """Markup that is safe to put into a page as it is."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]


def clean(value: object) -> str:
    """Any value as text without control characters and marks that turn its direction."""
    return _UNSAFE.sub("\ufffd", str(value))


def text(value: object) -> Html:
    r"""Any value as escaped text.

    >>> text("<b> & \u202e")
    '&lt;b&gt; &amp; �'
    """
    return Html(html.escape(clean(value), quote=True))


def join(*children: Child) -> Html:
    """Children one after the other: :class:`Html` stays, text is escaped, None is left out."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str | int | float):
            parts.append(text(child))
        else:
            parts.append(join(*child))
    return Html("".join(parts))


def el(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element; ``class_`` gives ``class``, ``stroke_width`` gives ``stroke-width``.

    Attributes that are None or False are left out. Numbers are rounded to two decimals.

    >>> el("td", "a<b", class_="num", title=None)
    '<td class="num">a&lt;b</td>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        if isinstance(value, float):
            value = f"{value:.2f}".rstrip("0").rstrip(".")
        key = key if key == "viewBox" else key.rstrip("_").replace("_", "-")
        parts.append(f'{key}="{text(value)}"')
    opening = " ".join(parts)
    if name in _VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(*children)}</{name}>")
