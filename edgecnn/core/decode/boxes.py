"""Box codes to corners, one function per coding.

In float32, with c the candidate's centre, s its level's stride, a its anchor's size, v the
variances and σ the sigmoid; where both axes are alike, x stands for both:

- ``ltrb``: left = cx − max(d, 0) · (box_scale · s), right = cx + …; with ``bins`` each d is the sum
  of k · p(k), p the softmax of its values;
- ``center-size``: mx = code(dx) · vx · a + cx, width = a · exp(min(code(dw) · vw, 10)); stored
  dy, dx, dh, dw;
- ``center-exp``: the same, stored dx, dy, dw, dh;
- ``center-linear``: mx as before, width = max(code · vw, 0) · a; stored dx, dy, w, h;
- ``corner-linear``: left = code(dx1) · v1 · a + (cx − a / 2), right = code(dx2) · v3 · a +
  (cx + a / 2); stored dx1, dy1, dx2, dy2;
- ``cell-exp``: mx = code · s + (cx − s / 2), width = exp(min(code, 10)) · s;
- ``anchor-exp``: mx = σ(code) · s + (cx − s / 2), width = exp(min(code, 10)) · a;
- ``anchor-square``: mx = (2 σ(code) − 0.5) · s + (cx − s / 2), width = (2 σ(code))² · a;
- ``cxcywh``: mx and width = max(…, 0), times the units; ``xyxy``: corners, times the units.

Where there is a middle, the corners are mx − width / 2 and mx + width / 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.decode.cells import CellLayout
from edgecnn.core.decode.columns import Float
from edgecnn.core.postprocess import DetectSpec

# exp() of more than this is no box any more; keeps float32 finite.
_MAX_LOG_SIZE = np.float32(10.0)
_TWO, _HALF = np.float32(2), np.float32(0.5)


def corners(spec: DetectSpec, codes: Float, cells: CellLayout | None) -> Float:
    """Boxes of candidates.

    Args:
        spec: how they are coded.
        codes: float32 (n, ``spec.box_columns``) real values of the candidates.
        cells: where the n candidates lie; None for boxes that are decoded already.

    Returns:
        float32 (n, 4) x1, y1, x2, y2 in tensor pixels.
    """
    if cells is None:
        scaled: Float = codes * np.tile(np.asarray(spec.box_units, np.float32), 2)
        if spec.coding == "xyxy":
            return scaled
        return _around(scaled[:, :2], np.maximum(scaled[:, 2:], 0))
    if spec.coding == "ltrb":
        unit = np.float32(spec.box_scale) * cells.stride
        reach = np.maximum(_distances(spec, codes), 0) * unit[:, None]
        low, high = cells.centre - reach[:, :2], cells.centre + reach[:, 2:]
        return np.concatenate([low, high], axis=1).astype(np.float32)
    if spec.coding == "corner-linear":
        moved = codes * np.asarray(spec.variances, np.float32) * np.tile(cells.anchor, 2)
        half = cells.anchor / _TWO
        ends = np.concatenate([cells.centre - half, cells.centre + half], axis=1)
        return (ends + moved).astype(np.float32)
    if spec.coding.startswith("center"):
        return _around(*_against_anchor(spec, codes, cells))
    return _around(*_in_cell(spec, codes, cells))


def _around(middle: NDArray[np.float32], size: NDArray[np.float32]) -> Float:
    half = size / 2
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)


def _distances(spec: DetectSpec, codes: Float) -> Float:
    """Left, top, right, bottom: as they are, or means over bins (Li et al. 2020, DFL)."""
    if not spec.bins:
        return codes
    chances = activate(codes.reshape(len(codes), 4, spec.bins), "softmax")
    means: Float = (chances * np.arange(spec.bins, dtype=np.float32)).sum(axis=2)
    return means


def _against_anchor(spec: DetectSpec, codes: Float, cells: CellLayout) -> tuple[Float, Float]:
    """Centre and size of boxes that are differences from their anchor."""
    scaled = codes * np.asarray(spec.variances, np.float32)
    shift, size = scaled[:, :2], scaled[:, 2:]
    if spec.coding == "center-size":
        shift, size = shift[:, ::-1], size[:, ::-1]  # stored y first
    if spec.coding == "center-linear":
        grow = np.maximum(size, 0)
    else:
        grow = np.exp(np.minimum(size, _MAX_LOG_SIZE))
    return cells.centre + shift * cells.anchor, cells.anchor * grow


def _in_cell(spec: DetectSpec, codes: Float, cells: CellLayout) -> tuple[Float, Float]:
    """Centre and size of boxes whose centre is told from the corner of their cell."""
    stride = cells.stride[:, None]
    place, size = codes[:, :2], codes[:, 2:]
    if spec.coding == "anchor-square":
        place = _TWO * activate(place, "sigmoid") - _HALF
        size = np.square(_TWO * activate(size, "sigmoid")) * cells.anchor
    else:
        unit = stride if spec.coding == "cell-exp" else cells.anchor
        place = place if spec.coding == "cell-exp" else activate(place, "sigmoid")
        size = np.exp(np.minimum(size, _MAX_LOG_SIZE)) * unit
    return place * stride + (cells.centre - stride / _TWO), size
