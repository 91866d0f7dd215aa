"""A moving picture of which everything is known: shapes that bounce over a textured ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.sources.buffers import FrameBuffers
from edgecnn.camera.sources.frames import TrueBox

Image = NDArray[np.uint8]
ShapeLabel = Literal["circle", "square", "triangle"]

#: Blue, green, red of each shape at its brightest; the ground is nearly gray.
COLOURS: dict[ShapeLabel, tuple[int, int, int]] = {
    "circle": (60, 84, 255),
    "square": (80, 214, 40),
    "triangle": (255, 150, 40),
}
_GROUND_CELLS = 24


@dataclass(frozen=True)
class _Shape:
    """A shape that goes to and fro in its own strip of the picture.

    Attributes:
        label: what it is.
        pixels: uint8 (h, w, 3) BGR, cut close.
        mask: uint8 (h, w), 255 where the shape is.
        start_xy: position in frame 0 along the folded way, pixels.
        step_xy: pixels per frame.
        room_xy: how far the left upper corner can go.
        top: of its strip.
    """

    label: ShapeLabel
    pixels: Image
    mask: Image
    start_xy: tuple[float, float]
    step_xy: tuple[float, float]
    room_xy: tuple[int, int]
    top: int

    def corner(self, frame: int) -> tuple[int, int]:
        """Left and top in a frame, pixels."""
        x, y = (
            _bounced(start + frame * step, room)
            for start, step, room in zip(self.start_xy, self.step_xy, self.room_xy, strict=True)
        )
        return x, self.top + y


class Pattern:
    """Pictures by number: each is the same whenever it is drawn.

    Every shape keeps to a strip of its own, so that none hides another, and the boxes are exactly
    those of the pixels drawn.

    Args:
        width: pixels, at least 48.
        height: pixels, at least 48.
        rate: frames per second; shapes cross the picture in some seconds at any rate.
        seed: another one gives other ways.
    """

    def __init__(
        self, width: int = 1280, height: int = 720, rate: float = 30.0, seed: int = 1
    ) -> None:
        rng = np.random.default_rng(seed)
        self._ground = _ground(width, height, rng)
        labels: list[ShapeLabel] = ["circle", "square", "triangle"]
        strip = height // len(labels)
        self._shapes: list[_Shape] = []
        for place, kind in enumerate(rng.permutation(len(labels)).tolist()):
            size = max(6, min(int(strip * rng.uniform(0.5, 0.75)), width // 2))
            pixels, mask = _sprite(labels[kind], size)
            room = (width - mask.shape[1], strip - mask.shape[0])
            steps = rng.uniform((width / 7, strip / 3), (width / 4, strip / 1.5)) / rate
            starts = rng.uniform(0, 2, 2) * room
            self._shapes.append(
                _Shape(
                    labels[kind],
                    pixels,
                    mask,
                    (float(starts[0]), float(starts[1])),
                    (float(steps[0]), float(steps[1])),
                    room,
                    place * strip,
                )
            )
        self._buffers = FrameBuffers()

    def truth(self, frame: int) -> tuple[TrueBox, ...]:
        """What is on a frame, in pixels of it."""
        found = []
        for shape in self._shapes:
            x, y = shape.corner(frame)
            height, width = shape.mask.shape
            found.append(TrueBox(shape.label, (x, y, x + width, y + height)))
        return tuple(found)

    def draw(self, frame: int) -> Image:
        """A frame: uint8 (height, width, 3) BGR; the caller owns it."""
        image = self._buffers.take()
        if image is None:
            image = np.empty_like(self._ground)
        np.copyto(image, self._ground)
        for shape in self._shapes:
            x, y = shape.corner(frame)
            height, width = shape.mask.shape
            part = image[y : y + height, x : x + width]
            np.copyto(part, shape.pixels, where=shape.mask[:, :, None] > 0)
        self._buffers.keep(image)
        return image


def _bounced(way: float, room: int) -> int:
    """Where something is that has gone ``way`` to and fro between 0 and ``room``."""
    if room <= 0:
        return 0
    folded = math.fmod(way, 2 * room)
    return round(min(folded, 2 * room - folded))


def _sprite(label: ShapeLabel, size: int) -> tuple[Image, Image]:
    """A shape, lighter at its upper left: pixels (h, w, 3) and mask (h, w), cut close."""
    y, x = np.mgrid[0:size, 0:size] + 0.5
    if label == "circle":
        inside = (x - size / 2) ** 2 + (y - size / 2) ** 2 <= (size / 2) ** 2
    elif label == "square":
        inside = np.ones((size, size), bool)
    else:
        inside = np.abs(x - size / 2) <= y / 2
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    light = 1 - 0.35 * ((x + y) / (2 * size))
    pixels = np.array(COLOURS[label]) * light[:, :, None]
    return pixels[cut].round().astype(np.uint8), (inside[cut] * 255).astype(np.uint8)


def _ground(width: int, height: int, rng: np.random.Generator) -> Image:
    """A soft, nearly gray texture, darker below."""
    import cv2

    coarse = rng.uniform(-1, 1, (_GROUND_CELLS * 9 // 16, _GROUND_CELLS)).astype(np.float32)
    fine = rng.uniform(-1, 1, (height // 4, width // 4)).astype(np.float32)
    texture = 14 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    texture += 5 * cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
    slope = np.linspace(118, 62, height, dtype=np.float32)[:, None]
    gray = (slope + texture)[:, :, None] + np.array([8, 2, -4], np.float32)
    return np.clip(gray, 0, 255).astype(np.uint8)
