"""The page as one file: markup, style and script from ``web/``, joined when the server starts."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

_WEB = Path(__file__).parent / "web"
#: In the order in which they are joined: each uses only what stands before it.
SCRIPTS = (
    "tools.js",
    "messages.js",
    "run_lengths.js",
    "matroska.js",
    "choices.js",
    "draw.js",
    "connection.js",
    "plots.js",
    "view.js",
    "figures.js",
    "counts.js",
    "events.js",
    "classes.js",
    "player.js",
    "recordings.js",
    "card.js",
    "keys.js",
    "main.js",
)


@dataclass(frozen=True)
class AssembledPage:
    """What ``GET /`` answers.

    Attributes:
        html: UTF-8; needs nothing from elsewhere.
        policy: the ``Content-Security-Policy`` under which it works: this very script and this very
            style alone, pictures and data from this server alone.
    """

    html: bytes
    policy: str


def assemble() -> AssembledPage:
    """Joins the files of ``web/``.

    The script is one function of its own, so that nothing of it can be reached from outside.
    """
    style = _text("style.css")
    joined = "".join(_text(name) for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{joined}}})();\n'
    html = _text("index.html").replace("/* style */", style).replace("/* script */", script)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return AssembledPage(html.encode(), policy)


def _text(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As policies name an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
