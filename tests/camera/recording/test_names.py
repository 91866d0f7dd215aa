"""Names sort by age, say when, and are told from those of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.camera.recording.names import RecordingName, is_ours, next_number
from tests.camera.recording.frames import WALL_S


def test_a_name_says_number_time_and_what_it_shows() -> None:
    name = RecordingName.new(42, WALL_S, ".mkv", "Traffic light/red")
    assert name.file() == "000042_2026-11-22T04-12-18Z_Traffic-light-red.mkv"
    assert name.file(part=True) == "000042_2026-11-22T04-12-18Z_Traffic-light-red.part.mkv"
    assert RecordingName.new(42, WALL_S, ".jpg").file() == "000042_2026-11-22T04-12-18Z.jpg"


@given(
    number=st.integers(1, 10**9),
    wall_s=st.floats(-2e9, 2.5e11),
    label=st.text(max_size=80),
    part=st.booleans(),
)
def test_every_name_is_read_as_it_was_written(
    number: int, wall_s: float, label: str, part: bool
) -> None:
    name = RecordingName.new(number, wall_s, ".mkv", label)
    read = RecordingName.of(Path("folder") / name.file(part))
    assert read is not None
    assert (read.number, read.time, read.label, read.part) == (number, name.time, name.label, part)


@pytest.mark.parametrize(
    "name",
    [
        "42_2026-11-22T04-12-18Z.mkv",
        "000042_2026-11-22.mkv",
        "000042_2026-11-22T04-12-18Z.mkv.bak",
        "x000042_2026-11-22T04-12-18Z.mkv",
        "000042_2026-11-22T04-12-18Z_.mkv",
        "000042_2026-11-22T04-12-18Z_a b.mkv",
        "٠٠٠٠٤٢_2026-11-22T04-12-18Z.mkv",
        "000042_2026-11-22T04-12-18Z.mp4",
        "clip.mkv",
    ],
)
def test_other_names_are_nobody_of_ours(name: str) -> None:
    assert RecordingName.of(Path(name)) is None


def test_numbers_go_on_from_the_highest_of_all_folders(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    assert next_number(folders) == 1
    (folders[0] / "000007_2026-11-22T04-12-18Z.jpg").touch()
    (folders[1] / "001234567_2026-11-22T04-12-18Z_dog.part.mkv").touch()
    assert next_number(folders) == 1_234_568


@given(st.binary(max_size=300))
def test_no_bytes_of_others_are_taken_for_ours(tmp_path_factory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("others")
    for suffix, start in ((".mkv", b"\x1a\x45\xdf\xa3"), (".jpg", b"\xff\xd8\xff\xe0")):
        path = folder / f"000001_2026-11-22T04-12-18Z{suffix}"
        path.write_bytes(start + data)
        assert not is_ours(path)
