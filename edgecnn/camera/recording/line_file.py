"""JSON Lines, never half-written under their final name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from edgecnn.camera.recording.temporary import checked_temporary
from edgecnn.core.errors import CameraError


class LineFile:
    """JSON Lines into an open stream, or into a file that appears when it is finished.

    Raises:
        UsageError: a path that cannot be written to.
    """

    def __init__(self, target: IO[str] | Path) -> None:
        self._path = target if isinstance(target, Path) else None
        self._temporary = checked_temporary(target, "file") if isinstance(target, Path) else None
        self._stream: IO[str] = (
            self._temporary.open("w", encoding="utf-8", newline="\n")
            if self._temporary is not None
            else target  # type: ignore[assignment]
        )

    def write(self, line: str) -> None:
        """One line; a stream is flushed, so that a reader sees it at once."""
        try:
            self._stream.write(line)
            if self._path is None:
                self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CameraError(
                f"cannot write the JSON Lines: {error.strerror or error}",
                hint="is the disk full?",
            ) from error

    def finish(self) -> None:
        """Closes a file and gives it its name; a stream stays open."""
        if self._path is None or self._temporary is None:
            return
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._temporary.replace(self._path)
        except OSError as error:
            raise CameraError(
                f"cannot write '{self._path}': {error.strerror or error}",
                hint="is the disk full?",
            ) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Removes an unfinished file."""
        if self._temporary is not None:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)
