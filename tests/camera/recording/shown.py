"""What recorded files show, and a loop in small for what records events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.attachments import Attachments
from edgecnn.camera.recording.encoder import JpegSink
from edgecnn.camera.recording.storage import Storage
from tests.camera.recording.frames import encoded, seen


def numbers_in(path: Path) -> list[int]:
    """The numbers of a video's frames, by their brightness: multiples of 8."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while (read := capture.read())[0]:
        found.append(round(read[1].mean() / 8))
    capture.release()
    return found


def times_in(path: Path) -> list[float]:
    """When each frame of a video is shown, seconds."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while capture.grab():
        found.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
    capture.release()
    return found


def only_files(folder: Path) -> list[str]:
    """Names of the files in a folder."""
    return [path.name for path in folder.iterdir() if path.is_file()]


@dataclass
class SmallLoop:
    """Hands frames with events to a sink, as the loop and the encoding stage do it.

    ``events`` has every event as it was named, by the frame it appeared on.
    """

    sink: JpegSink
    attach: Attachments
    events: dict[int, list[Event]] = field(default_factory=dict)
    wanted: list[int] = field(default_factory=list)
    count: int = 0

    def show(
        self,
        times_s: Mapping[int, float],
        appear: Callable[[int], int] = lambda number: 0,
        *,
        missed: tuple[int, ...] = (),
        size: tuple[int, int] = (64, 48),
    ) -> None:
        """Frames by number at these times; on each so many things appear."""
        for number, time_s in times_s.items():
            captured = Instant(1000.0 + time_s, 1_795_320_738.0 + time_s)
            events = []
            for _ in range(appear(number)):
                self.count += 1
                event = Event(self.count, "appeared", captured, "test", label="red")
                events.append(self.attach(replace(event, frame=number, timestamp_s=time_s)))
            if events:
                self.events[number] = events
            if not self.sink.wants(seen(number, time_s, size=size, events=tuple(events))):
                continue
            self.wanted.append(number)
            if number in missed:
                self.sink.missed(tuple(events))
            else:
                self.sink.put(encoded(number, time_s, size=size, events=tuple(events)))

    def clips(self) -> list[str | None]:
        return [event.clip for events in self.events.values() for event in events]


def at(rate: float, numbers: range) -> dict[int, float]:
    """Frames at a steady rate."""
    return {number: number / rate for number in numbers}


def on(*numbers: int) -> Callable[[int], int]:
    """One thing appears on each of these frames."""
    return lambda number: numbers.count(number)


def stored(*folders: Path, **more: Any) -> Storage:
    """A storage without limits unless they are given."""
    given = {"max_bytes": None, "keep_free_bytes": 0, "notices": Notices(), **more}
    return Storage(folders, **given)
