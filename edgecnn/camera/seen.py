"""A frame with what was found on it, as whatever records, shows or sends it gets it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal, Protocol

from edgecnn.camera.events.event import Event
from edgecnn.camera.overlay import OverlayOptions, draw
from edgecnn.camera.result import FrameResult
from edgecnn.camera.sources.capture import Image
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.stats import StageTimes

#: Which pixels of a frame somebody asks for.
Wants = Literal["nothing", "raw", "drawn", "both"]


class Picture:
    """A frame's pixels, and the same with its results drawn on them: once, when first asked for.

    Any thread may ask.

    Args:
        image: uint8 (H, W, 3) BGR; drawn on in place unless ``keep_raw``.
        result: what was found.
        overlay: how it is drawn; None: not at all.
        fps: for the status line; None: unknown.
        keep_raw: somebody wants the pixels as they came, too.
        times: gets the milliseconds of ``draw``.
    """

    def __init__(
        self,
        image: Image,
        result: FrameResult,
        overlay: OverlayOptions | None,
        fps: float | None,
        keep_raw: bool,
        times: StageTimes,
    ) -> None:
        self.raw = image
        self._result, self._overlay, self._fps = result, overlay, fps
        self._keep_raw, self._times = keep_raw, times
        self._drawn: Image | None = None if overlay is not None else image
        self._lock = threading.Lock()

    def drawn(self) -> Image:
        """uint8 (k·H, k·W, 3) BGR, small frames enlarged by a whole factor k."""
        with self._lock:
            if self._drawn is None and self._overlay is not None:
                start = time.perf_counter()
                image = self.raw.copy() if self._keep_raw else self.raw
                self._drawn = draw(
                    image,
                    self._result.items,
                    self._overlay,
                    self._status(),
                    self._result.following,
                )
                self._times.add("draw", (time.perf_counter() - start) * 1e3)
            return self.raw if self._drawn is None else self._drawn

    def _status(self) -> str:
        rate = "" if self._fps is None else f"{self._fps:.1f} FPS  "
        return f"{rate}{self._result.age_ms:.0f} ms"


@dataclass(frozen=True)
class Seen:
    """One frame that the model has looked at.

    Attributes:
        frame: as it was captured; its pixels are those of ``picture``.
        result: what was found.
        picture: the pixels.
        events: what began or ended with this frame.
    """

    frame: Frame
    result: FrameResult
    picture: Picture
    events: tuple[Event, ...] = ()


class FrameSink(Protocol):
    """Takes each seen frame: records it, shows it, sends it.

    All methods are called from one thread. Work that takes longer than a fraction of a millisecond
    belongs into a thread of the sink's own.
    """

    @property
    def wants(self) -> Wants:
        """Which pixels it will ask for; asked before each frame, of that one."""

    def put(self, seen: Seen) -> None:
        """Takes a frame. With a live source it must not wait."""

    def tell(self, event: Event) -> None:
        """Takes an event that belongs to no frame: of the source, or of another output."""

    def finish(self) -> None:
        """The loop is over, however it ended: what was taken is brought to its end. Idempotent.

        Raises:
            CameraError: it could not be.
        """

    def discard(self) -> None:
        """The loop ended by an error of ours: gives up what has no worth half-finished.

        A recording has; it is brought to its end. Comes instead of :meth:`finish` or after it.
        """

    def summary(self) -> dict[str, object]:
        """Counts for the last JSON line, by key; {} where there is nothing to say."""
