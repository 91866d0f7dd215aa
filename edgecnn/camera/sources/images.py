"""Images one by one, as the frames of a source."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.frames import Frame
from edgecnn.core.errors import DataError
from edgecnn.core.imaging import read_image

IMAGES_PER_SECOND = 1.0
_NAMED = 3


class ImagesReader:
    """Gives each image once; implements :class:`~edgecnn.camera.sources.ahead.StillReader`.

    Images are turned as their EXIF orientation says; whatever their form, frames are 8-bit BGR.
    What cannot be read is skipped and counted, and keeps its number. Images have no time of their
    own; they count as one per second.

    Args:
        paths: what to read, in this order.
        notices: get the names of the first that cannot be read, and at the end how many there were.
        clock: stamps the frames.
    """

    fps: float | None = IMAGES_PER_SECOND

    def __init__(
        self,
        paths: Sequence[Path],
        notices: Notices | None = None,
        clock: TimeSource = SYSTEM_CLOCK,
    ) -> None:
        self._paths = paths
        self._notices = notices
        self._clock = clock
        self._next = 0
        self.corrupt = 0

    def next(self) -> Frame | None:
        """See :class:`~edgecnn.camera.sources.ahead.StillReader`."""
        while self._next < len(self._paths):
            number = self._next
            self._next += 1
            path = self._paths[number]
            start_s = time.monotonic()
            try:
                image = read_image(path)
            except DataError as error:
                self._unreadable(error)
                continue
            taken_ms = (time.monotonic() - start_s) * 1e3
            at_s = number / IMAGES_PER_SECOND
            return Frame(image, number, self._clock.now(), at_s, taken_ms, shown(path))
        if self.corrupt > _NAMED:
            self._say(f"{self.corrupt} of {len(self._paths)} images could not be read")
            self._notices = None  # it is said once
        return None

    def hurry(self) -> None:
        """Images are decoded as fast as they can be already."""

    def release(self) -> None:
        """Nothing to do: no file is held open."""

    def _unreadable(self, error: DataError) -> None:
        self.corrupt += 1
        if self.corrupt <= _NAMED:
            more = "; further ones are only counted" if self.corrupt == _NAMED else ""
            self._say(f"skipped: {printable(error.message)}{more}")

    def _say(self, text: str) -> None:
        if self._notices is not None:
            self._notices.say("source_corrupt", text)


def shown(path: Path) -> str:
    """A path as text that can be written as UTF-8, also where the file system's name is not."""
    return printable(os.fspath(path))


def printable(text: str) -> str:
    """Text without lone surrogates, which stand for a file name's bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
