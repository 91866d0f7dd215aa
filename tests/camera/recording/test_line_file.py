"""The lines of ``-o``: whole under their name, kept where the disk does not take them."""

import errno
import io
import json
from pathlib import Path

import pytest

from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.core.errors import CameraError
from tests.camera.doubles import DETECT, PREPROCESS, FakeCamera, FakeDetector, looped
from tests.camera.file_source import FileSource

resource = pytest.importorskip("resource")


def detect(frames: int, **more: object):
    return looped(
        FileSource(FakeCamera(frames), 25), Pipeline(FakeDetector(), PREPROCESS, DETECT), **more
    )


@pytest.mark.parametrize("room", [80_000, 120_000])
def test_a_file_that_takes_no_more_keeps_its_whole_lines_and_detection_goes_on(
    room: int, tmp_path: Path
) -> None:
    target, notices, said = tmp_path / "o.jsonl", Notices(), []
    target.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(CameraError, match=r"cannot write .*o\.jsonl.*o\.incomplete\.jsonl"):
            detect(700, jsonl=target, notices=notices, on_notice=said.append)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_text() == "old"
    kept = [json.loads(line) for line in (tmp_path / "o.incomplete.jsonl").open()]
    assert [line["frame"] for line in kept] == list(range(len(kept))) and 300 < len(kept) < 700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.incomplete.jsonl", "o.jsonl"]
    assert [notice.kind for notice in said] == ["recording_stopped"]


def test_a_stream_that_takes_no_more_is_said_once_and_detection_goes_on() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            if self.tell() > 2000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    stream, model, notices, said = Full(), FakeDetector(), Notices(), []
    with pytest.raises(CameraError, match="cannot write the JSON Lines: No space left"):
        looped(
            FileSource(FakeCamera(40), 25), Pipeline(model, PREPROCESS, DETECT), jsonl=stream,
            notices=notices, on_notice=said.append,
        )  # fmt: skip
    assert len(model.seen) == 40 and len(said) == 1
    assert all(json.loads(line) for line in stream.getvalue().splitlines())


def test_a_line_that_was_cut_is_taken_away_however_long_it_is(tmp_path: Path) -> None:
    for k, (text, left) in enumerate(
        [("a\nb\n" + "c" * 200_000, "a\nb\n"), ("c" * 70_000, None), ("a\n", "a\n")]
    ):
        lines = LineFile(tmp_path / f"{k}.txt")
        lines.write(text)
        lines._stream.flush()

        def fails(line: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        lines._stream.write = fails  # type: ignore[method-assign]
        lines.write("more\n")
        with pytest.raises(CameraError):
            lines.finish()
        lines.discard()
        kept = tmp_path / f"{k}.incomplete.txt"
        assert (kept.read_text() if kept.exists() else None) == left
    assert not list(tmp_path.glob(".*"))
