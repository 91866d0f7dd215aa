import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgecnn.camera.events.regions import FrameRegion, InRegions, _places_in, parse_region
from edgecnn.camera.result import FrameMask, Item
from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.mask import Mask

GRID = 32


@st.composite
def polygons(draw) -> list[tuple[int, int]]:
    """Corners on a grid of 33 × 33, in the order of their angle around a point: no side crosses."""
    corners = draw(
        st.lists(
            st.tuples(st.integers(0, GRID), st.integers(0, GRID)),
            min_size=3, max_size=9, unique=True,
        )
    )  # fmt: skip
    x, y = np.mean(corners, axis=0)
    return sorted(corners, key=lambda corner: math.atan2(corner[1] - y, corner[0] - x))


def region_of(corners) -> FrameRegion:
    try:
        return FrameRegion("r", tuple((x / GRID, y / GRID) for x, y in corners))
    except UsageError:
        assume(False)
        raise


@settings(max_examples=150, deadline=None)
@given(polygons(), st.lists(st.tuples(st.integers(0, GRID), st.integers(0, GRID)), min_size=8))
def test_a_region_holds_what_opencv_says(corners, points) -> None:
    region = region_of(corners)
    polygon = np.asarray(corners, np.float32)
    for x, y in (*points, *corners):
        expected = cv2.pointPolygonTest(polygon, (float(x), float(y)), False) >= 0
        assert region.holds(x / GRID, y / GRID) == expected


@settings(max_examples=40, deadline=None)
@given(polygons())
def test_places_in_a_region_lie_in_it_and_are_many_where_it_is_large(corners) -> None:
    region = region_of(corners)
    places = _places_in(region)
    assert len(places) and all(region.holds(x, y) for x, y in places[::37])
    area = cv2.contourArea(np.asarray(corners, np.float32)) / GRID**2
    width, height = np.ptp(np.asarray(corners), axis=0) / GRID
    assert len(places) / 64**2 == pytest.approx(area / (width * height), abs=0.04)


def test_a_box_stands_on_the_middle_of_its_bottom_and_a_point_is_where_it_is() -> None:
    regions = InRegions(
        (FrameRegion("low", ((0, 0.5), (1, 1))), FrameRegion("up", ((0, 0), (1, 0.4))))
    )
    tall = Item("person", 0, 0.9, (10, -5, 30, 106))
    assert regions.of(tall, (100, 200)) == ("low",)
    point = Item("person", 0, 0.9, (0, 0, 200, 100), point_xy=(5, 40))
    assert regions.of(point, (100, 200)) == ("up",)
    between = Item("person", 0, 0.9, (10, 0, 30, 45))
    assert regions.of(between, (100, 200)) == ()


def test_a_class_of_pixels_is_where_it_covers_a_twentieth() -> None:
    sides = (FrameRegion("left", ((0, 0), (0.5, 1))), FrameRegion("right", ((0.5, 0), (1, 1))))

    def road(x1: float, x2: float) -> Item:
        mask = Mask(np.ones((2, 2), np.float32), (0, 0, 200, 100), (x1, 0, x2, 100), smooth=False)
        frame = FrameMask(mask, (100, 200))
        return Item("road", 0, 0.9, (x1, 0, x2, 100), mask=frame, whole_class=True)

    regions = InRegions(sides)
    assert regions.of(road(0, 103), (100, 200)) == ("left",)
    assert regions.of(road(90, 108), (100, 200)) == ("left", "right")
    assert regions.of(road(198, 198), (100, 200)) == ()


def test_files_of_regions(tmp_path: Path) -> None:
    corners = {"door": [[0.1, 0.2], [0.5, 0.2], [0.3, 0.9]], "yard": [0.5, 0, 1, 1]}
    tmp_path = tmp_path / "a=b"
    tmp_path.mkdir()
    (tmp_path / "r.json").write_text(json.dumps({"regions": corners}))
    text = "[regions]\n" + "".join(f"{name} = {value}\n" for name, value in corners.items())
    (tmp_path / "r.toml").write_text(text)
    read = parse_region(str(tmp_path / "r.json"))
    assert read == parse_region(str(tmp_path / "r.toml"))
    assert [(region.name, len(region.points)) for region in read] == [("door", 3), ("yard", 4)]
    assert parse_region("a=b=0,0,1,1")[0].name == "a=b"


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("json", "{"), ("json", "[" * 100_000), ("json", "[]"), ("json", '{"regions": {}}'),
        ("json", '{"regions": {"a": 1}}'), ("json", '{"regions": {"a": [0, 0, 1]}}'),
        ("json", '{"regions": {"a": [[0, 0], [1]]}}'),
        ("json", '{"regions": {"a": [0, NaN, 1, 1]}}'),
        ("json", '{"regions": {"a": [true, 0, 1, 1]}}'), ("json", '{"regions": {}, "b": 1}'),
        ("toml", "regions = 1"), ("toml", "= ="), ("json", " " * (1 << 21)),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_regions_is_refused(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"r.{suffix}"
    path.write_text(text)
    with pytest.raises(DataError, match="regions file"):
        parse_region(str(path))


@pytest.mark.parametrize("word", ["nan", "inf", "1e999", "", "1%%", "-0.1", "100.5%"])
def test_coordinates_that_are_none(word: str) -> None:
    with pytest.raises(UsageError, match="coordinate"):
        parse_region(f"door=0,0,{word},1")
