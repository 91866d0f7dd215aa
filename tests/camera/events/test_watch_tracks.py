"""Events of what is followed: each track for itself, and what passes lines and zones."""

from dataclasses import replace

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.event import Event
from edgecnn.camera.events.watch import EventWatch
from edgecnn.camera.following import Crossing, Following
from edgecnn.camera.recording.clips import begins_clip
from edgecnn.camera.recording.snapshots import snapshot_of
from edgecnn.camera.result import FrameResult
from edgecnn.camera.sources.frames import Frame
from tests.camera.events.test_watch import IMAGE, LEFT, FixedClock, item


def see(watch: EventWatch, number: int, at_s: float, *items, crossings=(), ended=()):
    moment = Instant(1000 + number, 0.0)
    frame = Frame(IMAGE, number, moment, at_s, 0.0)
    following = Following(crossings=crossings, ended=ended)
    return watch.see(frame, FrameResult(number, at_s, moment, 0.0, items, {}, following=following))


def watching(config: EventConfig, attach=None) -> EventWatch:
    return EventWatch(config, "clip", attach, "r", FixedClock())


def brief(events: tuple[Event, ...]) -> list[tuple]:
    return [(event.kind, event.label, event.track) for event in events]


def test_each_track_appears_and_leaves_for_itself() -> None:
    watch = watching(EventConfig(gap_s=2.0))
    one, two = replace(item("cat"), track=1), replace(item("cat", 60), track=2)
    assert brief(see(watch, 0, 0.0, one, item("dog"))) == [("appeared", "cat", 1)]
    assert brief(see(watch, 1, 0.5, one, two)) == [("appeared", "cat", 2)]
    assert brief(see(watch, 2, 1.0, two)) == []
    # Its track is over: it does not come back under this number.
    (left,) = see(watch, 3, 1.5, two, ended=(1,))
    assert brief((left,)) == [("left", "cat", 1)] and left.began == 1 and left.seconds == 0.5
    assert brief(watch.end("source")) == [("left", "cat", 2), ("ended", None, None)]


def test_regions_hold_for_tracks_and_not_for_crossings() -> None:
    watch = watching(EventConfig(regions=(LEFT,)))
    far = replace(item("cat", 150), track=1)
    crossing = Crossing("door", "line", "in", 1, "cat", 0.5, far.box_xyxy)
    assert brief(see(watch, 0, 0.0, far, crossings=(crossing,))) == [("crossed", "cat", 1)]


def test_what_is_known_to_have_passed_only_at_the_end_is_an_event_of_no_frame() -> None:
    watch = watching(EventConfig())
    cat = replace(item("cat"), track=1)
    see(watch, 0, 0.0, cat)
    crossing = Crossing("door", "line", "in", 1, "cat", 0.5, cat.box_xyxy)
    crossed, *others = watch.end("source", (crossing,))
    assert (crossed.kind, crossed.line, crossed.frame) == ("crossed", "door", None)
    assert brief(tuple(others)) == [("left", "cat", 1), ("ended", None, None)]


def test_a_crossing_is_an_event_with_a_clip_and_a_snapshot() -> None:
    def attach(event: Event) -> Event:
        name = f"00000{event.number}_2026-11-22T04-12-18Z_cat"
        return replace(event, clip=f"{name}.mkv", snapshot=f"{name}.jpg")

    watch = watching(EventConfig(), attach)
    cat = replace(item("cat"), track=4)
    crossings = (
        Crossing("door", "line", "out", 4, "cat", 0.5, cat.box_xyxy),
        Crossing("shop", "zone", "in", 4, "cat", 0.5, cat.box_xyxy),
        Crossing("shop", "zone", "out", 4, "cat", 0.5, cat.box_xyxy),
    )
    appeared, crossed, entered, exited = see(watch, 7, 3.0, cat, crossings=crossings)
    assert appeared.kind == "appeared"
    assert (crossed.kind, crossed.line, crossed.zone, crossed.direction) == (
        "crossed", "door", None, "out",
    )  # fmt: skip
    assert (entered.kind, entered.zone, entered.direction) == ("entered", "shop", "in")
    assert (exited.kind, exited.line, exited.direction) == ("exited", None, "out")
    for event in (crossed, entered, exited):
        assert (event.frame, event.timestamp_s, event.score, event.track) == (7, 3.0, 0.5, 4)
        assert event.box_xyxy == cat.box_xyxy and event.moment == Instant(1007, 0.0)
        assert begins_clip(event) and str(snapshot_of(event).file()) == event.snapshot
