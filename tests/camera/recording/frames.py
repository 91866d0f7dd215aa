"""Frames that a model has seen, made for the tests of what records them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.camera.clock import Moment
from edgecnn.camera.events.event import Event
from edgecnn.camera.recording.encoder import EncodedFrame
from edgecnn.camera.result import FrameResult
from edgecnn.camera.seen import Picture, Seen
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.stats import StageTimes

# 2026-11-22 04:12:18 UTC
WALL_S = 1_795_320_738.0


def event(number: int = 1, kind: str = "appeared") -> Event:
    return Event(number, kind, Moment(0.0, WALL_S), "test")


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
    moment = Moment(1000.0 + time_s, WALL_S + time_s)
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
