"""Outputs that all cameras of a run have in common: the event log, deliveries, JSON Lines."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.camera.recording.line_sink import LineSink
from edgecnn.camera.result import to_line
from edgecnn.camera.seen import FrameSink, Seen, Wants
from edgecnn.core.errors import CameraError


class SharedSink:
    """A sink that several loops hand frames to, one at a time.

    The loops do not end it: whoever opened the sink does, once they are all over.

    Args:
        sink: gets what all of them see.
    """

    def __init__(self, sink: FrameSink) -> None:
        self._sink, self._lock = sink, threading.Lock()

    @property
    def wants(self) -> Wants:
        """See :class:`edgecnn.camera.seen.FrameSink`."""
        return self._sink.wants

    def put(self, seen: Seen) -> None:
        """See :class:`edgecnn.camera.seen.FrameSink`."""
        with self._lock:
            self._sink.put(seen)

    def tell(self, event: Event) -> None:
        """See :class:`edgecnn.camera.seen.FrameSink`."""
        with self._lock:
            self._sink.tell(event)

    def finish(self) -> None:
        """Nothing to do."""

    def discard(self) -> None:
        """Nothing to do."""

    def summary(self) -> dict[str, object]:
        """Nothing: it speaks for all cameras, in the summary of the run."""
        return {}


@dataclass(frozen=True)
class CommonOutputs:
    """What all cameras share, and what is ended when all their loops are over.

    Attributes:
        sinks: in the order in which they get frames.
        lines: get a JSON line for each frame, and the summary; None: there are none.
        notices: where these say what happened to them.
    """

    sinks: tuple[FrameSink, ...] = ()
    lines: LineFile | None = None
    notices: Notices = field(default_factory=Notices)

    def shared(self) -> tuple[FrameSink, ...]:
        """The sinks as the loops of all cameras get them; to be called once."""
        each = [*self.sinks, *([] if self.lines is None else [LineSink(self.lines)])]
        return tuple(SharedSink(sink) for sink in each)

    def finish(self) -> CameraError | None:
        """Brings the sinks to their end, from the last to the first; returns what failed first."""
        failed: CameraError | None = None
        for sink in reversed(self.sinks):
            try:
                sink.finish()
            except CameraError as error:
                failed = failed or error
        return failed

    def finish_lines(self, summary: dict[str, object]) -> None:
        """Writes the summary.

        Raises:
            CameraError: not all lines could be written.
        """
        if self.lines is not None:
            self.lines.write(to_line(summary))
            self.lines.finish()

    def discard(self) -> None:
        """Gives up what has no worth half-finished; may come after :meth:`finish`."""
        for sink in reversed(self.sinks):
            sink.discard()
        if self.lines is not None:
            self.lines.discard()

    def summary(self) -> dict[str, object]:
        """Counts for the last JSON line, by key."""
        outputs: dict[str, object] = {}
        for sink in self.sinks:
            outputs.update(sink.summary())
        return outputs
