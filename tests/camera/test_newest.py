"""Room for one frame: the newest one is taken, and others are not decoded for nothing."""

import threading
import time

import numpy as np
import pytest

from edgecnn.camera.sources.newest import NewestFrame
from tests.camera.clocks import FakeClock


class Compressed:
    """A picture that notes where it was decoded."""

    def __init__(self, number: int, good: bool = True) -> None:
        self.number = number
        self.good = good
        self.decoded_in: str | None = None

    def decode(self) -> np.ndarray | None:
        self.decoded_in = threading.current_thread().name
        return np.full((4, 4, 3), self.number, np.uint8) if self.good else None


def room() -> tuple[NewestFrame, FakeClock]:
    clock = FakeClock()
    return NewestFrame(clock, lambda: False), clock


def always() -> bool:
    return True


def test_what_comes_while_the_consumer_is_busy_is_not_decoded() -> None:
    newest, clock = room()
    shots = [Compressed(k) for k in range(100)]
    newest._busy_s.add(50.0)
    newest._period_s.add(0.001)
    newest.put(Compressed(200), 1.0, always)
    assert newest.take(0) is not None
    for shot in shots:
        clock.pass_by(0.01)
        assert newest.put(shot, 1.0, always)
    frame = newest.take(0)
    assert frame is not None and int(frame.image[0, 0, 0]) == 99
    assert (frame.sequence, newest.dropped) == (100, 99)
    assert frame.captured.monotonic_s == pytest.approx(1001.0)
    assert frame.timestamp_s == pytest.approx(1.0)
    assert [shot.decoded_in for shot in shots[:-1]] == [None] * 99
    assert newest._busy_s.value < 50


def test_who_waits_gets_a_frame_that_the_other_thread_decoded() -> None:
    newest, _ = room()
    shot, taken = Compressed(7), []
    consumer = threading.Thread(target=lambda: taken.append(newest.take(20)), name="consumer")
    consumer.start()
    while not newest._asked:
        time.sleep(0.001)
    newest.put(shot, 1.0, always)
    consumer.join(20)
    assert int(taken[0].image[0, 0, 0]) == 7 and shot.decoded_in != "consumer"


def test_what_cannot_be_decoded_is_counted_and_the_frame_before_stays() -> None:
    newest, _ = room()
    newest.put(Compressed(1), 1.0, always)
    assert not newest.put(Compressed(2, good=False), 1.0, always)
    frame = newest.take(0)
    assert frame is not None and (frame.sequence, newest.corrupt, newest.undecodable) == (0, 1, 1)
    newest._busy_s.add(50.0)
    newest.put(Compressed(3, good=False), 1.0, always)
    assert newest.take(0) is None
    assert (newest.corrupt, newest.undecodable) == (2, 2)
    newest.put(np.zeros((4, 4, 3), np.uint8), 1.0, always)
    frame = newest.take(0)
    assert frame is not None and (frame.sequence, newest.dropped) == (3, 0)


def test_who_is_not_welcome_brings_and_counts_nothing() -> None:
    newest, _ = room()
    for shot in (Compressed(1), np.zeros((4, 4, 3), np.uint8)):
        assert not newest.put(shot, 1.0, lambda: False)
    newest.skip(lambda: False, 5)
    assert newest.take(0) is None
    assert (newest.dropped, newest.corrupt) == (0, 0)
    newest.put(Compressed(1), 1.0, always)
    frame = newest.take(0)
    assert frame is not None and frame.sequence == 0


def test_nothing_comes_any_more_when_it_is_over() -> None:
    over = threading.Event()
    newest = NewestFrame(FakeClock(), over.is_set)
    over.set()
    began = time.monotonic()
    assert newest.take(20) is None and time.monotonic() - began < 10
