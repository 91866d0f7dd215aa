"""Average precision against pycocotools, an independent implementation."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.detections import Detections
from edgecnn.evaluation.detection import (
    ImageResult,
    average_precision,
    class_table,
    detection_metric,
    iou_matrix,
    map50,
    match,
)

coco = pytest.importorskip("pycocotools.coco")
cocoeval = pytest.importorskip("pycocotools.cocoeval")
LABELS = ("a", "b", "c")


def reference(results: list[ImageResult]) -> tuple[float, float]:
    """(mAP@0.5:0.95, mAP@0.5) by pycocotools; 0 where it says -1 (nothing to find)."""
    truth, found = [], []
    for image, result in enumerate(results, 1):
        for box, which in zip(result.boxes.tolist(), result.classes.tolist(), strict=True):
            size = [box[2] - box[0], box[3] - box[1]]
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": image,
                    "category_id": which + 1,
                    "bbox": [*box[:2], *size],
                    "area": size[0] * size[1],
                    "iscrowd": 0,
                }
            )
        rows = zip(
            result.found.boxes.tolist(),
            result.found.scores.tolist(),
            result.found.classes.tolist(),
            strict=True,
        )
        found += [
            {
                "image_id": image,
                "category_id": which + 1,
                "bbox": [*box[:2], box[2] - box[0], box[3] - box[1]],
                "score": score,
            }
            for box, score, which in rows
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        api = coco.COCO()
        api.dataset = {
            "images": [{"id": i + 1} for i in range(len(results))],
            "categories": [{"id": i + 1} for i in range(len(LABELS))],
            "annotations": truth,
        }
        api.createIndex()
        if not found:
            return 0.0, 0.0
        judge = cocoeval.COCOeval(api, api.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return max(0.0, judge.stats[0]), max(0.0, judge.stats[1])


def result(found, truth) -> ImageResult:
    """From rows (x1, y1, x2, y2, class, score) and (x1, y1, x2, y2, class)."""
    found = np.array(found, np.float64).reshape(-1, 6)
    found = found[np.argsort(-found[:, 5], kind="stable")]
    truth = np.array(truth, np.float64).reshape(-1, 5)
    return ImageResult(
        Detections(
            found[:, :4].astype(np.float32),
            found[:, 5].astype(np.float32),
            found[:, 4].astype(np.int64),
        ),
        truth[:, :4].astype(np.float32),
        truth[:, 4].astype(np.int64),
    )


# Whole pixels and few sizes: many equal overlaps and scores, which is where rules differ.
_box = st.tuples(*(st.integers(0, 6) for _ in range(2)), *(st.integers(1, 6) for _ in range(2)))
_row = _box.map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
_truth = st.tuples(_row, st.integers(0, 2)).map(lambda t: (*t[0], t[1]))
_found = st.tuples(_row, st.integers(0, 2), st.integers(1, 8)).map(
    lambda t: (*t[0], t[1], t[2] / 8)
)
_image = st.tuples(st.lists(_found, max_size=8), st.lists(_truth, max_size=5))


@given(st.lists(_image, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_equals_pycocotools_on_random_cases(images) -> None:
    results = [result(*image) for image in images]
    metric = detection_metric(results, LABELS, rounds=2)
    whole, half = reference(results)
    assert metric.value == pytest.approx(half, abs=1e-6)
    assert metric.extra["map5095"] == pytest.approx(whole, abs=1e-6)
    by_image = [(r.found, r.boxes, r.classes) for r in results]
    assert map50(*zip(*by_image, strict=True)) == pytest.approx(half, abs=1e-6)


def lifelike(seed: int, images: int) -> list[ImageResult]:
    """Boxes found near the true ones, some missed, some doubled, some of the wrong class."""
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(images):
        count = int(rng.integers(0, 7))
        low = rng.uniform(0, 70, (count, 2))
        boxes = np.concatenate([low, low + rng.uniform(8, 26, (count, 2))], axis=1)
        classes = rng.integers(0, 3, count)
        rows = []
        for box, which in zip(boxes, classes, strict=True):
            for _ in range(int(rng.integers(0, 3))):
                near = box + rng.normal(0, 2.0, 4)
                said = which if rng.random() < 0.8 else rng.integers(0, 3)
                rows.append((*near, said, rng.random()))
        results.append(result(rows, np.column_stack([boxes, classes])))
    return results


def test_equals_pycocotools_on_lifelike_cases_and_brackets_the_value() -> None:
    results = lifelike(5, 120)
    metric = detection_metric(results, LABELS)
    whole, half = reference(results)
    assert metric.value == pytest.approx(half, abs=1e-6)
    assert metric.extra["map5095"] == pytest.approx(whole, abs=1e-6)
    assert metric.low < metric.value < metric.high
    assert metric.n == 120 and metric.extra["boxes"] == sum(len(r.boxes) for r in results)
    assert metric == detection_metric(results, LABELS)


def test_keeps_one_hundred_boxes_per_image_and_class() -> None:
    right = [(0, 0, 10, 10, 0, 0.1)]
    wrong = [(20 + i, 20, 30 + i, 30, 0, 0.5) for i in range(100)]
    results = [result(wrong + right, [(0, 0, 10, 10, 0)])]
    assert reference(results)[1] == 0.0 == detection_metric(results, LABELS).value
    results = [result(wrong[1:] + right, [(0, 0, 10, 10, 0)])]
    assert detection_metric(results, LABELS).value == pytest.approx(reference(results)[1])


def test_small_known_cases() -> None:
    box = (0, 0, 10, 10)
    perfect = [result([(*box, 0, 0.9)], [(*box, 0)])]
    assert detection_metric(perfect, LABELS).value == pytest.approx(1.0)
    doubled = [result([(*box, 0, 0.9), (*box, 0, 0.8)], [(*box, 0)])]
    assert detection_metric(doubled, LABELS).value == pytest.approx(1.0)
    nothing_found = [result([], [(*box, 0)])]
    assert detection_metric(nothing_found, LABELS).value == 0.0
    nothing_there = [result([(*box, 0, 0.9)], [])]
    metric = detection_metric(nothing_there, LABELS)
    assert metric.value == 0.0 and set(metric.extra["per_class"].values()) == {None}
    assert detection_metric([], LABELS).n == 0


def test_iou_and_matching() -> None:
    a = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], np.float32)
    b = np.array([[0, 0, 10, 5], [20, 20, 30, 30]], np.float32)
    assert iou_matrix(a, b).tolist() == [[0.5, 0.0], [0.0, 0.0]]
    # The better candidate takes the box; the second one has nothing left at 0.5.
    ious = np.array([[0.6, 0.2], [0.9, 0.4]])
    assert match(ious, np.array([0.5, 0.3])).tolist() == [[True, False], [True, True]]


def test_weights_count_an_image_several_times() -> None:
    results = lifelike(6, 12)
    counts = np.array([2.0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    thresholds = np.array([0.5])
    weighted = average_precision(class_table(results, 0, thresholds), counts)
    repeated = [results[0], *(results[i] for i in range(12) if i != 1)]
    assert weighted[0] == pytest.approx(
        average_precision(class_table(repeated, 0, thresholds))[0], abs=1e-9
    )
