"""Snapshots: one picture for each event."""

from pathlib import Path

import cv2

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.attachments import Attachments
from edgecnn.camera.recording.snapshots import SnapshotSink
from tests.camera.recording.shown import SmallLoop, at, on, stored


def snapshot_loop(folder: Path, **more: object) -> SmallLoop:
    storage = stored(folder, **more)
    attach = Attachments(
        storage, clips=None, snapshots=folder, before_s=5.0, after_s=5.0, live=False
    )
    return SmallLoop(SnapshotSink(storage, folder), attach)


def pictured(loop: SmallLoop, folder: Path) -> list[int]:
    """The number of the frame that each event's snapshot shows."""
    names = [event.snapshot for events in loop.events.values() for event in events]
    return [round(cv2.imread(str(folder / name)).mean() / 8) for name in names]


def test_each_event_gets_the_picture_of_its_frame(tmp_path: Path) -> None:
    loop = snapshot_loop(tmp_path)
    loop.show(at(10, range(20)), on(3, 8, 8))
    assert loop.wanted == [3, 8] and pictured(loop, tmp_path) == [3, 8, 8]
    assert len(list(tmp_path.glob("*.jpg"))) == len(list(tmp_path.glob("*_red.jpg"))) == 3
    loop.sink.finish()
    assert loop.sink.summary() == {"snapshots": {"files": 3, "lost": 0}}


def test_an_event_whose_frame_was_missed_gets_the_next_one(tmp_path: Path) -> None:
    loop = snapshot_loop(tmp_path)
    loop.show(at(10, range(20)), on(3, 4), missed=(3, 4))
    assert pictured(loop, tmp_path) == [5, 5]
    loop.show(at(10, range(20, 22)), on(21), missed=(21,))
    loop.sink.finish()
    assert loop.sink.summary() == {"snapshots": {"files": 2, "lost": 1}}


def test_a_burst_of_missed_events_is_bounded_and_counted(tmp_path: Path) -> None:
    loop = snapshot_loop(tmp_path)
    loop.show(at(10, range(3)), lambda number: 90, missed=(0, 1, 2))
    loop.sink.finish()
    assert loop.sink.summary() == {"snapshots": {"files": 0, "lost": 270}}


def test_the_oldest_snapshots_make_room_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(bytes(70_000))
    loop = snapshot_loop(tmp_path, max_bytes=5000)
    loop.show(at(10, range(31)), on(*range(31)))
    left = sorted(path.name for path in tmp_path.glob("*_red.jpg"))
    names = [event.snapshot for events in loop.events.values() for event in events]
    assert 2 < len(left) < 31 and left == names[-len(left) :]
    assert (tmp_path / "holiday.jpg").exists()


def test_a_full_disk_is_said_once_and_then_no_snapshot_is_promised(tmp_path: Path) -> None:
    notices = Notices()
    loop = snapshot_loop(tmp_path, keep_free_bytes=1 << 60, notices=notices)
    loop.show(at(10, range(20)), on(3, 8))
    names = [event.snapshot for events in loop.events.values() for event in events]
    assert names[1:] == [None] and not list(tmp_path.glob("*.jpg"))
    assert [notice.kind for notice in notices.take()] == ["recording_stopped"]
    loop.sink.finish()
    assert loop.sink.summary() == {"snapshots": {"files": 0, "lost": 1}}
