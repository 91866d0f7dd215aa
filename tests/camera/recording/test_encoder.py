"""Frames are encoded beside the loop, once, in order, and never more than there is room for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.overlay import OverlayOptions
from edgecnn.camera.recording import encoder
from edgecnn.camera.recording.encoder import EncodedFrame, JpegStage
from edgecnn.camera.seen import Picture, Seen
from edgecnn.camera.stats import StageTimes
from edgecnn.core.errors import CameraError
from tests.camera.recording.frames import event, seen


class Kept:
    """Remembers what it is told, in order."""

    def __init__(self, wants: Callable[[Seen], bool] = lambda _: True) -> None:
        self.wants = wants
        self.told: list[Any] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def put(self, frame: EncodedFrame) -> None:
        assert self.gate.wait(30)
        self.threads.add(threading.current_thread().name)
        self.told.append(frame)

    def missed(self, events: tuple[Event, ...]) -> None:
        self.told.append(events)

    def tell(self, event: Event) -> None:
        self.told.append(event)

    def tick(self) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        self.told.append("finish")

    def summary(self) -> dict[str, object]:
        return {"kept": len(self.told)}

    @property
    def numbers(self) -> list[int]:
        return [item.sequence for item in self.told if isinstance(item, EncodedFrame)]


def stage(*sinks: Kept, live: bool = False, raw: bool = True, **given: Any) -> JpegStage:
    given = {"quality": 90, "times": StageTimes(), "workers": 2, **given}
    return JpegStage(sinks, raw=raw, live=live, **given)


def test_every_frame_of_a_file_arrives_in_order_on_one_thread() -> None:
    kept = Kept()
    recording = stage(kept)
    for k in range(60):
        recording.put(seen(k, k / 30))
    recording.finish()
    recording.finish()
    assert kept.numbers == list(range(60))
    assert kept.told[-1] == "finish"
    assert len(kept.threads) == 1
    assert kept.threads != {threading.current_thread().name}
    frame = kept.told[7]
    assert (frame.size, frame.timestamp_s) == ((64, 48), 7 / 30)
    picture = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert abs(float(picture.mean()) - 56) < 1


def test_each_frame_is_encoded_once_for_all_who_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    encodings = []
    imencode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *a: encodings.append(1) or imencode(*a))
    every, even, none = Kept(), Kept(lambda s: s.frame.sequence % 2 == 0), Kept(lambda _: False)
    recording = stage(every, even, none)
    for k in range(10):
        recording.put(seen(k))
    recording.finish()
    assert (every.numbers, even.numbers, none.numbers) == (list(range(10)), [0, 2, 4, 6, 8], [])
    assert len(encodings) == 10
    assert every.told[4] is even.told[2]


def test_what_nobody_wants_is_neither_drawn_nor_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imencode", None)
    monkeypatch.setattr(Picture, "drawn", None)
    recording = stage(Kept(lambda _: False), raw=False)
    recording.put(seen(0))
    recording.finish()


def test_a_live_source_does_not_wait_for_a_disk_that_hangs() -> None:
    kept = Kept()
    kept.gate.clear()
    recording = stage(kept, live=True)
    noise = np.random.default_rng(0).integers(0, 256, (700, 1000, 3), np.uint8)
    told = event()
    for k in range(200):
        recording.put(seen(k, image=noise, events=(told,) if k == 199 else ()))
    kept.gate.set()
    recording.finish()
    missed = [item for item in kept.told if isinstance(item, tuple)]
    assert len(missed) + len(kept.numbers) == 200
    assert kept.numbers == sorted(kept.numbers)
    assert missed[-1] == (told,) or kept.told[-2].events == (told,)
    # What waited was bounded: by the encoding threads, or by the bytes.
    assert len(kept.numbers) * len(kept.told[0].jpeg) < 24 << 20


def test_events_stay_between_the_frames_they_happened_between() -> None:
    kept = Kept()
    recording = stage(kept)
    recording.put(seen(0))
    recording.tell(event(5))
    recording.put(seen(1))
    recording.tell(event(6))
    recording.finish()
    assert [getattr(item, "sequence", None) for item in kept.told] == [0, None, 1, None, None]
    assert [kept.told[1].number, kept.told[3].number] == [5, 6]


def test_drawing_happens_beside_the_loop() -> None:
    threads = []

    class Watched(Picture):
        def drawn(self) -> Any:
            threads.append(threading.current_thread())
            return super().drawn()

    kept = Kept()
    times = StageTimes()
    recording = stage(kept, raw=False, times=times)
    one = seen(3)
    picture = Watched(one.picture.raw, one.result, OverlayOptions(), None, False, times)
    recording.put(Seen(one.frame, one.result, picture))
    recording.finish()
    assert threads != []
    assert threading.current_thread() not in threads
    assert times.mean("draw") is not None
    assert times.mean("write") is not None


def test_a_sink_that_fails_stops_alone_and_is_named_at_the_end() -> None:
    class Failing(Kept):
        def put(self, frame: EncodedFrame) -> None:
            super().put(frame)
            raise CameraError("the disk is gone", hint="look for it")

    failing, kept = Failing(), Kept()
    recording = stage(failing, kept)
    for k in range(5):
        recording.put(seen(k))
    with pytest.raises(CameraError, match="the disk is gone"):
        recording.finish()
    assert (failing.numbers, kept.numbers) == ([0], [0, 1, 2, 3, 4])
    assert failing.told[-1] == kept.told[-1] == "finish"


def test_a_fault_of_ours_in_a_sink_does_not_hang_the_loop_and_the_others_are_finished() -> None:
    class Wrong(Kept):
        def put(self, frame: EncodedFrame) -> None:
            raise ZeroDivisionError

    kept = Kept()
    recording = stage(Wrong(), kept)
    for k in range(50):
        recording.put(seen(k))
    with pytest.raises(ZeroDivisionError):
        recording.finish()
    assert kept.told[-1] == "finish"
    recording.discard()


def test_a_picture_too_large_for_jpeg_is_said() -> None:
    kept = Kept()
    recording = stage(kept)
    for _ in range(40):
        recording.put(seen(0, image=np.zeros((1, 70_000, 3), np.uint8)))
    recording.put(seen(1))
    with pytest.raises(CameraError, match="70000×1 could not be encoded"):
        recording.finish()
    assert kept.numbers == [1]


def test_a_disk_that_hangs_is_said_once_and_so_is_its_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoder, "_MANY", 20)
    monkeypatch.setattr(encoder, "_WAITING_ITEMS", 10)
    monkeypatch.setattr(encoder, "_WAITING_BYTES", 3 << 20)
    kept, notices = Kept(), Notices()
    kept.gate.clear()
    recording = stage(kept, live=True, notices=notices)
    noise = np.random.default_rng(0).integers(0, 256, (700, 1000, 3), np.uint8)
    number, deadline = 0, time.monotonic() + 30
    while recording._room._bytes > 0 and time.monotonic() < deadline:
        recording.put(seen(number, image=noise))
        number += 1
        time.sleep(0.001)
    monkeypatch.setattr(encoder, "_HANGS_S", 0.0)
    for _ in range(50):
        recording.put(seen(number))
        number += 1
    assert sorted(notice.kind for notice in notices.take()) == ["dropped", "recording_stopped"]
    kept.gate.set()
    while not notices.take() and time.monotonic() < deadline:
        recording.put(seen(number))
        number += 1
        time.sleep(0.01)
    recording.finish()
    # What was not even remembered as missed, for want of room, is told at the end.
    assert len(kept.told) - 1 == number


def test_pictures_under_way_take_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "_PICTURE_BYTES", 30_000)  # three of 64 × 48
    room = encoder._Room(10)
    assert [room.enter(9216, wait=False) for _ in range(5)] == [True, True, True, False, False]
    room.encoded(9216, 500)
    assert room.enter(9216, wait=False)
    alone = encoder._Room(10)
    assert [alone.enter(1 << 30, wait=False) for _ in range(2)] == [True, False]


def test_few_frames_of_a_file_wait_for_the_disk() -> None:
    room = encoder._Room(100, 3)
    for _ in range(3):
        assert room.enter(100, wait=False)
        room.encoded(100, 5)
    assert not room.enter(100, wait=False)
    room.leave(5)
    assert room.enter(100, wait=False)
