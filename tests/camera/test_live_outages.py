"""A live source that goes away and comes back, is not there yet, hangs, or changes."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.capture import DamagedFrameError, SourceRefusedError
from edgecnn.camera.sources.late import LateSource
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.core.errors import CameraError
from tests.camera.clocks import FakeClock, until
from tests.camera.doubles import make_video

FOREVER = ReconnectPolicy(attempts=None)
ABSENT = CameraError("cannot open it", hint="plug it in")


class Scripted:
    """Plays steps: "f" a frame, "d" a damaged one, "-" a failed read, "h" a hang; then fails.

    A frame is handed out when the one before was taken, so that none is dropped.
    """

    def __init__(self, steps: str, size: tuple[int, int] = (48, 64)) -> None:
        self.steps = list(steps)
        self.size = size
        self.go = threading.Event()
        self.hangs = threading.Event()
        self.released = threading.Event()
        self.source: NewestSource | None = None

    def read(self) -> tuple[bool, object]:
        if not self.steps:
            return False, None
        step = self.steps.pop(0)
        if step == "d":
            raise DamagedFrameError
        if step == "h":
            self.hangs.set()
            assert self.go.wait(20)
        if step == "-":
            return False, None
        if step == "f" and self.source is not None:
            until(lambda: self.source._newest.empty or self.source._finished)
        return True, np.zeros((*self.size, 3), np.uint8)

    def release(self) -> None:
        self.released.set()


class Opener:
    """Gives captures or raises, one after the other; then always the last again."""

    def __init__(self, *each: Scripted | CameraError) -> None:
        self.each = list(each)
        self.opened = 0
        self.source: NewestSource | None = None
        self.ready = threading.Event()

    def __call__(self) -> Scripted:
        assert self.ready.wait(20)
        one = self.each[min(self.opened, len(self.each) - 1)]
        self.opened += 1
        if isinstance(one, CameraError):
            raise one
        one.source = self.source
        return one


def source_of(
    *each: Scripted | CameraError,
    policy: ReconnectPolicy = FOREVER,
    clock: FakeClock | None = None,
    **more: object,
) -> tuple[NewestSource, Notices]:
    opener, notices = Opener(*each), Notices()
    source = NewestSource(
        opener, "camera 0", policy, clock=clock or FakeClock(), notices=notices, **more
    )
    opener.source = source
    opener.ready.set()
    return source, notices


def taken(source: NewestSource, frames: int) -> list[int]:
    numbers: list[int] = []

    def more() -> bool:
        frame = source.read(0.5)
        if frame is not None:
            numbers.append(frame.sequence)
        return len(numbers) >= frames

    until(more)
    return numbers


def kinds(notices: Notices) -> list[str]:
    return [notice.kind for notice in notices.take()]


def test_a_source_that_is_lost_twenty_times_is_told_of_forty_times_and_costs_no_thread() -> None:
    clock = FakeClock()
    before = threading.active_count()
    source, notices = source_of(*[Scripted("fff") for _ in range(21)], Scripted("fh"), clock=clock)
    with source:
        assert taken(source, 63) == list(range(63))
        assert threading.active_count() == before + 1
        until(lambda: source.counts.reconnects >= 20)
        assert source.counts.reconnects == 20 and source.counts.corrupt == 0
        assert kinds(notices)[:40] == ["source_lost", "source_back"] * 20
        source._opener.each[-1].go.set()
    assert threading.active_count() == before
    # Twenty short outages: a pause each, and the rests after failed reads.
    assert clock.now().monotonic_s - 1000 < 20 * 1.0 + 5


def test_ten_minutes_of_absence_are_one_outage_with_bounded_pauses() -> None:
    clock = FakeClock(*[3600.0, -7200.0] * 50)
    absences = [ABSENT] * 130
    source, notices = source_of(Scripted("ff"), *absences, Scripted("fffh"), clock=clock)
    with source:
        assert taken(source, 5) == list(range(5))
        until(lambda: source.counts.reconnects == 1)
        source._opener.each[-1].go.set()
    pauses = [seconds for seconds in clock.waited if seconds >= 0.5]
    assert sum(pauses) > 600 and max(pauses) <= 5
    assert pauses == sorted(pauses)
    said = notices.take()
    assert [notice.kind for notice in said][:2] == ["source_lost", "source_back"]
    assert "no more frames" in said[0].text and "camera 0" in said[0].text


def test_attempts_are_counted_anew_after_a_good_frame() -> None:
    two = ReconnectPolicy(attempts=2)
    lost = [Scripted("f"), ABSENT, Scripted("f"), ABSENT, Scripted("f"), ABSENT, ABSENT, ABSENT]
    source, _ = source_of(*lost, policy=two)
    with source:
        assert taken(source, 3) == [0, 1, 2]
        with pytest.raises(CameraError, match=r"did not come back in 2 attempts: cannot open it"):
            taken(source, 1)
    assert source._opener.opened == 7


def test_no_attempt_at_all_ends_with_the_first_loss() -> None:
    source, notices = source_of(Scripted("f"), policy=ReconnectPolicy(attempts=0))
    with source, pytest.raises(CameraError, match="camera 0 was lost: it gives no more frames"):
        taken(source, 2)
    assert kinds(notices) == []


def test_a_source_that_is_not_there_yet_is_waited_for_and_told_of_once() -> None:
    clock = FakeClock()
    absent = [ABSENT] * 50
    source, notices = source_of(*absent, Scripted("ffh"), clock=clock, wait=True)
    with source:
        assert taken(source, 2) == [0, 1]
        source._opener.each[-1].go.set()
    said = notices.take()
    assert [notice.kind for notice in said][:2] == ["source_waiting", "source_back"]
    assert "cannot open it" in said[0].text
    assert source.counts.reconnects == 0
    assert max(clock.waited) <= 5


def test_waiting_ends_at_once_when_the_source_is_closed() -> None:
    source = NewestSource(
        Opener(ABSENT), "camera 0", ReconnectPolicy(backoff_s=60.0, backoff_max_s=60.0), wait=True
    )
    source._opener.ready.set()
    until(lambda: source._worker.resting)
    source.close()
    assert source.ended and not source._worker.thread.is_alive()


def test_a_source_that_lets_nobody_in_is_not_waited_for() -> None:
    refused = SourceRefusedError("wrong password", hint="mind it")
    source, _ = source_of(refused, policy=FOREVER, wait=True)
    with source, pytest.raises(CameraError, match="wrong password"):
        taken(source, 1)


def test_without_waiting_an_absent_source_is_an_error() -> None:
    source, notices = source_of(ABSENT)
    with source, pytest.raises(CameraError, match="cannot open it"):
        taken(source, 1)
    assert kinds(notices) == []


def test_damaged_frames_are_skipped_and_counted_without_reopening() -> None:
    steps = "ffffd" * 40
    source, _ = source_of(Scripted(steps + "h"))
    with source:
        numbers = taken(source, 160)
        assert numbers == [k for k, step in enumerate(steps) if step == "f"]
        until(lambda: source.counts.corrupt == 40)
        assert source._opener.opened == 1 and source.counts.dropped == 0
        source._opener.each[0].go.set()


def test_what_fails_between_frames_is_counted_as_damaged() -> None:
    source, _ = source_of(Scripted("f" + "---f" * 5 + "h"))
    with source:
        assert taken(source, 6) == [0, 1, 5, 9, 13, 17]
        assert (source.counts.corrupt, source._opener.opened) == (15, 1)
        source._opener.each[0].go.set()


def test_too_many_damaged_frames_in_a_row_reopen_the_source() -> None:
    source, notices = source_of(Scripted("f" + "d" * 100), Scripted("fh"))
    with source:
        assert taken(source, 2)[0] == 0
        assert source._opener.opened == 2
        assert source.counts.corrupt == FOREVER.bad_reads
        source._opener.each[1].go.set()
    assert kinds(notices)[:2] == ["source_lost", "source_back"]


def test_the_end_of_a_stream_reopens_it_within_a_fraction_of_a_second() -> None:
    clock = FakeClock()
    source, _ = source_of(Scripted("f"), Scripted("fh"), clock=clock)
    with source:
        taken(source, 2)
        source._opener.each[1].go.set()
    rests = [seconds for seconds in clock.waited if seconds < 0.1]
    assert sum(rests[: rests.index(0.5) if 0.5 in rests else None]) < 0.5


def test_a_read_that_hangs_is_left_behind_and_publishes_nothing_when_it_wakes() -> None:
    clock = FakeClock()
    hung, whole = Scripted("fhf"), Scripted("ffh")
    source, notices = source_of(hung, whole, clock=clock)
    with source:
        assert taken(source, 1) == [0]
        assert hung.hangs.wait(20)
        clock.pass_by(31)
        assert taken(source, 2) == [1, 2]
        assert whole.hangs.wait(20)
        assert not hung.released.is_set()
        hung.go.set()
        assert hung.released.wait(20)
        assert source.read(0) is None and hung.steps == ["f"]
        assert source.counts.reconnects == 1
        whole.go.set()
    assert kinds(notices)[:2] == ["source_lost", "source_back"]


def test_threads_that_hang_for_good_are_bounded() -> None:
    clock = FakeClock()
    all_hung = [Scripted("fh") for _ in range(9)]
    before = threading.active_count()
    source, _ = source_of(*all_hung, clock=clock)
    with source, pytest.raises(CameraError, match="given no frame for 31 s, and 3 reads before"):
        for camera in all_hung:
            taken(source, 1)
            assert camera.hangs.wait(20)
            clock.pass_by(31)
            source.read(0.01)
    assert source._opener.opened == FOREVER.hung + 1
    for camera in all_hung:
        camera.go.set()
    until(lambda: threading.active_count() == before)
    assert all(camera.released.is_set() for camera in all_hung[: FOREVER.hung + 1])


def test_hung_reads_that_end_in_time_make_room_for_others() -> None:
    clock = FakeClock()
    each = [Scripted("fh") for _ in range(9)]
    source, _ = source_of(*each, clock=clock)
    with source:
        for camera in each[:-1]:
            taken(source, 1)
            assert camera.hangs.wait(20)
            clock.pass_by(31)
            source.read(0.01)
            camera.go.set()
            assert camera.released.wait(20)
        taken(source, 1)
        each[-1].go.set()


def test_another_size_is_followed_and_told_of_once() -> None:
    small, large = Scripted("fff"), Scripted("fffh", (96, 128))
    source, notices = source_of(small, large)
    with source:
        sizes = []
        while len(sizes) < 6:
            frame = source.read(0.5)
            sizes += [frame.image.shape[:2]] if frame is not None else []
        large.go.set()
    assert sizes == [(48, 64)] * 3 + [(96, 128)] * 3
    changes = [notice.text for notice in notices.take() if notice.kind == "source_changed"]
    assert changes == ["camera 0 gives 128 x 96 pixels now, 64 x 48 before"]


def test_a_source_that_comes_and_goes_without_end_is_told_of_less_and_less() -> None:
    clock = FakeClock()
    source, notices = source_of(*[Scripted("f") for _ in range(400)], Scripted("fh"), clock=clock)
    with source:
        taken(source, 400)
        until(lambda: source.counts.reconnects >= 399)
        source._opener.each[-1].go.set()
    said = notices.take()
    assert 80 <= len(said) < 110
    assert any("more such notices were left out" in notice.text for notice in said)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["fff", "f", "", "fdf", "d", "f-f", None]), max_size=12))
def test_whatever_happens_frames_are_numbered_and_every_outage_ends(
    script: Sequence[str | None],
) -> None:
    each = [ABSENT if steps is None else Scripted(steps) for steps in script]
    source, notices = source_of(Scripted("f"), *each, Scripted("fh"))
    with source:
        frames = 2 + sum((steps or "").count("f") for steps in script)
        numbers = taken(source, frames)
        assert numbers == sorted(set(numbers))
        until(lambda: source._opener.each[-1].hangs.is_set())
        counts = source.counts
        assert numbers[-1] + 1 == frames + counts.corrupt + counts.dropped
        said = kinds(notices)
        assert said == ["source_lost", "source_back"] * counts.reconnects
        source._opener.each[-1].go.set()


def test_a_file_that_is_not_there_yet_is_opened_when_it_is() -> None:
    clock, notices = FakeClock(), Notices()
    tries = [ABSENT, ABSENT, ABSENT]
    whole, _ = source_of(Scripted("ffh"))

    def opener() -> NewestSource:
        if tries:
            raise tries.pop()
        return whole

    with LateSource(opener, "'a.mp4'", notices, clock) as source:
        assert source.fps is None and not source.live
        assert taken(source, 2) == [0, 1]
        assert source.live and source.counts.reconnects == 0
        whole._opener.each[0].go.set()
    assert source.ended
    assert kinds(notices) == ["source_waiting", "source_back"]
    assert sum(clock.waited) == pytest.approx(0.5 + 1 + 2, abs=0.7)


def test_a_file_that_is_there_is_not_waited_for(tmp_path: Path) -> None:
    path, options = tmp_path / "a.avi", SourceOptions(wait=True)
    with open_source(str(path), options) as source:
        assert isinstance(source, LateSource) and source.read(0) is None
        make_video(path, 3)
        assert len(taken(source, 3)) == 3
        assert source.fps == 25
    with open_source(str(path), options) as source:
        assert not isinstance(source, LateSource) and source.fps == 25


def test_waiting_ends_where_the_door_is_closed() -> None:
    def opener() -> NewestSource:
        raise SourceRefusedError("wrong password", hint="mind it")

    with LateSource(opener, "a stream", None) as source, pytest.raises(SourceRefusedError):
        source.read(0.1)


def test_waiting_for_a_file_can_be_closed() -> None:
    def opener() -> NewestSource:
        raise ABSENT

    source = LateSource(opener, "'a.mp4'", None, FakeClock())
    assert source.read(0.1) is None and not source.ended
    source.close()
    assert source.read(0.1) is None and source.ended
