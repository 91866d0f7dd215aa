"""Draws one scene: digits over a piece of a photograph, with exact boxes.

Pure functions of a random generator and of the material; see :mod:`edgecnn.data.scenes` for what
the material is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
_UP = 4  # factor by which the 8×8 digits are smoothed, once
_INK_SHARE = 0.8  # of the padded glyph's height that the ink of a digit takes
_INK = 0.15  # opacity from which a pixel counts as ink: what the boxes are tight around
_TRIES = 12


@dataclass(frozen=True)
class SceneStyle:
    """What a scene may look like; sizes in pixels of the scene.

    Attributes:
        digits: fewest and most digits.
        height: smallest and largest digit height.
        contrast: least and most difference to the background, in gray levels.
        rotation: largest tilt, degrees.
        max_overlap: largest share of the smaller box that another may cover.
        zoom: side of the cut-out of the photo, in units of the scene's side.
        noise: largest standard deviation of the sensor noise, gray levels.
    """

    digits: tuple[int, int] = (1, 6)
    height: tuple[float, float] = (18.0, 44.0)
    contrast: tuple[float, float] = (70.0, 180.0)
    rotation: float = 12.0
    max_overlap: float = 0.1
    zoom: tuple[float, float] = (0.7, 2.0)
    noise: float = 6.0


@dataclass(frozen=True)
class Material:
    """What the scenes of one split are made of.

    Attributes:
        glyphs: float32 (n, 40, 40) opacities in [0, 1].
        classes: int64 (n,).
        digit_ids: int64 (n,) index into scikit-learn's digits.
        photos: uint8 BGR (h, w, 3) regions, one per photograph.
        noise: float32 (512, 512) of standard deviation 1.
    """

    glyphs: NDArray[np.float32]
    classes: NDArray[np.int64]
    digit_ids: NDArray[np.int64]
    photos: tuple[NDArray[np.uint8], ...]
    noise: NDArray[np.float32]


def compose(
    rng: np.random.Generator, parts: Material, style: SceneStyle, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """Makes one scene.

    Args:
        rng: all randomness comes from it.
        parts: digits and photos.
        style: ranges.
        size: (width, height).

    Returns:
        uint8 BGR (height, width, 3), float32 boxes (n, 4) x1 y1 x2 y2, int64 classes (n,).
    """
    canvas = background(rng, parts, style, size)
    boxes: list[Box] = []
    classes: list[int] = []
    for _ in range(int(rng.integers(style.digits[0], style.digits[1] + 1))):
        which = int(rng.integers(len(parts.glyphs)))
        patch = draw_glyph(rng, parts.glyphs[which], style)
        spot = _free_spot(rng, patch.shape, size, boxes, style.max_overlap)
        if spot is None:
            continue
        paste(canvas, patch, spot, ink_colour(rng, canvas, patch, spot, style))
        boxes.append((spot[0], spot[1], spot[0] + patch.shape[1], spot[1] + patch.shape[0]))
        classes.append(int(parts.classes[which]))
    return (
        finish(rng, canvas, parts, style),
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(classes, np.int64),
    )


def smooth_glyph(image: NDArray[np.float64]) -> NDArray[np.float32]:
    """An 8×8 digit of 0 … 16 → float32 (40, 40) opacities, padded by one source pixel."""
    import cv2

    padded = np.pad(image / 16.0, 1).astype(np.float32)
    side = padded.shape[0] * _UP
    big = cv2.resize(padded, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip((big - 0.15) * 1.6, 0.0, 1.0)


def background(
    rng: np.random.Generator, parts: Material, style: SceneStyle, size: tuple[int, int]
) -> NDArray[np.float32]:
    """A random cut-out of a photo, resized, perhaps mirrored, light changed: float32 BGR."""
    import cv2

    photo = parts.photos[int(rng.integers(len(parts.photos)))]
    width, height = size
    scale = rng.uniform(*style.zoom)
    scale = min(scale, photo.shape[1] / width, photo.shape[0] / height)
    cut_w, cut_h = int(width * scale), int(height * scale)
    x = int(rng.integers(photo.shape[1] - cut_w + 1))
    y = int(rng.integers(photo.shape[0] - cut_h + 1))
    cut = photo[y : y + cut_h, x : x + cut_w]
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    mode = cv2.INTER_AREA if cut_w > width else cv2.INTER_LINEAR_EXACT
    out = cv2.resize(cut, size, interpolation=mode)
    gain, lift = rng.uniform(0.6, 1.2), rng.uniform(-25.0, 35.0)
    return out.astype(np.float32) * np.float32(gain) + np.float32(lift)


def draw_glyph(
    rng: np.random.Generator, glyph: NDArray[np.float32], style: SceneStyle
) -> NDArray[np.float32]:
    """Scales and tilts a digit; float32 opacities (h, w), cut tight around the ink."""
    import cv2

    side = glyph.shape[0]
    scale = rng.uniform(*style.height) / (side * _INK_SHARE)
    stretch = rng.uniform(0.8, 1.25)
    angle = np.deg2rad(rng.uniform(-style.rotation, style.rotation))
    turn = np.array(
        [[np.cos(angle) * stretch, np.sin(angle) * stretch], [-np.sin(angle), np.cos(angle)]]
    )
    turn *= scale
    out = int(np.ceil(side * scale * 1.35)) + 2
    shift = (out - 1) / 2 - turn @ np.full(2, (side - 1) / 2)
    matrix = np.column_stack([turn, shift])
    patch = cv2.warpAffine(glyph, matrix, (out, out), flags=cv2.INTER_LINEAR)
    x, y, w, h = cv2.boundingRect((patch > _INK).view(np.uint8))
    return patch[y : y + h, x : x + w]


def ink_colour(
    rng: np.random.Generator,
    canvas: NDArray[np.float32],
    patch: NDArray[np.float32],
    spot: tuple[int, int],
    style: SceneStyle,
) -> NDArray[np.float32]:
    """A colour lighter or darker than what is under ``patch``: float32 (3,) BGR."""
    x, y = spot
    under = float(canvas[y : y + patch.shape[0], x : x + patch.shape[1]].mean())
    step = rng.uniform(*style.contrast)
    light, dark = under + step, under - step
    fits = [gray for gray in (light, dark) if 0.0 <= gray <= 255.0]
    if fits:
        gray = fits[int(rng.integers(len(fits)))]
    else:
        gray = 255.0 if under < 127.5 else 0.0
    tint = rng.uniform(-40.0, 40.0, 3)
    return np.clip(gray + tint - tint @ (0.114, 0.587, 0.299), 0.0, 255.0).astype(np.float32)


def paste(
    canvas: NDArray[np.float32],
    patch: NDArray[np.float32],
    spot: tuple[int, int],
    colour: NDArray[np.float32],
) -> None:
    """Blends a digit into ``canvas`` (float32 BGR) in place, its top left at ``spot`` (x, y)."""
    x, y = spot
    area = canvas[y : y + patch.shape[0], x : x + patch.shape[1]]
    area += patch[:, :, None] * (colour - area)


def finish(
    rng: np.random.Generator, canvas: NDArray[np.float32], parts: Material, style: SceneStyle
) -> NDArray[np.uint8]:
    """Adds sensor noise (the same to all channels) and rounds to uint8."""
    import cv2

    height, width = canvas.shape[:2]
    rows, cols = parts.noise.shape
    y = int(rng.integers(max(1, rows - height + 1)))
    x = int(rng.integers(max(1, cols - width + 1)))
    noise = parts.noise[y : y + height, x : x + width]
    noisy = canvas + noise[:, :, None] * np.float32(rng.uniform(0.0, style.noise))
    return cv2.convertScaleAbs(np.maximum(noisy, 0.0))


def _free_spot(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    size: tuple[int, int],
    taken: list[Box],
    max_overlap: float,
) -> tuple[int, int] | None:
    height, width = shape[:2]
    if width > size[0] or height > size[1] or not width or not height:
        return None
    for _ in range(_TRIES):
        x = int(rng.integers(size[0] - width + 1))
        y = int(rng.integers(size[1] - height + 1))
        box = (x, y, x + width, y + height)
        if all(_covered(box, other) <= max_overlap for other in taken):
            return x, y
    return None


def _covered(a: Box, b: Box) -> float:
    """Intersection over the smaller of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    least = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / least
