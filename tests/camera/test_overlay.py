import numpy as np
import pytest

from edgecnn.camera.events.regions import FrameRegion
from edgecnn.camera.overlay import OverlayOptions, class_colour, draw, plain_text
from edgecnn.camera.result import Item, items_of
from edgecnn.camera.stats import Percentiles
from edgecnn.core.detections import Centroids, Classification, Detections


def result(*items: Item) -> tuple[Item, ...]:
    return items


@pytest.mark.parametrize("shape", [(480, 640, 3), (96, 96, 3), (8, 300, 3), (2000, 3000, 3)])
def test_any_frame_size_is_drawn_on_within_bounds(shape: tuple[int, int, int]) -> None:
    box = Item("long label " * 9, 3, 0.5, (0.0, 0.0, float(shape[1]), float(shape[0])))
    image = draw(np.zeros(shape, np.uint8), result(box), OverlayOptions(), "30.0 FPS  12 ms")
    assert image.dtype == np.uint8 and image.any()
    factor = image.shape[0] // shape[0]
    assert image.shape == (shape[0] * factor, shape[1] * factor, 3)
    assert min(image.shape[:2]) >= 320


def test_a_strip_of_pixels_does_not_become_gigabytes() -> None:
    assert draw(np.zeros((2, 70_000, 3), np.uint8), (), OverlayOptions()).shape == (2, 70_000, 3)
    assert draw(np.zeros((1, 5000, 3), np.uint8), (), OverlayOptions()).shape == (3, 15_000, 3)


def test_a_box_has_its_class_colour_where_it_belongs() -> None:
    options = OverlayOptions(labels=False, scores=False, status=False)
    item = Item("a", 1, 0.9, (100.0, 120.0, 200.0, 220.0))
    image = draw(np.zeros((480, 640, 3), np.uint8), result(item), options, "12 ms")
    assert tuple(image[120, 150].tolist()) == class_colour(1)
    assert not image[150:190, 130:170].any() and not image[:100].any() and not image[:, 230:].any()


def test_regions_are_outlined_below_the_boxes() -> None:
    region = FrameRegion("door", ((0.25, 0.25), (1, 1)))
    options = OverlayOptions(labels=False, scores=False, status=False, regions=(region,))
    item = Item("a", 1, 0.9, (100.0, 240.0, 200.0, 320.0))
    image = draw(np.zeros((481, 641, 3), np.uint8), result(item), options)
    assert image[120, 400].any() and image[480, 400].any() and image[400, 640].any()
    assert tuple(image[280, 100].tolist()) == class_colour(1)
    assert image[300, 160].any() and not image[:110].any() and not image[:230, :150].any()
    assert draw(np.zeros((9, 9, 3), np.uint8), result(), OverlayOptions(regions=(region,))).any()


def test_nothing_to_draw_leaves_the_frame() -> None:
    options = OverlayOptions(status=False)
    frame = np.full((480, 640, 3), 7, np.uint8)
    assert (draw(frame.copy(), result(), options, "12 ms") == frame).all()


def test_colours_are_distinct_and_fixed() -> None:
    colours = [class_colour(k) for k in range(20)]
    assert len(set(colours)) == 20 and colours == [class_colour(k) for k in range(20)]


def test_text_that_the_font_lacks() -> None:
    assert plain_text("Ångström Zähler") == "Angstrom Zahler"
    assert plain_text("日本\n\x00") == "????"
    assert len(plain_text("x" * 500)) == 40


def test_items_of_odd_results() -> None:
    nan = Classification(np.float32([np.nan, np.nan]))
    assert items_of(nan, ("a", "b"), (4, 4)) == ()
    boxes = Detections(np.float32([[1, 2, 3, 4]]), np.float32([0.5]), np.int64([7]))
    assert items_of(boxes, ("a",), (4, 4))[0].label == "class 7"


def test_percentiles_against_numpy_in_bounded_memory() -> None:
    values = np.random.default_rng(0).lognormal(2, 1.5, 5000)
    spread = Percentiles()
    size = spread._counts.nbytes
    for value in values:
        spread.add(float(value))
    for q in (1, 50, 95, 99):
        expected = np.percentile(values, q, method="inverted_cdf")
        assert spread.percentile(q) == pytest.approx(expected, rel=0.003)
    assert spread._counts.nbytes == size and spread.count == 5000
    assert Percentiles().to_json() == {"p50": None, "p95": None}
    spread.add(1e12)
    spread.add(0.0)


def test_a_point_is_a_ring_and_says_so_in_json() -> None:
    found = Centroids(
        np.float32([[40.25, 30.0]]), np.float32([[32, 24, 48, 40]]), np.float32([0.75]),
        np.array([1]),
    )  # fmt: skip
    (item,) = items_of(found, ("red", "green"), (60, 80))
    assert item.to_json() == {
        "label": "green", "score": 0.75, "box_xyxy": [32.0, 24.0, 48.0, 40.0], "track": None,
        "point_xy": [40.25, 30.0],
    }  # fmt: skip
    assert "point_xy" not in Item("a", 0, 1.0, (0, 0, 1, 1)).to_json()
    image = np.zeros((60, 80, 3), np.uint8)
    options = OverlayOptions(labels=False, scores=False, status=False, min_side=1)
    drawn = draw(image, (item,), options, "12 ms")
    assert tuple(drawn[30, 40]) == class_colour(1)
    rows, cols = np.nonzero(drawn.any(axis=2))
    assert (rows.min(), rows.max()) < (30, 60) and abs((cols.min() + cols.max()) / 2 - 40) <= 1
    assert not drawn[30, 45].any()  # between dot and ring
