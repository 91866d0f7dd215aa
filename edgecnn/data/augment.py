"""Random changes to training images, cheap enough for two CPU cores.

What happens to an image depends on (seed, epoch, index) alone, so that an interrupted training
continues with the images that it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError


@dataclass(frozen=True)
class Augment:
    """How far images are changed; 0 switches a change off.

    Attributes:
        shift: up to this part of the side, each way.
        scale: up to this part larger or smaller.
        rotate_deg: up to this angle, each way.
        flip: mirror half of the images left to right.
        brightness: up to this part of the range 0..255, each way.
        contrast: up to this part more or less, about mid-gray.
        cutout: side of a square filled with noise-free gray, as a part of the image's side.
    """

    shift: float = 0.08
    scale: float = 0.1
    rotate_deg: float = 8.0
    flip: bool = False
    brightness: float = 0.1
    contrast: float = 0.2
    cutout: float = 0.0

    def __post_init__(self) -> None:
        """Raises UsageError naming the field and what is allowed."""
        for key in ("shift", "scale", "brightness", "contrast", "cutout"):
            if not 0 <= getattr(self, key) < 1:
                raise UsageError(
                    f"augment: {key} = {getattr(self, key)!r}, expected 0 or more, below 1",
                    hint=f"correct {key}; 0 switches it off",
                )
        if not 0 <= self.rotate_deg <= 180:
            raise UsageError(
                f"augment: rotate_deg = {self.rotate_deg!r}, expected 0 to 180",
                hint="correct rotate_deg; 0 switches it off",
            )


def default_augment(labels: Sequence[str]) -> Augment:
    """What suits most class sets; mirrored digits and letters are other signs, so no flip there.

    >>> default_augment(["0", "1"]).flip, default_augment(["cat", "dog"]).flip
    (False, True)
    """
    signs = all(len(label) == 1 for label in labels)
    return Augment() if signs else Augment(flip=True, cutout=0.25)


def augment_batch(
    images: NDArray[np.uint8], indices: Sequence[int], rule: Augment, *, seed: int, epoch: int
) -> NDArray[np.uint8]:
    """Changes each image of a batch.

    Args:
        images: uint8 (n, height, width, channels).
        indices: n, each image's place in the training split.
        rule: how far.
        seed: with epoch and index it fixes the change.
        epoch: from 0.

    Returns:
        A new uint8 array of the same shape.
    """
    out = np.empty_like(images)
    for row, index in enumerate(indices):
        rng = np.random.default_rng((seed, epoch, int(index)))
        out[row] = augment_image(images[row], rule, rng)
    return out


def augment_image(
    image: NDArray[np.uint8], rule: Augment, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One image, uint8 (height, width, channels), changed at random; a new array."""
    draws = rng.random(9)
    out = _warp(image, rule, draws)
    gain = 1 + rule.contrast * _signed(draws[5])
    lift = 255 * rule.brightness * _signed(draws[6]) + 127.5 * (1 - gain)
    if gain != 1 or lift != 0:
        table = np.clip(np.rint(np.arange(256) * gain + lift), 0, 255).astype(np.uint8)
        out = table[out]
    if rule.cutout:
        _cut(out, rule.cutout, draws[7], draws[8])
    return out


def _warp(image: NDArray[np.uint8], rule: Augment, draws: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Shift, scale, turn and mirror in one resampling, about the centre."""
    import cv2

    height, width = image.shape[:2]
    zoom = 1 + rule.scale * _signed(draws[0])
    angle = math.radians(rule.rotate_deg) * _signed(draws[1])
    mirror = -1.0 if rule.flip and draws[4] < 0.5 else 1.0
    if not (rule.shift or rule.scale or rule.rotate_deg):
        return np.ascontiguousarray(image[:, ::-1] if mirror < 0 else image)
    cos, sin = math.cos(angle) * zoom, math.sin(angle) * zoom
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = rule.shift * np.array([width * _signed(draws[2]), height * _signed(draws[3])])
    matrix = np.column_stack([linear, centre + moved - linear @ centre])
    warped = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.uint8).reshape(image.shape)  # cv2 drops a single channel


def _cut(image: NDArray[np.uint8], part: float, down: float, right: float) -> None:
    height, width = image.shape[:2]
    rows, cols = round(height * part), round(width * part)
    top, left = int(down * (height - rows + 1)), int(right * (width - cols + 1))
    image[top : top + rows, left : left + cols] = 128


def _signed(draw: float) -> float:
    return 2 * draw - 1
