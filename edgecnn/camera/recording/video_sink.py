"""The annotated video of ``-o``."""

from __future__ import annotations

import time
from typing import Literal

from edgecnn.camera.events.event import Event
from edgecnn.camera.recording.video_file import VideoFile
from edgecnn.camera.seen import Seen
from edgecnn.camera.stats import StageTimes


class VideoSink:
    """Writes every drawn frame; implements :class:`edgecnn.camera.seen.FrameSink`.

    Args:
        video: open; finished or discarded here.
        times: gets the milliseconds of ``write``.
    """

    wants: Literal["drawn"] = "drawn"

    def __init__(self, video: VideoFile, times: StageTimes) -> None:
        self._video, self._times = video, times

    def put(self, seen: Seen) -> None:
        """See :class:`~edgecnn.camera.seen.FrameSink`."""
        image = seen.picture.drawn()
        start = time.perf_counter()
        self._video.write(image, seen.frame.timestamp_s)
        self._times.add("write", (time.perf_counter() - start) * 1e3)

    def tell(self, event: Event) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        """The video gets its name."""
        self._video.finish()

    def discard(self) -> None:
        """Removes a video without a name."""
        self._video.discard()

    def summary(self) -> dict[str, object]:
        """Nothing to say."""
        return {}
