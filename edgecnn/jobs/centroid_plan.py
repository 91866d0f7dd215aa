"""What the training of a model that finds points takes from the other rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecnn.core.detections import Centroids
from edgecnn.core.errors import UsageError
from edgecnn.core.sample import Dataset
from edgecnn.evaluation.centroids import PointResult, best_point_thresholds
from edgecnn.training.centroids import CentroidRequest, PointQuality, PointScore
from edgecnn.training.detect import Truth

CENTROIDS = "centroids"


def centroid_request(fields: Mapping[str, Any], val: Dataset | None) -> CentroidRequest:
    """The request of a model that finds points.

    Args:
        fields: of a detector's request, all but ``val``.
        val: what picks the epoch and the thresholds.

    Raises:
        UsageError: there is no ``val``.
    """
    if val is None:
        raise UsageError(
            f"the thresholds of '{CENTROIDS}' are chosen on the validation images",
            hint="leave --with-val out",
        )
    own = {key: value for key, value in fields.items() if key != "radius"}  # of boxes alone
    return CentroidRequest(CENTROIDS, val=val, **{**own, "score": point_score(len(val.labels))})


def point_score(labels: int) -> PointScore:
    """The score of :func:`edgecnn.training.centroids.train_centroids` for so many classes."""

    def score(found: Mapping[float, Sequence[Centroids]], truth: Sequence[Truth]) -> PointQuality:
        results = {
            limit: [
                PointResult(one, there.boxes, there.classes, there.ignored)
                for one, there in zip(each, truth, strict=True)
            ]
            for limit, each in found.items()
        }
        return PointQuality(*best_point_thresholds(results, labels))

    return score
