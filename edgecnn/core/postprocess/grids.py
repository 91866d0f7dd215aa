"""The kinds ``centroids`` and ``centers``: what a grid of class scores peaks at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from edgecnn.core.postprocess import checks
from edgecnn.core.postprocess.base import Activation, Axes, GridLevel, Skeleton, Task

SizeCoding = Literal["size", "log-size", "ltrb"]
CentreOrigin = Literal["auto", "corner", "centre"]
LandmarkCoding = Literal["box", "cells"]


def _check_grid(level: object) -> None:
    if not isinstance(level, GridLevel) or level.anchors:
        checks.bad("level", level, "one feature map without anchors")


@dataclass(frozen=True)
class CentroidSpec:
    """A grid of class scores that says where objects are, not how large (FOMO, Edge Impulse 2022).

    Attributes:
        scores: name of the output (1, rows, cols, classes), the background first if there is one.
        labels: one per class, without the background.
        level: the grid, without anchors.
        background: whether the first column stands for the background.
        activation: applied to the scores' real values; ``softmax`` with the background.
        score_threshold: the lowest score of a cell that counts, for all classes.
        thresholds: instead of it one per class; a cell is judged by its best class's.
        max_detections: the best so many objects are reported.
    """

    scores: str
    labels: tuple[str, ...]
    level: GridLevel
    background: bool = False
    activation: Activation = "sigmoid"
    score_threshold: float = 0.5
    max_detections: int = 100
    thresholds: tuple[float, ...] = ()
    kind: Literal["centroids"] = "centroids"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.one_of("activation", self.activation, get_args(Activation))
        checks.strings("labels", self.labels)
        checks.name("scores", self.scores)
        _check_grid(self.level)
        checks.flag("background", self.background)
        checks.fraction("score_threshold", self.score_threshold)
        checks.whole("max_detections", self.max_detections, 1, checks.MOST_CANDIDATES)
        checks.per_label("thresholds", self.thresholds, self.labels)

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "detect"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        return (self.scores,)

    def with_threshold(self, score: float) -> CentroidSpec:
        """The same spec with one threshold for all classes."""
        return replace(self, score_threshold=score, thresholds=())


@dataclass(frozen=True)
class CenterPoints:
    """Key points that each cell of a centre heat map carries; they score what the object does.

    Attributes:
        skeleton: the points.
        output: name of the output (1, rows, cols, 2 · points).
        coding: ``box``: shares of the object's box, from its upper left corner (CenterFace);
            ``cells``: cells from the cell's upper left corner.
        axes: ``xy``: x comes first.
        planar: first all of one axis, then all of the other; otherwise point by point.
    """

    skeleton: Skeleton
    output: str
    coding: LandmarkCoding = "cells"
    axes: Axes = "xy"
    planar: bool = False

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.name("landmarks.output", self.output)
        checks.one_of("landmarks.coding", self.coding, get_args(LandmarkCoding))
        checks.one_of("landmarks.axes", self.axes, get_args(Axes))
        checks.flag("landmarks.planar", self.planar)


@dataclass(frozen=True)
class CenterSpec:
    """Heat maps that peak at objects' centres, and maps of sizes (CenterNet, Zhou et al. 2019).

    A cell is a peak where no score of its class in the window around it is higher; no NMS.

    Attributes:
        scores: name of the output (1, rows, cols, classes).
        sizes: name of the output (1, rows, cols, 2 or 4).
        labels: one per class.
        level: the grid, without anchors.
        offsets: name of the output (1, rows, cols, 2): how far the centre lies from the cell's
            origin, in cells; empty: there are none.
        origin: where that is: the cell's upper left ``corner`` or its ``centre``; ``auto``: with
            offsets the corner, without them the centre.
        coding: of the sizes: ``size``: width and height; ``log-size``: their logarithms; ``ltrb``:
            distances to left, top, right, bottom.
        size_unit: input pixels that 1.0 of a size stands for (of ``log-size``, after exp).
        axes: the order of sizes and offsets; ``yx``: height first.
        activation: applied to the scores' real values.
        window: cells, an odd number.
        score_threshold, thresholds: the lowest score that counts; for all, or one per class.
        nms_iou: of greedy per-class NMS; 1: none.
        max_detections: the best so many objects are reported.
        transposed: the outputs are (1, channels, rows, cols).
        landmarks: key points of each object.
    """

    scores: str
    sizes: str
    labels: tuple[str, ...]
    level: GridLevel
    offsets: str = ""
    coding: SizeCoding = "size"
    size_unit: float = 1.0
    axes: Axes = "xy"
    origin: CentreOrigin = "auto"
    activation: Activation = "sigmoid"
    window: int = 3
    score_threshold: float = 0.3
    thresholds: tuple[float, ...] = ()
    nms_iou: float = 1.0
    max_detections: int = 100
    transposed: bool = False
    landmarks: CenterPoints | None = None
    kind: Literal["centers"] = "centers"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.name("scores", self.scores)
        checks.name("sizes", self.sizes)
        checks.optional_name("offsets", self.offsets)
        checks.strings("labels", self.labels)
        _check_grid(self.level)
        checks.one_of("coding", self.coding, get_args(SizeCoding))
        checks.numbers("size_unit", (self.size_unit,), 1)
        checks.one_of("axes", self.axes, get_args(Axes))
        checks.one_of("origin", self.origin, get_args(CentreOrigin))
        checks.one_of("activation", self.activation, ("none", "sigmoid"))
        checks.whole("window", self.window, 1, 31)
        if self.window % 2 == 0:
            checks.bad("window", self.window, "an odd number")
        checks.fraction("score_threshold", self.score_threshold)
        checks.per_label("thresholds", self.thresholds, self.labels)
        checks.fraction("nms_iou", self.nms_iou)
        checks.whole("max_detections", self.max_detections, 1, checks.MOST_CANDIDATES)
        checks.flag("transposed", self.transposed)

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "detect"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        names = [self.scores, self.sizes, self.offsets]
        names += [self.landmarks.output] if self.landmarks else []
        return tuple(dict.fromkeys(name for name in names if name))

    def with_threshold(self, score: float) -> CenterSpec:
        """The same spec with one threshold for all classes."""
        return replace(self, score_threshold=score, thresholds=())
