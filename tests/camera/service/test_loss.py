"""What a run says of the one before, also when clocks and files cannot be believed."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.clock import Instant
from edgecnn.camera.service.loss import describe_loss, find_loss
from edgecnn.camera.service.marker import (
    NAME,
    CameraCounts,
    RunMarker,
    read_marker,
    write_marker,
)

# 2026-11-22T00:00:00Z
MIDNIGHT = 1795305600.0
HOUR = 3600.0
MARKER = RunMarker(Instant(10.0, MIDNIGHT), Instant(500.0, MIDNIGHT + 3 * HOUR + 720), "boot-1")


def later(seconds: float, monotonic_s: float = 20.0) -> Instant:
    return Instant(monotonic_s, MARKER.alive.wall_s + seconds)


def test_a_power_cut_says_since_when_and_how_long() -> None:
    loss = describe_loss(MARKER, later(3 * HOUR + 720), "boot-2", True)
    assert loss.kind == "run_interrupted"
    assert loss.text == (
        "the run before did not come to its end (the machine lost power or was restarted): last"
        " word 2026-11-22T03:12:00Z; not watched for at most 3 h 12 min; it had seen 0 frames by"
        " then"
    )


def test_a_kill_is_told_from_a_power_cut_and_its_time_is_exact() -> None:
    # The wall clock was set back meanwhile; the other clock knows better.
    loss = describe_loss(MARKER, Instant(560.0, MIDNIGHT - 9e6), "boot-1", None)
    assert "killed, or it hung" in loss.text and "at most 1 min" not in loss.text
    assert "not watched for at most 60 s" in loss.text


@pytest.mark.parametrize(("seconds", "known"), [(-1.0, False), (-1e9, False), (5.0, True)])
def test_a_clock_that_cannot_be_believed_is_said(seconds: float, known: bool) -> None:
    text = describe_loss(MARKER, later(seconds), "boot-2", None).text
    assert ("not watched for" in text) == known
    assert ("cannot be: how long it was not watched is not known" in text) != known
    unset = describe_loss(MARKER, later(5.0), "boot-2", False).text
    assert "a clock that the network has not set" in unset


def test_an_end_that_was_meant_is_told_as_one() -> None:
    loss = describe_loss(replace(MARKER, ended="interrupted"), later(90.0), "boot-2", True)
    assert loss.kind == "run_resumed" and "ended at 2026-11-22T03:12:00Z (interrupted)" in loss.text
    assert "not watched for 90 s" in loss.text
    failed = replace(MARKER, ended="failed: the camera was lost")
    assert "the camera was lost" in describe_loss(failed, later(90.0), "boot-2", True).text


def test_counts_of_then_are_said_with_their_cameras() -> None:
    gate = {"line": "gate", "in": 12, "out": 7}
    hall = {"zone": "hall", "in": 3, "out": 0}
    one = replace(MARKER, cameras={"": CameraCounts(1234, (gate, hall))})
    text = describe_loss(one, later(1.0), "boot-2", True).text
    assert text.endswith("1,234 frames by then, and counted gate 12 in 7 out, hall 3 in 0 out")
    two = replace(MARKER, cameras={"door": CameraCounts(1, (gate,)), "yard": CameraCounts(2)})
    assert describe_loss(two, later(1.0), "b", True).text.endswith(
        "3 frames by then, and counted door gate 12 in 7 out"
    )
    many = replace(MARKER, cameras={"": CameraCounts(1, (gate,) * 30)})
    assert describe_loss(many, later(1.0), "b", True).text.endswith("and 22 more")


def test_a_marker_comes_back_as_it_was(tmp_path: Path) -> None:
    gate = {"line": "gate", "in": 12, "out": 7, "inside": None}
    said = {"ended": "source", "before": "b", "notice": "n", "page": "p"}
    marker = replace(MARKER, cameras={"ä": CameraCounts(5, (gate,))}, **said)
    assert read_marker(tmp_path) is None
    assert find_loss(tmp_path, later(1), None, None) is None
    write_marker(tmp_path, marker)
    found = read_marker(tmp_path)
    assert found is not None
    # The monotonic clock of the beginning is of no use to another run.
    assert replace(found, started=marker.started) == marker
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


GOOD = json.dumps(MARKER.to_json())
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


SEVERAL = st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=3), VALUES, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(MARKER.to_json())), VALUES | SEVERAL, min_size=1))
def test_any_values_are_a_marker_or_damage(changes: dict) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / NAME).write_text(json.dumps({**json.loads(GOOD), **changes}))
        loss = find_loss(Path(name), later(1.0), "boot-2", None)
    assert loss is not None and "\n" not in loss.text


DAMAGED = (
    b"", b"{", GOOD.encode()[:50], b"\x00" * 400, b"[" * 100_000, b"7", b"\xff\xfe",
    b"9" * (2 << 20),
)  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_what_a_power_cut_made_of_it_is_damage(data: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(data)
    loss = find_loss(tmp_path, later(1.0), "boot-2", None)
    assert loss is not None and loss.kind == "run_interrupted" and "cannot be read" in loss.text
