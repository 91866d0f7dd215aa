"""One object's key points from coordinates.

The rule:

1. the object's score is the activated number of its output, else the mean of its points' scores,
   else 1; below ``score_threshold`` there is no object;
2. points are mapped to input pixels by ``units``; with ``vertical`` each lies at the best bin along
   x and along y (of equal ones the first) and scores what the lower of the two does; where a
   coordinate or a score is no finite number, there is no object;
3. the box is the rectangle around the points that score ``point_threshold`` or more; box and points
   are mapped to the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.decode.around_points import none_of, objects
from edgecnn.core.decode.framing import to_frame
from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import PointsSpec

Float = NDArray[np.float32]


def decode_points(spec: PointsSpec, outputs: Outputs, frame_map: FrameMap | None) -> Detections:
    """The object of one frame, or none.

    Raises:
        BundleError: the output holds fewer values than the spec's points.
    """
    count = len(spec.skeleton.names)
    places, sure = _best_bins(spec, outputs) if spec.vertical else _coordinates(spec, outputs)
    places = places * np.asarray(spec.units, np.float32)
    score = sure.mean()
    if spec.score:
        score = np.clip(activate(outputs.real(spec.score, (1,)), spec.activation), 0, 1)[0]
        if spec.point_score < 0 and not spec.vertical:
            sure = np.full(count, score, np.float32)
    good = np.isfinite(places).all() and np.isfinite(sure).all()
    if not good or not score >= np.float32(spec.score_threshold):
        return none_of(count)
    points = np.concatenate([places, sure[:, None]], axis=1)[None].astype(np.float32)
    scores = np.asarray([score], np.float32)
    return to_frame(objects(points, scores, spec.point_threshold), frame_map)


def _coordinates(spec: PointsSpec, outputs: Outputs) -> tuple[Float, Float]:
    """Places (points, 2) x, y in the spec's units, and scores (points,)."""
    count = len(spec.skeleton.names)
    raw, info = outputs.raw(spec.points)
    end = spec.column + count * spec.values
    if raw.size < end:
        misfit(spec.points, raw, f"{end} values: {count} points × {spec.values}")
    real = info.dequantize(raw.reshape(-1)[spec.column : end]).reshape(count, spec.values)
    sure = np.ones(count, np.float32)
    if spec.point_score >= 0:
        sure = np.clip(activate(real[:, spec.point_score], spec.point_activation), 0, 1)
    return real[:, [1, 0] if spec.axes == "yx" else [0, 1]], sure


def _best_bins(spec: PointsSpec, outputs: Outputs) -> tuple[Float, Float]:
    """Places (points, 2) x, y in bins, and scores (points,); no number where a score is none."""
    along = [
        outputs.real(name, (len(spec.skeleton.names), -1)) for name in (spec.points, spec.vertical)
    ]
    places = np.stack([scores.argmax(axis=1) for scores in along], axis=1)
    best = np.minimum(*(scores.max(axis=1) for scores in along))
    sure = np.clip(activate(best, spec.point_activation), 0, 1)
    return places.astype(np.float32), np.where(np.isfinite(best), sure, np.float32(np.nan))
