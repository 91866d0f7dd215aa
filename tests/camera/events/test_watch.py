import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.event import Event
from edgecnn.camera.events.regions import FrameRegion
from edgecnn.camera.events.watch import EventWatch
from edgecnn.camera.notices import LoopNotice
from edgecnn.camera.result import FrameResult, Item
from edgecnn.camera.sources.frames import Frame
from edgecnn.core.errors import UsageError

IMAGE = np.zeros((100, 200, 3), np.uint8)
LEFT = FrameRegion("left", ((0, 0), (0.5, 1)))
LOWER = FrameRegion("lower", ((0, 0.5), (1, 1)))


class FixedClock:
    def now(self) -> Instant:
        return Instant(1e6, 2e9)

    def wait(self, stop, seconds) -> bool:
        raise AssertionError("nothing waits")


def item(label: str, x: float = 20, bottom: float = 90, score: float = 0.5) -> Item:
    return Item(label, 0, score, (x - 5, bottom - 20, x + 5, bottom))


def seen(watch: EventWatch, number: int, at_s: float, *items: Item, wall_s: float = 0.0):
    moment = Instant(1000 + number, wall_s)
    frame = Frame(IMAGE, number, moment, at_s, 0.0)
    return watch.see(frame, FrameResult(number, at_s, moment, 0.0, items, {}))


def run(config: EventConfig, shown: list[tuple[float, tuple[Item, ...]]], walls=None):
    """All events; ``shown`` has the seconds and the items of each frame."""
    watch = EventWatch(config, "'clip'", run="r", clock=FixedClock())
    events = [watch.begin()]
    for number, (at_s, items) in enumerate(shown):
        wall_s = walls[number] if walls else 0.0
        events += seen(watch, number, at_s, *items, wall_s=wall_s)
    return [*events, *watch.end("source")]


def said(events) -> list[tuple]:
    return [(event.kind, event.label, event.region) for event in events]


def test_several_of_a_label_are_one_presence_in_each_region() -> None:
    config = EventConfig(regions=(LEFT, LOWER), gap_s=0.0)
    both, far = item("cat", 20, 90, 0.6), item("cat", 20, 30, 0.9)
    events = run(config, [(0.0, (both, far)), (1.0, (far,)), (2.0, ())])
    assert said(events) == [
        ("started", None, None),
        ("appeared", "cat", "left"),
        ("appeared", "cat", "lower"),
        ("left", "cat", "lower"),
        ("left", "cat", "left"),
        ("ended", None, None),
    ]
    assert events[1].score == 0.9 and events[1].box_xyxy == far.box_xyxy
    assert events[2].score == 0.6 and events[2].box_xyxy == both.box_xyxy
    assert (events[4].began, events[4].seconds, events[4].frame) == (2, 1.0, 1)
    assert run(config, [(0.0, (item("cat", 150, 40),))])[1].kind == "ended"


def test_what_is_seen_once_in_a_while_has_not_been_there() -> None:
    config = EventConfig(after_s=0.5)
    rare = [(k / 10, (item("cat"),) if k % 3 == 0 else ()) for k in range(30)]
    assert said(run(config, rare)) == [("started", None, None), ("ended", None, None)]
    half = [(k / 10, (item("cat"),) if k % 2 == 0 else ()) for k in range(30)]
    events = run(config, half)
    assert [event.kind for event in events] == ["started", "appeared", "left", "ended"]
    assert events[1].timestamp_s == 0.6 and events[2].seconds == pytest.approx(2.8)


def test_while_no_frames_come_nothing_leaves() -> None:
    config = EventConfig(gap_s=2.0)
    cat = (item("cat"),)
    away = [(0.0, cat), (600.0, cat), (600.1, cat)]
    assert [event.kind for event in run(config, away)] == ["started", "appeared", "left", "ended"]
    gone = [(0.0, cat), (600.0, ()), (601.9, ()), (602.0, ())]
    watch = EventWatch(config, "'clip'", run="r", clock=FixedClock())
    kinds = kinds_of(watch, gone)
    assert kinds == [["appeared"], [], [], ["left"]]


def kinds_of(watch: EventWatch, shown) -> list[list[str]]:
    """The kinds of each frame's events."""
    return [
        [event.kind for event in seen(watch, number, at_s, *items)]
        for number, (at_s, items) in enumerate(shown)
    ]


def test_time_that_goes_back_or_is_no_number_stands_still() -> None:
    config = EventConfig(gap_s=1.0)
    times = [5.0, 5.5, 0.0, 0.4, math.nan, 0.9, 1.0]
    shown = [(at_s, (item("cat"),) if k == 0 else ()) for k, at_s in enumerate(times)]
    watch = EventWatch(config, "'clip'", run="r", clock=FixedClock())
    kinds = kinds_of(watch, shown)
    # Missing since 5.5 s; 0.4, 0.5 and 0.1 s follow on the second file.
    assert kinds == [["appeared"], [], [], [], [], [], ["left"]]


def test_files_are_named_in_both_events_and_notices_become_events() -> None:
    def attach(event: Event) -> Event:
        return replace(event, clip=f"{event.number}-{event.label}.mkv")

    watch = EventWatch(EventConfig(), "camera 0", attach, "r", FixedClock())
    (appeared,) = seen(watch, 0, 0.0, item("cat"))
    notice = LoopNotice("source_lost", "camera 0 was lost", Instant(5.0, 6.0))
    lost = watch.notice(notice)
    assert (lost.number, lost.kind, lost.text, lost.moment) == (
        2, "source_lost", "camera 0 was lost", Instant(5.0, 6.0),
    )  # fmt: skip
    left, ended = watch.end("lost")
    assert appeared.clip == left.clip == "1-cat.mkv" and left.snapshot is None
    assert (left.source, ended.kind, ended.text) == ("camera 0", "ended", "lost")


def test_a_classifier_makes_events_of_the_whole_frame_alone() -> None:
    whole = replace(item("cat"), whole_frame=True)
    assert said(run(EventConfig(), [(0.0, (whole,))]))[1] == ("appeared", "cat", None)
    assert len(run(EventConfig(regions=(LEFT,)), [(0.0, (whole,))])) == 2


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_times_must_be_meant(value: float) -> None:
    for key in ("after_s", "gap_s"):
        with pytest.raises(UsageError, match=f"--event-{key[:-2]} is"):
            EventConfig(**{key: value})


ITEMS = st.builds(
    item,
    st.sampled_from(["cat", "dog"]),
    st.sampled_from([20.0, 150.0]),
    st.sampled_from([30.0, 90.0]),
    st.sampled_from([0.5, 0.75]),
)
SHOWN = st.lists(
    st.tuples(st.sampled_from([0.0, 0.125, 0.5, 4.0]), st.lists(ITEMS, max_size=3).map(tuple)),
    max_size=40,
)
CONFIGS = st.builds(
    EventConfig,
    regions=st.sampled_from([(), (LEFT,), (LEFT, LOWER)]),
    after_s=st.sampled_from([0.0, 0.25, 1.0]),
    gap_s=st.sampled_from([0.0, 0.5, 2.0]),
)


def keys_of(one: Item, config: EventConfig) -> set[tuple]:
    """Where an item of these tests stands, told by its two places alone."""
    if not config.regions:
        return {(one.label, None)}
    places = {"left": one.box_xyxy[0] < 100, "lower": one.box_xyxy[3] > 50}
    return {(one.label, region.name) for region in config.regions if places[region.name]}


@settings(max_examples=150, deadline=None)
@given(CONFIGS, SHOWN, st.lists(st.floats(-1e9, 4e9), min_size=40, max_size=40))
def test_any_sequence_gives_pairs_that_the_frames_bear_out(config, steps, walls) -> None:
    times = np.cumsum([step for step, _ in steps]).tolist()
    shown = [(at_s, items) for at_s, (_, items) in zip(times, steps, strict=True)]
    events = run(config, shown)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    there: dict[tuple, Event] = {}
    for event in events[1:-1]:
        key = (event.label, event.region)
        history = [
            (at_s, any(key in keys_of(one, config) for one in items)) for at_s, items in shown
        ]
        assert history[event.frame][1]
        if event.kind == "appeared":
            assert key not in there
            there[key] = event
            # It was there for long enough before, unless that is not asked for.
            first = next(at_s for at_s, hit in history[: event.frame + 1] if hit)
            assert times[event.frame] - first >= config.after_s
        else:
            began = there.pop(key)
            assert (event.kind, event.began) == ("left", began.number)
            last = max(at_s for at_s, hit in history[: event.frame + 1] if hit)
            hits = [at_s for at_s, hit in history if hit]
            assert last - event.seconds in hits and event.seconds >= config.after_s
            assert last - event.seconds <= times[began.frame] <= last
            # Since it began there was no gap as long as it takes to leave.
            span = [(a, h) for a, h in history[: event.frame + 1] if a >= last - event.seconds]
            missing = None
            for at_s, hit in span:
                missing = None if hit else at_s if missing is None else missing
                assert missing is None or at_s - missing < max(config.gap_s, 1e-9)
    assert not there and len({(e.label, e.region) for e in events}) <= 2 * 2 + 1
    # The wall clock only dates events.
    other = run(config, shown, walls[: len(shown)])
    dated = [replace(event, moment=Instant(0, 0)) for event in other]
    assert dated == [replace(event, moment=Instant(0, 0)) for event in events]
