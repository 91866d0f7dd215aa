"""What the options of recording mean, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.cli.record_options import record_options, recording_line, recording_of
from edgecnn.core.errors import UsageError


def config(*words: str) -> RecordingConfig:
    found: list[RecordingConfig] = []

    @click.command()
    @record_options
    def command(**flags: Any) -> None:
        found.append(recording_of(flags))

    result = CliRunner().invoke(command, words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return found[0]


def test_nothing_is_recorded_unless_asked_for() -> None:
    assert config() == RecordingConfig()


def test_every_option_reaches_the_recording() -> None:
    words = (
        "--record a --record-raw --record-fps 5 --record-quality 60 --segment 10m --max-disk 2G"
        " --keep-free 1M --clips b --clip-seconds 3 8.5 --snapshots c"
    )
    assert config(*words.split()) == RecordingConfig(
        folder=Path("a"),
        clips=Path("b"),
        snapshots=Path("c"),
        raw=True,
        fps=5.0,
        quality=60,
        segment_s=600.0,
        before_s=3.0,
        after_s=8.5,
        max_disk_bytes=2 << 30,
        keep_free_bytes=1 << 20,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--segment 10m", "--segment is given without --record"),
        ("--clips b --segment 10m", "--segment is given without --record"),
        ("--record-fps 5", "--record-fps is given without --record or --clips"),
        ("--snapshots c --record-fps 5", "--record-fps is given without --record or --clips"),
        ("--record a --clip-seconds 5 5", "--clip-seconds is given without --clips"),
        ("--record-raw", "--record-raw is given without --record or --clips or --snapshots"),
        ("--max-disk 2G", "--max-disk is given without"),
        ("--keep-free 0", "--keep-free is given without"),
        ("--record-quality 90", "--record-quality is given without"),
        ("--record a --segment 0", "--segment is 0"),
        ("--record a --max-disk 1000", "--max-disk is 1000 bytes, expected at least 65536"),
        ("--record a --record-fps 0", "--record-fps is 0"),
        ("--record a --record-fps nan", "--record-fps is nan"),
        ("--record a --record-quality 101", "--record-quality is 101, expected 1 to 100"),
        ("--clips b --clip-seconds 0 0", "--clip-seconds is 0 0"),
        ("--clips b --clip-seconds -1 5", "--clip-seconds is -1 5"),
        ("--clips b --clip-seconds nan 5", "--clip-seconds is nan 5"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        config(*words.split())
    assert message in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("words", ["--segment soon", "--max-disk 2X", "--max-disk -5"])
def test_what_is_no_quantity_is_refused(words: str) -> None:
    with pytest.raises(click.UsageError, match="for example"):
        config("--record", "a", *words.split())


def test_the_summary_is_a_line_for_people() -> None:
    counts = {
        "files": 3, "bytes": 40_000_000, "frames": 900, "seconds": 60.0, "mb_per_minute": 40.0,
        "not_recorded": 0, "deleted": 0, "stopped": 0,
    }  # fmt: skip
    line = recording_line({"recording": counts})
    assert line == "recorded 900 frames, 60 s, 40.0 MB in 3 files (40.0 MB a minute)"
    counts |= {"not_recorded": 4, "deleted": 2, "stopped": 1}
    line = recording_line({"recording": counts})
    assert line is not None
    assert line.endswith(
        "; 4 frames not recorded; 2 old files deleted; stopped 1 times by the disk"
    )
    assert recording_line({}) is None
