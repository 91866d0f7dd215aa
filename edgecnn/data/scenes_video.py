"""A short generated video for trying the detection loop without a camera.

Test-side digits move over a panning piece of a test-side photograph, so a model trained on the
train split has seen none of it. The frames are larger than the detector's input: the preprocessing
has work to do.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError
from edgecnn.core.files import make_folder, write_atomic
from edgecnn.data.scenes import material
from edgecnn.data.scenes_draw import Material, SceneStyle, draw_glyph, finish, ink_colour, paste

_LANES = 3
_NATIVE = 96.0  # the scenes' side that SceneStyle's heights are in


@dataclass(frozen=True)
class VideoStyle:
    """What the video is like.

    Attributes:
        seconds: length.
        fps: frames per second.
        size: (width, height), pixels.
    """

    seconds: float = 8.0
    fps: float = 15.0
    size: tuple[int, int] = (320, 240)


@dataclass(frozen=True)
class _Mover:
    """A digit on its way: ``centre`` + ``swing`` · sin(2π · ``turns`` · t + ``phase``)."""

    patch: NDArray[np.float32]
    label: int
    colour: NDArray[np.float32]
    centre: NDArray[np.float64]
    swing: NDArray[np.float64]
    turns: NDArray[np.float64]
    phase: NDArray[np.float64]

    def corner(self, t: float) -> tuple[int, int]:
        """Top left (x, y) at time ``t``."""
        middle = self.centre + self.swing * np.sin(2 * np.pi * self.turns * t + self.phase)
        height, width = self.patch.shape
        return round(float(middle[0]) - width / 2), round(float(middle[1]) - height / 2)


def write_video(
    path: Path, *, seed: int = 42, style: VideoStyle | None = None, truth: Path | None = None
) -> int:
    """Writes an MPEG-4 video.

    Args:
        path: ends in ``.mp4``; replaced when there.
        seed: of digits, ways and photo.
        style: length and size.
        truth: JSON Lines to write as well: ``{"frame", "boxes": [[x1, y1, x2, y2], …],
            "labels": ["7", …]}`` per frame.

    Returns:
        The number of frames.

    Raises:
        UsageError: the file cannot be written.
        MissingExtraError: scikit-learn is not installed.
    """
    import cv2

    style = style or VideoStyle()
    make_folder(path.parent)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(temporary), codec, style.fps, style.size)
    if not writer.isOpened():
        raise UsageError(
            f"cannot write a video to '{path}'", hint="choose a writable folder and a .mp4 name"
        )
    lines = []
    try:
        for image, row in frames(seed, style):
            writer.write(image)
            lines.append(json.dumps(row))
        writer.release()
        temporary.replace(path)
    finally:
        writer.release()
        temporary.unlink(missing_ok=True)
    if truth is not None:
        write_atomic(truth, ("\n".join(lines) + "\n").encode())
    return len(lines)


def frames(seed: int, style: VideoStyle) -> Any:
    """Yields (uint8 BGR (height, width, 3), truth row) per frame."""
    parts = material("test")
    rng = np.random.default_rng((seed, 99))
    look = SceneStyle(height=(22.0, 40.0), contrast=(110.0, 180.0), noise=3.0)
    photo = parts.photos[int(rng.integers(len(parts.photos)))]
    count = max(1, round(style.seconds * style.fps))
    start = _panned(photo, style.size, 0.5)
    movers = [_mover(rng, parts, look, style.size, lane, start) for lane in range(_LANES)]
    for number in range(count):
        t = number / count
        canvas = _panned(photo, style.size, t)
        boxes = []
        for mover in movers:
            x, y = mover.corner(t)
            paste(canvas, mover.patch, (x, y), mover.colour)
            height, width = mover.patch.shape
            boxes.append([x, y, x + width, y + height])
        row = {"frame": number, "boxes": boxes, "labels": [str(m.label) for m in movers]}
        yield finish(rng, canvas, parts, look), row


def _panned(photo: NDArray[np.uint8], size: tuple[int, int], t: float) -> NDArray[np.float32]:
    """The view at time ``t``: a cut-out that slides down and up again."""
    import cv2

    width = photo.shape[1]
    height = min(photo.shape[0], width * size[1] // size[0])
    room = photo.shape[0] - height
    y = round(room * 0.5 * (1 - np.cos(2 * np.pi * t)))
    view = cv2.resize(photo[y : y + height], size, interpolation=cv2.INTER_LINEAR_EXACT)
    return view.astype(np.float32)


def _mover(
    rng: np.random.Generator,
    parts: Material,
    look: SceneStyle,
    size: tuple[int, int],
    lane: int,
    start: NDArray[np.float32],
) -> _Mover:
    """A digit that keeps to its lane (a third of the width), so that digits do not overlap."""
    which = int(rng.integers(len(parts.glyphs)))
    scale = size[0] / _NATIVE
    low, high = look.height
    big = SceneStyle(height=(low * scale, high * scale * 0.8), rotation=look.rotation)
    lane_width = size[0] / _LANES
    patch = draw_glyph(rng, parts.glyphs[which], big)
    patch = patch[: size[1] - 2, : int(lane_width) - 2]
    height, width = patch.shape
    centre = np.array([(lane + 0.5) * lane_width, size[1] / 2])
    swing = np.array([(lane_width - width) / 2 - 1, (size[1] - height) / 2 - 1])
    spot = int(centre[0] - width / 2), int(centre[1] - height / 2)
    return _Mover(
        patch,
        int(parts.classes[which]),
        ink_colour(rng, start, patch, spot, look),
        centre,
        np.maximum(swing, 0.0),
        rng.uniform(1.0, 2.5, 2),
        rng.uniform(0.0, 2 * np.pi, 2),
    )
