"""Clips around events: what they show, what they are called, and what bounds them."""

import errno
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.clock import Instant
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.attachments import LONGEST_CLIP_S, Attachments
from edgecnn.camera.recording.clips import ClipSink
from edgecnn.camera.recording.matroska import create_raw
from edgecnn.camera.recording.names import RecordingName
from edgecnn.camera.recording.preroll import PreRoll
from tests.camera.recording.frames import encoded, event, seen
from tests.camera.recording.shown import SmallLoop, at, numbers_in, on, stored, times_in


class FakeStorage:
    """Remembers what each file was given."""

    part_limit_bytes = None
    stopped = False

    def __init__(self) -> None:
        self.count = 0
        self.files: dict[str, list[int]] = {}
        self.open: list[str] = []

    def new_name(self, wall_s: float, suffix: str, label: str) -> RecordingName:
        self.count += 1
        return RecordingName.new(self.count, wall_s, suffix, label)

    def begin(self, folder: Path, frame: Any, name: RecordingName, title: str) -> Any:
        assert not self.open, "two clips at a time"
        self.open.append(name.file())
        self.files[name.file()] = []
        return FakePart(name.file())

    def write(self, part: Any, jpeg: bytes, timestamp_s: float) -> bool:
        self.files[part.name].append(int(jpeg))
        return True

    def end(self, part: Any) -> Path:
        self.open.remove(part.name)
        return Path(part.name)


class FakePart:
    def __init__(self, name: str) -> None:
        self.name, self.writer = name, self
        self.size_bytes = self.closing_bytes = 0


def clip_loop(
    storage: Any, folder: Path, before_s: float, after_s: float, **more: Any
) -> SmallLoop:
    attach = Attachments(
        storage, clips=folder, snapshots=None, before_s=before_s, after_s=after_s,
        live=more.get("live", False),
    )  # fmt: skip
    given = {"fps": None, "live": False, "notices": Notices(), **more}
    sink = ClipSink(storage, folder, attach, before_s=before_s, after_s=after_s, **given)
    return SmallLoop(sink, attach)


def test_a_clip_shows_what_was_before_its_event_and_what_came_after(tmp_path: Path) -> None:
    storage = stored(tmp_path)
    loop = clip_loop(storage, tmp_path, 0.5, 1.0)
    loop.show(at(10, range(30)), on(12))
    (name,) = loop.clips()
    assert name.endswith("_red.mkv")
    # The clip of the frame at 2.2 s is over with the one at 2.3 s, and has its name then.
    assert numbers_in(tmp_path / name) == list(range(7, 23))
    times = times_in(tmp_path / name)
    assert times == pytest.approx([k / 10 for k in range(16)], abs=0.002)
    assert [path.name for path in tmp_path.glob("*.mkv")] == [name]
    loop.sink.finish()
    assert loop.sink.summary() == {"clips": {"files": 1, "lost": 0}}


def test_the_end_of_the_source_ends_a_clip(tmp_path: Path) -> None:
    loop = clip_loop(stored(tmp_path), tmp_path, 5.0, 5.0)
    loop.show(at(10, range(20)), on(3))
    (name,) = loop.clips()
    assert not (tmp_path / name).exists()
    loop.sink.finish()
    assert numbers_in(tmp_path / name) == list(range(20))


def test_an_event_within_a_clip_prolongs_it_and_a_later_one_gets_its_own(tmp_path: Path) -> None:
    loop = clip_loop(stored(tmp_path), tmp_path, 0.5, 1.0)
    loop.show(at(10, range(32)), on(2, 9, 9, 25))
    loop.sink.finish()
    first, second, third, fourth = loop.clips()
    assert first == second == third != fourth
    assert numbers_in(tmp_path / first) == list(range(20))
    assert numbers_in(tmp_path / fourth) == list(range(20, 32))


def test_clips_that_events_prolong_without_end_follow_on_each_other(tmp_path: Path) -> None:
    storage = FakeStorage()
    loop = clip_loop(storage, tmp_path, 2.0, 3.0)
    shown_numbers(loop)
    loop.show(at(4, range(800)), lambda number: number % 8 == 7)
    loop.sink.finish()
    files = list(storage.files.values())
    assert set().union(*files) == set(range(800))
    for numbers in files:
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert len(numbers) / 4 <= LONGEST_CLIP_S + 0.25
    assert len(files) == 4
    for number, (named,) in loop.events.items():
        assert number in storage.files[named.clip]
        # Two seconds before each event and, in this clip or the next, three seconds after it.
        assert max(number - 8, 0) in storage.files[named.clip]


def shown_numbers(loop: SmallLoop) -> None:
    """Frames whose JPEG is only their number."""
    put = loop.sink.put

    def numbered(frame: Any) -> None:
        object.__setattr__(frame, "jpeg", str(frame.sequence).encode())
        put(frame)

    loop.sink.put = numbered


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 2.0), st.sampled_from([0, 0, 0, 0, 1, 2])), max_size=60),
    st.sampled_from([0.0, 0.4, 3.0]),
    st.sampled_from([0.0, 0.7, 5.0]),
    st.booleans(),
)
def test_each_event_names_one_clip_that_shows_it(
    steps: list[tuple[float, int]], before_s: float, after_s: float, live: bool
) -> None:
    storage, folder = FakeStorage(), Path("clips")
    loop = clip_loop(storage, folder, before_s, after_s, live=live)
    shown_numbers(loop)
    times, now_s = {}, 0.0
    for number, (step_s, _) in enumerate(steps):
        now_s += step_s
        times[number] = now_s
    loop.show(times, lambda number: steps[number][1])
    loop.sink.finish()
    assert not storage.open
    assert set(storage.files) == {named.clip for all_ in loop.events.values() for named in all_}
    for numbers in storage.files.values():
        assert numbers == sorted(set(numbers))
        assert times[numbers[-1]] - times[numbers[0]] <= LONGEST_CLIP_S + 1e-6
    for number, all_ in loop.events.items():
        assert len({named.clip for named in all_}) == 1
        numbers = storage.files[all_[0].clip]
        start_s = times[number] - before_s
        before = {k for k in times if k < number and times[k] >= start_s} if before_s else set()
        assert before | {number} <= set(numbers)
    if before_s == 0:
        shown = {k for numbers in storage.files.values() for k in numbers}
        assert set(loop.wanted) == shown


def test_without_a_before_only_the_frames_of_clips_are_encoded(tmp_path: Path) -> None:
    loop = clip_loop(stored(tmp_path), tmp_path, 0.0, 0.5)
    loop.show(at(10, range(30)), on(10))
    assert loop.wanted == list(range(10, 16))
    loop.sink.finish()
    assert numbers_in(tmp_path / loop.clips()[0]) == loop.wanted


def test_a_limited_rate_leaves_frames_out_but_never_the_event(tmp_path: Path) -> None:
    loop = clip_loop(stored(tmp_path), tmp_path, 1.0, 1.0, fps=2.0)
    loop.show(at(10, range(30)), on(13))
    assert loop.wanted == [0, 5, 10, 13, 15, 20, 25]
    loop.sink.finish()
    assert numbers_in(tmp_path / loop.clips()[0]) == [5, 10, 13, 15, 20]


def test_a_list_whose_next_file_begins_at_0_goes_on(tmp_path: Path) -> None:
    loop = clip_loop(stored(tmp_path), tmp_path, 0.5, 0.5)
    first, second = at(10, range(10)), {k + 10: k / 10 for k in range(10)}
    loop.show(first, on(8))
    loop.show(second, on(11))
    loop.sink.finish()
    names = loop.clips()
    assert names[0] == names[1] and numbers_in(tmp_path / names[0]) == list(range(3, 17))


def test_a_file_that_leaves_names_its_clip_and_begins_none(tmp_path: Path) -> None:
    storage = stored(tmp_path)
    loop = clip_loop(storage, tmp_path, 0.5, 0.5)
    left = event(7, "left")
    object.__setattr__(left, "clip", "000001_2026-11-22T04-12-18Z.mkv")
    assert loop.sink.wants(seen(0, 0.0, events=(left,)))
    loop.sink.put(encoded(0, 0.0, events=(left,)))
    loop.sink.finish()
    assert not list(tmp_path.glob("*.mkv"))


def test_the_frame_of_an_event_that_was_missed_is_not_needed(tmp_path: Path) -> None:
    loop = clip_loop(stored(tmp_path), tmp_path, 0.3, 0.5, live=True)
    loop.show(at(10, range(20)), on(6), missed=(6, 7))
    assert numbers_in(tmp_path / loop.clips()[0]) == [5, 8, 9, 10, 11, 12, 13]
    loop.show(at(10, range(20, 22)), on(21), missed=(21,))
    loop.sink.finish()
    assert loop.sink.summary() == {"clips": {"files": 1, "lost": 1}}


class StoppedClock:
    """The time that it is told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> Instant:
        return Instant(1000.0 + self.now_s, 0.0)

    def wait(self, stop: Any, seconds: float) -> bool:
        raise AssertionError


def test_a_clip_ends_in_time_also_when_the_camera_gives_no_more_frames(tmp_path: Path) -> None:
    clock = StoppedClock()
    loop = clip_loop(stored(tmp_path), tmp_path, 1.0, 2.0, live=True, clock=clock)
    loop.show(at(10, range(10)), on(9))
    path = tmp_path / loop.clips()[0]
    for clock.now_s in (1.0, 2.0, 2.9):
        loop.sink.tick()
        assert not path.exists()
    clock.now_s = 3.0
    loop.sink.tick()
    assert numbers_in(path) == list(range(10))
    # What comes back later is no part of it, and an event then gets a clip of its own.
    loop.show({10: 60.0, 11: 60.1}, on(11))
    loop.sink.finish()
    assert numbers_in(tmp_path / loop.clips()[1]) == [10, 11]


def test_a_resolution_that_changes_within_a_clip_is_scaled(tmp_path: Path) -> None:
    loop = clip_loop(stored(tmp_path), tmp_path, 1.0, 1.0)
    loop.show(at(10, range(12)), on(11))
    loop.show(at(10, range(12, 17)), on(14), size=(160, 96))
    loop.show(at(10, range(17, 40)), on(39), size=(32, 32))
    loop.sink.finish()
    first, second, third = loop.clips()
    assert first == second and numbers_in(tmp_path / first) == list(range(1, 25))
    # 39 * 8 is more than a byte.
    assert numbers_in(tmp_path / third)[-1] == 39 - 32


class FullAfter:
    """Files on a disk that has no more room after so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, path: Path) -> Any:
        disk, raw = self, create_raw(path)

        class File:
            def write(self, data: memoryview) -> int | None:
                if len(data) > disk.room:
                    raise OSError(errno.ENOSPC, "No space left on device")
                disk.room -= len(data)
                return raw.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(raw, name)

        return File()


def test_a_full_disk_ends_a_clip_and_keeps_it_and_names_no_more_until_it_is_back(
    tmp_path: Path,
) -> None:
    disk, clock, notices = FullAfter(11_000), StoppedClock(), Notices()
    storage = stored(tmp_path, opener=disk, clock=clock, notices=notices)
    loop = clip_loop(storage, tmp_path, 1.0, 1.0, clock=clock)
    loop.show(at(10, range(40)), on(10, 12, 25))
    first, prolonging, unnamed = loop.clips()
    assert first == prolonging and unnamed is None
    kept = numbers_in(tmp_path / first)
    assert 1 < len(kept) < 16 and kept == list(range(kept[0], kept[0] + len(kept)))
    assert [notice.kind for notice in notices.take()] == ["recording_stopped"]
    disk.room, clock.now_s = 10**9, 100.0
    loop.show(at(10, range(40, 60)), on(50))
    loop.sink.finish()
    assert len(numbers_in(tmp_path / loop.clips()[-1])) == 20
    assert [notice.kind for notice in notices.take()] == ["recording_resumed"]
    assert loop.sink.summary() == {"clips": {"files": 2, "lost": 0}}


def test_a_clip_that_a_crash_left_gets_the_name_that_its_event_says(tmp_path: Path) -> None:
    before, after, notices = tmp_path / "before", tmp_path / "after", Notices()
    loop = clip_loop(stored(before), before, 0.5, 5.0)
    loop.show(at(10, range(16)), on(10))
    (name,) = loop.clips()
    shutil.copytree(before, after)
    stored(after, notices=notices).finish()
    assert numbers_in(after / name) == list(range(5, 16))
    assert [notice.kind for notice in notices.take()] == ["recording_leftover"]


def test_a_clip_leaves_the_quota_room_for_others(tmp_path: Path) -> None:
    storage = stored(tmp_path, max_bytes=64 << 10)
    loop = clip_loop(storage, tmp_path, 1.0, 30.0)
    for start in range(0, 200, 20):
        loop.show(at(1, range(start, start + 20)), on(start))
    loop.sink.finish()
    sizes = [path.stat().st_size for path in tmp_path.glob("*.mkv")]
    assert max(sizes) <= 16 << 10 and sum(sizes) <= 64 << 10


def test_memory_bounds_what_a_clip_shows_before_its_event_and_that_is_said_once(
    tmp_path: Path,
) -> None:
    notices = Notices()
    size = len(encoded(3).jpeg)
    loop = clip_loop(
        stored(tmp_path), tmp_path, 2.0, 0.5, notices=notices, most_bytes=size * 5 + size // 2
    )
    loop.show(at(10, range(30)), on(20))
    loop.sink.finish()
    assert numbers_in(tmp_path / loop.clips()[0]) == list(range(15, 26))
    (said,) = notices.take()
    assert said.kind == "clip_shortened" and "0.4 s before" in said.text and "of 2 s" in said.text


@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 4000)), max_size=80),
    st.floats(0.1, 5.0),
    st.integers(1000, 20_000),
)
def test_memory_holds_the_newest_frames_within_its_bounds(
    steps: list[tuple[int, int]], seconds: float, most_bytes: int
) -> None:
    before, now_s, all_ = PreRoll(seconds, most_bytes), 0.0, []
    for number, (step_s, size) in enumerate(steps):
        now_s += step_s / 10
        frame = encoded(number)
        object.__setattr__(frame, "jpeg", bytes(size))
        before.add(now_s, frame)
        all_.append((now_s, frame))
        held = before.frames(0.0)
        assert held == all_[len(all_) - len(held) :]
        assert before.size_bytes == sum(len(each.jpeg) for _, each in held) <= most_bytes
        assert all(now_s - at_s <= seconds + 1e-5 for at_s, _ in held)
        if before.short_s is None:
            assert len(held) == sum(now_s - at_s <= seconds + 1e-6 for at_s, _ in all_)
        assert all(at_s >= now_s - 1.00001 for at_s, _ in before.frames(now_s - 1))


def test_names_of_files_are_unique_also_when_the_wall_clock_stands_still(tmp_path: Path) -> None:
    attach = Attachments(
        stored(tmp_path), clips=tmp_path, snapshots=tmp_path, before_s=0, after_s=0, live=False
    )
    named = [
        attach(event(k).__class__(k, "appeared", Instant(k, 1.7e9), "test", timestamp_s=k))
        for k in range(5)
    ]
    names = [name for each in named for name in (each.clip, each.snapshot)]
    assert len(set(names)) == 10 and all(RecordingName.of(Path(name)) for name in names)
    assert all(one < other for one, other in pairwise(each.clip for each in named))
