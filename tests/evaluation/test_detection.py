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
    average_precision,
    detection_metric,
    mean_precisions,
    resampled_map50,
)
from edgecnn.evaluation.matching import ImageResult, class_table, iou_matrix, match
from edgecnn.evaluation.thresholds import GRID, best_thresholds

coco = pytest.importorskip("pycocotools.coco")
cocoeval = pytest.importorskip("pycocotools.cocoeval")
LABELS = ("a", "b", "c")


class Judge(cocoeval.COCOeval):
    """pycocotools takes ``ignore`` from ``iscrowd`` alone; here a box may be ignored by itself."""

    def _prepare(self) -> None:
        super()._prepare()
        for boxes in self._gts.values():
            for box in boxes:
                box["ignore"] = box["ignore"] or box["difficult"]


def judged(results: list[ImageResult]) -> Judge | None:
    """The results as pycocotools sees them; None where nothing was found."""
    truth, found = [], []
    for image, result in enumerate(results, 1):
        rows = (result.boxes, result.classes, result.uncounted, result.groups)
        for box, which, ignored, crowd in zip(*(row.tolist() for row in rows), strict=True):
            size = [box[2] - box[0], box[3] - box[1]]
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": image,
                    "category_id": which + 1,
                    "bbox": [*box[:2], *size],
                    "area": size[0] * size[1],
                    "iscrowd": int(crowd),
                    "difficult": int(ignored),
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
            return None
        judge = Judge(api, api.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def reference(results: list[ImageResult]) -> tuple[float, float]:
    """(mAP@0.5:0.95, mAP@0.5) by pycocotools; 0 where it says -1 (nothing to find)."""
    judge = judged(results)
    return (0.0, 0.0) if judge is None else (max(0.0, judge.stats[0]), max(0.0, judge.stats[1]))


def result(found, truth) -> ImageResult:
    """Made of rows (x1, y1, x2, y2, class, score) and (x1, y1, x2, y2, class[, ignored, crowd])."""
    found = np.array(found, np.float64).reshape(-1, 6)
    found = found[np.argsort(-found[:, 5], kind="stable")]
    marks = [tuple(row[5:]) or (False, False) for row in truth]
    truth = np.array([row[:5] for row in truth], np.float64).reshape(-1, 5)
    ignored, crowd = np.array(marks, bool).reshape(-1, 2).T
    return ImageResult(
        Detections(
            found[:, :4].astype(np.float32),
            found[:, 5].astype(np.float32),
            found[:, 4].astype(np.int64),
        ),
        truth[:, :4].astype(np.float32),
        truth[:, 4].astype(np.int64),
        ignored,
        crowd,
    )


# Whole pixels and few sizes: many equal overlaps and scores, which is where rules differ.
_box = st.tuples(*(st.integers(0, 6) for _ in range(2)), *(st.integers(1, 6) for _ in range(2)))
# Some boxes 16 times as large, so that every range of sizes has some.
_row = st.tuples(_box, st.sampled_from([1, 1, 16])).map(
    lambda t: tuple(
        t[1] * side for side in (t[0][0], t[0][1], t[0][0] + t[0][2], t[0][1] + t[0][3])
    )
)
_truth = st.tuples(_row, st.integers(0, 2)).map(lambda t: (*t[0], t[1]))
_found = st.tuples(_row, st.integers(0, 2), st.integers(1, 8)).map(
    lambda t: (*t[0], t[1], t[2] / 8)
)
_image = st.tuples(st.lists(_found, max_size=8), st.lists(_truth, max_size=5))
_mark = st.sampled_from([(False, False), (False, False), (True, False), (True, True)])
_marked = st.tuples(_truth, _mark).map(lambda t: (*t[0], *t[1]))
_marked_image = st.tuples(st.lists(_found, max_size=8), st.lists(_marked, max_size=5))


@given(st.lists(_marked_image, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_ignored_boxes_and_crowds_count_as_pycocotools_counts_them(images) -> None:
    results = [result(*image) for image in images]
    metric = detection_metric(results, LABELS, rounds=2)
    judge = judged(results)
    if judge is None:
        assert metric.value == metric.extra["ar100"] == 0.0
        return
    # COCO's twelve figures, in its order; −1 where there is nothing to find.
    sizes = [metric.extra["areas"][name] for name in ("small", "medium", "large")]
    ours = [metric.extra["map5095"], metric.value, metric.extra["map75"]]
    ours += [size["map5095"] for size in sizes]
    ours += [metric.extra[key] for key in ("ar1", "ar10", "ar100")]
    ours += [size["ar100"] for size in sizes]
    for mine, theirs in zip(ours, judge.stats, strict=True):
        assert (mine or 0.0) == pytest.approx(max(0.0, theirs), abs=1e-6)
    precision = judge.eval["precision"]
    for which, label in enumerate(LABELS):
        curve = metric.extra["curves"][label]
        assert curve == pytest.approx(precision[0, : len(curve), which, 0, -1], abs=1e-4)
        assert bool(curve) == (precision[0, 0, which, 0, -1] > -1)


@given(st.lists(_image, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_equals_pycocotools_on_random_cases(images) -> None:
    results = [result(*image) for image in images]
    metric = detection_metric(results, LABELS, rounds=2)
    whole, half = reference(results)
    assert metric.value == pytest.approx(half, abs=1e-6)
    assert metric.extra["map5095"] == pytest.approx(whole, abs=1e-6)
    assert mean_precisions(results) == pytest.approx((half, whole), abs=1e-6)


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
    assert match(ious, np.array([0.5, 0.3])).tolist() == [[0, -1], [0, 1]]
    # A box that counts is taken before an ignored one; a crowd may be taken again.
    ious = np.array([[0.6, 0.9], [0.0, 0.9], [0.0, 0.9]])
    ignored = np.array([False, True])
    assert match(ious, np.array([0.5]), ignored).tolist() == [[0, 1, -1]]
    assert match(ious, np.array([0.5]), ignored, ignored).tolist() == [[0, 1, 1]]


def shown_f1(results: list[ImageResult], which: int, threshold: float) -> float:
    """F1 of one class, from the boxes that are left at ``threshold``: counted afresh."""
    right = shown = wanted = 0
    for item in results:
        chosen = (item.found.classes == which) & (item.found.scores >= np.float32(threshold))
        mine = item.classes == which
        ious = iou_matrix(item.found.boxes[chosen], item.boxes[mine])
        hits = int((match(ious, np.array([0.5])) >= 0).sum())
        right, shown, wanted = right + hits, shown + int(chosen.sum()), wanted + int(mine.sum())
    return 2 * right / (shown + wanted)


def test_no_other_threshold_has_a_better_f1() -> None:
    results = lifelike(8, 30)
    chosen = best_thresholds(results, LABELS, 0.3)
    for which, threshold in enumerate(chosen):
        best = shown_f1(results, which, threshold)
        assert best == pytest.approx(max(shown_f1(results, which, t) for t in GRID[::3]), abs=0.02)
        assert all(best >= shown_f1(results, which, t) - 1e-12 for t in GRID[::3])


def test_thresholds_of_a_clear_case_and_without_evidence() -> None:
    here, there = (0, 0, 10, 10), (20, 20, 30, 30)
    results = [
        result([(*here, 0, 0.9), (*there, 0, 0.5), (*here, 1, 0.4)], [(*here, 0), (*there, 2)])
    ]
    # The first class: any score above 0.5 and up to 0.9 will do, so the middle is taken.
    assert best_thresholds(results, LABELS, 0.33) == (pytest.approx(0.71, abs=0.011), 0.33, 0.33)
    assert best_thresholds([], LABELS, 0.25) == (0.25,) * 3
    # What matches an ignored box is not held against the class.
    easy = [result([(*here, 0, 0.9), (*there, 0, 0.5)], [(*here, 0), (*there, 0, True, False)])]
    assert best_thresholds(easy, LABELS, 0.3)[0] == pytest.approx(0.48, abs=0.02)


def test_resampling_is_weighting() -> None:
    results = lifelike(7, 25)
    tables = [class_table(results, which, np.array([0.5])) for which in range(3)]
    rng = np.random.default_rng(3)
    expected = []
    for _ in range(6):
        counts = np.bincount(rng.integers(25, size=25), minlength=25).astype(float)
        rows = [average_precision(table, counts)[0] for table in tables]
        expected.append(np.nanmean(rows))
    assert resampled_map50(tables, 25, 3, 6) == pytest.approx(np.array(expected), abs=1e-12)


def test_weights_count_an_image_several_times() -> None:
    results = lifelike(6, 12)
    counts = np.array([2.0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    thresholds = np.array([0.5])
    weighted = average_precision(class_table(results, 0, thresholds), counts)
    repeated = [results[0], *(results[i] for i in range(12) if i != 1)]
    assert weighted[0] == pytest.approx(
        average_precision(class_table(repeated, 0, thresholds))[0], abs=1e-9
    )
