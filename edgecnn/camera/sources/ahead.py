"""A source whose frames are read ahead of their consumer, on a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from edgecnn.camera.handover import Handover
from edgecnn.camera.sources.capture import quiet_cv2
from edgecnn.camera.sources.frames import Closing, Frame, SourceCounts
from edgecnn.core.errors import CameraError, EdgecnnError

_JOIN_TIMEOUT_S = 2.0
# The first frames fill the queue, and a model's first run takes longer than all others.
_PACE_FIRST, _PACE_LAST, _PACE_WAITED = 6, 16, 2


class StillReader(Protocol):
    """Gives the frames of something that waits to be read: a file, a folder of images."""

    @property
    def fps(self) -> float | None:
        """Nominal frames per second; None: there is no such thing."""

    @property
    def corrupt(self) -> int:
        """How many frames could not be decoded up to now."""

    def next(self) -> Frame | None:
        """The next frame; None at the end.

        Raises:
            CameraError: there is something, and it cannot be read.
        """

    def hurry(self) -> None:
        """Frames are waited for: if it can read faster at a price, it is worth that now."""

    def release(self) -> None:
        """Closes it; called once, by the thread that reads."""


class Pace:
    """Finds out in a file's first frames whether reading them is what takes longest.

    Args:
        hurry: called once if it is.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._hurry = hurry
        self._frames = self._waited = 0

    def note(self, *, waited: bool) -> None:
        """One more frame was read; ``waited``: before it was wanted."""
        self._frames += 1
        if self._frames <= _PACE_LAST:
            self._waited += waited and self._frames > _PACE_FIRST
        if self._frames == _PACE_LAST and self._waited <= _PACE_WAITED:
            self._hurry()


class ReadAhead(Closing):
    """Every frame of a reader, in order, none dropped.

    While one frame is being decoded, ``room`` others wait. The thread starts with the first read;
    from then on it alone uses the reader and releases it, so never in the middle of a read.

    Args:
        reader: open; released here.
        room: how many decoded frames may wait.
    """

    live = False

    def __init__(self, reader: StillReader, room: int = 2) -> None:
        self._reader = reader
        self.fps = reader.fps
        self._error: EdgecnnError | None = None
        self._ended = False
        self._frames: Handover[Frame] = Handover(room)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._work: Callable[[Frame], None] | None = None
        self._pace = Pace(reader.hurry)

    @property
    def counts(self) -> SourceCounts:
        """See :class:`~edgecnn.camera.sources.frames.Source`."""
        return SourceCounts(corrupt=self._reader.corrupt)

    @property
    def ended(self) -> bool:
        """Closed, or every frame was taken."""
        return self._ended

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame; None: none was decoded within the time, or the end is reached.

        Raises:
            CameraError: what is left cannot be read.
        """
        with self._lock:
            if self._ended:
                return None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="edgecnn-read", daemon=True)
                self._thread.start()
        frame = self._frames.get(timeout_s)
        if frame is None and self._frames.drained:
            self._ended = True
            if self._error is not None:
                raise self._error
        return frame

    def work_ahead(self, work: Callable[[Frame], None]) -> None:
        """See :class:`~edgecnn.camera.sources.frames.Source`."""
        self._work = work

    def close(self) -> None:
        """Stops the thread; one that hangs inside a read is left behind after 2 s."""
        with self._lock:
            first, self._ended = not self._ended, True
            thread = self._thread
        self._frames.close()
        if thread is not None:
            thread.join(_JOIN_TIMEOUT_S)
        elif first:
            self._reader.release()
        while self._frames.get(0) is not None:
            pass  # what nobody will take is freed
        self._work = None  # and what it would be prepared for, a delegate perhaps

    def _run(self) -> None:
        error: EdgecnnError | None = CameraError(
            "reading the source ended unexpectedly",
            hint="please report this, with the lines above",
        )
        try:
            with quiet_cv2():
                self._read_all()
            error = None
        except EdgecnnError as known:
            error = known
        finally:
            self._error = error
            self._reader.release()
            self._frames.close()

    def _read_all(self) -> None:
        while not self._frames.closed:
            frame = self._reader.next()
            if frame is None or not self._hand_on(frame):
                return

    def _hand_on(self, frame: Frame) -> bool:
        """Called by the thread for each frame; False: nobody wants any more."""
        if self._frames.offer(frame):
            self._pace.note(waited=False)
            return True
        self._pace.note(waited=True)
        if self._work is not None and not self._frames.closed:
            self._work(frame)  # the consumer is slower: there is time
        return self._frames.put(frame)
