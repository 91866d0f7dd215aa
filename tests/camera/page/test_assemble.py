"""The page as one file: nothing from elsewhere, no markup made of data, colours to be read."""

import base64
import hashlib
import re

import pytest

from edgecnn.camera.page import assemble as module
from edgecnn.camera.page.assemble import SCRIPTS, assemble

WEB = module._WEB


def between(html: str, tag: str) -> str:
    found = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert len(found) == 1, f"one {tag} is what the policy allows"
    return found[0]


@pytest.mark.parametrize(("tag", "rule"), [("script", "script-src"), ("style", "style-src")])
def test_the_policy_allows_just_what_is_in_the_page(tag: str, rule: str) -> None:
    page = assemble()
    text = between(page.html.decode(), tag)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    rules = dict(part.split(" ", 1) for part in page.policy.split("; "))
    assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert all("unsafe" not in value and "*" not in value for value in rules.values())


def test_every_script_is_joined_once() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in WEB.glob("*.js"))


def test_the_page_loads_nothing_and_makes_no_markup_of_data() -> None:
    html = assemble().html.decode()
    own = html.replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:|wss?:)?//[\w.-]+\.\w+", own) == []
    assert (
        re.findall(r"<(?:script|img|iframe|object|embed)\s[^>]*src|<link[^>]*stylesheet", html)
        == []
    )
    assert re.findall(r"<[^>]+\s(?:on\w+|style)=", html.split("<script>")[0]) == []
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    assert re.findall(forbidden, between(html, "script")) == []


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    shares = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_in_both_themes(theme: int) -> None:
    blocks = re.findall(r":root[^{]*\{(.*?)\}", (WEB / "style.css").read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", blocks[theme]))
    pairs = [(text, on) for text in ("ink", "muted", "accent") for on in ("card", "ground", "sunk")]
    pairs += [("on-accent", "accent"), ("ink", "soft"), ("bad", "bad-soft"), ("bad", "card")]
    weak = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in pairs
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }
    assert weak == {}
