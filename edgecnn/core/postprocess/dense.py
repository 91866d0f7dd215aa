"""The kind ``detect``: detectors that propose a box for each cell or anchor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.postprocess import checks
from edgecnn.core.postprocess.base import (
    Activation,
    CandidatePoints,
    GridLevel,
    MaskCoefficients,
    Task,
)

BoxCoding = Literal[
    "ltrb", "center-size", "center-exp", "center-linear", "corner-linear", "cell-exp",
    "anchor-exp", "anchor-square", "cxcywh", "xyxy",
]  # fmt: skip
Suppression = Literal["greedy", "weighted"]
_DECODED = ("cxcywh", "xyxy")
_AGAINST_ANCHORS = ("center-size", "center-exp", "center-linear", "corner-linear")
_ON_ANCHORS = (*_AGAINST_ANCHORS, "anchor-exp", "anchor-square")
_MOST_BINS = 64
_MOST_KEPT = (1 << 63) - 1
_PER_LEVEL = ("scores", "boxes", "objectness", "keypoints")


@dataclass(frozen=True)
class DetectSpec:
    """A dense one-stage detector.

    Attributes:
        scores: name of the output (1, candidates, classes) or (1, rows, cols, classes); empty
            where each level names its own.
        boxes: name of the output (1, candidates, 4) or (1, rows, cols, 4); likewise.
        labels: one per class (no background class).
        levels: feature maps, in the order in which the candidates are laid out; none for boxes
            that are decoded already, ``cxcywh`` and ``xyxy``, and for ``anchor_boxes``.
        coding: ``ltrb``: distances from the cell's centre to left, top, right, bottom, in units of
            ``box_scale`` × stride; ``center-size``: dy, dx, dh, dw against the anchor with
            ``variances`` (SSD, Liu et al. 2016); ``center-exp``: the same as dx, dy, dw, dh
            (RetinaFace, Deng et al. 2019); ``center-linear``: dx, dy, w, h against the
            anchor with ``variances``, sizes without exp (MediaPipe's detectors);
            ``corner-linear``: dx1, dy1, dx2, dy2 against the anchor's corners, in anchors with
            ``variances`` (ST's model zoo); ``cell-exp``:
            x, y in cells from the cell's corner, and logarithms of the sizes in strides (YOLOX,
            Ge et al. 2021); ``anchor-exp``: sigmoids of x, y from the cell's corner, logarithms
            of the sizes in anchors (YOLOv3, Redmon and Farhadi 2018); ``anchor-square``: twice the
            sigmoids less a half from the corner, squared double sigmoids in anchors (YOLOv5);
            ``cxcywh``: centre x, y, width, height and ``xyxy``: x1, y1, x2, y2, in ``box_units``.
        box_scale: of ``ltrb``.
        variances: of x, y, width and height (of y, x … for ``center-size``, of x1, y1, x2, y2 for
            ``corner-linear``).
        activation: applied to the scores' real values, and to the objectness.
        score_unit: the real value of scores and objectness that stands for 1; 100 for percentages
            (Seeed's Swift-YOLO).
        score_threshold: the lowest score that counts, for all classes.
        thresholds: instead of it one per class; a candidate is judged by its best class's.
        max_candidates: if more candidates pass, the best ones stay (of equal scores the first).
        nms_iou, max_detections: of per-class NMS; an ``nms_iou`` of 1 suppresses nothing.
        objectness: name of an output (1, candidates, 1) whose probability is multiplied with each
            class's; empty: none, or each level names its own.
        score_column, box_column, objectness_column: where each starts among the values of a
            candidate; for outputs that share one tensor.
        transposed: the outputs are (1, values, candidates).
        box_units: input pixels (x, y) that 1.0 of a decoded box stands for: (1, 1) for pixels, the
            input's (width, height) for boxes from 0 to 1.
        decoded_boxes: how many candidates a model without levels and anchors has.
        background: whether the first column of the scores stands for none of the labels; it counts
            in a softmax.
        bins: of ``ltrb``: each distance is the mean of 0, 1 … bins − 1 under the softmax of so many
            values (distribution focal loss, Li et al. 2020); 0: it is the value itself.
        anchor_boxes: instead of levels: centre x, y, width, height in input pixels of each
            candidate's anchor.
        suppression: ``greedy``, or ``weighted``: boxes that overlap the best one by more than
            ``nms_iou`` become their mean, weighted by score (MediaPipe).
        keypoints: key points of each candidate.
        masks: a mask of each candidate.
    """

    scores: str
    boxes: str
    labels: tuple[str, ...]
    levels: tuple[GridLevel, ...]
    coding: BoxCoding = "ltrb"
    box_scale: float = 1.0
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    activation: Activation = "sigmoid"
    score_threshold: float = 0.3
    nms_iou: float = 0.5
    max_detections: int = 100
    thresholds: tuple[float, ...] = ()
    max_candidates: int = 4096
    objectness: str = ""
    score_column: int = 0
    box_column: int = 0
    objectness_column: int = 0
    transposed: bool = False
    box_units: tuple[float, float] = (1.0, 1.0)
    decoded_boxes: int = 0
    background: bool = False
    bins: int = 0
    anchor_boxes: tuple[tuple[float, float, float, float], ...] = ()
    suppression: Suppression = "greedy"
    keypoints: CandidatePoints | None = None
    masks: MaskCoefficients | None = None
    score_unit: float = 1.0
    kind: Literal["detect"] = "detect"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.one_of("activation", self.activation, get_args(Activation))
        checks.one_of("coding", self.coding, get_args(BoxCoding))
        checks.one_of("suppression", self.suppression, get_args(Suppression))
        checks.strings("labels", self.labels)
        if not self.labels:
            checks.bad("labels", self.labels, "one or more")
        checks.numbers("box_scale", (self.box_scale,), 1)
        checks.numbers("score_unit", (self.score_unit,), 1)
        checks.numbers("variances", self.variances, 4)
        checks.numbers("box_units", self.box_units, 2)
        checks.fraction("score_threshold", self.score_threshold)
        checks.fraction("nms_iou", self.nms_iou)
        for key in ("max_detections", "max_candidates"):
            checks.whole(key, getattr(self, key), 1, _MOST_KEPT)
        checks.per_label("thresholds", self.thresholds, self.labels)
        checks.flag("background", self.background)
        self._check_layout()
        self._check_names()

    def _check_layout(self) -> None:
        """Candidates and columns; raises BundleError."""
        for anchor in self.anchor_boxes:
            checks.numbers("anchor_boxes", anchor[:2], 2, signed=True)
            checks.numbers("anchor_boxes", anchor[2:], 2)
        if len(self.anchor_boxes) > checks.MOST_CANDIDATES:
            checks.bad("anchor_boxes", "a longer list", f"{checks.MOST_CANDIDATES} at most")
        if self.coding in _DECODED:
            if self.levels or self.anchor_boxes:
                checks.bad("levels", "feature maps", f"none for {self.coding} coding")
            checks.whole("decoded_boxes", self.decoded_boxes, 1, checks.MOST_CANDIDATES)
        else:
            if not self.levels and not self.anchor_boxes:
                checks.bad("levels", self.levels, "at least one feature map")
            if self.levels and self.anchor_boxes:
                checks.bad("levels", "feature maps", "none beside anchor_boxes")
            checks.whole("decoded_boxes", self.decoded_boxes, 0, 0)
        if self.coding in _ON_ANCHORS and not all(level.anchors for level in self.levels):
            checks.bad("levels", "a level without anchors", f"anchors for {self.coding} coding")
        if self.anchor_boxes and self.coding not in _AGAINST_ANCHORS:
            checks.bad("anchor_boxes", "anchors", f"levels for {self.coding} coding")
        if self.coding != "ltrb" and any(level.offset != 0.5 for level in self.levels):
            checks.bad("levels.offset", "another", f"0.5 for {self.coding} coding")
        checks.whole("bins", self.bins, 0, _MOST_BINS if self.coding == "ltrb" else 0)
        for key in ("score_column", "box_column", "objectness_column"):
            checks.column(key, getattr(self, key))
        checks.flag("transposed", self.transposed)

    def _check_names(self) -> None:
        """Outputs: one for all candidates, or one per level; raises BundleError."""
        for key in ("scores", "boxes"):
            self._check_output(key, getattr(self, key), needed=True)
        self._check_output("objectness", self.objectness, needed=False)
        points = self.keypoints
        if points is None:
            if any(level.keypoints for level in self.levels):
                checks.bad("levels.keypoints", "an output", "none without keypoints")
            return
        self._check_output("keypoints", points.output, needed=True)
        if points.coding == "cell" and not self.levels:
            checks.bad("keypoints.coding", points.coding, "units or anchor, without levels")
        if points.coding == "cell" and any(level.offset != 0.5 for level in self.levels):
            checks.bad("levels.offset", "another", "0.5 for key points in cells")
        if points.coding == "anchor" and self.coding not in _ON_ANCHORS:
            checks.bad("keypoints.coding", points.coding, f"units or cell, beside {self.coding}")

    def _check_output(self, key: str, value: str, *, needed: bool) -> None:
        """One output, one in each of the levels, or (unless it is needed) none."""
        checks.optional_name(key, value)
        per_level = [getattr(level, key) for level in self.levels]
        if any(per_level):
            good = not value and all(per_level)
        else:
            good = bool(value) or not needed
        if not good:
            checks.bad(key, value, "the name of an output, or one in each of the levels")

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "detect"

    @property
    def candidates(self) -> int:
        """How many boxes the model proposes."""
        on_levels = sum(level.candidates for level in self.levels)
        return self.decoded_boxes + len(self.anchor_boxes) + on_levels

    @property
    def box_columns(self) -> int:
        """How many values of a candidate its box takes."""
        return 4 * max(1, self.bins)

    @property
    def score_columns(self) -> int:
        """How many values of a candidate its scores take."""
        return len(self.labels) + self.background

    @property
    def has_objectness(self) -> bool:
        """Whether any output holds the objectness."""
        return bool(self.objectness) or any(level.objectness for level in self.levels)

    @property
    def point_variances(self) -> tuple[float, float]:
        """The variances of x and y of key points that are coded against the anchor."""
        first, second = self.variances[:2]
        return (second, first) if self.coding == "center-size" else (first, second)

    @cached_property
    def anchors(self) -> NDArray[np.float32]:
        """``anchor_boxes`` as a read-only array (n, 4), made once."""
        array = np.asarray(self.anchor_boxes, np.float32).reshape(-1, 4)
        array.setflags(write=False)
        return array

    @property
    def per_level(self) -> bool:
        """Whether any output is one of several, one per level."""
        return any(getattr(level, key) for level in self.levels for key in _PER_LEVEL)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        names = [self.scores, self.boxes, self.objectness]
        names += [getattr(level, key) for level in self.levels for key in _PER_LEVEL]
        names += [self.keypoints.output] if self.keypoints else []
        names += [self.masks.output, self.masks.prototypes] if self.masks else []
        return tuple(dict.fromkeys(name for name in names if name))

    def with_threshold(self, score: float) -> DetectSpec:
        """The same spec with one threshold for all classes."""
        return replace(self, score_threshold=score, thresholds=())
