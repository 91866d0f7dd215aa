"""What a crash left is finished and named at the next start, and nobody else's file is touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.leftovers import rescue
from edgecnn.camera.recording.matroska import MatroskaWriter
from tests.camera.recording.frames import WALL_S, encoded, played
from tests.camera.recording.parser import parse
from tests.camera.recording.test_storage import Recording

PART, WHOLE = "000001_2026-11-22T04-12-18Z.part.mkv", "000001_2026-11-22T04-12-18Z.mkv"


def crashed(path: Path, frames: int = 30, gap_s: float = 0.3) -> list[int]:
    """A file that nobody closed; the bytes it had behind each frame."""
    writer = MatroskaWriter(path, (64, 48), WALL_S)
    ends = [writer.size_bytes]
    for k in range(frames):
        writer.write(encoded(k).jpeg, k * gap_s)
        ends.append(writer.size_bytes)
    return ends


def test_a_leftover_becomes_a_whole_file_under_its_name(tmp_path: Path) -> None:
    crashed(tmp_path / PART)
    run = Recording(tmp_path)
    (notice,) = run.notices.take()
    assert notice.kind == "recording_leftover"
    assert WHOLE in notice.text
    run.record(1)
    run.finish()
    assert [name[:6] for name in run.names] == ["000001", "000002"]
    assert len(played(tmp_path / WHOLE)) == 30
    parse((tmp_path / WHOLE).read_bytes())  # every size fits
    capture = cv2.VideoCapture(str(tmp_path / WHOLE), cv2.CAP_FFMPEG)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS) == pytest.approx(
        9.0, abs=0.5
    )
    capture.set(cv2.CAP_PROP_POS_MSEC, 6000)
    assert capture.read()[0]
    assert capture.get(cv2.CAP_PROP_POS_MSEC) == pytest.approx(6000, abs=301)
    capture.release()


def test_a_rescued_file_is_what_closing_it_would_have_made(tmp_path: Path) -> None:
    times = [k * 0.3 for k in range(30)]
    writer = MatroskaWriter(tmp_path / "closed.mkv", (64, 48), WALL_S)
    for k, time_s in enumerate(times):
        writer.write(encoded(k).jpeg, time_s)
    (tmp_path / PART).write_bytes((tmp_path / "closed.mkv").read_bytes())
    writer.close()
    rescue(tmp_path, Notices())
    assert (tmp_path / WHOLE).read_bytes() == (tmp_path / "closed.mkv").read_bytes()


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1), junk=st.sampled_from([b"", bytes(5000), b"\xa3\x41\xff\x81" * 40]))
def test_a_file_cut_anywhere_keeps_its_whole_frames(
    tmp_path_factory: pytest.TempPathFactory, cut: float, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    ends = crashed(folder / PART)
    data = (folder / PART).read_bytes()
    at = round(cut * len(data))
    (folder / PART).write_bytes(data[:at] + junk)
    rescue(folder, Notices())
    whole = sum(end <= at for end in ends[1:])
    if whole:
        assert len(played(folder / WHOLE)) == whole
        parse((folder / WHOLE).read_bytes())
    else:
        assert not (folder / WHOLE).exists()


@settings(max_examples=60, deadline=None)
@given(
    noise=st.lists(st.tuples(st.floats(0.05, 1), st.integers(0, 255)), min_size=1, max_size=30),
)
def test_scrambled_bytes_never_stop_the_start(
    tmp_path_factory: pytest.TempPathFactory, noise: list[tuple[float, int]]
) -> None:
    folder = tmp_path_factory.mktemp("noise")
    crashed(folder / PART, frames=12)
    data = bytearray((folder / PART).read_bytes())
    for place, value in noise:
        data[min(round(place * len(data)), len(data) - 1)] = value
    (folder / PART).write_bytes(data)
    rescue(folder, Notices())
    assert len(list(folder.iterdir())) <= 1


def test_a_power_cut_that_lost_a_page_in_the_middle_costs_what_is_behind_it(tmp_path: Path) -> None:
    ends = crashed(tmp_path / PART)
    data = bytearray((tmp_path / PART).read_bytes())
    data[ends[27] - 100 : ends[28] - 100] = bytes(ends[28] - ends[27])
    (tmp_path / PART).write_bytes(data)
    rescue(tmp_path, Notices())
    assert len(played(tmp_path / WHOLE)) == 26


def test_what_is_not_ours_or_has_nothing_in_it_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(b"named like ours, of somebody else")
    (tmp_path / "000002_2026-11-22T04-12-18Z.part.mkv").touch()
    MatroskaWriter(tmp_path / "000003_2026-11-22T04-12-18Z.part.mkv", (64, 48), WALL_S)
    (tmp_path / "video.part.mkv").write_bytes(b"theirs")
    notices = Notices()
    rescue(tmp_path, notices)
    assert sorted(path.name for path in tmp_path.iterdir()) == [PART, "video.part.mkv"]
    assert notices.take() == ()


def test_a_finished_file_is_never_replaced_by_a_leftover(tmp_path: Path) -> None:
    crashed(tmp_path / PART)
    (tmp_path / WHOLE).write_bytes(b"finished before")
    rescue(tmp_path, Notices())
    assert (tmp_path / WHOLE).read_bytes() == b"finished before"
    assert (tmp_path / PART).exists()


def test_what_cannot_be_finished_for_a_while_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed(tmp_path / PART)
    notices, told = Notices(), set[Path]()

    def refused(self: Path, target: Path) -> Path:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refused)
        for _ in range(5):
            assert rescue(tmp_path, notices, told=told) == []
    (notice,) = notices.take()
    assert "cannot be finished now" in notice.text
    assert rescue(tmp_path, notices, told=told) == [tmp_path / WHOLE]
    assert len(played(tmp_path / WHOLE)) == 30
