"""All rules of recognition, and how their answers are weighed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgecnn.core.errors import ModelError
from edgecnn.recognition.centers import centers
from edgecnn.recognition.centroids import fomo
from edgecnn.recognition.classifier import plain_classifier
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Answer, Recognised
from edgecnn.recognition.listed import listed_outputs, selected_indices
from edgecnn.recognition.listed_rows import rows_of_an_image
from edgecnn.recognition.mediapipe import mediapipe_detector
from edgecnn.recognition.pose_bins import simcc
from edgecnn.recognition.pose_coordinates import coordinates
from edgecnn.recognition.pose_heatmaps import heat_maps
from edgecnn.recognition.pose_landmarks import mediapipe_landmarks
from edgecnn.recognition.pose_movenet import movenet_multi, movenet_single
from edgecnn.recognition.pose_posenet import posenet
from edgecnn.recognition.queries import query_detector
from edgecnn.recognition.retinaface import retinaface
from edgecnn.recognition.segment import segmentation
from edgecnn.recognition.shared_scale import shared_scale_warnings
from edgecnn.recognition.ssd import decoded_ssd, noted_detector, raw_ssd
from edgecnn.recognition.ssd_op import ssd_op
from edgecnn.recognition.ssd_own_anchors import ssd_with_anchors
from edgecnn.recognition.yolo_anchors import yolo_anchors
from edgecnn.recognition.yolo_cells import yolo_cells
from edgecnn.recognition.yolo_decoded import yolo_decoded
from edgecnn.recognition.yolo_levels import yolo_levels
from edgecnn.recognition.yolo_listed import yolo_listed
from edgecnn.recognition.yolo_split import yolo_split

Rule = Callable[[Facts], Answer | None]

#: Each rule answers for its own kind, or nothing. Order decides nothing.
RULES: tuple[Rule, ...] = (
    plain_classifier,
    segmentation,
    fomo,
    ssd_op,
    listed_outputs,
    rows_of_an_image,
    selected_indices,
    raw_ssd,
    decoded_ssd,
    ssd_with_anchors,
    noted_detector,
    mediapipe_detector,
    retinaface,
    yolo_decoded,
    yolo_cells,
    yolo_split,
    yolo_listed,
    yolo_levels,
    yolo_anchors,
    query_detector,
    centers,
    movenet_single,
    movenet_multi,
    posenet,
    heat_maps,
    mediapipe_landmarks,
    coordinates,
    simcc,
)


def recognise(facts: Facts) -> Answer | None:
    """What the model is; None: no rule knows it.

    Where several rules answer, those that an op or metadata makes sure go first, then those with a
    whole spec.

    Raises:
        ModelError: two different kinds fit equally well.
        DataError: a label file of the wrong length.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # Values on a picture may be anything; a rule that they do not suit says no.
        warnings.simplefilter("ignore", RuntimeWarning)
        answers = [answer for rule in RULES if (answer := rule(facts)) is not None]
    for keep in (_sure, _whole):
        answers = [answer for answer in answers if keep(answer)] or answers
    if not answers:
        return None
    if len({answer.name for answer in answers}) > 1:
        raise ModelError(
            "the outputs fit several kinds: " + "; ".join(answer.name for answer in answers),
            hint="say which: --explain-model --write spec.toml, then --spec spec.toml",
        )
    best = answers[0]
    if isinstance(best, Recognised):
        return replace(best, warnings=(*best.warnings, *shared_scale_warnings(facts, best.spec)))
    return best


def _sure(answer: Answer) -> bool:
    return answer.sure


def _whole(answer: Answer) -> bool:
    return isinstance(answer, Recognised)
