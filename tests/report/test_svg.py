import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from edgecnn.report.heatmap import confusion, valid_matrix, worst_pairs
from edgecnn.report.markup import Html
from edgecnn.report.svg import Bar, Series, bars, clip, lines, stack, ticks

ODD = [math.nan, math.inf, -math.inf, None, "x", True, 0, -3.5, 1e-300, 1e300, 5]


def parse(plot: Html | None) -> ElementTree.Element:
    """The plot as XML: balanced, and every coordinate a finite number."""
    assert plot is not None
    root = ElementTree.fromstring(plot)
    for element in root.iter():
        for key, value in element.attrib.items():
            if key in ("x", "y", "x1", "x2", "y1", "y2", "width", "height", "cx", "cy", "r"):
                assert math.isfinite(float(value))
                assert key not in ("width", "height") or float(value) >= 0
            if key in ("d", "transform", "viewBox"):
                assert not re.search("nan|inf", value)
    assert root.find("title") is not None and root.get("role") == "img"
    return root


def test_bars_have_the_length_of_their_values() -> None:
    root = parse(bars("b", [Bar("a", 10, "10"), Bar("b", 5, "5"), Bar("c", 0, "0")], "ms"))
    widths = [float(r.get("width")) for r in root.iter("rect") if r.get("class") == "s1"]
    assert widths[0] == pytest.approx(2 * widths[1], rel=1e-3) and widths[2] <= 1


def test_negative_bars_start_at_zero() -> None:
    root = parse(bars("b", [Bar("a", -10, "-10"), Bar("b", 10, "10")], "dB"))
    rows = [r for r in root.iter("rect") if r.get("class") == "s1"]
    end = float(rows[0].get("x")) + float(rows[0].get("width"))
    assert end == pytest.approx(float(rows[1].get("x")), abs=0.02)


def test_odd_values_are_left_out_not_drawn() -> None:
    parse(bars("b", [Bar(f"r{k}", value, str(value)) for k, value in enumerate(ODD)], "x"))
    parse(bars("b", [], "x"))
    parse(bars("b", [Bar("a", math.nan, "–")], "x", top=math.inf))
    parse(lines("l", [Series("s", ODD), Series("t", [])], "x", "y"))
    parse(lines("l", [], "x", "y"))
    parse(lines("l", [Series("s", [3.0])], "x", "y"))
    parse(stack("s", [Bar(str(k), value, "v") for k, value in enumerate(ODD)], math.nan))
    parse(stack("s", [], 0))


def test_a_gap_breaks_the_line() -> None:
    root = parse(lines("l", [Series("s", [1.0, 2.0, math.nan, 1.0, 2.0])], "epoch", "loss"))
    path = next(e for e in root.iter("path")).get("d")
    assert path.count("M") == 2 and path.count("L") == 2


def test_stack_is_to_scale_against_its_limit() -> None:
    root = parse(stack("s", [Bar("arena", 30, "30 B"), Bar("stack", 10, "10 B")], 80, width=400))
    rows = [float(r.get("width")) for r in root.iter("rect")]
    assert rows[0] == 400 and rows[1] == 150 and rows[2] == 50


def test_ticks() -> None:
    assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert ticks(0, 0) == ticks(0, math.nan) == ticks(0, 1)
    for low, high in ((0, 1e-9), (-7, 3), (0, 1e12), (0.001, 0.0011), (5, 5)):
        found = ticks(low, high)
        assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 8


def test_clip() -> None:
    assert clip("short", 9) == "short"
    assert len(clip("x" * 50, 11)) == 11


def test_confusion() -> None:
    matrix = [[8, 2, 0], [0, 10, 0], [0, 0, 0]]
    root = parse(confusion(matrix, ["a", "<b>"]))
    tips = [e.text for e in root.iter("title")]
    assert "a taken for <b>: 2 of 10 (20.0 %)" in tips and len(tips) == 10
    assert worst_pairs(matrix, ["a", "<b>"]) == [("a", "<b>", 2)]
    parse(confusion([[1] * 60] * 60, []))
    assert confusion([[0] * 61] * 61, []) is None


@pytest.mark.parametrize("bad", [None, [], [[]], [[1, 2]], [[1, 2], [3]], [[math.nan]], "x", [1]])
def test_what_is_no_matrix(bad: object) -> None:
    assert not valid_matrix(bad)
