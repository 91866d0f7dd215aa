"""Key points and masks in JSON Lines and on the picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.camera.overlay import OverlayOptions, class_colour, draw
from edgecnn.camera.result import Item, edges_of, items_of, to_line
from edgecnn.core.detections import Detections, Segmentation
from edgecnn.core.mask import Mask
from edgecnn.core.postprocess import CandidatePoints, ListedSpec, PointsSpec, Skeleton

PLAIN = OverlayOptions(labels=False, scores=False, status=False)
HW = (400, 600)


def result(*items: Item) -> tuple[Item, ...]:
    return items


def people(points: list, *masks: Mask) -> Detections:
    """One detection, box 100..300 × 50..350."""
    return Detections(
        np.float32([[100, 50, 300, 350]]),
        np.float32([0.75]),
        np.int64([1]),
        keypoints=np.float32([points]),
        masks=masks or None,
    )


def test_key_points_and_masks_are_added_to_the_line_where_there_are_some() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    box = (100.0, 50.0, 300.0, 350.0)
    mask = Mask(np.float32([[1, 1, -1, -1]]), box, box)
    found = people([[150.126, 100, 0.98766], [-3, 60, 0.1], [np.nan, 4, 0.5]], mask)
    line = to_line({"detections": [item.to_json() for item in items_of(found, ("a", "b"), HW)]})
    (item,) = json.loads(line)["detections"]
    assert item["keypoints"] == [[150.13, 100, 0.9877], [-3, 60, 0.1], [0, 0, 0]]
    pixels = coco.decode(coco.frPyObjects(item["mask"], *item["mask"]["size"]))
    expected = np.zeros(HW, np.uint8)
    expected[50:350, 100:200] = 1
    assert (pixels == expected).all()
    plain = Detections(found.boxes, found.scores, found.classes)
    (item,) = items_of(plain, ("a", "b"), HW)
    assert set(item.to_json()) == {"label", "score", "box_xyxy", "track"}


def test_what_is_no_number_never_reaches_the_line() -> None:
    bad = Detections(
        np.float32([[0, 0, np.inf, 1], [0, 0, 1, 1], [0, 0, 2, 2]]),
        np.float32([0.5, np.nan, 0.25]),
        np.int64([0, 0, 0]),
    )
    assert [item.score for item in items_of(bad, ("a",), HW)] == [0.25]


def test_a_map_of_classes_is_an_item_per_class_the_largest_first() -> None:
    classes = np.full((4, 6), -1)
    classes[1:3, 2:6], classes[3, 0] = 2, 0
    scores = np.where(classes >= 0, 0.5, 0).astype(np.float32)
    scores[1, 2:6] = 1
    found = Segmentation(classes, scores, (0.0, 0.0, 600.0, 400.0))
    large, small = items_of(found, ("a", "b", "c"), HW)
    assert (large.label, large.score, large.box_xyxy) == ("c", 0.75, (200, 100, 600, 300))
    assert (small.label, small.score, small.box_xyxy) == ("a", 0.5, (0, 300, 100, 400))
    assert large.whole_class and large.to_json()["mask"]["size"] == [400, 600]
    outside = Segmentation(classes, scores, (-600.0, 0.0, -1.0, 400.0))
    assert items_of(outside, ("a", "b", "c"), HW) == ()
    image = draw(np.zeros((*HW, 3), np.uint8), result(large, small), PLAIN, "12 ms")
    half = [round(value / 2) for value in class_colour(2)]
    assert np.abs(image[200, 400].astype(int) - half).max() <= 1
    assert image[150, 201].tolist() == list(class_colour(2))  # the outline
    assert not image[:100].any() and not image[300:, 100:].any()
    named = draw(image.copy(), result(large), OverlayOptions(status=False, boxes=False), "12 ms")
    rows, cols = np.nonzero((named != image).any(axis=2))
    assert rows.min() > 100 and rows.max() < 300 and cols.min() > 200 and cols.max() < 600


def test_points_are_dots_and_lines_where_both_ends_are_seen() -> None:
    found = people([[120, 100, 0.9], [280, 100, 0.2], [200, 300, 0.19]])
    skeleton = Skeleton(("l", "r", "down"), ((0, 1), (0, 2)))
    (item,) = items_of(found, ("a", "b"), HW, edges=skeleton.edges)
    image = draw(np.zeros((*HW, 3), np.uint8), result(item), PLAIN, "12 ms")
    for x in (120, 200, 280):
        assert image[100, x].tolist() == list(class_colour(1))
    assert not image[290:310, 190:210].any() and not image[200, 150:170].any()
    hidden = OverlayOptions(keypoints=False, boxes=False, labels=False, scores=False, status=False)
    assert not draw(np.zeros((*HW, 3), np.uint8), result(item), hidden, "12 ms").any()


def test_edges_come_from_the_spec() -> None:
    skeleton = Skeleton(("a", "b"), ((0, 1),))
    assert edges_of(PointsSpec("p", ("person",), skeleton)) == ((0, 1),)
    points = CandidatePoints(skeleton, "p")
    assert edges_of(ListedSpec("s", "b", ("x",), 4, keypoints=points)) == ((0, 1),)
    assert edges_of(ListedSpec("s", "b", ("x",), 4)) == ()


@pytest.mark.parametrize("shape", [(8, 300, 3), (96, 96, 3), (720, 1280, 3)])
def test_far_points_and_masks_on_frames_of_any_size(shape: tuple[int, int, int]) -> None:
    height, width = shape[:2]
    mask = Mask(np.float32([[1]]), (-1e6, -1e6, 1e6, 1e6), (0, 0, width, height))
    found = people([[1e30, -1e30, 1.0], [2, 2, 1.0], [-1e9, 3, 1.0]], mask)
    items = items_of(found, ("a",), (height, width), edges=((0, 1), (1, 2)))
    image = draw(np.zeros(shape, np.uint8), result(*items), OverlayOptions(), "30.0 FPS  12 ms")
    assert image.shape[0] % height == 0 and (image[-2:].any(axis=2)).all()
