"""A real model whose detections are known: coloured squares in a video."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edgecnn.core.postprocess import CentroidSpec, GridLevel, to_json
from tests.builders import ModelBuilder

LABELS = ("red", "green", "blue")
CELLS = 4
SIZE = 64


def colour_points(folder: Path) -> tuple[str, ...]:
    """Options of a model that finds the middle of red, green and blue things.

    Its score is how strong the colour is on one of 4 × 4 cells.
    """
    build = ModelBuilder()
    image = build.tensor((1, SIZE, SIZE, 3), "float32", name="image")
    scores = build.tensor((1, CELLS, CELLS, 3), "float32", name="scores")
    step = SIZE // CELLS
    build.op(
        "AVERAGE_POOL_2D", [image], [scores], padding="VALID", stride_w=step, stride_h=step,
        filter_width=step, filter_height=step,
    )  # fmt: skip
    (folder / "colours.tflite").write_bytes(build.build([image], [scores]))
    level = GridLevel(CELLS, CELLS, step)
    post = CentroidSpec("scores", LABELS, level, activation="none")
    (folder / "post.json").write_text(json.dumps(to_json(post)))
    model, spec = str(folder / "colours.tflite"), str(folder / "post.json")
    return ("--model", model, "--postprocess", spec, "--input-range", "0..1")


def square_video(
    path: Path, frames: Sequence[Sequence[tuple[int, int, int, float]]], fps: float = 10.0
) -> Path:
    """Frames of 4 × 4 cells; each frame lists (column, row, class, strength) of what it shows."""
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, fps, (SIZE * 2, SIZE * 2))
    side = SIZE * 2 // CELLS
    for shown in frames:
        image = np.zeros((SIZE * 2, SIZE * 2, 3), np.uint8)
        for column, row, kind, strength in shown:
            x, y = column * side, row * side
            image[y : y + side, x : x + side, 2 - kind] = round(255 * strength)
        writer.write(image)
    writer.release()
    return path
