"""Events that are delivered elsewhere: none is lost without being counted."""

from __future__ import annotations

import json
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.events.channel import DeliveryError
from edgecnn.camera.events.delivery import Deliveries, Delivery, Patience
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from tests.camera.events.doubles import FakeChannel, JumpingClock, an_event, said
from tests.camera.events.servers import until

DOWN = DeliveryError("connection refused")


class Line:
    """A delivery without its thread, on a line that is up or down; its turns are taken by hand."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.error: DeliveryError | None = None
        self.channel = FakeChannel(lambda event: self.error, tend_s=0.0)
        self.clock, self.notices = JumpingClock(), Notices()
        self.delivery = Delivery(
            self.channel, self.notices, patience, self.clock, chance=lambda: 1.0
        )
        self.made = 0

    def put(self, count: int = 1) -> None:
        for _ in range(count):
            self.made += 1
            self.delivery.put(an_event(self.made))

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.delivery.turn()


def test_events_arrive_in_order_as_their_json() -> None:
    line = Line()
    line.put(3)
    line.turns(3)
    assert [json.loads(payload) for payload in line.channel.payloads] == [
        an_event(number).to_json() for number in (1, 2, 3)
    ]
    assert line.delivery.counts.to_json() == {"delivered": 3, "dropped": 0, "waiting": 0}
    assert json.loads(line.channel.payloads[0])["run"] == "7a"


def test_pauses_grow_to_their_ceiling_and_start_anew_after_a_success() -> None:
    line = Line()
    line.put(2)
    line.error = DOWN
    line.turns(9)
    assert line.clock.waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    line.error = None
    line.turns(1)
    line.error = DOWN
    line.turns(1)
    assert line.clock.waits[-1] == 0.5


def test_pauses_are_spread_by_chance() -> None:
    waits = []
    for chance in (0.0, 0.5, 1.0):
        clock = JumpingClock()
        channel = FakeChannel(lambda event: DOWN)
        delivery = Delivery(channel, Notices(), clock=clock, chance=lambda chance=chance: chance)
        delivery.put(an_event(1))
        delivery.turn()
        waits += clock.waits
    assert waits == [0.25, 0.375, 0.5]


def test_the_other_side_may_ask_for_a_longer_pause() -> None:
    line = Line()
    line.put()
    line.error = DeliveryError("HTTP 429", wait_s=120)
    line.turns(1)
    assert line.clock.waits == [120]


def test_an_outage_is_said_once_and_its_end_with_what_waits_and_what_was_dropped() -> None:
    line = Line(Patience(room=5))
    line.put(3)
    line.turns(1)
    line.error = DOWN
    line.turns(4)
    assert said(line.notices) == [
        (
            "delivery_failing",
            "fake://there: connection refused; events wait, the latest 5 at the most",
        )
    ]
    line.put(6)
    line.turns(3)
    assert said(line.notices) == [
        ("dropped", "fake://there: 5 events wait; the oldest is dropped for each new one")
    ]
    line.error = None
    line.turns(1)
    kind, text = said(line.notices)[0]
    assert kind == "delivery_resumed"
    assert "works again after" in text
    assert text.endswith("4 events wait, 3 were dropped")
    line.turns(4)
    assert said(line.notices) == []
    assert line.channel.numbers == [1, 5, 6, 7, 8, 9]
    assert line.delivery.counts.to_json() == {"delivered": 6, "dropped": 3, "waiting": 0}


def test_a_refused_event_is_dropped_and_its_cause_named_once() -> None:
    line = Line()
    line.error = DeliveryError("HTTP 400 Bad Request", permanent=True)
    line.put(3)
    line.turns(3)
    assert line.clock.waits == []
    assert said(line.notices) == [
        ("delivery_failing", "fake://there: HTTP 400 Bad Request; such events are dropped")
    ]
    line.error = None
    line.put()
    line.turns(1)
    assert line.delivery.counts.to_json() == {"delivered": 1, "dropped": 3, "waiting": 0}


def test_an_event_that_the_other_side_always_fails_on_does_not_hold_up_the_others() -> None:
    notices = Notices()
    poison = DeliveryError("HTTP 500 Internal Server Error", answered=True)
    channel = FakeChannel(lambda event: poison if event.number == 2 else None)
    patience = Patience(stuck_s=6)
    delivery = Delivery(channel, notices, patience, JumpingClock(), chance=lambda: 1.0)
    for number in (1, 2, 3):
        delivery.put(an_event(number))
    for _ in range(7):
        delivery.turn()
    assert channel.tried == [1, 2, 2, 2, 2, 2, 3]
    assert delivery.counts.to_json() == {"delivered": 2, "dropped": 1, "waiting": 0}
    assert "what fails so for long is dropped" in said(notices)[1][1]


def test_a_line_that_fails_every_other_time_does_not_talk_about_itself_for_ever() -> None:
    line = Line()
    line.put()
    spoken = 0
    for turn in range(4000):
        line.error = DOWN if turn % 2 else None
        line.turns(1)
        words = said(line.notices)
        spoken += len(words)
        line.put(len(words))  # each notice becomes an event, and is to be delivered too
    hours = (line.clock.now_s - 1000) / 3600
    assert spoken <= 2 * (10 + 10 * hours) + 1
    assert line.delivery.counts.waiting <= 1


def test_an_event_that_is_no_json_is_dropped() -> None:
    line = Line()
    line.delivery.put(an_event(1, score=float("nan")))
    line.delivery.put(an_event(2, clip="\udcff.mkv"))
    line.turns(2)
    assert line.delivery.counts.to_json() == {"delivered": 1, "dropped": 1, "waiting": 0}
    assert json.loads(line.channel.payloads[0])["clip"] == "?.mkv"


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.sampled_from(["put", "put", "put", "up", "down", "refuses", "turn", "turn", "turn"]),
        max_size=120,
    ),
    room=st.integers(1, 6),
)
def test_whatever_happens_the_account_adds_up_the_order_is_kept_and_nothing_grows(
    steps: list[str], room: int
) -> None:
    line = Line(Patience(room=room))
    errors = {"up": None, "down": DOWN, "refuses": DeliveryError("no", permanent=True)}
    for step in steps:
        if step == "put":
            line.put()
        elif step == "turn":
            line.turns(1)
        else:
            line.error = errors[step]
        counts = line.delivery.counts
        assert counts.delivered + counts.dropped + counts.waiting == line.made
        assert counts.waiting <= room
        assert counts.delivered == len(line.channel.numbers)
    assert line.channel.numbers == sorted(set(line.channel.numbers))
    kept = line.delivery.counts.waiting
    line.error = None
    line.turns(kept)
    if kept:
        assert line.channel.numbers[-kept:] == list(range(line.made - kept + 1, line.made + 1))
    line.delivery.end()
    line.put()
    assert line.delivery.counts.dropped == line.made - len(line.channel.numbers)


def test_the_thread_delivers_while_events_come_and_finishes_what_waits() -> None:
    channel = FakeChannel(lambda event: None)
    sink = Deliveries([Delivery(channel, Notices())])
    for number in range(1, 501):
        sink.tell(an_event(number))
    sink.finish()
    sink.finish()
    sink.discard()
    assert channel.numbers == list(range(1, 501))
    assert channel.closed
    assert sink.summary() == {
        "deliveries": {"fake": {"delivered": 500, "dropped": 0, "waiting": 0}}
    }


def test_at_the_end_one_more_attempt_is_made_and_the_rest_is_dropped() -> None:
    """What is down at the end is not waited for, and what came back meanwhile gets its events."""
    down: list[DeliveryError] = [DOWN]
    patience = Patience(pause_s=3600, longest_pause_s=3600, finish_failing_s=0.05)
    for back in (False, True):
        channel = FakeChannel(lambda event: down[0] if down else None)
        sink = Deliveries([Delivery(channel, Notices(), patience)])
        for number in range(1, 4):
            sink.tell(an_event(number))
        until(lambda channel=channel: bool(channel.tried), "an attempt is made")
        if back:
            down.clear()
        start = time.monotonic()
        sink.finish()
        assert time.monotonic() - start < 20
        expected = (3, 0) if back else (0, 3)
        counts = sink.summary()["deliveries"]["fake"]  # type: ignore[index]
        assert (counts["delivered"], counts["dropped"], counts["waiting"]) == (*expected, 0)


def test_a_send_that_hangs_ends_the_wait_and_is_counted_once() -> None:
    hanging, let_go = threading.Event(), threading.Event()

    def hang(event: Event) -> None:
        hanging.set()
        let_go.wait(30)

    channel = FakeChannel(hang)
    sink = Deliveries([Delivery(channel, Notices(), Patience(finish_s=0.05))])
    sink.tell(an_event(1))
    sink.tell(an_event(2))
    assert hanging.wait(30)
    sink.finish()
    dropped = {"deliveries": {"fake": {"delivered": 0, "dropped": 2, "waiting": 0}}}
    assert sink.summary() == dropped
    let_go.set()
    until(lambda: channel.closed, "the thread ends")
    assert sink.summary() == dropped


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_ours_is_said_and_leaves_nothing_uncounted() -> None:
    def bug(event: Event) -> None:
        raise ZeroDivisionError

    notices = Notices()
    channel = FakeChannel(bug)
    sink = Deliveries([Delivery(channel, notices)])
    sink.tell(an_event(1))
    until(lambda: channel.closed, "the thread ends")
    sink.tell(an_event(2))
    sink.finish()
    assert "stopped by an error of ours" in said(notices)[0][1]
    assert sink.summary() == {"deliveries": {"fake": {"delivered": 0, "dropped": 2, "waiting": 0}}}


def test_two_ways_out_do_not_wait_for_each_other() -> None:
    good, bad = FakeChannel(lambda event: None), FakeChannel(lambda event: DOWN)
    bad.key = "bad"
    patience = Patience(finish_failing_s=0.02)
    sink = Deliveries([Delivery(good, Notices(), patience), Delivery(bad, Notices(), patience)])
    for number in range(1, 51):
        sink.tell(an_event(number))
    until(lambda: len(good.numbers) == 50, "the good one gets all")
    sink.finish()
    assert sink.summary() == {
        "deliveries": {
            "fake": {"delivered": 50, "dropped": 0, "waiting": 0},
            "bad": {"delivered": 0, "dropped": 50, "waiting": 0},
        }
    }


def test_an_idle_line_is_tended_and_its_loss_said_without_an_event() -> None:
    line = Line()
    line.error = DOWN
    line.turns(2)
    assert [kind for kind, _ in said(line.notices)] == ["delivery_failing"]
    line.error = None
    line.turns(1)
    assert [kind for kind, _ in said(line.notices)] == ["delivery_resumed"]
