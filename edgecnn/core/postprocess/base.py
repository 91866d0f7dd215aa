"""What kinds of postprocess specs share: words, feature maps, key points, masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgecnn.core.postprocess import checks

Activation = Literal["none", "softmax", "sigmoid"]
Task = Literal["classify", "detect", "pose", "segment"]
PointCoding = Literal["units", "anchor", "cell"]
Axes = Literal["xy", "yx"]
_MOST_POINTS = 4096


@dataclass(frozen=True)
class GridLevel:
    """One feature map of a dense detector: ``rows × cols`` cells, ``stride`` input pixels each.

    Anchors, if any, are (width, height) pairs in input pixels, cell-major then anchor-minor; an
    anchor-free level has none and one candidate a cell.

    Attributes:
        rows, cols: cells.
        stride: input pixels per cell, along both axes.
        anchors: of each cell.
        scores, boxes, objectness: names of this level's own outputs, where each level has its own;
            empty: the spec's.
        keypoints: the same for the key points of candidates.
        offset: where in its cell a candidate's centre lies, along both axes; 0: at the upper left
            corner (NanoDet-Plus), for the coding ``ltrb`` alone.
        anchors_first: candidates are anchor-major, then cell (YOLOv5's maps as PyTorch lays them
            out).
    """

    rows: int
    cols: int
    stride: float
    anchors: tuple[tuple[float, float], ...] = ()
    scores: str = ""
    boxes: str = ""
    objectness: str = ""
    keypoints: str = ""
    offset: float = 0.5
    anchors_first: bool = False

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.fraction("levels.offset", self.offset)
        checks.flag("levels.anchors_first", self.anchors_first)
        checks.whole("levels.rows", self.rows, 1, 8192)
        checks.whole("levels.cols", self.cols, 1, 8192)
        checks.numbers("levels.stride", (self.stride,), 1)
        if self.stride > 8192:
            checks.bad("levels.stride", self.stride, "at most 8192")
        for anchor in self.anchors:
            checks.numbers("levels.anchors", anchor, 2)
        for key in ("scores", "boxes", "objectness", "keypoints"):
            checks.optional_name(f"levels.{key}", getattr(self, key))

    @property
    def candidates(self) -> int:
        """How many boxes the level proposes."""
        return self.rows * self.cols * max(1, len(self.anchors))


@dataclass(frozen=True)
class Skeleton:
    """Key points of one object: what they are called, and which are joined by a line.

    Attributes:
        names: one per point, in the model's order.
        edges: pairs of points, by number.
    """

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.strings("skeleton.names", self.names)
        count = len(self.names)
        if not 1 <= count <= _MOST_POINTS:
            checks.bad("skeleton.names", self.names, f"1 to {_MOST_POINTS} names")
        if not isinstance(self.edges, tuple):
            checks.bad("skeleton.edges", self.edges, "a list of pairs")
        for edge in self.edges:
            if not isinstance(edge, tuple) or len(edge) != 2:
                checks.bad("skeleton.edges", edge, "two numbers of points")
            for end in edge:
                checks.whole("skeleton.edges", end, 0, count - 1)


@dataclass(frozen=True)
class CandidatePoints:
    """Key points that each candidate of a detector carries.

    Attributes:
        skeleton: the points.
        output: name of the output (1, candidates, …); empty where each level has its own.
        column: where the points start among the values of a candidate.
        values: numbers per point: 2, a place; 3, a place and its score.
        axes: ``xy``: x comes first.
        coding: ``units``: in the spec's ``box_units``; ``anchor``: against the anchor, as its box
            centre is (value · variance · anchor's size + anchor's centre); ``cell``: 2 · value
            cells from the upper left corner of the candidate's cell (YOLOv8's pose head).
        activation: applied to the points' scores.
        units: of the coding ``units``: input pixels (x, y) that 1.0 stands for, where that is not
            as for boxes (older exports of ultralytics: boxes from 0 to 1, points in pixels);
            empty: the spec's ``box_units``.
    """

    skeleton: Skeleton
    output: str = ""
    column: int = 0
    values: int = 2
    axes: Axes = "xy"
    coding: PointCoding = "units"
    activation: Activation = "none"
    units: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        if self.units:
            checks.numbers("keypoints.units", self.units, 2)
        checks.optional_name("keypoints.output", self.output)
        checks.column("keypoints.column", self.column)
        checks.whole("keypoints.values", self.values, 2, 3)
        checks.one_of("keypoints.axes", self.axes, get_args(Axes))
        checks.one_of("keypoints.coding", self.coding, get_args(PointCoding))
        checks.one_of("keypoints.activation", self.activation, ("none", "sigmoid"))

    @property
    def width(self) -> int:
        """How many values of a candidate they take."""
        return self.values * len(self.skeleton.names)


@dataclass(frozen=True)
class MaskCoefficients:
    """A mask of each candidate: its coefficients times shared prototypes (YOLACT, Bolya 2019).

    A pixel belongs to the object where the sum of coefficient · prototype is above 0, inside the
    object's box.

    Attributes:
        output: name of the output (1, candidates, …) with the coefficients.
        column: where they start among the values of a candidate.
        prototypes: name of the output (1, rows, cols, count).
        rows, cols, count: of the prototypes; they cover the whole input.
        width, height: of the input, pixels.
        channels_first: the prototypes are (1, count, rows, cols).
    """

    output: str
    column: int
    prototypes: str
    rows: int
    cols: int
    count: int
    width: int
    height: int
    channels_first: bool = False

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.name("masks.output", self.output)
        checks.name("masks.prototypes", self.prototypes)
        checks.column("masks.column", self.column)
        for key in ("rows", "cols", "width", "height"):
            checks.whole(f"masks.{key}", getattr(self, key), 1, 8192)
        checks.whole("masks.count", self.count, 1, 4096)
        checks.flag("masks.channels_first", self.channels_first)
