"""A captured frame, and the protocol of what gives frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from edgecnn.camera.clock import Instant
from edgecnn.camera.sources.buffers import FrameBuffers
from edgecnn.camera.sources.capture import Capture, DamagedFrameError, Image, Undecoded


@dataclass(frozen=True)
class TrueBox:
    """Something that is known to be on a frame, because it was drawn there.

    Attributes:
        label: its class.
        box_xyxy: x1, y1, x2, y2 in frame pixels: the first column and row, and one past the last.
    """

    label: str
    box_xyxy: tuple[int, int, int, int]

    def to_json(self) -> dict[str, object]:
        """The object in ``truth``."""
        return {"label": self.label, "box_xyxy": list(self.box_xyxy)}


@dataclass(frozen=True)
class Frame:
    """One captured frame.

    Attributes:
        image: uint8 (H, W, 3), BGR; the consumer owns it.
        sequence: number of the frame in the source, from 0; gaps are dropped or corrupt frames.
        captured: when the source's read returned it.
        timestamp_s: position in the file, or seconds since the live source's first frame.
        capture_ms: how long the source's read took.
        name: of the file that this frame alone is from; None: it has none of its own.
        truth: all that is on it, where that is known; None: it is not.
    """

    image: Image
    sequence: int
    captured: Instant
    timestamp_s: float
    capture_ms: float
    name: str | None = None
    truth: tuple[TrueBox, ...] | None = None


@dataclass(frozen=True)
class SourceCounts:
    """What a source has been through.

    Attributes:
        dropped: captured frames that were replaced by newer ones before anyone took them.
        corrupt: frames that could not be decoded, and were skipped.
        reconnects: how often it was lost and came back.
    """

    dropped: int = 0
    corrupt: int = 0
    reconnects: int = 0


class Source(Protocol):
    """Frames, one after the other."""

    @property
    def live(self) -> bool:
        """Frames come in real time, and may be dropped."""

    @property
    def fps(self) -> float | None:
        """Nominal frames per second, if the source says so."""

    @property
    def counts(self) -> SourceCounts:
        """What it has been through up to now."""

    @property
    def ended(self) -> bool:
        """No frame will come any more."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame; None: none came within the time, or the source has ended.

        Raises:
            CameraError: a live source was lost for good.
        """

    def work_ahead(self, work: Callable[[Frame], None]) -> None:
        """Frames that have to wait for their turn are given to ``work`` meanwhile.

        To be called before the first read; ``work`` is called in a thread of the source, not for
        every frame. What is live ignores it: its frames do not wait, they are replaced.
        """

    def close(self) -> None:
        """Releases everything; may be called twice."""


class Closing:
    """Makes ``with source:`` close it."""

    def work_ahead(self, work: Callable[[Frame], None]) -> None:
        """See :class:`Source`; ignored."""

    def close(self) -> None:
        """Releases everything; may be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_image(capture: Capture, buffers: FrameBuffers | None = None) -> Image | None:
    """The capture's next frame as uint8 (H, W, 3) BGR; None when it gives none.

    Args:
        capture: open.
        buffers: gives and remembers the arrays, where the capture can write into one.
    """
    try:
        shot = read_shot(capture, buffers)
    except DamagedFrameError:
        return None
    return shot if shot is None or isinstance(shot, np.ndarray) else shot.decode()


def read_shot(capture: Capture, buffers: FrameBuffers | None = None) -> Image | Undecoded | None:
    """Like :func:`read_image`; a capture that gives compressed pictures gives them so.

    Raises:
        DamagedFrameError, CameraError: see :meth:`Capture.read`.
    """
    import cv2

    reader: Any = capture
    try:
        reuses = isinstance(capture, cv2.VideoCapture) or getattr(capture, "reuses", False)
        if buffers is not None and reuses:
            ok, image = reader.read(buffers.take())
        else:
            ok, image = reader.read()
    except (cv2.error, MemoryError):
        return None
    if not ok or image is None:
        return None
    if not isinstance(image, np.ndarray):
        compressed: Undecoded = image
        return compressed
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    if image.shape[2] != 3:
        return np.ascontiguousarray(image[:, :, :3])
    if buffers is not None:
        buffers.keep(image)
    whole: Image = image
    return whole
