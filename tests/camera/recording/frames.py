"""Frames that a model has seen, made for the tests of what records them."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.event import Event
from edgecnn.camera.recording.encoder import EncodedFrame
from edgecnn.camera.recording.matroska import create_raw
from edgecnn.camera.result import FrameResult
from edgecnn.camera.seen import Picture, Seen
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.stats import StageTimes

# 2026-11-22 04:12:18 UTC
WALL_S = 1_795_320_738.0


def event(number: int = 1, kind: str = "appeared") -> Event:
    return Event(number, kind, Instant(0.0, WALL_S), "test")


def seen(
    number: int = 0,
    time_s: float = 0.0,
    *,
    image: Any = None,
    size: tuple[int, int] = (64, 48),
    events: tuple[Event, ...] = (),
) -> Seen:
    """A frame whose every pixel is eight times its number, seen ``time_s`` into the run."""
    if image is None:
        image = np.full((size[1], size[0], 3), number * 8 % 256, np.uint8)
    moment = Instant(1000.0 + time_s, WALL_S + time_s)
    frame = Frame(image, number, moment, time_s, 1.0)
    result = FrameResult(number, time_s, moment, 5.0, (), {})
    return Seen(frame, result, Picture(image, result, None, None, False, StageTimes()), events)


def encoded(
    number: int = 0,
    time_s: float = 0.0,
    *,
    size: tuple[int, int] = (64, 48),
    events: tuple[Event, ...] = (),
) -> EncodedFrame:
    """The same as a JPEG."""
    import cv2

    one = seen(number, time_s, size=size)
    jpeg = cv2.imencode(".jpg", one.picture.raw)[1].tobytes()
    return EncodedFrame(jpeg, size, number, one.frame.captured, time_s, events)


class HeldClock:
    """Stands still until it is told to go on; the wall clock can be set apart from the other."""

    def __init__(self) -> None:
        self.monotonic_s, self.wall_s = 1000.0, WALL_S

    def now(self) -> Instant:
        return Instant(self.monotonic_s, self.wall_s)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.go_on(seconds)
        return stop.is_set()

    def go_on(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds


def played(path: Path) -> list[tuple[float, int]]:
    """Milliseconds and brightness of each frame that FFmpeg finds."""
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (read := capture.read())[0]:
        frames.append((capture.get(cv2.CAP_PROP_POS_MSEC), round(float(read[1].mean()))))
    capture.release()
    return frames


class FullDisk:
    """A file on a disk that has room for so many bytes of it."""

    def __init__(self, path: Path, room: Callable[[], int]) -> None:
        self.file, self.room = create_raw(path), room
        self.position = 0

    def write(self, data: memoryview) -> int:
        fits = min(len(data), max(self.room() - self.position, 0))
        if not fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.position += fits
        return self.file.write(data[:fits]) or 0

    def seek(self, offset: int) -> int:
        self.position = offset
        return self.file.seek(offset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
