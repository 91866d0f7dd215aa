"""Which mistakes are shown, and the pictures of them that a bundle keeps."""

from __future__ import annotations

import json

import cv2
import numpy as np

from edgecnn.core.detections import Detections
from edgecnn.core.metric import Metric
from edgecnn.core.sample import Sample
from edgecnn.evaluation.exhibits import SHOWN, choose_exhibits
from edgecnn.evaluation.matching import ImageResult
from edgecnn.evaluation.mistakes import DetectionDetails
from edgecnn.jobs.gallery import mistake_gallery
from tests.evaluation.test_evaluate import Memory

LABELS = ("cat", "dog")


def details(found, truth, images=1) -> DetectionDetails:
    """Makes one of rows (x1, y1, x2, y2, class, score) and (x1, y1, x2, y2, class)."""
    found = np.array(found, np.float32).reshape(-1, 6)
    truth = np.array(truth, np.float32).reshape(-1, 5)
    result = ImageResult(
        Detections(found[:, :4], found[:, 5], found[:, 4].astype(np.int64)),
        truth[:, :4],
        truth[:, 4].astype(np.int64),
    )
    ids = tuple(f"s/{k}" for k in range(images))
    return DetectionDetails(ids, (result,) * images, (0.5, 0.5))


def test_the_gravest_of_each_class_in_its_turn_and_few_of_an_image() -> None:
    far = [(100 + 20 * k, 0, 110 + 20 * k, 10, 0, 0.9 - k / 100) for k in range(5)]
    alone = [(100, 50, 110, 60, 1, 0.6)]
    chosen = choose_exhibits(details(far, []))
    assert [round(item.score, 2) for item in chosen] == [0.9, 0.89]
    chosen = choose_exhibits(details(far[:1] + alone, [], images=20))
    assert [item.shown for item in chosen] == [0, 1] * (SHOWN["false alarm"] // 2)
    assert all(item.kind == "false alarm" and item.truth is None for item in chosen)


def test_the_largest_missed_box_comes_first_and_right_ones_never() -> None:
    truth = [(0, 0, 10, 10, 0), (20, 0, 60, 40, 0), (70, 0, 75, 5, 0), (80, 0, 99, 19, 1)]
    chosen = choose_exhibits(details([(80, 0, 99, 19, 1, 0.9)], truth))
    assert [item.truth for item in chosen] == [(20, 0, 60, 40), (0, 0, 10, 10)]
    assert {item.kind for item in chosen} == {"missed"}


def test_pictures_hold_their_boxes_where_the_image_does() -> None:
    """A bright box in a dark image is bright in its picture, at the place that the index says."""
    box = (5, 60, 25, 100)
    image = np.zeros((120, 160, 3), np.uint8)
    image[60:100, 5:25] = 255
    data = Memory([Sample("s", image)], LABELS, "detect")
    metric = Metric("map50", 0, 1, 0, 0, details=details([], [(*box, 1)]))
    files = mistake_gallery(metric, data, LABELS)
    (item,) = json.loads(files["gallery.json"])["items"]
    assert (item["kind"], item["expected"], item["shown"]) == ("missed", "dog", None)
    picture = cv2.imdecode(np.frombuffer(files[item["file"]], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert list(picture.shape[::-1]) == item["size"]
    x1, y1, x2, y2 = (round(value) for value in item["truth"])
    inside = np.zeros(picture.shape, bool)
    inside[y1:y2, x1:x2] = True
    assert picture[inside].mean() > 235 and picture[~inside].mean() < 20


def test_no_gallery_without_a_detector_or_with_images_that_are_gone() -> None:
    assert mistake_gallery(None, None, LABELS) == {}
    assert mistake_gallery(Metric("accuracy", 1, 1, 0, 1), None, LABELS) == {}
    metric = Metric("map50", 0, 1, 0, 0, details=details([], [(0, 0, 9, 9, 0)]))
    assert mistake_gallery(metric, Memory([None], LABELS, "detect"), LABELS) == {}
