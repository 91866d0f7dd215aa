"""The clip of the camera's benchmark: 1080p, MPEG-4, texture that moves, made by OpenCV alone."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, FPS = 1920, 1080, 30
#: The texture is so much larger than the frame, which wanders over it.
_MARGIN_X, _MARGIN_Y = 400, 300


def write_clip(path: Path, frames: int) -> Path:
    """An .mp4 of so many frames, the same each time: blurred noise that pans, and a box in front.

    Raises:
        RuntimeError: this OpenCV has no encoder for it.
    """
    rng = np.random.default_rng(0)
    shape = (HEIGHT + _MARGIN_Y, WIDTH + _MARGIN_X, 3)
    noise = cv2.GaussianBlur(rng.integers(0, 256, shape, np.uint8), (0, 0), 6)
    ground = cv2.normalize(noise, np.empty_like(noise), 0, 255, cv2.NORM_MINMAX)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise RuntimeError("OpenCV cannot write mp4v here")
    for number in range(frames):
        x = round(_MARGIN_X / 2 * (1 + 0.9 * math.sin(number / 20)))
        y = round(_MARGIN_Y / 2 * (1 + 0.9 * math.cos(number / 17)))
        frame = ground[y : y + HEIGHT, x : x + WIDTH].copy()
        left = 50 + 7 * number % 1500
        cv2.rectangle(frame, (left, 300), (left + 300, 700), (0, 200, 255), cv2.FILLED)
        writer.write(frame)
    writer.release()
    return path
