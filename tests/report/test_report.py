import base64
import dataclasses
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgecnn.report.card import model_card
from edgecnn.report.html import render
from edgecnn.report.model import ReportData, collect
from edgecnn.report.quality import verdict
from edgecnn.report.table import summary_rows
from tests.report.bundles import PARTS, bare_bundle, make_bundle, picture

HOSTILE = (
    "<script>alert(1)</script>",
    "\"' onload=alert(1) x='",
    "</text></svg></title><img src=http://evil.example/x.png>",
    "\u202etxt.exe\x00\x1b[31m",
    "`a|b` [x](javascript:alert(1)) & more",
    "ok",
)
VOID = {"meta", "br", "img", "hr", "col", "link"}


class Checker(HTMLParser):
    """Balance, elements, attributes and visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.attributes += [(key, value or "") for key, value in attributes]
        self.ids += [value for key, value in attributes if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def check(data: ReportData | list[ReportData], ugly: str = "nan|inf|None") -> Checker:
    """What must hold for every page."""
    page = render(data)
    checker = Checker(page)
    assert "script" not in checker.elements
    assert not [key for key, _ in checker.attributes if key.startswith("on")]
    for key, value in checker.attributes:
        if key in ("src", "href"):
            assert value.startswith(("data:image/png;base64,", "#"))
    assert "url(" not in page and "@import" not in page
    assert not re.search(rf"\b({ugly})\b", re.sub(r"base64,[\w+/=]+", "", page))
    anchors = {value[1:] for key, value in checker.attributes if key == "href"}
    assert anchors <= set(checker.ids) and len(checker.ids) == len(set(checker.ids))
    return checker


@pytest.mark.parametrize("task", ["classify", "detect"])
def test_a_full_bundle(task: str, tmp_path: Path) -> None:
    data = collect(make_bundle(tmp_path / "b", task), {"extra shot": picture(9, "nut")})
    checker = check(data)
    for word in ("parts-counter", "bolt", "cortex-m0plus", "25 of 31", "use ReLU6 in its place",
                 "estimate", "load average 3.1 on 2 cores", "edgecnn bench -t cortex-m4",
                 "extra shot", "scene 3", "epoch", "agrees", "39.6 KiB"):  # fmt: skip
        assert word in checker.text, word
    images = [value for key, value in checker.attributes if key == "src"]
    assert len(images) == 5
    assert base64.b64decode(images[0].split(",")[1]) == picture(9, "nut")
    assert ("true class" in checker.text) == (task == "classify")
    assert ("average precision" in checker.text) == (task == "detect")
    assert render(data) == render(data)


def test_the_figures_are_the_bundles(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    stored = bundle.read_json("variants/int8/metrics.json")
    data = collect(bundle)
    tone, sentence, small = verdict(data)
    value = stored["metrics"]["quantized"]["value"]
    assert tone == "ok" and f"{value * 100:.1f}" in sentence and "n = 360" in sentence
    assert f"{stored['drop_points']:.1f} points" in sentence and "passed" in small
    # Changing a stored figure changes the page: nothing is computed anew.
    with bundle.edit() as edit:
        stored["metrics"]["quantized"]["value"] = 0.12345
        edit.write_json("variants/int8/metrics.json", stored)
    assert "12.3 %" in Checker(render(collect(bundle.reload()))).text


@pytest.mark.parametrize(
    ("points", "passed", "tone", "words"),
    [
        (2.5, False, "bad", "loses 2.5 points [1.6, 3.5] of accuracy"),
        (-0.4, True, "ok", "gains 0.4 points of accuracy"),
        (0.01, True, "ok", "keeps its accuracy"),
        (-0.04, True, "ok", "keeps its accuracy"),
        (None, None, "", "the float model is not measured"),
    ],
)
def test_verdict(points, passed, tone: str, words: str, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    stored = bundle.read_json("variants/int8/metrics.json")
    interval = None if points is None else [points - 0.9, points + 1]
    stored |= {"drop_points": points, "drop_interval95": interval, "passed": passed}
    with bundle.edit() as edit:
        edit.write_json("variants/int8/metrics.json", stored)
    found, sentence, _ = verdict(collect(bundle.reload()))
    assert found == tone and words in sentence


@pytest.mark.parametrize("task", ["classify", "detect"])
def test_hostile_labels_and_names_are_text(task: str, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b", task, HOSTILE)
    stored = bundle.read_json("variants/int8/metrics.json")
    for k, row in enumerate(stored["layers"]):
        row["name"] = row["op"] = HOSTILE[k % 6]
    stored["warnings"] = list(HOSTILE)
    bench = bundle.read_json("targets/cortex-m4/int8/bench.json")
    bench["conditions"] = {text: text for text in HOSTILE}
    bench["tainted"] = list(HOSTILE)
    with bundle.edit() as edit:
        edit.write_json("variants/int8/metrics.json", stored)
        edit.write_json("targets/cortex-m4/int8/bench.json", bench)
        edit.change(name=HOSTILE[0], versions={HOSTILE[2]: HOSTILE[1]}, data={"x": HOSTILE[0]})
    data = collect(bundle.reload(), {HOSTILE[1]: picture(0, "x"), "no PNG": b"<svg onload=1>"})
    checker = check(data)
    assert "<script>alert(1)</script>" in checker.text
    assert not {"\u202e", "\x00", "\x1b"} & set(render(data))
    card = model_card(data)
    assert "<script" not in card.replace("\\<", "") and "](java" not in card
    assert "no PNG" not in checker.text


def test_what_max_ram_would_give_is_drawn(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    rows = [
        (47152, 0, 1.0, 0, 0), (36128, 0, 0.9765, 9, 0), (29664, 1, 1.0113, 0, 2),
        (None, "x", [], [], {}), (28000, [], 1.2, None, "x"),
    ]  # fmt: skip
    names = ("arena_bytes", "chains", "factor", "pairs", "thrifty")
    curve = [dict(zip(names, row, strict=True)) for row in rows]
    with bundle.edit() as edit:
        edit.write_json("targets/cortex-m4/int8/memory.json", {"curve": curve})
    text = check(collect(bundle.reload())).text
    assert "whole layers" in text and "+1.13 % instructions" in text and "29,664" in text
    assert "-2.35 % instructions" in text and "9 pairs of layers" in text
    assert "1 chains of layers, 2 steps on kernels" in text


def test_a_bare_bundle_says_what_is_not_measured(tmp_path: Path) -> None:
    data = collect(bare_bundle(tmp_path / "b"))
    checker = check(data)
    assert checker.text.count("not measured") >= 3 and "samples" not in checker.ids
    assert all(row.value is None and row.shown == "not measured" for row in summary_rows(data))
    assert "Not measured." in model_card(data)


@pytest.mark.parametrize("path", ["variants/int8/metrics.json",
                                  "targets/cortex-m4/int8/bench.json",
                                  "targets/coral-usb/int8/check.json"])  # fmt: skip
def test_any_field_may_be_missing_or_odd(path: str, tmp_path: Path) -> None:
    full = collect(make_bundle(tmp_path / "b"))
    data = dataclasses.replace(full, images=(), curves={}, files={})
    stored = json.loads((tmp_path / "b" / path).read_text())
    for key in stored:
        for value in (None, "text", 7, {"a": None}):
            assert render(replaced(data, path, {**stored, key: value}))
        check(replaced(data, path, {**stored, key: [None, 3, "x"]}), "nan|inf")
    check(replaced(data, path, {}))
    for key in stored.get("metrics", {}).get("quantized", {}):
        for value in (None, "x", [], [[1, "x"]], {"a": None}, math.nan):
            metrics = {**stored["metrics"], "quantized": {**stored["metrics"]["quantized"],
                                                          key: value}}  # fmt: skip
            assert render(replaced(data, path, {**stored, "metrics": metrics}))


def replaced(data: ReportData, path: str, content: dict) -> ReportData:
    """The data with another content of one of the bundle's files."""
    kind, name, *rest = path.split("/")
    if kind == "variants":
        variants = [
            dataclasses.replace(item, quantize=content) if item.name == name else item
            for item in data.variants
        ]
        return dataclasses.replace(data, variants=tuple(variants))
    targets = [
        dataclasses.replace(item, **{rest[1].removesuffix(".json"): content})
        if item.target == name
        else item
        for item in data.targets
    ]
    return dataclasses.replace(data, targets=tuple(targets))


def test_summary_rows(tmp_path: Path) -> None:
    rows = {row.what: row for row in summary_rows(collect(make_bundle(tmp_path / "b")))}
    assert list(rows) == [
        "accuracy, float", "accuracy, int8", "host, p50",
        "cortex-m4, instructions", "cortex-m4, RAM", "cortex-m4, flash",
        "cortex-m4, against LiteRT",
        "cortex-m0plus, instructions", "cortex-m0plus, RAM", "cortex-m0plus, flash",
        "cortex-m0plus, against LiteRT", "coral-usb, ops mapped",
        "ethos-u55-128, estimated cycles",
    ]  # fmt: skip
    assert rows["cortex-m4, RAM"].value == 38_400 + 1_216 + 920
    assert rows["cortex-m4, flash"].shown == "73.9 KiB"
    assert rows["cortex-m4, against LiteRT"].value is True
    assert rows["ethos-u55-128, estimated cycles"].note == "estimate, not measured"


def test_many_classes_stay_readable(tmp_path: Path) -> None:
    for count in (25, 100):
        labels = tuple(f"class_{k}" for k in range(count))
        data = collect(make_bundle(tmp_path / str(count), "classify", labels))
        checker = check(data)
        assert ("100 classes: not drawn" in checker.text) == (count == 100)
    check(collect(make_bundle(tmp_path / "one", "classify", PARTS[:1])))


def test_several_bundles_on_one_page(tmp_path: Path) -> None:
    pair = [collect(make_bundle(tmp_path / "a")), collect(make_bundle(tmp_path / "b", "detect"))]
    pair.append(collect(bare_bundle(tmp_path / "c", HOSTILE)))
    checker = check(pair)
    for word in ("3 models", "accuracy, int8", "mAP@0.5, int8", "Side by side"):
        assert word in checker.text
    assert {"b1", "b2", "b3", "b1-devices", "b3-quality", "comparison"} <= set(checker.ids)
    assert render(pair[:1]) == render(pair[0])
    assert render([])
