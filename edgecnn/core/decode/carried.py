"""What candidates carry beside their box: key points, and coefficients of masks.

The rule of a key point, in tensor pixels:

- ``units``: x = value · units, the points' own or the boxes';
- ``anchor``: x = value · variance · anchor's width + anchor's centre x (MediaPipe's detectors,
  RetinaFace);
- ``cell``: x = value · (2 · stride) + (cell's centre x − stride / 2) (Ultralytics' pose heads);

and so for y. Its score is its own value, activated and clipped to [0, 1], or the detection's. A
point beyond ±10⁹ pixels, or with a value that is no number, lies at (0, 0) and scores 0.
"""

from __future__ import annotations

import math

import numpy as np

from edgecnn.core.activation import activate
from edgecnn.core.decode.cells import CellLayout
from edgecnn.core.decode.columns import Float
from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.mask import Mask
from edgecnn.core.postprocess import CandidatePoints, MaskCoefficients

_FARTHEST = np.float32(1e9)


def key_points(
    spec: CandidatePoints,
    values: Float,
    scores: Float,
    *,
    units: tuple[float, float] = (1.0, 1.0),
    cells: CellLayout | None = None,
    variances: tuple[float, ...] = (1.0, 1.0),
) -> Float:
    """Key points of candidates.

    Args:
        spec: how they are coded.
        values: float32 (n, ``spec.width``) real values of the candidates.
        scores: float32 (n,) of the candidates; of points without a score of their own.
        units: tensor pixels (x, y) that 1.0 of a box stands for; coding ``units``.
        cells: where the n candidates lie; codings ``anchor`` and ``cell``.
        variances: of x and y; coding ``anchor``.

    Returns:
        float32 (n, points, 3): x, y in tensor pixels, and a score in [0, 1].
    """
    points = values.reshape(len(values), len(spec.skeleton.names), spec.values)
    places: Float = points[..., :2] if spec.axes == "xy" else points[..., 1::-1]
    if spec.coding == "units" or cells is None:
        places = places * np.asarray(spec.units or units, np.float32)
    elif spec.coding == "anchor":
        size = np.asarray(variances[:2], np.float32) * cells.anchor
        places = places * size[:, None] + cells.centre[:, None]
    else:
        stride = cells.stride[:, None]
        corner = cells.centre - stride / np.float32(2)
        places = places * (np.float32(2) * stride)[:, None] + corner[:, None]
    if spec.values == 3:
        sure = np.clip(activate(points[..., 2], spec.activation), 0, 1)
    else:
        sure = np.broadcast_to(np.clip(scores, 0, 1)[:, None], points.shape[:2])
    result = np.concatenate([places, sure[..., None]], axis=2).astype(np.float32)
    bad = ~((np.abs(places) <= _FARTHEST).all(axis=2) & (sure >= 0))
    result[bad] = 0
    return result


def masks(
    spec: MaskCoefficients, outputs: Outputs, coefficients: Float, boxes: Float
) -> tuple[Mask, ...]:
    """One mask per box: the sum of coefficient · prototype, where the box can need it.

    Args:
        spec: the prototypes.
        outputs: the model's.
        coefficients: float32 (n, ``spec.count``) real values of the boxes' candidates.
        boxes: float32 (n, 4) x1, y1, x2, y2 in tensor pixels.

    Raises:
        BundleError: the prototypes have another size.
    """
    raw, info = outputs.raw(spec.prototypes)
    shape = (spec.rows, spec.cols, spec.count)
    if raw.size != math.prod(shape):
        misfit(spec.prototypes, raw, " × ".join(map(str, shape)))
    # A view with the channels last, wherever they lie.
    grid = np.moveaxis(raw.reshape(spec.count, *shape[:2]), 0, 2) if spec.channels_first else raw
    grid = grid.reshape(shape)
    cell_x, cell_y = spec.width / spec.cols, spec.height / spec.rows
    reaches = [
        (*_reach(left, right, cell_x, spec.cols), *_reach(top, bottom, cell_y, spec.rows))
        for left, top, right, bottom in boxes.tolist()
    ]
    if not reaches:
        return ()
    # What no box reaches is not dequantized, the rest once.
    lefts, rights, tops, bottoms = zip(*reaches, strict=True)
    first_row, first_col = min(tops), min(lefts)
    part = grid[first_row : max(bottoms), first_col : max(rights)]
    real = info.dequantize(np.ascontiguousarray(part) if spec.channels_first else part)
    found = []
    for box, reach, factors in zip(boxes.tolist(), reaches, coefficients, strict=True):
        left, right, top, bottom = reach
        rows = slice(top - first_row, bottom - first_row)
        values = real[rows, left - first_col : right - first_col] @ factors
        covers = (left * cell_x, top * cell_y, right * cell_x, bottom * cell_y)
        found.append(Mask(values, covers, (box[0], box[1], box[2], box[3])))
    return tuple(found)


def _reach(low: float, high: float, cell: float, count: int) -> tuple[int, int]:
    """First cell and end of the cells that an interpolation from ``low`` to ``high`` reads."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0, 1
    first = min(max(math.floor(low / cell - 0.5), 0), count - 1)
    return first, max(min(math.floor(high / cell - 0.5) + 2, count), first + 1)
