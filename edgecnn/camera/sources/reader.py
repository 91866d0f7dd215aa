"""The frames of a video file one by one: past corrupt ones, up to the end, which may come early."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.buffers import FrameBuffers
from edgecnn.camera.sources.capture import Capture, Image, property_of
from edgecnn.camera.sources.containers import ContainerFacts
from edgecnn.camera.sources.frames import Frame, read_image
from edgecnn.camera.sources.positions import FramePositions
from edgecnn.core.errors import CameraError

_CAP_PROP_POS_MSEC = 0
_CAP_PROP_FRAME_COUNT = 7
_FAILURES_AT_MOST = 300
_FAILURES_AT_THE_END = 3
_FAILING_AT_MOST_S = 10.0
_CHANGES_TOLD = 3


class VideoReader:
    """Reads a file's frames; implements :class:`~edgecnn.camera.sources.ahead.StillReader`.

    A frame that cannot be decoded is skipped and counted, and keeps its number: what comes behind
    it is often whole. Only many failures in a row, or as many frames as the container promises, are
    the end.

    Args:
        capture: open; released here.
        fps: nominal frames per second; None: unknown.
        name: of the file, for notices.
        facts: of its container. One that does not list its frames estimates their number by its
            duration; it is said to have ended early only where over a second is missing.
        notices: get what happens.
        clock: stamps the frames.
        faster: opens the same file anew, to be decoded by more threads; None: there is no such way.
    """

    def __init__(
        self,
        capture: Capture,
        fps: float | None = None,
        *,
        name: str = "the file",
        facts: ContainerFacts | None = None,
        notices: Notices | None = None,
        clock: TimeSource = SYSTEM_CLOCK,
        faster: Callable[[], Capture] | None = None,
    ) -> None:
        self._capture, self._faster = capture, faster
        self.fps = fps
        self.corrupt = 0
        self._name, self._notices, self._clock = name, notices, clock
        self._facts = facts or ContainerFacts()
        promised = property_of(capture, _CAP_PROP_FRAME_COUNT)
        self._promised = None if promised is None else int(promised)
        self._positions = FramePositions(fps)
        self._buffers = FrameBuffers()
        self._read = self._skipped = 0
        self._at_s = 0.0
        self._size: tuple[int, int] | None = None
        self._changes = 0
        self._ended = False

    def next(self) -> Frame | None:
        """See :class:`~edgecnn.camera.sources.ahead.StillReader`."""
        if self._ended:
            return None
        start_s = time.monotonic()
        image, failures = self._past_failures(start_s)
        if image is None:
            self._ended = True
            self._at_the_end()
            return None
        taken_ms = (time.monotonic() - start_s) * 1e3
        self.corrupt += failures
        self._skipped += failures
        getter = getattr(self._capture, "get", None)
        position_ms = float(getter(_CAP_PROP_POS_MSEC)) if getter else None
        self._at_s = self._positions.of(position_ms, failures)
        number = self._read + self._skipped
        self._follow_size(image, number)
        frame = Frame(image, number, self._clock.now(), self._at_s, taken_ms)
        self._read += 1
        return frame

    def hurry(self) -> None:
        """Goes on with a capture that decodes on more threads, from the same frame on.

        One thread takes less CPU time for a frame, and leaves the cores to the model; that is
        right until decoding is what the model waits for.
        """
        if self._faster is None or self.corrupt or self._skipped or self._ended:
            return
        try:
            faster = self._faster()
        except CameraError:
            return
        if self._catches_up(faster):
            self._capture, faster = faster, self._capture
        faster.release()

    def _catches_up(self, faster: Any) -> bool:
        """Skips what was read; whether it then stands at the same frame."""
        if not all(faster.grab() for _ in range(self._read)):
            return False
        here: Any = self._capture
        positions = [float(capture.get(_CAP_PROP_POS_MSEC)) for capture in (here, faster)]
        return positions[0] == positions[1]

    def release(self) -> None:
        """Closes the file."""
        self._capture.release()

    def _past_failures(self, start_s: float) -> tuple[Image | None, int]:
        """The next image that can be decoded, None at the end, and how many could not before it."""
        failures = 0
        while True:
            image = read_image(self._capture, self._buffers)
            if image is not None:
                return image, failures
            failures += 1
            complete = self._promised is not None and self._read + self.corrupt >= self._promised
            most = _FAILURES_AT_THE_END if complete else _FAILURES_AT_MOST
            if failures >= most or time.monotonic() - start_s > _FAILING_AT_MOST_S:
                return None, failures

    def _at_the_end(self) -> None:
        """Says what is missing."""
        early = self._ended_early()
        if self._notices is None:
            return
        if self.corrupt:
            self._notices.say(
                "source_corrupt",
                f"{self.corrupt} frames of {self._name} could not be decoded, and were skipped",
            )
        if early:
            self._notices.say(
                "source_ended_early",
                f"{self._name} ended early: {self._read} of {self._promised} frames could be read;"
                " it may be cut off or damaged",
            )

    def _ended_early(self) -> bool:
        """Compares what came with what was promised.

        Where the last frame lies at the promised end, the missing ones were lost in between. A file
        that plays for less than its frames last was trimmed, and leaves some out on purpose.
        """
        promised = self._promised or 0
        missing = promised - self._read - self.corrupt
        if missing <= 0:
            return False
        period_s = self._positions.period_s
        whole_s = promised * period_s
        missing_s = whole_s - (self._at_s + period_s if self._read else 0.0)
        if not self._facts.listed:
            return missing_s > max(1.0, 0.02 * whole_s)
        plays_s = self._facts.seconds
        if plays_s is not None and plays_s < whole_s - period_s / 2:
            return plays_s - (whole_s - missing_s) > max(1.0, 0.02 * plays_s)
        if missing_s < period_s / 2:
            self.corrupt += missing
            return False
        return True

    def _follow_size(self, image: Image, number: int) -> None:
        size = (image.shape[1], image.shape[0])
        if self._size not in (None, size) and self._notices is not None:
            self._changes += 1
            if self._changes <= _CHANGES_TOLD:
                more = "; further changes are not told" if self._changes == _CHANGES_TOLD else ""
                self._notices.say(
                    "source_changed",
                    f"{self._name} is {size[0]}x{size[1]} from frame {number} on{more}",
                )
        self._size = size
