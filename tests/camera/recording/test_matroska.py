"""The Matroska files, read by FFmpeg and by a parser written from RFC 9559."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn import __version__
from edgecnn.camera.recording.matroska import MatroskaWriter
from tests.camera.recording.frames import WALL_S, FullDisk, played
from tests.camera.recording.parser import Element, ids, number, parse


def jpeg(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    image = np.full((size[1], size[0], 3), number * 8 % 256, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def written(path: Path, times: list[float], close: bool = True, **given: Any) -> MatroskaWriter:
    writer = MatroskaWriter(path, (64, 48), WALL_S, **given)
    for k, time_s in enumerate(times):
        writer.write(jpeg(k), time_s)
    if close:
        writer.close()
    return writer


TIMES = [0.0, 0.04, 0.081, 0.5, 0.999, 1.0, 1.04, 3.7, 3.75, 40.0, 40.033]


def test_ffmpeg_plays_every_frame_at_its_own_time(tmp_path: Path) -> None:
    written(tmp_path / "a.mkv", TIMES)
    frames = played(tmp_path / "a.mkv")
    assert [ms for ms, _ in frames] == pytest.approx([t * 1e3 for t in TIMES], abs=0.6)
    assert [level for _, level in frames] == pytest.approx([k * 8 for k in range(11)], abs=1)


def test_a_closed_file_can_be_jumped_in(tmp_path: Path) -> None:
    written(tmp_path / "a.mkv", [k / 25 for k in range(200)])
    capture = cv2.VideoCapture(str(tmp_path / "a.mkv"), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_POS_MSEC, 6000)
    assert capture.read()[0]
    assert capture.get(cv2.CAP_PROP_POS_MSEC) == pytest.approx(6000, abs=41)
    capture.release()


def test_a_file_that_was_never_closed_plays_in_full(tmp_path: Path) -> None:
    written(tmp_path / "a.mkv", TIMES, close=False)
    assert [ms for ms, _ in played(tmp_path / "a.mkv")] == pytest.approx(
        [t * 1e3 for t in TIMES], abs=0.6
    )


def test_a_file_cut_off_anywhere_plays_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    ends = [written(path, [], close=False).size_bytes]
    writer = MatroskaWriter(tmp_path / "b.mkv", (64, 48), WALL_S)
    for k in range(8):
        writer.write(jpeg(k), k * 0.3)
        ends.append(writer.size_bytes)
    data = (tmp_path / "b.mkv").read_bytes()
    for whole, end in enumerate(ends[1:-1], start=1):
        (tmp_path / "cut.mkv").write_bytes(data[: end + 9])
        assert len(played(tmp_path / "cut.mkv")) in (whole, whole + 1)


def test_the_elements_are_those_of_the_specification(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    written(path, TIMES, title="camera 0")
    head, segment = parse(path.read_bytes())
    assert (head.ident, segment.ident) == (0x1A45DFA3, 0x18538067)
    assert head.child(0x4282).data == b"matroska"
    assert segment.end == path.stat().st_size
    seek, info, tracks, *clusters, cues = segment.children
    assert ids([seek, info, tracks, cues]) == [0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B]
    assert set(ids(clusters)) == {0x1F43B675}
    assert number(info.child(0x2AD7B1)) == 1_000_000
    assert struct.unpack(">d", info.child(0x4489).data) == pytest.approx((40_066.0,))
    assert struct.unpack(">q", info.child(0x4461).data)[0] == round((WALL_S - 978_307_200) * 1e9)
    assert info.child(0x7BA9).data == b"camera 0"
    assert info.child(0x5741).data == f"edgecnn {__version__}".encode()
    track = tracks.child(0xAE)
    assert track.child(0x86).data == b"V_MJPEG"
    assert (number(track.child(0xE0).child(0xB0)), number(track.child(0xE0).child(0xBA))) == (
        64,
        48,
    )
    assert number(track.child(0x73C5)) > 0


def test_what_seeks_points_at_what_it_names(tmp_path: Path) -> None:
    written(tmp_path / "a.mkv", TIMES)
    segment = parse((tmp_path / "a.mkv").read_bytes())[1]
    starts = {element.start - segment.payload: element for element in segment.children}
    for entry in segment.children[0].children:
        named = starts[number(entry.child(0x53AC))]
        assert named.ident == number(entry.child(0x53AB))
    for point in segment.children[-1].children:
        cluster = starts[number(point.child(0xB7).child(0xF1))]
        assert number(point.child(0xB3)) == number(cluster.child(0xE7))


def block_times(segment: Element) -> list[int]:
    times = []
    for cluster in segment.children:
        if cluster.ident == 0x1F43B675:
            start = number(cluster.child(0xE7))
            blocks = [child for child in cluster.children if child.ident == 0xA3]
            times += [start + struct.unpack(">h", block.data[1:3])[0] for block in blocks]
    return times


@settings(max_examples=40, deadline=None)
@given(times=st.lists(st.floats(0, 5000), min_size=1, max_size=30))
def test_times_only_go_forward_and_clusters_stay_short(tmp_path_factory: Any, times: list) -> None:
    path = tmp_path_factory.mktemp("times") / "a.mkv"
    with_dummy = MatroskaWriter(path, (64, 48), WALL_S)
    for time_s in times:
        with_dummy.write(b"\xff\xd8\xff\xd9", time_s)
    with_dummy.close()
    segment = parse(path.read_bytes())[1]
    found = block_times(segment)
    assert len(found) == len(times)
    assert all(before < after for before, after in zip(found, found[1:], strict=False))
    latest = 0.0
    for ms, time_s in zip(found, times, strict=True):
        latest = max(latest, time_s)
        assert -0.6 <= ms - latest * 1e3 <= len(times)
    for cluster in segment.children:
        if cluster.ident == 0x1F43B675:
            assert (
                max(block_times(Element(0, 0, 0, 0, b"", [cluster]))) - number(cluster.child(0xE7))
                < 1000
            )


@pytest.mark.parametrize("extra", [0, 1, 9, 300])
def test_a_full_disk_leaves_every_whole_frame(tmp_path: Path, extra: int) -> None:
    probe = written(tmp_path / "probe.mkv", [k * 0.1 for k in range(15)], close=False)
    room = probe.size_bytes + extra
    path = tmp_path / "a.mkv"
    writer = MatroskaWriter(path, (64, 48), WALL_S, opener=lambda p: FullDisk(p, lambda: room))
    with pytest.raises(OSError, match="No space"):
        for k in range(100):
            writer.write(jpeg(k), k * 0.1)
    assert writer.frames == 15
    assert path.stat().st_size == writer.size_bytes == probe.size_bytes
    if extra < 300:
        with pytest.raises(OSError, match="No space"):
            writer.close()
    else:
        writer.close()
    writer.close()
    assert len(played(path)) == 15


def test_a_file_without_room_for_its_beginning_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        MatroskaWriter(
            tmp_path / "a.mkv", (64, 48), WALL_S, opener=lambda p: FullDisk(p, lambda: 20)
        )
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        MatroskaWriter(tmp_path / "a.mkv", (64, 48), WALL_S)
    assert (tmp_path / "a.mkv").read_bytes() == b"theirs"
