"""A picture on which to look at the values that a stranger's model gives."""

from __future__ import annotations

import numpy as np

from edgecnn.camera.sources.spec import SourceSpec, parse_source
from edgecnn.camera.sources.still import open_reader
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.imaging import Image


def photo_for(source: str | None) -> Image:
    """The first frame of a video, or the first image of several; else a drawn picture.

    Cameras and streams are not opened for it: they would have to be opened twice.
    """
    if source is not None:
        try:
            spec = parse_source(source)
            frame = _first_frame(spec) if spec.kind == "file" else None
        except EdgecnnError:
            frame = None  # the loop will say what is wrong with the source
        if frame is not None:
            return frame
    return drawn_picture()


def _first_frame(spec: SourceSpec) -> Image | None:
    reader = open_reader(spec)
    try:
        frame = reader.next()
        return None if frame is None else frame.image
    finally:
        reader.release()


def drawn_picture(height: int = 480, width: int = 640) -> Image:
    """Shapes on a bright and dark ground: uint8 (height, width, 3) BGR, always the same."""
    import cv2

    rng = np.random.default_rng(7)
    ground = rng.integers(40, 216, (6, 8, 3)).astype(np.uint8)
    picture = cv2.resize(ground, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        size = int(rng.integers(20, 120))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        if rng.random() < 0.5:
            cv2.circle(picture, (x, y), size // 2, colour, cv2.FILLED, cv2.LINE_AA)
        else:
            cv2.rectangle(picture, (x, y), (x + size, y + size), colour, cv2.FILLED)
    noise = rng.normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
