"""What the disk does to a recording, and what the recording does about it."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording import storage as storage_module
from edgecnn.camera.recording.recorder import Recorder
from edgecnn.camera.recording.storage import Storage
from edgecnn.core.errors import UsageError
from tests.camera.recording.frames import FullDisk, HeldClock, encoded, played

Usage = namedtuple("Usage", "total used free")


class Recording:
    """A recorder on a folder, with clock, notices and disk in the test's hand."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.folder, self.clock = folder, HeldClock()
        self.notices = Notices(self.clock)
        self.room = 1 << 40
        options = {"max_bytes": None, "keep_free_bytes": 0, **given}
        self.storage = Storage(
            [folder],
            notices=self.notices,
            clock=self.clock,
            opener=lambda path: FullDisk(path, lambda: self.left_for(path)),
            **options,
        )
        self.recorder = Recorder(folder, self.storage, segment_s=600, fps=None, live=True)
        self.number = 0

    def left_for(self, path: Path) -> int:
        others = [other.stat().st_size for other in self.folder.iterdir() if other != path]
        return self.room - sum(others)

    def record(self, frames: int, gap_s: float = 0.1) -> None:
        for _ in range(frames):
            frame = encoded(self.number, self.clock.monotonic_s - 1000)
            self.recorder.put(replace(frame, captured=self.clock.now()))
            self.number += 1
            self.clock.go_on(gap_s)

    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices.take()]

    def finish(self) -> dict[str, Any]:
        self.recorder.finish()
        self.storage.finish()
        return self.storage.summary()["recording"]

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def frames(self) -> int:
        return sum(len(played(path)) for path in self.folder.glob("*.mkv"))


def test_a_full_disk_stops_the_recording_and_space_resumes_it(tmp_path: Path) -> None:
    run = Recording(tmp_path)
    run.record(30)
    run.room = run.storage._parts[0].writer.size_bytes + 100
    run.record(300)
    assert run.kinds() == ["recording_stopped"]
    run.room = 1 << 40
    run.record(700)
    assert run.kinds() == ["recording_resumed"]
    counts = run.finish()
    assert run.frames() == counts["frames"]
    assert counts["frames"] + counts["not_recorded"] == 1030
    # The pauses grow up to a minute, and not beyond.
    assert 30 + 700 - 600 <= counts["frames"] <= 1030 - 300
    assert (counts["files"], counts["stopped"]) == (2, 1)
    assert [name for name in run.names if "part" in name] == []


def test_a_disk_that_fills_up_again_and_again_is_tried_once_a_minute(tmp_path: Path) -> None:
    run = Recording(tmp_path)
    run.room = 20_000
    kinds = []
    for _ in range(60):
        run.record(100)
        kinds += run.kinds()
        for path in tmp_path.glob("*Z.mkv"):
            path.unlink()
    assert 8 <= kinds.count("recording_stopped") <= 16
    assert kinds.count("recording_stopped") - kinds.count("recording_resumed") in (0, 1)
    run.finish()


def test_what_cannot_be_written_at_all_leaves_nothing_behind(tmp_path: Path) -> None:
    run = Recording(tmp_path)
    run.room = 50
    run.record(100)
    assert run.kinds() == ["recording_stopped"]
    counts = run.finish()
    assert (counts["files"], counts["not_recorded"]) == (0, 100)
    assert run.names == []


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    usage = Usage(1 << 30, 0, size)
    monkeypatch.setattr(storage_module.shutil, "disk_usage", lambda _: usage)


def test_recording_stops_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Recording(tmp_path, keep_free_bytes=1 << 20)
    free(monkeypatch, 2 << 20)
    run.record(50)
    free(monkeypatch, 1 << 19)
    run.record(50)
    (notice,) = run.notices.take()
    assert notice.kind == "recording_stopped"
    assert "512 KiB free, and 1 MiB are kept free" in notice.text
    assert len(run.names) == 2  # the segment, finished, and the lock
    # A little more than the limit is not enough: it would stop at once again.
    free(monkeypatch, (1 << 20) + 5000)
    run.record(200)
    assert run.kinds() == []
    free(monkeypatch, 8 << 20)
    run.record(100)
    assert run.kinds() == ["recording_resumed"]
    counts = run.finish()
    assert counts["frames"] + counts["not_recorded"] == 400
    assert counts["not_recorded"] < 50 + 200 + 50
    assert run.frames() == counts["frames"]


def test_a_disk_that_fills_quickly_is_looked_at_more_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Recording(tmp_path, keep_free_bytes=1 << 20)
    run.record(1, gap_s=0.0)
    free(monkeypatch, 0)
    one = replace(encoded(), captured=run.clock.now(), jpeg=bytes(1 << 20))
    for _ in range(6):
        run.recorder.put(one)
    assert run.kinds() == ["recording_stopped"]
    assert run.finish()["frames"] <= 5


def test_the_disk_is_looked_at_also_when_no_frame_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Recording(tmp_path, keep_free_bytes=1 << 20)
    run.record(1)
    free(monkeypatch, 0)
    run.clock.go_on(60)
    run.storage.tick()
    assert run.kinds() == ["recording_stopped"]
    run.storage.tick()
    assert run.kinds() == []
    run.finish()


def test_a_folder_that_is_removed_is_noticed_and_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    run = Recording(folder)
    run.record(10)
    shutil.rmtree(tmp_path / "deep")
    run.record(100)
    kinds = run.kinds()
    assert kinds == ["recording_stopped", "recording_resumed"]
    with pytest.raises(UsageError, match="another process records into"):
        Recording(folder)
    counts = run.finish()
    # What was removed is gone, and so are two seconds until it was noticed.
    assert 10 <= counts["frames"] - run.frames() <= 30
    assert run.frames() > 30
    assert counts["stopped"] == 1


def test_a_video_that_nobody_goes_on_with_does_not_keep_the_others_from_resuming(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    run = Recording(folder)
    idle = run.storage.begin(folder, encoded())
    assert idle is not None
    run.record(10)
    shutil.rmtree(folder)
    run.record(100)
    assert run.kinds() == ["recording_stopped", "recording_resumed"]
    run.storage.end(idle)
    run.finish()


def test_a_quota_that_the_disk_cannot_hold_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 300 << 20)
    run = Recording(tmp_path, max_bytes=1 << 30, keep_free_bytes=256 << 20)
    (notice,) = run.notices.take()
    assert notice.kind == "recording_short"
    assert "allows 1 GiB, and the disk has room for 44 MiB" in notice.text
    run.finish()
    free(monkeypatch, 2 << 30)
    run = Recording(tmp_path, max_bytes=1 << 30, keep_free_bytes=256 << 20)
    assert run.kinds() == []
    run.finish()


def test_a_disk_that_is_unmounted_is_waited_for_and_nothing_is_made_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    mounted = [True]
    ismount = os.path.ismount
    monkeypatch.setattr(
        storage_module.os.path,
        "ismount",
        lambda path: mounted[0] if Path(path) == disk else ismount(path),
    )
    run = Recording(disk / "folder")
    run.record(10)
    mounted[0] = False
    (disk / "folder").rename(tmp_path / "elsewhere")
    run.record(400)
    assert run.kinds() == ["recording_stopped"]
    assert list(disk.iterdir()) == []
    (tmp_path / "elsewhere").rename(disk / "folder")
    mounted[0] = True
    run.record(200)
    assert run.kinds() == ["recording_leftover", "recording_resumed"]
    counts = run.finish()
    assert counts["frames"] + counts["not_recorded"] == 610
    assert sum(len(played(path)) for path in (disk / "folder").glob("*Z.mkv")) == counts["frames"]
    assert counts["frames"] > 100


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_refuses_is_tried_again_until_it_takes(tmp_path: Path, code: int) -> None:
    run = Recording(tmp_path)
    create = run.storage._opener

    def refuse(path: Path) -> FullDisk:
        raise OSError(code, os.strerror(code), str(path))

    run.storage._opener = refuse
    run.record(200)
    (notice,) = run.notices.take()
    assert os.strerror(code) in notice.text
    run.storage._opener = create
    run.record(700)
    assert run.kinds() == ["recording_resumed"]
    assert run.finish()["frames"] > 0


def test_times_do_not_depend_on_the_wall_clock(tmp_path: Path) -> None:
    run = Recording(tmp_path)
    run.record(10)
    run.clock.wall_s = 0.0
    run.record(10)
    run.recorder._end()
    run.record(10)
    run.clock.wall_s = 4e9
    run.recorder._end()
    run.record(10)
    run.finish()
    assert [name[:17] for name in run.names] == [
        "000001_2026-11-22",
        "000002_1970-01-01",
        "000003_2096-10-02",
    ]
    assert [round(ms) for ms, _ in played(tmp_path / run.names[0])] == [k * 100 for k in range(20)]


def test_numbers_go_on_from_the_highest_in_the_folder(tmp_path: Path) -> None:
    run = Recording(tmp_path)
    run.record(1)
    run.finish()
    (tmp_path / "000041_2030-01-01T00-00-00Z.mkv").write_bytes(b"of somebody")
    run = Recording(tmp_path)
    run.record(1)
    run.finish()
    assert run.names[-1].startswith("000042_")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        Recording(tmp_path / "file" / "folder")
    (tmp_path / ".edgecnn-recording.lock").mkdir()
    with pytest.raises(UsageError, match="cannot record into"):
        Recording(tmp_path)
