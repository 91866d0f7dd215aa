"""The outputs of a head that keeps its feature maps apart: which level each belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecnn.core.postprocess import GridLevel
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.tflite.model import TfOperator
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.yolo_columns import classes_of
from edgecnn.recognition.yolo_grids import Grids, level_at

_ALL_STRIDES = (4, 8, 16, 32, 64)
_MOST_LEVELS = 5
_ANCHORS = 3
_DISTRIBUTIONS = 64
_PASSING = ("RESHAPE", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE")

#: What the columns of a level's only output are: three anchors' values; four distributions and the
#: classes; or box, objectness and classes of one candidate.
Layout = Literal["anchors", "distributions", "cell"]


@dataclass(frozen=True)
class Map:
    """One output of one level.

    Attributes:
        info: the output.
        width: values of a cell, over all its anchors.
        anchors: how many the shape itself shows; 1: none, or they lie among the values.
        first: whether the values (or the anchors) are the first axis, not the last.
        values: (cells, width) on a picture; None: unknown, or laid out otherwise.
    """

    info: TensorInfo
    width: int
    anchors: int = 1
    first: bool = False
    values: Real | None = None


@dataclass(frozen=True)
class LevelMaps:
    """All outputs by level, finest first; each level has outputs of the same widths.

    Attributes:
        grids: the levels, without anchors.
        by_level: widest output first.
    """

    grids: Grids
    by_level: tuple[tuple[Map, ...], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many values of a cell each output of the level has, the largest first."""
        return tuple(item.width for item in self.by_level[0])

    def all_of(self, place: int) -> tuple[Map, ...]:
        """The outputs that stand at a place of each level."""
        return tuple(level[place] for level in self.by_level)

    def values(self, place: int) -> Real | None:
        """Their values on a picture, (cells of all levels, width)."""
        parts = [item.values for item in self.all_of(place)]
        if any(part is None for part in parts):
            return None
        joined = np.concatenate([part for part in parts if part is not None])
        return joined if np.isfinite(joined).all() else None


def maps_of(facts: Facts) -> LevelMaps | None:
    """Every output as a map of a level; None: some output is none, or levels differ."""
    size = facts.size
    if min(size) <= 0:
        return None
    strides = [stride for stride in _ALL_STRIDES if stride <= max(size)]
    levels = {stride: level_at(size, stride) for stride in strides}
    found: dict[int, list[Map]] = {}
    for info in facts.outputs:
        placed = _placed(facts, info, levels)
        if placed is None:
            return None
        found.setdefault(placed[0], []).append(placed[1])
    if not found or len(found) > _MOST_LEVELS:
        return None
    order = sorted(found)
    by_level = tuple(
        tuple(sorted(found[stride], key=lambda item: (-item.width, item.info.name)))
        for stride in order
    )
    shapes = {tuple((item.width, item.anchors, item.first) for item in level) for level in by_level}
    steps = {b // a for a, b in zip(order, order[1:], strict=False)}
    if len(shapes) != 1 or not steps <= {2}:
        return None
    return LevelMaps(Grids(tuple(levels[stride] for stride in order)), by_level)


def _placed(
    facts: Facts, info: TensorInfo, levels: Mapping[int, GridLevel]
) -> tuple[int, Map] | None:
    """The stride of an output's level, and the output as a map."""
    shape = info.shape
    for stride, level in levels.items():
        rows, cols = level.rows, level.cols
        cells = rows * cols
        if len(shape) == 4 and shape[1:3] == (rows, cols):
            return stride, _map(facts, info, shape[3], cells)
        if len(shape) == 5 and shape[1:3] == (rows, cols):
            return stride, _map(facts, info, shape[3] * shape[4], cells, anchors=shape[3])
        if len(shape) == 5 and shape[2:4] == (rows, cols):
            return stride, _anchors_first(facts, info, cells)
        if len(shape) == 4 and shape[2:4] == (rows, cols):
            return stride, _map(facts, info, shape[1], cells, first=True)
        if len(shape) == 3 and shape[1] == cells:
            return stride, _map(facts, info, shape[2], cells)
    return None


def _anchors_first(facts: Facts, info: TensorInfo, cells: int) -> Map:
    """An output (1, anchors, rows, cols, values)."""
    anchors, each = info.shape[1], info.shape[4]
    values = facts.values(info.name)
    if values is not None and values.size == anchors * cells * each:
        values = np.swapaxes(values.reshape(anchors, cells, each), 0, 1).reshape(cells, -1)
    else:
        values = None
    return Map(info, anchors * each, anchors, True, values)


def _map(
    facts: Facts,
    info: TensorInfo,
    width: int,
    cells: int,
    *,
    anchors: int = 1,
    first: bool = False,
) -> Map:
    values = facts.values(info.name)
    if values is None or values.size != cells * width:
        return Map(info, width, anchors, first)
    rows = values.reshape(width, cells).T if first else values.reshape(cells, width)
    return Map(info, width, anchors, first, rows)


def layout_of(facts: Facts, maps: LevelMaps) -> tuple[Layout, int] | None:
    """What the columns of each level's only output are, and how many classes there are.

    Told by the widths of what the graph joins to the output, then by the labels (or COCO's 80
    classes), then by its coming from one convolution, as heads with anchors do.
    """
    item = maps.by_level[0][0]
    width = item.width
    fits: dict[Layout, int] = {}
    if width % _ANCHORS == 0:
        fits["anchors"] = width // _ANCHORS - 5
    if item.anchors == 1:
        fits["distributions"], fits["cell"] = width - _DISTRIBUTIONS, width - 5
    fits = {layout: classes for layout, classes in fits.items() if classes >= 1}
    maker = _maker(facts, item.info.name)
    joined = _joined_widths(facts, maker, width) if maker is not None else ()
    told: Layout | None = None
    if joined[:1] == (_DISTRIBUTIONS,):
        told = "distributions"
    elif joined[:2] == (4, 1):
        told = "cell"
    elif classes_of(facts, candidates=tuple(fits.values())) is not None:
        count = classes_of(facts, candidates=tuple(fits.values()))
        told = next(layout for layout, classes in fits.items() if classes == count)
    elif "anchors" in fits and (
        item.anchors == _ANCHORS or (maker is not None and maker.code == "CONV_2D")
    ):
        told = "anchors"
    return (told, fits[told]) if told in fits else None


def _maker(facts: Facts, output: str) -> TfOperator | None:
    """The op that computes an output, before its layout or dtype changes."""
    op = facts.producer(output)
    for _ in range(len(_PASSING)):
        if op is None or facts.graph is None or op.code not in _PASSING:
            break
        source = op.inputs[0]
        op = next((item for item in facts.graph.main.operators if source in item.outputs), None)
    return op


def _joined_widths(facts: Facts, op: TfOperator, width: int) -> tuple[int, ...]:
    """How wide the parts of a CONCATENATION are, in order; empty: it is none."""
    if facts.graph is None or op.code != "CONCATENATION":
        return ()
    shapes = [facts.graph.main.tensors[index].shape for index in op.inputs]
    for axis in range(len(shapes[0])):
        widths = tuple(shape[axis] for shape in shapes)
        if sum(widths) == width:
            return widths
    return ()
