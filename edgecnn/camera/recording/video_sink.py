"""The annotated video of ``-o``."""

from __future__ import annotations

import time
from typing import Literal

from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.video_file import VideoFile
from edgecnn.camera.recording.worker import Worker
from edgecnn.camera.seen import Seen
from edgecnn.camera.stats import StageTimes
from edgecnn.core.errors import CameraError

# What may wait for the encoder: a machine that is busy for a moment loses no frame of a camera, and
# the pixels of a few frames fit into a small one.
_ROOM = 4


class VideoSink:
    """Draws and encodes on a thread; implements :class:`edgecnn.camera.seen.FrameSink`.

    Every frame of a file is written, and the loop waits for room. A frame of a live source for
    which there is no room is left out and counted, the one before it is shown longer. A video that
    cannot go on is told once; the frames that follow are neither drawn nor encoded for it.

    Args:
        video: open; finished or discarded here.
        times: gets the milliseconds of ``write``.
        notices: get what happens to the video.
    """

    wants: Literal["drawn"] = "drawn"

    def __init__(self, video: VideoFile, times: StageTimes, notices: Notices | None = None) -> None:
        self._video, self._times, self._notices = video, times, notices
        self._failed: CameraError | None = None
        self._worker = Worker(self._write, "edgecnn-video", room=_ROOM, waits=not video.live)

    def put(self, seen: Seen) -> None:
        """See :class:`~edgecnn.camera.seen.FrameSink`."""
        if self._failed is None:
            self._worker.put(seen)

    def tell(self, event: Event) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        """The video gets its name.

        Raises:
            CameraError: it could not be written to its end.
        """
        self._worker.finish()
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed
        self._video.finish()

    def discard(self) -> None:
        """Removes a video without a name."""
        self._worker.discard()
        self._video.discard()

    def summary(self) -> dict[str, object]:
        """How many frames the video has, how many had no room, and how long a pause it skips."""
        return {
            "video": {
                "frames": self._video.frames,
                "left_out": self._worker.left_out,
                "cut_s": round(self._video.cut_s, 3),
            }
        }

    def _write(self, seen: Seen) -> None:
        if self._failed is not None:
            return
        image = seen.picture.drawn()
        start = time.perf_counter()
        try:
            self._video.write(image, seen.frame.timestamp_s)
        except CameraError as error:
            self._failed = error
            if self._notices is not None:
                self._notices.say("recording_stopped", f"{error.message}; detection goes on")
        self._times.add("write", (time.perf_counter() - start) * 1e3)
