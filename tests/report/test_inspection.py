"""The page of ``edgecnn inspect``."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from edgecnn.report.inspection import render
from edgecnn.report.inspection_plots import DepthPoint, channel_ranges, depth, overlay
from edgecnn.report.inspection_tables import InspectionPage
from quantization.inspection.distributions import Bins
from quantization.inspection.inspect import inspect
from targets.base import CheckReport, OpFinding
from tests.quantization.inspection.models import float_net, quantized, samples, scaled

ODD = (float("nan"), float("inf"), -1.0, 0.0)


@pytest.fixture(scope="module")
def planted() -> tuple[bytes, bytes]:
    net = scaled(float_net(middle="SIN"), "block_2_pw", 100.0, 7)
    return net, quantized(net, samples(), allow_float=True)


def page(found, **changes) -> InspectionPage:
    return replace(InspectionPage("m.tflite", 4096, "ab" * 32, "f.tflite", "photos", found),
                   **changes)  # fmt: skip


def parse(html: str) -> ElementTree.Element:
    body = re.sub(r"<(meta|br|img|hr|link)([^>]*)>", r"<\1\2/>", html.split("\n", 1)[1])
    return ElementTree.fromstring(body)


def text(html: str) -> str:
    body = parse(html).find("body")
    return " ".join(" ".join(body.itertext()).split())


def test_suspects_stand_first_with_cause_cure_and_plots(planted) -> None:
    found = inspect(planted[1], planted[0], samples())
    html = render(page(found))
    words = text(html)
    assert "outlier channel 7" in words and "float-island" in words
    assert words.index("Suspects, the worst first") < words.index("Error along the depth")
    for suspect in found.suspects:
        assert suspect.cure.rstrip(".") in words
    root = parse(html)
    cards = [e for e in root.iter("div") if (e.get("class") or "").startswith("suspect")]
    assert len(cards) == len(found.suspects)
    assert len(list(cards[0].iter("svg"))) == 3
    assert html == render(page(found)), "same data, same bytes"


def test_the_page_needs_nothing_else(planted) -> None:
    html = render(page(inspect(planted[1], planted[0], samples())))
    assert "http" not in html.split("<body", 1)[1]
    assert "<script" not in html and "nan" not in re.sub("[^a-z]+", " ", text(html)).split()


def test_every_layer_is_in_the_table(planted) -> None:
    found = inspect(planted[1], planted[0], samples())
    ops = tuple(
        OpFinding(row.index, row.op, row.name, row.op != "SIN", "no", "x")
        for row in found.table.rows
    )
    words = text(render(page(found, targets=[CheckReport("host", ops, {}, True)])))
    for row in found.table.rows:
        assert row.name in words
    assert f"{len(ops) - 1} of {len(ops)} ops on host" in words


@pytest.mark.parametrize("known", ["file", "data", "both"])
def test_less_is_shown_where_less_is_known(planted, known: str) -> None:
    reference = planted[0] if known == "both" else None
    given = samples() if known != "file" else []
    html = render(page(inspect(planted[1], reference, given), against=None, notes=("no data",)))
    sections = {e.get("id") for e in parse(html).iter("section")}
    assert {"suspects", "layers", "weights"} <= sections
    assert ("depth" in sections) == (known == "both")
    assert ("codes" in sections) == (known != "file")


def test_names_are_text(planted) -> None:
    evil = "<script>alert('x')</script>\u202e"
    model = read_model(planted[1])
    tensors = tuple(replace(tensor, name=f"{evil}{tensor.index}") for tensor in model.main.tensors)
    main = replace(model.main, tensors=tensors)
    data = write_model(replace(model, subgraphs=(main,), signatures=()))
    html = render(page(inspect(data), name=evil))
    assert "<script>" not in html and "\u202e" not in html
    parse(html)


def test_a_sound_model_is_called_so() -> None:
    net = float_net()
    words = text(render(page(inspect(quantized(net, samples()), net, samples()))))
    assert "No layer stands out." in words
    assert "Suspects None." in words


def test_plots_of_odd_numbers() -> None:
    for values in (ODD, (0.0,), (), tuple(np.linspace(0, 1, 1000))):
        root = ElementTree.fromstring(channel_ranges("c", values, {0}))
        assert all("nan" not in str(e.attrib).lower() for e in root.iter())
        assert len(list(root.iter("rect"))) <= 256
    points = [DepthPoint("a", None, None), DepthPoint("<b>", 200.0, -50.0, True)]
    ElementTree.fromstring(depth(points))
    ElementTree.fromstring(depth([]))
    empty, one = Bins(0, 1, (0, 0)), Bins(0, 0, (3, 0))
    for real, own in ((None, None), (empty, None), (one, one), (Bins(0, 1, (1, 2)), one)):
        ElementTree.fromstring(overlay("o", real, own, (0.0, 0.0)))
        ElementTree.fromstring(overlay("o", real, own, None))


def test_marked_channels_stand_out() -> None:
    root = ElementTree.fromstring(channel_ranges("c", [1.0, 2.0, 300.0, 4.0], {2}))
    marked = [e for e in root.iter("rect") if e.get("class") == "sbad"]
    assert len(marked) == 1
    assert "channel 2: 300" in next(marked[0].iter("title")).text
