"""Random changes to training photos with boxes: crops, zooms, mirrors, mosaics, light, colour.

What happens to an image depends on the random generator alone that is handed in. A box that a crop
leaves less than half of is not asked for any more, but is no background either: it is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError
from edgecnn.data.augment import Augment

_LEAST_VISIBLE = 0.5
_LEAST_SIDE = 2.0  # pixels; what is smaller cannot be seen


@dataclass(frozen=True)
class BoxedPixels:
    """Pixels with boxes.

    Attributes:
        pixels: uint8 (height, width, channels).
        boxes: float32 (n, 4) x1, y1, x2, y2 in pixels.
        classes: int64 (n,).
        ignored: bool (n,) neither asked for nor background.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True)
class BoxAugment:
    """How far photos with boxes are changed; 0 switches a change off.

    Attributes:
        zoom_in: up to this factor larger, so that the photo is cropped; 1: not at all.
        zoom_out: up to this factor smaller; 1: not at all.
        aspect: up to this part wider or narrower.
        shift: of what a crop leaves free, or of the side, each way.
        flip: mirror half of the photos left to right.
        mosaic: the share of photos that are put together from four.
        brightness: up to this part of the range 0..255, each way.
        contrast: up to this part more or less, about mid-gray.
        tint: each channel by up to this part more or less.
    """

    zoom_in: float = 1.5
    zoom_out: float = 1.4
    aspect: float = 0.1
    shift: float = 0.1
    flip: bool = True
    mosaic: float = 0.3
    brightness: float = 0.12
    contrast: float = 0.25
    tint: float = 0.05

    def __post_init__(self) -> None:
        """Raises UsageError naming the field and what is allowed."""
        for key in ("zoom_in", "zoom_out"):
            _need(1 <= getattr(self, key) <= 10, key, getattr(self, key), "1 to 10")
        for key in ("aspect", "shift", "brightness", "contrast", "tint"):
            _need(0 <= getattr(self, key) < 1, key, getattr(self, key), "0 or more, below 1")
        _need(0 <= self.mosaic <= 1, "mosaic", self.mosaic, "0 to 1")


def gentle(rule: Augment) -> BoxAugment:
    """The changes of a classifier's ``rule`` that boxes can follow: for drawn scenes."""
    return BoxAugment(
        zoom_in=1 + rule.scale,
        zoom_out=1 + rule.scale,
        aspect=0.0,
        shift=rule.shift,
        flip=rule.flip,
        mosaic=0.0,
        brightness=rule.brightness,
        contrast=rule.contrast,
        tint=0.0,
    )


Affine = tuple[NDArray[np.float64], NDArray[np.float64]]


def augmented(
    read: Callable[[int], BoxedPixels],
    index: int,
    others: int,
    rule: BoxAugment,
    fit: Callable[[BoxedPixels], Affine],
    size: tuple[int, int],
    fill: int,
    rng: np.random.Generator,
) -> BoxedPixels:
    """Photo ``index``, changed at random and brought to the model's size.

    Args:
        read: photo by index, at any size.
        index: which.
        others: how many photos there are, for mosaics.
        rule: how far.
        fit: how a photo is brought to the model's size unchanged: scale and offset per axis.
        size: (height, width) of the result.
        fill: byte of what no photo covers.
        rng: all chance comes from here.
    """
    if rule.mosaic and rng.random() < rule.mosaic:
        image = _mosaic(
            [read(index), *(read(int(i)) for i in rng.integers(others, size=3))],
            rule, fit, size, fill, rng,
        )  # fmt: skip
    else:
        image = _one(read(index), rule, fit, size, fill, rng)
    if rule.flip and rng.random() < 0.5:
        image = mirrored(image)
    return replace(image, pixels=_lit(image.pixels, rule, rng))


def place(image: BoxedPixels, affine: Affine, size: tuple[int, int], fill: int) -> BoxedPixels:
    """Draws a photo scaled and moved onto a canvas, with what is left of its boxes.

    Args:
        image: the photo.
        affine: scale (x, y) and offset (x, y): canvas = photo · scale + offset.
        size: (height, width) of the canvas.
        fill: byte of what the photo does not cover.
    """
    import cv2

    scale, offset = affine
    height, width = size
    # Pixel centres lie at + 0.5, so the matrix for pixel indices is moved by half of the scaling.
    matrix = np.array([[scale[0], 0, offset[0]], [0, scale[1], offset[1]]])
    matrix[:, 2] += (scale - 1.0) / 2
    pixels = cv2.warpAffine(
        image.pixels,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(fill, fill, fill),
    ).reshape(height, width, image.pixels.shape[2])
    moved = image.boxes * np.tile(scale, 2) + np.tile(offset, 2)
    return _clipped(pixels, moved, image.classes, image.ignored)


def mirrored(image: BoxedPixels) -> BoxedPixels:
    """Left to right."""
    width = image.pixels.shape[1]
    boxes = image.boxes[:, [2, 1, 0, 3]].copy()
    boxes[:, [0, 2]] = width - boxes[:, [0, 2]]
    return replace(image, pixels=np.ascontiguousarray(image.pixels[:, ::-1]), boxes=boxes)


def _one(
    image: BoxedPixels,
    rule: BoxAugment,
    fit: Callable[[BoxedPixels], Affine],
    size: tuple[int, int],
    fill: int,
    rng: np.random.Generator,
) -> BoxedPixels:
    """Zoomed about the canvas's centre and moved."""
    scale, offset = fit(image)
    extent = np.array([size[1], size[0]], float)
    zoom = _zoom(rule, rng) * _stretch(rule, rng)
    # A crop may lie anywhere on the photo; one that shows it all only moves a little.
    free = np.maximum(zoom - 1, 0) / 2 + rule.shift
    middle = extent / 2 * (1 - zoom) + rng.uniform(-1, 1, 2) * free * extent
    return place(image, (scale * zoom, offset * zoom + middle), size, fill)


def _mosaic(
    images: Sequence[BoxedPixels],
    rule: BoxAugment,
    fit: Callable[[BoxedPixels], Affine],
    size: tuple[int, int],
    fill: int,
    rng: np.random.Generator,
) -> BoxedPixels:
    """Four photos around a point near the centre (Bochkovskiy et al. 2020)."""
    height, width = size
    cut_x, cut_y = (int(side * rng.uniform(0.35, 0.65)) for side in (width, height))
    quarters = (
        (0, 0, cut_x, cut_y),
        (cut_x, 0, width, cut_y),
        (0, cut_y, cut_x, height),
        (cut_x, cut_y, width, height),
    )
    pixels = np.empty((height, width, images[0].pixels.shape[2]), np.uint8)
    parts = []
    for image, (left, top, right, bottom) in zip(images, quarters, strict=True):
        scale, _ = fit(image)
        scale = scale * rng.uniform(0.5, 1.0) * _stretch(rule, rng)
        shown = np.array([right - left, bottom - top], float)
        drawn = scale * np.array(image.pixels.shape[1::-1])
        offset = rng.uniform(0, 1, 2) * (shown - drawn)
        part = place(image, (scale, offset), (bottom - top, right - left), fill)
        pixels[top:bottom, left:right] = part.pixels
        parts.append(replace(part, boxes=part.boxes + np.array([left, top, left, top], np.float32)))
    return BoxedPixels(
        pixels,
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.ignored for part in parts]),
    )


def _zoom(rule: BoxAugment, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(-np.log(rule.zoom_out), np.log(rule.zoom_in))))


def _stretch(rule: BoxAugment, rng: np.random.Generator) -> NDArray[np.float64]:
    wide = 1 + rng.uniform(-rule.aspect, rule.aspect)
    return np.array([np.sqrt(wide), 1 / np.sqrt(wide)])


def _clipped(
    pixels: NDArray[np.uint8],
    boxes: NDArray[np.floating],
    classes: NDArray[np.int64],
    ignored: NDArray[np.bool_],
) -> BoxedPixels:
    height, width = pixels.shape[:2]
    inside = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
    sides = inside[:, 2:] - inside[:, :2]
    there = (sides > 0).all(axis=1)
    whole = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-9)
    hidden = sides.prod(axis=1) < _LEAST_VISIBLE * whole
    tiny = sides.min(axis=1, initial=np.inf) < _LEAST_SIDE
    return BoxedPixels(
        pixels, inside[there], classes[there], (ignored | hidden | tiny)[there]
    )  # fmt: skip


def _lit(
    pixels: NDArray[np.uint8], rule: BoxAugment, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Light, contrast and tint by one table of 256 entries a channel."""
    channels = pixels.shape[2]
    gain = 1 + rule.contrast * rng.uniform(-1, 1)
    lift = 255 * rule.brightness * rng.uniform(-1, 1) + 127.5 * (1 - gain)
    tint = 1 + rule.tint * rng.uniform(-1, 1, channels)
    levels = (np.arange(256)[:, None] * gain + lift) * tint
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.stack([table[:, c][pixels[..., c]] for c in range(channels)], axis=-1)


def _need(holds: bool, key: str, given: object, expected: str) -> None:
    if not holds:
        raise UsageError(f"augment: {key} = {given!r}, expected {expected}", hint=f"correct {key}")
