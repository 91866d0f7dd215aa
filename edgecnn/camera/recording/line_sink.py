"""A JSON line for each frame."""

from __future__ import annotations

from typing import Literal

from edgecnn.camera.events.event import Event
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.camera.result import to_line
from edgecnn.camera.seen import Seen


class LineSink:
    """Implements :class:`edgecnn.camera.seen.FrameSink`: writes each frame's result.

    The summary is the last line, and comes when everything is over: whoever opened the lines writes
    it, and finishes them.

    Args:
        lines: get the results.
    """

    wants: Literal["nothing"] = "nothing"

    def __init__(self, lines: LineFile) -> None:
        self._lines = lines

    def put(self, seen: Seen) -> None:
        """See :class:`edgecnn.camera.seen.FrameSink`.

        Raises:
            BrokenPipeError: the reader went away.
        """
        self._lines.write(to_line(seen.result.to_json()))

    def tell(self, event: Event) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        """Nothing to do."""

    def discard(self) -> None:
        """Nothing to do."""

    def summary(self) -> dict[str, object]:
        """See :class:`edgecnn.camera.seen.FrameSink`."""
        return {}
