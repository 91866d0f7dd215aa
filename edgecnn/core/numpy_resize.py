"""cv2's exact resizing in numpy, bit for bit: the twin that tests and the C code are held to.

The rules, so that neither OpenCV's version nor the CPU can change a result:

* linear-exact: weights in 1/256, rounded half to even; rows first, kept with 8 fractional bits,
  then columns, with 16; rounded once, half up.
* nearest-exact: the source index is the whole part of a position that starts at half a step and
  grows by one step a pixel, step = source size / target size, all in float64 (as Pillow does it).
  OpenCV 5 does the same; 4.x had another rule under the same name, so this one runs here always.
* area by whole factors: the block's sum times float32(1/count), half to even; 2×2 blocks half up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def resize_linear_exact(image: Image, width: int, height: int) -> Image:
    """cv2.INTER_LINEAR_EXACT.

    Args:
        image: uint8 (h, w) or (h, w, channels).
        width: of the result, pixels.
        height: of the result, pixels.

    Returns:
        uint8 (height, width) or (height, width, channels).
    """
    left, x_weight = _linear_taps(image.shape[1], width)
    top, y_weight = _linear_taps(image.shape[0], height)
    planes = _planes(image).astype(np.uint32)
    right = np.minimum(left + 1, image.shape[1] - 1)
    bottom = np.minimum(top + 1, image.shape[0] - 1)
    wx = x_weight[None, :, None]
    rows = planes[:, left] * (256 - wx) + planes[:, right] * wx
    wy = y_weight[:, None, None]
    total = rows[top] * (256 - wy) + rows[bottom] * wy
    return _like(((total + 32768) >> 16).astype(np.uint8), image)


def resize_nearest_exact(image: Image, width: int, height: int) -> Image:
    """cv2.INTER_NEAREST_EXACT of OpenCV 5; arguments as for :func:`resize_linear_exact`."""
    x = _nearest_index(image.shape[1], width)
    y = _nearest_index(image.shape[0], height)
    return np.ascontiguousarray(image[y[:, None], x[None, :]])


def resize_area(image: Image, width: int, height: int) -> Image:
    """cv2.INTER_AREA by whole factors; arguments as for :func:`resize_linear_exact`.

    Raises:
        ValueError: the sizes are no whole multiples (callers check :func:`whole_factors`).
    """
    if not whole_factors(image.shape[1], image.shape[0], width, height):
        raise ValueError(f"{image.shape[:2]} is no whole multiple of {(height, width)}")
    fy, fx = image.shape[0] // height, image.shape[1] // width
    blocks = _planes(image).reshape(height, fy, width, fx, -1)
    total = blocks.sum(axis=(1, 3), dtype=np.int32)
    if fx == fy == 2:
        return _like(((total + 2) >> 2).astype(np.uint8), image)
    scaled = total.astype(np.float32) * np.float32(1.0 / (fx * fy))
    return _like(np.rint(scaled).astype(np.uint8), image)


def whole_factors(from_width: int, from_height: int, width: int, height: int) -> bool:
    """Whether both sizes shrink by whole factors (1 included)."""
    return from_width % width == 0 and from_height % height == 0


def _linear_taps(size: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    """The first of the two source indices, and the second one's weight in 1/256."""
    scale = np.float64(1.0) / (np.float64(target) / np.float64(size))
    position = scale * (np.arange(target, dtype=np.float64) + 0.5) - 0.5
    index = np.floor(position)
    weight = np.rint((position - index) * 256).astype(np.uint32)
    outside = (index < 0) | (index >= size - 1)
    index = np.clip(index, 0, size - 1)
    return index.astype(np.intp), np.where(outside, np.uint32(0), weight)


def _nearest_index(size: int, target: int) -> NDArray[np.intp]:
    step = np.float64(size) / np.float64(target)
    steps = np.full(target, step)
    steps[0] = step * 0.5
    # accumulate adds in order, which the rule needs; a product would round differently.
    return np.minimum(np.add.accumulate(steps).astype(np.intp), size - 1)


def _planes(image: Image) -> Image:
    return image if image.ndim == 3 else image[:, :, None]


def _like(planes: Image, image: Image) -> Image:
    return planes if image.ndim == 3 else planes[:, :, 0]
