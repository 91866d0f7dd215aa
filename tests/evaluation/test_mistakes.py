"""What a detector got right and wrong: kinds of mistakes and the confusion with background."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.detections import Detections
from edgecnn.evaluation.detection import detection_metric
from edgecnn.evaluation.matching import ImageResult, class_table
from edgecnn.evaluation.mistakes import (
    confusion_with_background,
    count_kinds,
    judge_image,
)

HERE, THERE, LOW = (0, 0, 10, 10), (20, 20, 30, 30), 0.2
LIMITS = (0.5, 0.5)


def image(found, truth) -> ImageResult:
    """From (box, class, score) and (box, class[, ignored, crowd])."""
    marks = np.array([(*row, False, False)[2:4] for row in truth], bool).reshape(-1, 2)
    return ImageResult(
        Detections(
            np.array([row[0] for row in found], np.float32).reshape(-1, 4),
            np.array([row[2] for row in found], np.float32),
            np.array([row[1] for row in found], np.int64),
        ),
        np.array([row[0] for row in truth], np.float32).reshape(-1, 4),
        np.array([row[1] for row in truth], np.int64),
        marks[:, 0],
        marks[:, 1],
    )


@pytest.mark.parametrize(
    ("found", "truth", "kinds"),
    [
        ([(HERE, 0, 0.9)], [(HERE, 0)], ["right"]),
        ([(HERE, 0, LOW)], [(HERE, 0)], ["missed"]),
        ([(HERE, 0, 0.9), (HERE, 0, 0.8)], [(HERE, 0)], ["right", "double"]),
        ([(HERE, 1, 0.9)], [(HERE, 0)], ["wrong class"]),
        ([(HERE, 1, 0.9), (HERE, 0, 0.8)], [(HERE, 0)], ["false alarm", "right"]),
        ([((0, 0, 10, 4), 0, 0.9)], [(HERE, 0)], ["misplaced"]),
        ([((0, 0, 10, 4), 1, 0.9)], [(HERE, 0)], ["false alarm", "missed"]),
        ([(THERE, 0, 0.9)], [(HERE, 0)], ["false alarm", "missed"]),
        ([(HERE, 0, 0.9)], [(HERE, 0, True, False)], []),
        ([(HERE, 0, 0.9), (HERE, 0, 0.8)], [(HERE, 0, True, False)], ["false alarm"]),
        ([(HERE, 0, 0.9), (HERE, 0, 0.8)], [(HERE, 0, True, True)], []),
        ([(HERE, 1, 0.9)], [(HERE, 0, True, True)], ["false alarm"]),
        ([], [], []),
    ],
)
def test_kinds(found, truth, kinds) -> None:
    assert [item.kind for item in judge_image(image(found, truth), LIMITS)] == kinds


def test_confusion_counts_background_both_ways() -> None:
    results = [
        image(
            [(HERE, 0, 0.9), (THERE, 1, 0.8), ((40, 40, 50, 44), 1, 0.7), ((60, 0, 70, 9), 0, 0.6)],
            [(HERE, 0), (THERE, 0), ((40, 40, 50, 50), 1), ((80, 80, 90, 90), 1)],
        )
    ]
    judged = [judge_image(results[0], LIMITS)]
    matrix = confusion_with_background(results, judged, 2)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 2], [1, 1, 0]]
    counts = count_kinds(judged)
    assert counts == {
        "right": 1, "missed": 1, "false alarm": 1, "misplaced": 1, "wrong class": 1, "double": 0
    }  # fmt: skip


_box = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 5), st.integers(1, 5)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
_found = st.tuples(_box, st.integers(0, 1), st.integers(1, 8).map(lambda s: s / 8))
_truth = st.tuples(_box, st.integers(0, 1), st.booleans(), st.just(False))


@given(st.lists(st.tuples(st.lists(_found, max_size=7), st.lists(_truth, max_size=5)), min_size=1))
@settings(max_examples=60, deadline=None)
def test_every_box_is_accounted_for(images) -> None:
    results = [image(sorted(found, key=lambda f: -f[2]), truth) for found, truth in images]
    judged = [judge_image(result, LIMITS) for result in results]
    metric = detection_metric(results, ("a", "b"), thresholds=LIMITS, rounds=2)
    matrix = np.array(metric.extra["confusion"])
    counted = np.concatenate([result.classes[~result.uncounted] for result in results])
    assert matrix[:2].sum(axis=1).tolist() == np.bincount(counted, minlength=2).tolist()
    for which, label in enumerate(("a", "b")):
        # The diagonal is what average precision counts as found.
        table = class_table(results, which, np.array([0.5]))
        shown = table.scores >= 0.5
        assert matrix[which, which] == table.hits[0][shown].sum()
        assert matrix[:, which].sum() == (shown & ~table.ignored[0]).sum()
        recall = metric.extra["by_class"][label]["recall"]
        assert (recall or 0) == pytest.approx(matrix[which, which] / max(1, matrix[which].sum()))
    for result, judgements in zip(results, judged, strict=True):
        said = [item.found for item in judgements if item.found is not None]
        assert len(said) == len(set(said))
        uniquely = [i.truth for i in judgements if i.truth is not None and i.kind != "double"]
        assert sorted(uniquely) == np.flatnonzero(~result.uncounted).tolist()
