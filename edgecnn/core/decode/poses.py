"""Key points from heat maps: of one object a frame, or of many.

One object: each point lies at the highest cell of its map, moved by the offset there, or by
``peak_shift`` towards the higher neighbour along each axis (Xiao et al. 2018, SimpleBaseline; its
code does not move peaks within a cell of the left and upper edge, or on the other edges). Its score
is the mean of its points'.

Many objects (Papandreou et al. 2018, PersonLab; the arithmetic is that of Coral's PosenetDecoderOp,
or with ``sampling`` ``nearest`` that of TensorFlow.js):

1. roots are cells of any map that reach ``point_threshold`` and that no cell around them exceeds,
   each moved by its offset; the best first;
2. a root goes if the same point of an object found so far lies within ``radius``; otherwise the
   displacements lead from it to all other points along the tree, and after each the offsets of the
   point that is looked for, ``refinements`` times;
3. an object counts if the mean of its points' scores reaches ``score_threshold``; at
   ``max_detections`` it ends, or after sixteen times as many roots that led to no object;
4. the best first, an object's score is the mean again, less those points that lie within ``radius``
   of a better object's; it has to reach ``score_threshold`` still.

A map with a value that is no finite number finds nothing there; offsets and displacements with one
find nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.decode.around_points import none_of, objects
from edgecnn.core.decode.columns import read_columns
from edgecnn.core.decode.framing import to_frame
from edgecnn.core.decode.outputs import Outputs
from edgecnn.core.decode.peaks import peaks
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import PosesSpec

Float = NDArray[np.float32]
# Of what is no finite number: surely no point, and still finite.
_NEVER = np.float32(-1e9)
# Roots that may lead to no object, for each object that may be reported.
_FAILED_EACH = 16
# So many are followed at once.
_BATCH = 128
_WINDOW = 3


def decode_poses(spec: PosesSpec, outputs: Outputs, frame_map: FrameMap | None) -> Detections:
    """The objects of one frame, best first.

    Raises:
        BundleError: the sizes are not those of the spec's maps, points and edges.
    """
    count = len(spec.skeleton.names)
    cells, turned = spec.rows * spec.cols, spec.transposed
    columns = read_columns(outputs, spec.heatmaps, cells, 0, count, transposed=turned)
    heat = columns.info.dequantize(columns.values).reshape(spec.rows, spec.cols, count)
    heat = np.where(np.isfinite(heat), heat, _NEVER)
    offsets = _vectors(spec, outputs, spec.offsets, count) if spec.offsets else None
    if offsets is not None and not np.isfinite(offsets).all():
        return none_of(count)
    if spec.forward:
        edges, both = len(spec.skeleton.edges), spec.forward == spec.backward
        forward, backward = (
            _vectors(spec, outputs, name, edges, start, shared=both)
            for name, start in (
                (spec.forward, spec.forward_column),
                (spec.backward, spec.backward_column),
            )
        )
        if not np.isfinite(forward).all() or not np.isfinite(backward).all():
            return none_of(count)
        found, scores = _many(spec, heat, offsets, np.concatenate([forward, backward], axis=2))
    else:
        found = _single(spec, heat, offsets)[None]
        scores = found[..., 2].mean(axis=1)
    shift = 0.5 if spec.origin == "centre" else 0.0
    good = scores >= np.float32(spec.score_threshold)
    points = found[good][..., [1, 0, 2]]
    points[..., :2] = (points[..., :2] + shift) * np.asarray(spec.stride, np.float32)
    return to_frame(objects(points, scores[good], spec.point_threshold), frame_map)


def _vectors(
    spec: PosesSpec,
    outputs: Outputs,
    name: str,
    count: int,
    start: int = 0,
    *,
    shared: bool = False,
) -> Float:
    """Offsets or displacements in cells: (rows, cols, 2 · count), first all y, then all x."""
    cells = spec.rows * spec.cols
    columns = read_columns(
        outputs, name, cells, start, 2 * count, shared=shared, transposed=spec.transposed
    )
    real = columns.info.dequantize(columns.values).reshape(spec.rows, spec.cols, 2, count)
    order = [0, 1] if spec.axes == "yx" else [1, 0]
    unit = np.float32(spec.offset_unit) / np.asarray(spec.stride, np.float32)[::-1]
    scaled = real[:, :, order] * unit[:, None]
    return scaled.reshape(spec.rows, spec.cols, 2 * count).astype(np.float32)


def _single(spec: PosesSpec, heat: Float, offsets: Float | None) -> Float:
    """One object's points (points, 3): row, column, score."""
    count = heat.shape[2]
    best = heat.reshape(-1, count).argmax(axis=0)
    row, col = np.divmod(best, spec.cols)
    every = np.arange(count)
    place = np.stack([row, col]).astype(np.float32)
    if offsets is not None:
        place += np.stack([offsets[row, col, every], offsets[row, col, every + count]])
    elif spec.peak_shift:
        inside = (col > 1) & (col < spec.cols - 1) & (row > 1) & (row < spec.rows - 1)
        row, col, which = row[inside], col[inside], every[inside]
        slope = np.stack(
            [
                heat[row + 1, col, which] - heat[row - 1, col, which],
                heat[row, col + 1, which] - heat[row, col - 1, which],
            ]
        )
        place[:, inside] += np.sign(slope) * np.float32(spec.peak_shift)
    scores = np.clip(activate(heat.reshape(-1, count)[best, every], spec.activation), 0, 1)
    return np.concatenate([place, scores[None]]).T


def _many(
    spec: PosesSpec, heat: Float, offsets: Float | None, displacements: Float
) -> tuple[Float, Float]:
    """All objects' points (n, points, 3): row, column, score; and their scores (n,)."""
    count = heat.shape[2]
    sure = np.clip(activate(heat, spec.activation), 0, 1)
    roots = peaks(heat, sure >= np.float32(spec.point_threshold), _WINDOW)
    roots = roots[np.argsort(-heat.ravel()[roots], kind="stable")]
    cell, part = np.divmod(roots, count)
    row, col = np.divmod(cell, spec.cols)
    place = np.stack([row, col], axis=1).astype(np.float32)
    if offsets is not None:
        place += np.stack([offsets[row, col, part], offsets[row, col, part + count]], axis=1)
    if spec.sampling == "bilinear":
        place = np.clip(place, 0, np.asarray([spec.rows - 1, spec.cols - 1], np.float32))
    follow = _Follower(spec, heat, offsets, displacements)
    found: list[Float] = []
    left, failed = np.arange(len(roots)), 0
    while len(left) and len(found) < spec.max_detections > failed // _FAILED_EACH:
        batch, left = left[:_BATCH], left[_BATCH:]
        points = follow.points(part[batch], place[batch])
        points[..., 2] = np.clip(activate(points[..., 2], spec.activation), 0, 1)
        good = points[..., 2].mean(axis=1) >= np.float32(spec.score_threshold)
        failed += int(np.count_nonzero(~good))
        for index, own in enumerate(points):
            if good[index] and len(found) < spec.max_detections:
                found.append(own)
                good &= ~_near(spec, place[batch], own[part[batch], :2])
                left = left[~_near(spec, place[left], own[part[left], :2])]
    if not found:
        return np.empty((0, count, 3), np.float32), np.empty(0, np.float32)
    return _rescored(spec, np.stack(found))


def _near(spec: PosesSpec, a: Float, b: Float) -> NDArray[np.bool_]:
    """Whether places (…, 2) in cells lie within the radius of each other."""
    apart = (a - b) * np.asarray(spec.stride, np.float32)[::-1]
    close: NDArray[np.bool_] = (apart * apart).sum(axis=-1) <= np.float32(spec.radius**2)
    return close


def _rescored(spec: PosesSpec, points: Float) -> tuple[Float, Float]:
    """Objects in order of their score, in which points that a better object has do not count."""
    points = points[np.argsort(-points[..., 2].mean(axis=1), kind="stable")]
    scores = np.empty(len(points), np.float32)
    for place, own in enumerate(points):
        taken = _near(spec, points[:place, :, :2], own[:, :2]).any(axis=0)
        scores[place] = np.where(taken, 0, own[:, 2]).mean()
    order = np.argsort(-scores, kind="stable")
    return points[order], scores[order]


@dataclass(frozen=True)
class _Ways:
    """The only way in the tree from a root to each point; int (points, points), [root, point].

    Attributes:
        depth: how many steps the way has.
        source: the point before the last step.
        channel: of the displacements' y for the last step; that of x comes ``edges`` later.
    """

    depth: NDArray[np.intp]
    source: NDArray[np.intp]
    channel: NDArray[np.intp]


@lru_cache(maxsize=8)
def _ways(edges: tuple[tuple[int, int], ...]) -> _Ways:
    """The ways along a tree's edges, and against them."""
    count = len(edges) + 1
    steps = [(parent, child, edge) for edge, (parent, child) in enumerate(edges)]
    steps += [(child, parent, 2 * (count - 1) + edge) for parent, child, edge in steps]
    ways = _Ways(*(np.zeros((count, count), np.intp) for _ in range(3)))
    for root in range(count):
        reached, waiting = {root}, [root]
        while waiting:
            source = waiting.pop()
            for start, target, channel in steps:
                if start == source and target not in reached:
                    ways.depth[root, target] = ways.depth[root, source] + 1
                    ways.source[root, target] = source
                    ways.channel[root, target] = channel
                    reached.add(target)
                    waiting.append(target)
    return ways


class _Follower:
    """Leads from one point of each object to all others, many objects at once.

    The order in which points are visited decides nothing, as there is one way to each.

    Args:
        spec: with the tree.
        heat: (rows, cols, points).
        offsets: in cells, (rows, cols, 2 · points).
        displacements: in cells, (rows, cols, 4 · edges): forward y, x, backward y, x.
    """

    def __init__(
        self, spec: PosesSpec, heat: Float, offsets: Float | None, displacements: Float
    ) -> None:
        self._spec, self._ways = spec, _ways(spec.skeleton.edges)
        self._heat, self._offsets, self._displacements = heat, offsets, displacements
        self._end = np.asarray([[spec.rows - 1], [spec.cols - 1]], np.float32)

    def points(self, parts: NDArray[np.intp], places: Float) -> Float:
        """Objects (n, points, 3): row, column and value of the heat map, before activation.

        Args:
            parts: which point each object's root is, (n,).
            places: where it lies, (n, 2) row, column.
        """
        count, edges = len(self._spec.skeleton.names), len(self._spec.skeleton.edges)
        depth = self._ways.depth[parts]
        found = np.empty((2, len(parts), count), np.float32)
        found[:, np.arange(len(parts)), parts] = places.T
        for step in range(1, int(depth.max(initial=0)) + 1):
            which, target = (depth == step).nonzero()
            root = parts[which]
            at = found[:, which, self._ways.source[root, target]]
            channel = self._ways.channel[root, target]
            at = self._moved(at, at, self._displacements, channel, edges)
            if self._offsets is not None:
                for _ in range(self._spec.refinements):
                    # An offset counts from its cell, where it is not read between cells.
                    start = self._cell(at) if self._spec.sampling == "nearest" else at
                    at = self._moved(at, start, self._offsets, target, count)
            found[:, which, target] = at
        every = np.tile(np.arange(count), len(parts))
        flat = found.reshape(2, -1)
        heat = self._read(flat, self._heat, every)
        return np.stack([*flat, heat], axis=1).reshape(len(parts), count, 3)

    def _moved(
        self, at: Float, start: Float, vectors: Float, channel: NDArray[np.intp], step: int
    ) -> Float:
        """Places (2, n) after the vectors that are read ``at`` them, within the map if bilinear."""
        moved = start + self._read(at, vectors, np.stack([channel, channel + step]))
        return moved if self._spec.sampling == "nearest" else self._within(moved)

    def _within(self, at: Float) -> Float:
        return np.minimum(np.maximum(at, 0), self._end)

    def _cell(self, at: Float) -> Float:
        """The nearest cells; halves go up, as in JavaScript."""
        return self._within(np.floor(at + np.float32(0.5)))

    def _read(self, at: Float, values: Float, channel: NDArray[np.intp]) -> Float:
        """Values of channels (…, n) at each of the places (2, n)."""
        spec, channels = self._spec, values.shape[2]
        first = (self._cell(at) if spec.sampling == "nearest" else at).astype(np.intp)
        start = (first[0] * spec.cols + first[1]) * channels + channel
        if spec.sampling == "nearest":
            return values.take(start)
        down, right = at - first
        below = start + (first[0] < spec.rows - 1) * (spec.cols * channels)
        beside = (first[1] < spec.cols - 1) * channels
        left = 1 - right
        upper = left * values.take(start) + right * values.take(start + beside)
        lower = left * values.take(below) + right * values.take(below + beside)
        between: Float = (1 - down) * upper + down * lower
        return between
