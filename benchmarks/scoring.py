"""Quality of a model from its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluator import Outputs
from edgecnn.core.decode import decode
from edgecnn.core.imaging import FrameMap
from edgecnn.core.metric import Metric, wilson_interval
from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Sample
from edgecnn.evaluation.classification import classification_metric
from edgecnn.evaluation.detection import mean_precisions, resampled_map50
from edgecnn.evaluation.evaluate import CURVE_THRESHOLD
from edgecnn.evaluation.matching import MAX_DETECTIONS, ImageResult, class_table

_AT_50 = np.array([0.5])


def score_classes(outputs: Outputs, labels: NDArray[np.int64], classes: int) -> Metric:
    """Accuracy of the (n, classes) scores against the first n ``labels``."""
    guess = outputs[0].reshape(len(outputs[0]), -1).argmax(axis=1)
    names = [str(which) for which in range(classes)]
    return classification_metric(labels[: len(guess)], guess, names)


def score_agreement(outputs: Outputs, reference: Outputs) -> Metric:
    """How often the best class is the float model's; extra: mean and largest difference."""
    mine, other = (rows[0].reshape(len(rows[0]), -1) for rows in (outputs, reference))
    same = (mine.argmax(axis=1) == other[: len(mine)].argmax(axis=1)).astype(np.float64)
    low, high = wilson_interval(float(same.sum()), len(same))
    gap = np.abs(mine - other[: len(mine)])
    extra = {"mean_difference": float(gap.mean()), "max_difference": float(gap.max())}
    return Metric(
        "agreement", float(same.mean()), len(same), low, high, per_sample=same, extra=extra
    )


def score_clips(outputs: Outputs, labels: NDArray[np.int64], places: int) -> Metric:
    """Accuracy over clips that were heard at ``places`` places each, one after the other.

    A clip's score is the share of its windows that were right, so that one window that tips over
    does not count as a whole clip; clips, not windows, are what the interval takes as independent.
    """
    guess = outputs[0].argmax(axis=1)
    count = len(guess) // places
    right = guess[: count * places].reshape(count, places) == labels[:count, None]
    scores = right.mean(axis=1)
    low, high = wilson_interval(float(scores.sum()), count)
    return Metric("accuracy", float(scores.mean()), count, low, high, per_sample=scores)


def score_scenes(
    outputs: Outputs, samples: Sequence[Sample], maps: Sequence[FrameMap], spec: DetectSpec
) -> Metric:
    """Average precision at IoU 0.5 over the first n ``samples``, with a bootstrap over images.

    The outputs are told apart by their last axis: 4 box codes, or one score per label.
    """
    spec = replace(spec.with_threshold(CURVE_THRESHOLD), max_detections=MAX_DETECTIONS)
    by_axis = {array.shape[-1]: array for array in outputs}
    named = {spec.boxes: by_axis[4], spec.scores: by_axis[len(spec.labels)]}
    infos = [TensorInfo(name, (1, *array.shape[1:]), "float32") for name, array in named.items()]
    results = []
    for index in range(len(outputs[0])):
        frame = {name: array[index : index + 1] for name, array in named.items()}
        found = decode(spec, frame, infos, maps[index])
        truth = samples[index]
        results.append(ImageResult(found, truth.boxes, truth.box_labels))  # type: ignore[arg-type]
    tables = [class_table(results, which, _AT_50) for which in range(len(spec.labels))]
    resampled = resampled_map50(tables, len(results))
    low, high = (float(edge) for edge in np.percentile(resampled, (2.5, 97.5)))
    return Metric(
        "map50", mean_precisions(results)[0], len(results), low, high, resampled=resampled
    )
