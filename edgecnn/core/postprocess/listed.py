"""The kind ``listed``: the model itself chose the boxes; its outputs list them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from edgecnn.core.postprocess import checks
from edgecnn.core.postprocess.base import Activation, CandidatePoints, MaskCoefficients, Task

BoxOrder = Literal["yxyx", "xyxy", "cxcywh"]


@dataclass(frozen=True)
class ListedSpec:
    """A list of boxes, each with a score and a class.

    So do TFLite's ``TFLite_Detection_PostProcess``, detectors without NMS (YOLOv10), exports with
    NMS inside, and MoveNet MultiPose.

    Attributes:
        scores: name of the output with a score per box.
        boxes: name of the output with four numbers per box.
        labels: one per class.
        rows: how many boxes are listed, at most.
        classes: name of the output with the number of a class per box; empty: all are the first.
        count: name of the output with how many rows are filled; empty: all are, and the score
            decides.
        score_column, box_column, class_column: where each starts among the values of a row; for
            outputs that share one tensor (1, rows, values).
        box_order: ``yxyx``: y1, x1, y2, x2; ``xyxy``; ``cxcywh``: centre x, y, width, height.
        box_units: input pixels (x, y) that 1.0 stands for.
        class_offset: the number of the first label's class.
        activation: applied to the scores' real values.
        score_threshold: the lowest score that counts, for all classes.
        thresholds: instead of it one per class.
        nms_iou: of greedy per-class NMS; 1: none, the model has done it.
        max_detections: the best so many boxes are reported.
        keypoints: key points of each row, coding ``units``.
        masks: a mask of each row.
    """

    scores: str
    boxes: str
    labels: tuple[str, ...]
    rows: int
    classes: str = ""
    count: str = ""
    score_column: int = 0
    box_column: int = 0
    class_column: int = 0
    box_order: BoxOrder = "yxyx"
    box_units: tuple[float, float] = (1.0, 1.0)
    class_offset: int = 0
    activation: Activation = "none"
    score_threshold: float = 0.3
    thresholds: tuple[float, ...] = ()
    nms_iou: float = 1.0
    max_detections: int = 100
    keypoints: CandidatePoints | None = None
    masks: MaskCoefficients | None = None
    kind: Literal["listed"] = "listed"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        for key in ("scores", "boxes"):
            checks.name(key, getattr(self, key))
        for key in ("classes", "count"):
            checks.optional_name(key, getattr(self, key))
        checks.strings("labels", self.labels)
        checks.whole("rows", self.rows, 1, checks.MOST_CANDIDATES)
        for key in ("score_column", "box_column", "class_column"):
            checks.column(key, getattr(self, key))
        checks.one_of("box_order", self.box_order, get_args(BoxOrder))
        checks.numbers("box_units", self.box_units, 2)
        checks.whole("class_offset", self.class_offset, -checks.MOST_CANDIDATES, 1 << 20)
        checks.one_of("activation", self.activation, ("none", "sigmoid"))
        checks.fraction("score_threshold", self.score_threshold)
        checks.fraction("nms_iou", self.nms_iou)
        checks.per_label("thresholds", self.thresholds, self.labels)
        checks.whole("max_detections", self.max_detections, 1, checks.MOST_CANDIDATES)
        if self.keypoints is not None:
            checks.name("keypoints.output", self.keypoints.output)
            if self.keypoints.coding != "units":
                checks.bad("keypoints.coding", self.keypoints.coding, "units")

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "detect"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        names = [self.scores, self.boxes, self.classes, self.count]
        names += [self.keypoints.output] if self.keypoints else []
        names += [self.masks.output, self.masks.prototypes] if self.masks else []
        return tuple(dict.fromkeys(name for name in names if name))

    def with_threshold(self, score: float) -> ListedSpec:
        """The same spec with one threshold for all classes."""
        return replace(self, score_threshold=score, thresholds=())
