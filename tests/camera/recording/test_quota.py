"""The oldest of ours make room, nothing else does, and the limit is never passed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.recording import quota as quota_module
from edgecnn.camera.recording.names import is_ours, marked_picture
from edgecnn.camera.recording.quota import Quota
from tests.camera.recording.frames import WALL_S, encoded
from tests.camera.recording.test_storage import Recording


def recorded(folder: Path, files: int, frames: int = 10) -> Recording:
    run = Recording(folder)
    for _ in range(files):
        run.record(frames)
        run.recorder._end()
    run.finish()
    return run


def total(*folders: Path) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir())


def test_the_oldest_recordings_of_ours_make_room_and_nothing_else(tmp_path: Path) -> None:
    recorded(tmp_path, 12)
    strangers = {
        "holiday.mkv": b"theirs",
        "000000_2020-01-01T00-00-00Z.mkv": b"named like ours, and not ours",
        "000000_2020-01-01T00-00-00Z.jpg": encoded().jpeg,
        "000003_2020-01-01T00-00-00Z.part.mkv": b"unfinished, of somebody",
    }
    for name, data in strangers.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "000000_2020-01-01T00-00-01Z.mkv").symlink_to(tmp_path / "holiday.mkv")
    before = sorted(path.name for path in tmp_path.glob("*Z.mkv") if is_ours(path))
    size = (tmp_path / before[0]).stat().st_size
    said: list[str] = []
    quota = Quota([tmp_path], 9 * size + 100, said.append)
    assert quota.make_room(2 * size)
    left = sorted(path.name for path in tmp_path.glob("*Z.mkv") if is_ours(path))
    assert left == before[5:]
    assert quota.deleted == 5
    assert {name: (tmp_path / name).read_bytes() for name in strangers} == strangers
    assert (tmp_path / "000000_2020-01-01T00-00-01Z.mkv").is_symlink()
    assert said == []


def test_folders_share_the_quota_and_the_oldest_of_them_all_goes_first(tmp_path: Path) -> None:
    clips, whole = tmp_path / "clips", tmp_path / "whole"
    recorded(clips, 3)
    recorded(whole, 3)
    for folder, times in ((clips, (10, 40, 50)), (whole, (20, 30, 60))):
        for path, time_s in zip(sorted(folder.iterdir()), times, strict=True):
            os.utime(path, (time_s, time_s))
    size = total(clips) // 3
    quota = Quota([clips, whole], 4 * size, lambda _: None)
    assert quota.make_room(size)
    assert [len(list(folder.iterdir())) for folder in (clips, whole)] == [2, 1]


def test_a_wrong_wall_clock_does_not_turn_the_age_around_within_a_folder(tmp_path: Path) -> None:
    recorded(tmp_path, 4)
    files = sorted(tmp_path.iterdir())
    for k, path in enumerate(files):
        os.utime(path, (1e9 - k, 1e9 - k))
    quota = Quota([tmp_path], total(tmp_path), lambda _: None)
    assert quota.make_room(1)
    assert sorted(tmp_path.iterdir()) == files[1:]


def test_a_file_that_cannot_be_deleted_is_said_once_and_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, 3)
    first = min(tmp_path.iterdir())
    unlink = Path.unlink

    def refused(path: Path, **given: Any) -> None:
        if path == first:
            raise PermissionError(13, "Permission denied")
        unlink(path, **given)

    monkeypatch.setattr(Path, "unlink", refused)
    size, said = first.stat().st_size, []
    quota = Quota([tmp_path], 3 * size, said.append)
    assert quota.make_room(size)
    assert quota.make_room(2 * size)
    assert list(tmp_path.iterdir()) == [first]
    assert not quota.make_room(2 * size + 1)
    assert len(said) == 1
    assert str(first) in said[0]


def test_files_that_somebody_else_deleted_are_no_trouble(tmp_path: Path) -> None:
    recorded(tmp_path, 3)
    quota = Quota([tmp_path], total(tmp_path), lambda _: None)
    for path in tmp_path.iterdir():
        path.unlink()
    assert quota.make_room(100)
    assert quota.deleted == 0


@settings(max_examples=15, deadline=None)
@given(
    quota=st.integers(12_000, 60_000), bursts=st.lists(st.integers(1, 40), min_size=1, max_size=6)
)
def test_recordings_never_pass_the_limit(
    tmp_path_factory: Any, quota: int, bursts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("quota")
    run = Recording(folder, max_bytes=quota)
    for frames in bursts:
        for _ in range(frames):
            run.record(1)
            assert total(folder) <= quota
        run.recorder._end()
        assert total(folder) <= quota
    counts = run.finish()
    assert total(folder) <= quota
    assert (counts["not_recorded"], counts["stopped"]) == (0, 0)
    assert counts["frames"] == sum(bursts)


def test_the_open_file_is_cut_so_that_a_quarter_is_lost_at_most(tmp_path: Path) -> None:
    run = Recording(tmp_path, max_bytes=100_000)
    run.record(1000)
    counts = run.finish()
    assert counts["deleted"] > 0
    assert 70_000 < total(tmp_path) <= 100_000


def test_a_run_that_is_allowed_less_than_the_one_before_deletes_at_its_start(
    tmp_path: Path,
) -> None:
    recorded(tmp_path, 10)
    allowed = total(tmp_path) // 2
    run = Recording(tmp_path, max_bytes=allowed)
    assert total(tmp_path) <= allowed
    assert run.finish()["deleted"] in (5, 6)


def test_a_frame_larger_than_the_quota_stops_the_recording_with_one_notice(tmp_path: Path) -> None:
    run = Recording(tmp_path, max_bytes=1500)
    run.record(50)
    (notice,) = run.notices.take()
    assert "of --max-disk" in notice.text
    assert run.finish()["not_recorded"] == 50


def test_pictures_are_marked_and_deleted_too(tmp_path: Path) -> None:
    run = Recording(tmp_path, max_bytes=30_000)
    for k in range(60):
        name = run.storage.new_name(WALL_S + k, ".jpg")
        assert run.storage.save(tmp_path, encoded(k, k * 1.0), name)
    counts = run.finish()
    assert counts["files"] == 60
    assert counts["deleted"] > 10
    assert total(tmp_path) <= 30_000


def test_a_marked_picture_is_the_same_picture(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    jpeg = encoded(7).jpeg
    bare = jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]
    path = tmp_path / "000001_2026-11-22T04-12-18Z.jpg"
    for data in (jpeg, bare):
        marked = marked_picture(data)
        path.write_bytes(data)
        assert not is_ours(path)
        path.write_bytes(marked)
        assert is_ours(path)
        first, second = (
            cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR) for each in (data, marked)
        )
        assert np.array_equal(first, second)


def test_a_quota_costs_nothing_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, 2)
    monkeypatch.setattr(quota_module, "is_ours", None)
    assert Quota([tmp_path], None, lambda _: None).make_room(1 << 50)


def test_what_cannot_be_deleted_for_a_while_is_told_of_once_and_deleted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, 3)
    told: list[str] = []
    quota = Quota((tmp_path,), total(tmp_path), told.append)

    def refused(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        for _ in range(5):
            assert not quota.make_room(1000)
    assert len(told) == 3 and quota.deleted == 0 and len(list(tmp_path.iterdir())) == 3
    oldest = min(tmp_path.iterdir())
    assert quota.make_room(1000)
    assert quota.deleted == 1 and not oldest.exists()
