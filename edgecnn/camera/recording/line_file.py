"""JSON Lines, never half-written under their final name."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.temporary import checked_temporary, keep_incomplete
from edgecnn.core.errors import CameraError

_BLOCK = 1 << 16


class LineFile:
    """JSON Lines into an open stream, or into a file that appears when it is finished.

    Where they cannot be written any more (a full disk), that is said once, and
    :meth:`finish` raises it; the whole lines of a file stay under a name that says that there are
    more (``detections.incomplete.jsonl``).

    Args:
        target: the stream or the file's path.
        notices: get what happens to it.

    Raises:
        UsageError: a path that cannot be written to.
    """

    def __init__(self, target: IO[str] | Path, notices: Notices | None = None) -> None:
        self._notices = notices
        self._failed: CameraError | None = None
        self._path = target if isinstance(target, Path) else None
        self._temporary = checked_temporary(target, "file") if isinstance(target, Path) else None
        self._stream: IO[str] = (
            self._temporary.open("w", encoding="utf-8", newline="\n")
            if self._temporary is not None
            else target  # type: ignore[assignment]
        )

    def write(self, line: str) -> None:
        """One line; a stream is flushed, so that a reader sees it at once.

        Raises:
            BrokenPipeError: the reader went away.
        """
        if self._failed is not None:
            return
        try:
            self._stream.write(line)
            if self._path is None:
                self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self._fail(error)
            if self._notices is not None:
                text = f"{self._failed}; detection goes on"
                self._notices.say("recording_stopped", text)

    def finish(self) -> None:
        """Closes a file and gives it its name; a stream stays open.

        Raises:
            CameraError: not all lines could be written.
        """
        if self._failed is None and self._path is not None and self._temporary is not None:
            try:
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()
                self._temporary.replace(self._path)
            except OSError as error:
                self._fail(error)
        if self._failed is not None:
            raise self._failed

    def discard(self) -> None:
        """Removes an unfinished file."""
        if self._temporary is not None:
            with suppress(OSError):  # what is left in memory may have no room on the disk
                self._stream.close()
            with suppress(OSError):  # nor may the folder be there any more
                self._temporary.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> None:
        """Keeps the lines that are whole, and remembers what to tell."""
        what, kept = "the JSON Lines", None
        if self._path is not None and self._temporary is not None:
            what = f"'{self._path}'"
            with suppress(OSError):
                self._stream.close()
            with suppress(OSError):
                if _cut_to_whole_lines(self._temporary):
                    kept = keep_incomplete(self._temporary, self._path)
        words = f"; the lines until then are in '{kept}'" if kept is not None else ""
        self._failed = CameraError(
            f"cannot write {what}: {error.strerror or error}{words}", hint="is the disk full?"
        )


def _cut_to_whole_lines(path: Path) -> int:
    """Takes away a line that was written in part; returns the bytes that are left."""
    with path.open("r+b") as stream:
        place = stream.seek(0, os.SEEK_END)
        while place:
            start = max(place - _BLOCK, 0)
            stream.seek(start)
            found = stream.read(place - start).rfind(b"\n")
            place = start
            if found >= 0:
                stream.truncate(start + found + 1)
                return start + found + 1
        stream.truncate(0)
        return 0
