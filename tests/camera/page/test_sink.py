"""The page beside others in the loop: who gets which pixels, and what that costs."""

from typing import Any

import cv2
import numpy as np

from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.page.demand import Job
from edgecnn.camera.page.encode import Encoded, smaller
from edgecnn.camera.page.share import Share
from edgecnn.camera.page.sink import CameraSink
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.sources.pattern_options import pattern_options
from edgecnn.camera.sources.pattern_source import PatternSource
from edgecnn.camera.stats import RecentTimes, StageTimes
from tests.camera.clocks import FakeClock, until
from tests.camera.doubles import DETECT, PREPROCESS, FakeDetector, Watching, looped
from tests.camera.recording.frames import seen


class Taken:
    """Gets what was encoded, and lets the encoder go on."""

    def __init__(self, sink: CameraSink) -> None:
        self.sink, self.all = sink, list[Encoded]()
        sink.connect(self.take, lambda event: None, self.fail)

    def take(self, encoded: Encoded) -> None:
        self.all.append(encoded)
        self.sink.encoder.done()

    def fail(self, error: BaseException) -> None:
        raise error


def run_with(job: Job, *others: Any) -> tuple[list[Encoded], Any]:
    """A loop over the pattern with boxes to draw, the page and others."""
    sink = CameraSink("")
    taken = Taken(sink)
    sink.demand = job
    sink.encoder.allow(1e9, True)
    source = PatternSource(pattern_options("test,size=320x240,rate=60,seconds=0.5"))
    looped(source, Pipeline(FakeDetector(), PREPROCESS, DETECT), sinks=(*others, sink),
           limits=LoopConfig())  # fmt: skip
    return taken.all, sink


def picture(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)


def test_the_page_is_raw_while_a_recording_beside_it_is_drawn() -> None:
    drawn: list[np.ndarray] = []
    recorder = Watching(lambda seen: drawn.append(seen.picture.drawn()))
    taken, sink = run_with(Job(snapshots=frozenset({False, True})), recorder)
    assert len(drawn) == sink.frames and taken
    for encoded in taken:
        raw, marked = picture(encoded.snapshots[False]), picture(encoded.snapshots[True])
        # The status line at the upper left: dark where something is drawn.
        assert abs(raw[:8, :8] - marked[:8, :8]).max() > 40


def test_while_nobody_watches_a_recording_draws_in_place() -> None:
    same: list[bool] = []
    recorder = Watching(lambda seen: same.append(seen.picture.drawn() is seen.picture.raw))
    taken, sink = run_with(Job(), recorder)
    assert taken == [] and len(same) == sink.frames
    same.clear()
    # The short side of the pattern is enlarged for drawing below 320 pixels: a copy of its own.
    big = CameraSink("")
    source = PatternSource(pattern_options("test,size=640x480,rate=60,seconds=0.2"))
    looped(source, Pipeline(FakeDetector(), PREPROCESS, DETECT), sinks=(recorder, big))
    assert same and all(same)


def test_a_recording_of_raw_pixels_keeps_them_beside_a_drawn_stream() -> None:
    raws: list[tuple[int, np.ndarray]] = []
    recorder = Watching(lambda seen: raws.append((seen.frame.sequence, seen.picture.raw)))
    recorder.wants = "raw"
    taken, _ = run_with(Job(stream=True), recorder)
    pattern = PatternSource(pattern_options("test,size=320x240,rate=60,seconds=0.5"))._pattern
    assert taken and all(encoded.stream for encoded in taken)
    assert all((image == pattern.draw(number)).all() for number, image in raws)


def test_frames_are_taken_thirty_times_a_second_at_most_and_snapshots_at_once() -> None:
    clock = FakeClock()
    sink = CameraSink("", clock)
    taken = Taken(sink)

    def frame(number: int) -> str:
        wanted = sink.wants
        sink.put(seen(number))
        until(lambda: sink.encoder.free)
        return wanted

    try:
        sink.demand = Job(live=True)
        sink.encoder.allow(1e9, True)
        wanted = []
        for number in range(300):
            wanted.append(frame(number))
            clock.pass_by(0.01)
        # Three seconds of a hundred frames a second.
        assert 75 <= wanted.count("raw") <= 100 and set(wanted) == {"raw", "nothing"}
        assert abs(sink.rate() - 100) < 2
        sink.encoder.allow(1e-9, False)
        clock.pass_by(0.03)
        assert [frame(number) for number in range(3)] == ["raw", "nothing", "nothing"]
        sink.demand = Job(live=True, snapshots=frozenset({False}))
        assert frame(400) == "raw"
        assert taken.all[-1].snapshots and taken.all[-1].live is None
    finally:
        sink.finish()


def test_the_rate_of_a_camera_that_has_stopped_falls() -> None:
    clock = FakeClock()
    sink = CameraSink("", clock)
    assert sink.rate() == 0
    for number in range(50):
        sink.put(seen(number))
        clock.pass_by(0.04)
    assert abs(sink.rate() - 25) < 0.5
    clock.pass_by(10)
    assert sink.rate() < 1 and sink.recent_ages(2.0) == []


def test_smaller_keeps_the_form_and_lets_small_ones_be() -> None:
    for size, expected in (
        ((720, 1280), (720, 1280)), ((1080, 1920), (720, 1280)), ((2160, 3840), (720, 1280)),
        ((3000, 200), (1280, 85)), ((4, 60000), (1, 1280)), ((48, 64), (48, 64)),
    ):  # fmt: skip
        assert smaller(np.zeros((*size, 3), np.uint8), 1280).shape == (*expected, 3)


def test_the_share_follows_what_is_idle(tmp_path) -> None:
    stat, total = tmp_path / "stat", [0, 0]

    def second(busy: int, idle: int) -> None:
        total[0] += busy
        total[1] += idle
        stat.write_text(f"cpu {total[0]} 0 0 {total[1]} 0 0 0 0 0 0\ncpu0 1 2 3\n")

    second(100, 100)
    share = Share(stat)
    least = share.value
    for _ in range(10):
        second(0, 100)
        share.step()
    assert share.value == 0.2 and share.ample
    for _ in range(20):
        second(100, 0)
        share.step()
    assert share.value == least <= 0.2 and not share.ample
    stat.unlink()
    share.step()
    share.step()
    assert least <= share.value <= 0.2


def test_recent_times_forget() -> None:
    times = StageTimes()
    recent = RecentTimes(times, steps=2)
    for ms in (10.0, 20.0, 30.0, 40.0):
        times.add("infer", ms)
        recent.step()
    assert abs(recent.medians()["infer"] - 30) < 0.2
    recent.step()
    recent.step()
    assert recent.medians() == {}
