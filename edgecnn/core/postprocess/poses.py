"""The kinds ``points`` (coordinates of one object) and ``poses`` (heat maps, one or many)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from edgecnn.core.postprocess import checks
from edgecnn.core.postprocess.base import Activation, Axes, Skeleton, Task

CellOrigin = Literal["corner", "centre"]
Sampling = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class PointsSpec:
    """One object's key points as coordinates (MoveNet SinglePose, MediaPipe's landmarks).

    Attributes:
        points: name of the output whose values are the points, one after the other; with
            ``vertical`` the output (1, points, bins) of scores for each place along x.
        labels: what the object is called; one.
        skeleton: the points.
        column: where the points start.
        values: numbers per point: the place, and whatever else.
        axes: ``yx``: y comes first.
        units: input pixels (x, y) that 1.0, or a bin, stands for.
        point_score: which of a point's values is its score; −1: none, points are as sure as the
            object.
        point_activation: applied to the points' scores.
        score: name of an output with one number: how sure it is that the object is there; empty:
            the mean of the points' scores, or 1.
        activation: applied to that number.
        score_threshold: the lowest score of an object that counts.
        point_threshold: points that score less do not count for the box.
        vertical: name of the output (1, points, bins) of scores for each place along y: a point
            lies at the best bin of each, and scores what the lower of the two does (SimCC, Li et
            al. 2022); empty: points are coordinates.
    """

    points: str
    labels: tuple[str, ...]
    skeleton: Skeleton
    column: int = 0
    values: int = 3
    axes: Axes = "yx"
    units: tuple[float, float] = (1.0, 1.0)
    point_score: int = 2
    point_activation: Activation = "none"
    score: str = ""
    activation: Activation = "none"
    score_threshold: float = 0.2
    point_threshold: float = 0.2
    vertical: str = ""
    kind: Literal["points"] = "points"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.name("points", self.points)
        checks.strings("labels", self.labels)
        if len(self.labels) != 1:
            checks.bad("labels", self.labels, "one label")
        checks.column("column", self.column)
        checks.whole("values", self.values, 2, 64)
        checks.one_of("axes", self.axes, get_args(Axes))
        checks.numbers("units", self.units, 2)
        checks.whole("point_score", self.point_score, -1, self.values - 1)
        if self.point_score in (0, 1):
            checks.bad("point_score", self.point_score, "-1, or 2 and more")
        checks.one_of("point_activation", self.point_activation, ("none", "sigmoid"))
        checks.optional_name("score", self.score)
        checks.optional_name("vertical", self.vertical)
        checks.one_of("activation", self.activation, ("none", "sigmoid"))
        checks.fraction("score_threshold", self.score_threshold)
        checks.fraction("point_threshold", self.point_threshold)

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "pose"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        return tuple(name for name in (self.points, self.vertical, self.score) if name)

    def with_threshold(self, score: float) -> PointsSpec:
        """The same spec with another threshold."""
        return replace(self, score_threshold=score)


@dataclass(frozen=True)
class PosesSpec:
    """Key points as heat maps with offsets (PoseNet, Papandreou et al. 2018; SimpleBaseline).

    Attributes:
        heatmaps: name of the output (1, rows, cols, points).
        labels: what the object is called; one.
        skeleton: the points; where there are displacements, its edges are the tree along which
            they lead, parent first.
        rows, cols: of the maps.
        stride: input pixels (x, y) per cell.
        origin: whether a cell's number stands for its corner or its centre.
        offsets: name of the output (1, rows, cols, 2 · points) of what to add to a cell's place;
            first all of one axis, then all of the other; empty: none.
        offset_unit: input pixels that 1.0 of offsets and displacements stands for.
        peak_shift: cells by which a peak moves along each axis towards the higher neighbour; for
            maps without offsets, of one object.
        forward, backward: names of the outputs (1, rows, cols, 2 · edges) that lead from each
            point to the next along the tree, and back; empty: one object a frame.
        forward_column, backward_column: where their channels start, for both in one output.
        sampling: how maps are read between cells, where displacements lead: ``bilinear`` (the
            decoder of Coral's files) or the ``nearest`` cell (TensorFlow.js).
        refinements: how often a place that a displacement led to is moved by the offsets there.
        axes: ``yx``: of offsets and displacements y comes first.
        activation: applied to the heat maps.
        score_threshold: the lowest score of an object, the mean of its points', that counts.
        point_threshold: the lowest score of a point that starts an object.
        radius: input pixels: how near another object's point must not be.
        max_detections: the best so many objects are reported.
        transposed: the outputs are (1, channels, rows, cols).
    """

    heatmaps: str
    labels: tuple[str, ...]
    skeleton: Skeleton
    rows: int
    cols: int
    stride: tuple[float, float]
    origin: CellOrigin = "corner"
    offsets: str = ""
    offset_unit: float = 1.0
    peak_shift: float = 0.0
    forward: str = ""
    backward: str = ""
    forward_column: int = 0
    backward_column: int = 0
    sampling: Sampling = "bilinear"
    refinements: int = 5
    axes: Axes = "yx"
    activation: Activation = "sigmoid"
    score_threshold: float = 0.2
    point_threshold: float = 0.2
    radius: float = 20.0
    max_detections: int = 20
    transposed: bool = False
    kind: Literal["poses"] = "poses"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.name("heatmaps", self.heatmaps)
        checks.strings("labels", self.labels)
        if len(self.labels) != 1:
            checks.bad("labels", self.labels, "one label")
        for key in ("rows", "cols"):
            checks.whole(key, getattr(self, key), 1, 8192)
        checks.numbers("stride", self.stride, 2)
        checks.one_of("origin", self.origin, get_args(CellOrigin))
        for key in ("offsets", "forward", "backward"):
            checks.optional_name(key, getattr(self, key))
        if bool(self.forward) != bool(self.backward):
            checks.bad("backward", self.backward, "forward and backward, or neither")
        for key in ("forward_column", "backward_column"):
            checks.column(key, getattr(self, key))
        if self.forward and not _is_tree(self.skeleton):
            checks.bad("skeleton.edges", self.skeleton.edges, "a tree over all points")
        checks.one_of("sampling", self.sampling, get_args(Sampling))
        checks.whole("refinements", self.refinements, 0, 100)
        checks.fraction("peak_shift", self.peak_shift)
        checks.numbers("offset_unit", (self.offset_unit,), 1)
        checks.one_of("axes", self.axes, get_args(Axes))
        checks.one_of("activation", self.activation, ("none", "sigmoid"))
        checks.fraction("score_threshold", self.score_threshold)
        checks.fraction("point_threshold", self.point_threshold)
        checks.numbers("radius", (self.radius,), 1)
        checks.whole("max_detections", self.max_detections, 1, 1000)
        checks.flag("transposed", self.transposed)

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "pose"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        names = (self.heatmaps, self.offsets, self.forward, self.backward)
        return tuple(dict.fromkeys(name for name in names if name))

    def with_threshold(self, score: float) -> PosesSpec:
        """The same spec with another threshold."""
        return replace(self, score_threshold=score)


def _is_tree(skeleton: Skeleton) -> bool:
    """Whether each point can be reached from each other one along its edges, in one way."""
    reached = {0}
    edges = set(skeleton.edges)
    for _ in range(len(skeleton.names)):
        reached |= {end for edge in edges if reached & set(edge) for end in edge}
    return len(reached) == len(skeleton.names) == len(skeleton.edges) + 1
