"""Files in real time: frames are due when their positions say, whatever happens on the way."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from edgecnn.camera.sources.ahead import ReadAhead
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.sources.paced import PacedSource
from tests.camera.clocks import FakeClock, until


class Positions:
    """A reader whose frames have these positions; ``before`` is called for each one."""

    fps = 10.0
    corrupt = 2

    def __init__(self, clock: FakeClock, at_s: list[float], before: Callable | None = None) -> None:
        self.clock, self.at_s, self.before = clock, at_s, before
        self.number = 0
        self.released = False

    def next(self) -> Frame | None:
        if self.number == len(self.at_s):
            return None
        if self.before is not None:
            self.before(self.number)
        image = np.zeros((2, 2, 3), np.uint8)
        frame = Frame(image, self.number, self.clock.now(), self.at_s[self.number], 1.0)
        self.number += 1
        return frame

    def hurry(self) -> None:
        pass

    def release(self) -> None:
        self.released = True


class Listening(PacedSource):
    """Notes when each frame is handed on."""

    def __init__(self, reader: Positions, clock: FakeClock) -> None:
        super().__init__(reader, clock)
        self.clock, self.times = clock, []

    def _hand_on(self, frame: Frame) -> bool:
        done = super()._hand_on(frame)
        self.times.append(self.clock.now().monotonic_s - 1000)
        return done


def played(at_s: list[float], before: Callable | None = None) -> tuple[list[float], PacedSource]:
    clock = FakeClock()
    with Listening(
        Positions(clock, at_s, before and (lambda k: before(clock, k))), clock
    ) as source:
        last = None
        while not source.ended:
            last = source.read(1) or last
        assert last is not None and last.sequence == len(at_s) - 1
        return source.times, source


def test_each_frame_is_handed_on_when_it_is_due() -> None:
    times, source = played([0.0, 0.1, 0.35, 0.4, 1.0])
    assert times == pytest.approx([0, 0.1, 0.35, 0.4, 1.0])
    assert source.live and source.fps == 10 and source.counts.corrupt == 2


def test_positions_count_from_the_first_frame() -> None:
    assert played([7.0, 7.5])[0] == pytest.approx([0, 0.5])


def test_a_frame_that_decodes_slowly_does_not_shift_the_schedule() -> None:
    def slow(clock: FakeClock, number: int) -> None:
        clock.pass_by(0.25 if number == 2 else 0.01)

    times, _ = played([k / 10 for k in range(8)], slow)
    # The schedule counts from the first frame, which was there after 10 ms.
    expected = [0.01, 0.11, 0.36, 0.37, 0.41, 0.51, 0.61, 0.71]
    assert times == pytest.approx(expected)


def test_after_a_long_pause_of_the_machine_the_schedule_is_caught_up() -> None:
    def asleep(clock: FakeClock, number: int) -> None:
        clock.pass_by(60 if number == 3 else 0)

    times, _ = played([k * 1.0 for k in range(70)], asleep)
    assert times[:3] == pytest.approx([0, 1, 2])
    assert times[3:62] == pytest.approx([62] * 59)
    assert times[-1] == pytest.approx(69)


def test_a_break_in_the_recording_is_not_waited_for() -> None:
    times, _ = played([0, 1, 3601, 3602, 3605])
    assert times == pytest.approx([0, 1, 1, 2, 5])


def test_what_nobody_took_when_the_next_was_due_is_dropped_and_counted() -> None:
    clock = FakeClock()
    taken = threading.Event()
    reader = Positions(clock, [k / 10 for k in range(20)], lambda number: number and taken.wait(10))
    with PacedSource(reader, clock) as source:
        first = source.read(5)
        taken.set()
        until(lambda: reader.released)
        frames = [first, source.read(5)]
        assert source.read(0.01) is None and source.ended
    assert [frame.sequence for frame in frames] == [0, 19] and source.counts.dropped == 18
    assert frames[1].captured.monotonic_s == pytest.approx(1001.9)


@pytest.mark.parametrize("kind", [ReadAhead, PacedSource])
def test_closing_ends_a_wait_and_releases_the_reader(kind: type[ReadAhead]) -> None:
    reader = Positions(FakeClock(), [0.0, 5.0, 9.0])  # by the machine's clock, seconds away
    with kind(reader) as source:
        assert source.read(5).sequence == 0
        start = time.monotonic()
    assert reader.released and source.ended and time.monotonic() - start < 2
