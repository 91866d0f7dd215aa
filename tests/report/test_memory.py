import math
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from edgecnn.report.memory import memory_map


def block(name: str, kind: str, offset: int, nbytes: int, first: int, last: int, region: int = 0):
    return {
        "name": f"tensor {name}", "holder": f"net/{name}/Conv2D", "kind": kind, "region": region,
        "offset": offset, "nbytes": nbytes, "first": first, "last": last,
    }  # fmt: skip


def timeline(count: int = 3) -> dict[str, Any]:
    """A chain that goes up and down, and a scratch."""
    blocks = [block("camera", "input", 0, 600, -1, 0)]
    steps = []
    for k in range(count):
        kind = "output" if k == count - 1 else "activation"
        blocks.append(block(f"layer_{k}", kind, 400 * ((k + 1) % 2), 600, k, k + 1))
        steps.append(
            {
                "ops": [k], "name": f"net/layer_{k}/Conv2D", "code": "CONV_2D",
                "live": [k, k + 1], "live_bytes": 1000, "live_by_region": [1000],
                "backwards": k % 2 == 0,
            }
        )  # fmt: skip
    blocks.append(block("layer_0", "scratch", 1000, 200, 0, 0))
    if steps:
        steps[0] |= {"live": [0, 1, len(blocks) - 1], "live_bytes": 1200, "live_by_region": [1200]}
    return {
        "schema": "edgecnn.memory/1", "arena_bytes": 1250, "lower_bound_bytes": 1200,
        "regions": [{"name": "arena", "bytes": 1250}], "blocks": blocks, "steps": steps,
        "peak_step": 0, "peak_bytes": 1200 if steps else 0,
    }  # fmt: skip


def two_regions() -> dict[str, Any]:
    data = timeline()
    data["blocks"][2]["region"] = 1
    data["regions"] = [{"name": "dtcm", "bytes": 250}, {"name": "sram", "bytes": 1000}]
    for step in data["steps"]:
        step["live_by_region"] = [200, step["live_bytes"] - 200]
    return data


def parse(data: dict[str, Any]) -> ElementTree.Element:
    root = ElementTree.fromstring(memory_map(data))
    for element in root.iter():
        for key, value in element.attrib.items():
            if key in ("x", "y", "x1", "x2", "y1", "y2", "width", "height"):
                assert math.isfinite(float(value))
                assert key not in ("width", "height") or float(value) >= 0
            assert not re.search("nan|inf", value) or key in ("class", "aria-label")
    return root


def rectangles(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    found = {}
    for group in root.iter("g"):
        title, rect = group.find("title"), group.find("rect")
        if title is not None and rect is not None:
            found[f"{str(title.text).split(' (')[0]} {rect.get('class')}"] = rect
    return found


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(t for t in element.itertext()) for element in root.iter("text")]


def test_one_rectangle_per_buffer_to_scale() -> None:
    found = rectangles(parse(timeline()))
    assert len(found) == 5
    camera, first = found["tensor camera s4"], found["tensor layer_0 s1"]
    assert float(camera.get("height")) == float(first.get("height"))
    scratch = found["tensor layer_0 s2"]
    assert float(first.get("height")) == pytest.approx(3 * float(scratch.get("height")), abs=0.05)
    # 400 bytes higher, and addresses go upwards.
    lift = float(camera.get("y")) - float(first.get("y"))
    assert lift == pytest.approx(float(first.get("height")) * 400 / 600, abs=0.05)
    # Both live during step 0: the second column of the one and the first of the other.
    column = float(first.get("x")) - float(camera.get("x"))
    assert float(first.get("width")) == pytest.approx(2 * column - 1)
    assert float(scratch.get("width")) == pytest.approx(column - 1)


def test_the_headline_tells_the_peak_and_who_holds_it() -> None:
    shown = texts(parse(timeline()))
    assert shown[0] == (
        "Arena 1,250 bytes, 4.2 % above the lower bound; peak at step 0 (layer_0): 1,200 bytes."
    )
    assert shown[1] == "Held there by tensor camera 600, layer_0 600, scratch of layer_0 200."
    assert any("arena 1,250, bound 1,200" in text for text in shown)
    exact = timeline() | {"lower_bound_bytes": 1250}
    assert any("arena = bound 1,250" in text for text in texts(parse(exact)))


def test_backwards_steps_are_marked() -> None:
    marks = [text for text in texts(parse(timeline(5))) if text.endswith("from the end◂")]
    assert len(marks) == 3
    assert "step 0 writes its output from the end" in marks[0]


def test_regions_have_fields_of_their_own() -> None:
    root = parse(two_regions())
    shown = texts(root)
    assert any("dtcm: 250 bytes" in text for text in shown)
    assert any("sram: 1,000 bytes" in text for text in shown)
    holes = [r for r in root.iter("rect") if r.get("class") == "hole"]
    low, high = sorted(holes, key=lambda r: -float(r.get("y")))
    assert float(low.get("y")) > float(high.get("y")) + float(high.get("height"))
    moved = rectangles(root)["tensor layer_1 s1"]
    assert float(moved.get("y")) < float(high.get("y")) + float(high.get("height"))


@pytest.mark.parametrize("count", [0, 1, 60, 400])
def test_any_number_of_steps(count: int) -> None:
    root = parse(timeline(count))
    shown = texts(root)
    assert len(rectangles(root)) == count + 2
    labels = [
        e for e in root.iter("text") if e.get("class") == "tick" and e.find("title") is not None
    ]
    at = [float(e.get("x")) for e in labels if "CONV_2D" in str(e.find("title").text)]
    assert all(b - a > 16 for a, b in zip(at, at[1:], strict=False))
    assert shown


def test_names_are_escaped() -> None:
    data = timeline()
    data["blocks"][1]["name"] = "<script>alert(1)</script>"
    data["steps"][0]["name"] = "a&b<c"
    picture = memory_map(data)
    assert "<script>" not in picture
    parse(data)
