"""A model's quality on labelled samples, by the path that the device takes.

Preprocess, predict and decode are those of the camera loop and of the firmware, so a figure here is
a figure there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import Decoded, decode
from edgecnn.core.detections import Centroids, Classification, Detections
from edgecnn.core.errors import DataError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.metric import Metric
from edgecnn.core.postprocess import BoxSpec, CentroidSpec, ClassifySpec, PostprocessSpec
from edgecnn.core.prepare import Preparer, SampleKindError
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import Predictor, predict_stream
from edgecnn.core.sample import Dataset, Sample, spread
from edgecnn.evaluation.centroids import PointResult, centroid_metric
from edgecnn.evaluation.classification import classification_metric
from edgecnn.evaluation.detection import detection_metric
from edgecnn.evaluation.matching import MAX_DETECTIONS, ImageResult
from edgecnn.evaluation.mistakes import DetectionDetails

# Average precision needs the whole curve, whatever threshold the user looks at.
CURVE_THRESHOLD = 0.02
_NAMED = 10


@dataclass(frozen=True)
class Outcome:
    """One image's label and what the model said.

    Attributes:
        sample: the labelled image.
        result: decoded, in the image's pixels.
    """

    sample: Sample
    result: Decoded


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    preprocess: PreprocessSpec,
    postprocess: PostprocessSpec,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Metric:
    """Measures a model on a data set, one image at a time.

    Args:
        predictor: the model, float or quantized.
        dataset: labelled images; those that cannot be read are left out and counted.
        preprocess: how a sample becomes the inputs.
        postprocess: what the outputs mean; a detector's score threshold is lowered to 0.02.
        limit: at most so many images, evenly spread.
        progress: told of each image.

    Returns:
        ``accuracy``, ``map50`` or ``f1``, see :mod:`edgecnn.evaluation.classification`,
        ``detection`` and ``centroids``; extra also has ``skipped`` {count, first}.

    Raises:
        DataError: nothing to measure on, labels missing, or classes that the model does not know.
        BundleError: the specs do not fit the model.
    """
    wanted = postprocess.task
    if dataset.task != wanted:
        raise DataError(
            f"the data is for {dataset.task}, the model is for {wanted}",
            hint=f"evaluate on data for {wanted}",
        )
    classes = class_map(dataset.labels, postprocess.labels)
    spec = whole_curve(postprocess)
    skipped: list[str] = []
    outcomes = run_over(
        predictor, dataset, preprocess, spec, limit=limit, progress=progress, skipped=skipped
    )
    if isinstance(spec, ClassifySpec):
        metric = _classification(outcomes, classes, spec.labels)
    elif isinstance(spec, CentroidSpec):
        metric = centroid_metric(
            [_point_result(outcome, classes) for outcome in outcomes], spec.labels
        )
    else:
        metric = _detection(outcomes, classes, spec.labels, class_thresholds(postprocess))
    missing = [*dict.fromkeys([*dataset.skipped, *skipped])]
    if not metric.n:
        raise DataError(
            f"no image to measure on ({len(missing)} could not be read)",
            hint="check the folder, or choose another split",
        )
    note = {"count": len(missing), "first": missing[:_NAMED]}
    return replace(metric, extra={**metric.extra, "skipped": note})


def run_over(
    predictor: Predictor,
    dataset: Dataset,
    preprocess: PreprocessSpec,
    postprocess: PostprocessSpec,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
    skipped: list[str] | None = None,
) -> Iterator[Outcome]:
    """Every readable image with its decoded result, in order.

    Args:
        predictor: the model, float or quantized.
        dataset: images, labelled or not.
        preprocess: how a sample becomes the inputs.
        postprocess: what the outputs mean.
        limit: at most so many images, evenly spread.
        progress: told of each image.
        skipped: ids of unreadable images are appended here.

    Raises:
        BundleError: the specs do not fit the model.
        DataError: the data is not of the model's kind.
    """
    progress = progress or SilentProgress()
    picks = spread(len(dataset), len(dataset) if limit is None else limit)
    progress.stage("evaluate", len(picks))
    waiting: deque[tuple[Sample, FrameMap]] = deque()

    def prepared() -> Iterator[dict[str, NDArray[Any]]]:
        for sample, inputs, frame_map in _readable(
            dataset, Preparer(preprocess, predictor.inputs), picks, progress, skipped
        ):
            waiting.append((sample, frame_map))
            yield inputs

    for outputs in predict_stream(predictor, prepared()):
        sample, frame_map = waiting.popleft()
        yield Outcome(sample, decode(postprocess, outputs, predictor.outputs, frame_map))
        progress.advance()


def _readable(
    dataset: Dataset,
    prepare: Preparer,
    picks: Sequence[int],
    progress: Progress,
    skipped: list[str] | None,
) -> Iterator[tuple[Sample, dict[str, NDArray[Any]], FrameMap]]:
    """The picked samples that can be read, as the model's inputs."""
    for index in picks:
        try:
            sample = dataset[index]
            inputs, frame_map = prepare(sample)
        except SampleKindError:
            raise
        except DataError:
            if skipped is not None:
                skipped.append(dataset.ids[index])
            progress.advance()
            continue
        yield sample, inputs, frame_map


def class_map(data: Sequence[str], model: Sequence[str]) -> NDArray[np.int64]:
    """The model's class of each of the data's classes: by name, else by place.

    >>> class_map(["b"], ["a", "b"]).tolist(), class_map(["x"], ["a", "b"]).tolist()
    ([1], [0])

    Raises:
        DataError: the data has more classes than the model, and other names.
    """
    if set(data) <= set(model):
        return np.array([list(model).index(name) for name in data], np.int64)
    if len(data) > len(model):
        unknown = sorted(set(data) - set(model))
        raise DataError(
            f"the data has {len(data)} classes, the model knows {len(model)}",
            hint=f"not known to the model: {', '.join(unknown[:_NAMED])}",
        )
    return np.arange(len(data), dtype=np.int64)


def whole_curve(spec: PostprocessSpec) -> PostprocessSpec:
    """The spec with what average precision needs: low scores too, and enough boxes."""
    if not isinstance(spec, BoxSpec):
        return spec
    lowest = min(CURVE_THRESHOLD, *class_thresholds(spec))
    most = max(spec.max_detections, MAX_DETECTIONS)
    return replace(spec.with_threshold(lowest), max_detections=most)


def class_thresholds(spec: PostprocessSpec) -> tuple[float, ...]:
    """The score threshold of each class of a detector; empty for any other model."""
    if not isinstance(spec, BoxSpec | CentroidSpec):
        return ()
    return spec.thresholds or (spec.score_threshold,) * len(spec.labels)


def _classification(
    outcomes: Iterator[Outcome], classes: NDArray[np.int64], labels: Sequence[str]
) -> Metric:
    truth, guess = [], []
    for outcome in outcomes:
        if outcome.sample.label is None or not isinstance(outcome.result, Classification):
            raise _unlabelled(outcome.sample, "a class")
        truth.append(int(classes[outcome.sample.label]))
        guess.append(outcome.result.best)
    return classification_metric(truth, guess, labels)


def _detection(
    outcomes: Iterator[Outcome],
    classes: NDArray[np.int64],
    labels: Sequence[str],
    thresholds: tuple[float, ...],
) -> Metric:
    ids, results = [], []
    for outcome in outcomes:
        ids.append(outcome.sample.id)
        results.append(image_result(outcome, classes))
    metric = detection_metric(results, labels, thresholds=thresholds)
    return replace(metric, details=DetectionDetails(tuple(ids), tuple(results), thresholds))


def image_result(outcome: Outcome, classes: NDArray[np.int64]) -> ImageResult:
    """What was found on an image beside what is there.

    Args:
        outcome: a labelled image with a detector's boxes.
        classes: the model's class of each of the data's, see :func:`class_map`.

    Raises:
        DataError: the image has no boxes, not even none.
    """
    sample = outcome.sample
    if sample.boxes is None or sample.box_labels is None:
        raise _unlabelled(sample, "boxes")
    if not isinstance(outcome.result, Detections):
        raise _unlabelled(sample, "a detector's result")
    known = classes[sample.box_labels]
    return ImageResult(outcome.result, sample.boxes, known, sample.ignored, sample.crowd)


def _point_result(outcome: Outcome, classes: NDArray[np.int64]) -> PointResult:
    sample = outcome.sample
    if sample.boxes is None or sample.box_labels is None:
        raise _unlabelled(sample, "boxes")
    if not isinstance(outcome.result, Centroids):
        raise _unlabelled(sample, "points")
    known = classes[sample.box_labels]
    return PointResult(outcome.result, sample.boxes, known, sample.ignored)


def _unlabelled(sample: Sample, what: str) -> DataError:
    return DataError(f"'{sample.id}' has no label", hint=f"evaluation needs {what} per image")
