"""The event log: a JSON line for each event, as it happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, Protocol

from edgecnn.camera.events.config import STDOUT
from edgecnn.camera.events.event import Event
from edgecnn.camera.events.log_file import LogFile
from edgecnn.camera.notices import Notices
from edgecnn.camera.result import to_line
from edgecnn.camera.seen import Seen


class LineTarget(Protocol):
    """Takes whole lines."""

    def append(self, line: str) -> None:
        """Writes one; OSError: it could not be written."""

    def close(self) -> None:
        """No more will come; may be called twice."""


class StandardOutput:
    """Implements :class:`LineTarget`; flushed after each line, never closed."""

    def append(self, line: str) -> None:
        """See :class:`LineTarget`."""
        sys.stdout.write(line)
        sys.stdout.flush()

    def close(self) -> None:
        """See :class:`LineTarget`."""


class EventLog:
    """Implements :class:`edgecnn.camera.seen.FrameSink`: counts events, and logs them.

    A line that cannot be written (the disk is full, the folder is gone) is dropped and counted;
    the first one is said, and so is that it goes on. The loop never waits for it.

    Args:
        target: gets the lines; None: events are only counted.
        name: of the target, for messages.
        notices: get what happens to it.
    """

    wants: Literal["nothing"] = "nothing"

    def __init__(self, target: LineTarget | None, name: str, notices: Notices) -> None:
        self._target, self._name, self._notices = target, name, notices
        self._counts = {"appeared": 0, "left": 0}
        self._logged = self._dropped = 0
        self._lost = 0
        self._gone = False

    def put(self, seen: Seen) -> None:
        """Logs the frame's events.

        Raises:
            BrokenPipeError: nobody reads standard output any more.
        """
        for event in seen.events:
            self.tell(event)
        if self._gone:
            raise BrokenPipeError

    def tell(self, event: Event) -> None:
        """Logs one event."""
        if event.kind in self._counts:
            self._counts[event.kind] += 1
        if self._target is None:
            return
        try:
            self._target.append(to_line(event.to_json()))
        except BrokenPipeError:
            self._gone = True
            self._dropped += 1
        except OSError as error:
            self._failed(error)
        else:
            self._logged += 1
            self._worked()

    def finish(self) -> None:
        """See :class:`FrameSink`."""
        if self._target is not None:
            self._target.close()

    def discard(self) -> None:
        """What was logged stays."""
        self.finish()

    def summary(self) -> dict[str, object]:
        """Counts of events, and of their lines (null without a log)."""
        logs = self._target is not None
        return {
            "events": {
                **self._counts,
                "logged": self._logged if logs else None,
                "log_dropped": self._dropped if logs else None,
            }
        }

    def _failed(self, error: OSError) -> None:
        self._dropped += 1
        self._lost += 1
        if self._lost == 1:
            self._notices.say(
                "delivery_failing",
                f"{self._name} cannot be written: {error.strerror or error}; events are dropped"
                " until it can be",
            )

    def _worked(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self._notices.say(
                "delivery_resumed",
                f"{self._name} is written again; {lost} events were dropped from it",
            )


def open_log(path: Path | None, notices: Notices) -> EventLog:
    """The log at a path, on standard output, or nowhere.

    Raises:
        UsageError: it cannot be written to.
    """
    if path is None:
        return EventLog(None, "", notices)
    if path == STDOUT:
        return EventLog(StandardOutput(), "standard output", notices)
    file, name = LogFile(path), f"the event log '{path}'"
    if file.found_torn:
        notices.say(
            "log_repaired", f"{name} ended within a line, as a crash leaves it; a new one is begun"
        )
    return EventLog(file, name, notices)
