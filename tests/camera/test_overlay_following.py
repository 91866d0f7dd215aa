"""Trails, lines, zones and counts as they are drawn."""

import numpy as np
import pytest

from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.following import Following, PlaceCount, Trail
from edgecnn.camera.overlay import OverlayOptions, class_colour, draw
from edgecnn.camera.result import Item

LINE = CountedPlace("door", "line", ((0, 0.5), (1, 0.5)))
ZONE = CountedPlace("shop", "zone", ((0.25, 0.6), (0.75, 0.6), (0.75, 0.9), (0.25, 0.9)))
QUIET = {"labels": False, "scores": False, "status": False}


def drawn(places=(), following=None, items=(), size=(480, 640), **options) -> np.ndarray:
    image = np.zeros((*size, 3), np.uint8)
    return draw(image, items, OverlayOptions(places=places, **options), "", following)


def test_a_line_lies_where_it_is_and_its_arrow_points_to_in() -> None:
    image = drawn((LINE,), **QUIET)
    assert image[240, 200].any() and image[240, 500].any()
    below, above = image[250:270, 310:330], image[210:230, 310:330]
    assert below.any() and not above.any()
    turned = drawn((CountedPlace("door", "line", LINE.points[::-1]),), **QUIET)
    assert turned[210:230, 310:330].any() and not turned[250:270, 310:330].any()


def test_pixels_and_shares_are_drawn_alike_also_on_an_enlarged_frame() -> None:
    pixels = CountedPlace("door", "line", ((0, 60), (80, 60)), True)
    small = drawn((pixels,), size=(120, 80), **QUIET)
    assert small.shape == (480, 320, 3)
    assert (small == drawn((LINE,), size=(120, 80), **QUIET)).all()


def test_a_zone_is_tinted_and_what_is_below_can_be_seen() -> None:
    image = draw(np.full((480, 640, 3), 100, np.uint8), (), OverlayOptions(places=(ZONE,)))
    inside, outside = image[400, 400].astype(int), image[100, 100].astype(int)
    assert (outside == 100).all() and (inside != 100).any() and abs(inside - 100).max() < 40


def test_counts_change_what_is_written() -> None:
    def of(came_in: int) -> np.ndarray:
        counts = (PlaceCount("door", "line", {"cat": came_in}, {}),)
        return drawn((LINE,), Following(counts=counts))

    assert (of(1) == of(1)).all() and (of(1) != of(2)).any()


def test_a_trail_has_its_class_colour_and_a_box_the_tracks_number() -> None:
    trail = Trail(7, "cat", 3, ((100.0, 100.0), (300.0, 100.0)))
    image = drawn(following=Following(trails=(trail,)))
    assert tuple(image[100, 200].tolist()) == class_colour(3)
    assert not drawn(following=Following(trails=(trail,)), trails=False).any()
    box = (100.0, 100.0, 200.0, 200.0)
    plain, numbered = Item("cat", 3, 0.9, box), Item("cat", 3, 0.9, box, track=7)
    assert (drawn(items=(plain,)) != drawn(items=(numbered,))).any()


@pytest.mark.parametrize("size", [(1, 1), (8, 300), (240, 320), (1080, 1920)])
def test_any_place_on_any_frame(size: tuple[int, int]) -> None:
    far = (
        CountedPlace("é" * 90, "line", ((-90_000, 5), (90_000, 6)), True),
        CountedPlace("z", "zone", ((-90_000, -9), (90_000, -9), (5, 90_000)), True),
        CountedPlace("out", "zone", ((5000, 5000), (6000, 6000)), True),
        LINE,
    )
    trail = Trail(1, "cat", 0, ((-1e6, 5.0), (1e6, 9.0)))
    counts = (PlaceCount("z", "zone", {"cat": 10**9}, {}, 3),)
    assert drawn(far, Following(trails=(trail,), counts=counts), size=size).any()
