"""Options of ``detect`` on what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.cli.quantities import DURATION, SIZE
from edgecnn.core.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.camera.recording.config import RecordingConfig

F = TypeVar("F", bound=Callable[..., Any])

#: Not even a few small frames fit into less.
_LEAST_QUOTA = 64 << 10
_FOLDERS = ("record", "clips", "snapshots")
# Option → those of which one has to be given with it.
_NEEDS = {
    "segment": ("record",),
    "record_fps": ("record", "clips"),
    "clip_seconds": ("clips",),
    "record_raw": _FOLDERS,
    "record_quality": _FOLDERS,
    "max_disk": _FOLDERS,
    "keep_free": _FOLDERS,
}
# Option → field of the configuration; what is not given keeps the field's default.
_FIELDS = {
    "record_fps": "fps",
    "record_quality": "quality",
    "segment": "segment_s",
    "max_disk": "max_disk_bytes",
    "keep_free": "keep_free_bytes",
}


def record_options(function: F) -> F:
    """``--record``, ``--clips``, ``--snapshots`` and their limits."""
    folder = click.Path(path_type=Path, file_okay=False)
    for option in (
        click.option("--keep-free", type=SIZE, default=None,
                     help="Recording stops, detection goes on, while the disk has less free"
                     " (default 256M)."),
        click.option("--max-disk", type=SIZE, default=None,
                     help="All recordings together take at most this (500M, 2G): the oldest of"
                     " edgecnn's own are deleted. Several cameras get equal shares. Default:"
                     " nothing is deleted."),
        click.option("--segment", type=DURATION, default=None,
                     help="With --record: a new file begins after this (90s, 10m, 2h; default"
                     " 10m)."),
        click.option("--record-quality", type=int, default=None,
                     help="JPEG quality of what is recorded, 1 to 100 (default 80)."),
        click.option("--record-fps", type=float, default=None,
                     help="Segments and clips have at most so many frames a second."),
        click.option("--record-raw", is_flag=True,
                     help="Record the pixels as they came, without what was found drawn on them."),
        click.option("--snapshots", type=folder, default=None,
                     help="Folder for a JPEG of each event."),
        click.option("--clip-seconds", type=float, nargs=2, default=None, metavar="BEFORE AFTER",
                     help="What a clip shows before its event and after it (default 5 5)."),
        click.option("--clips", type=folder, default=None,
                     help="Folder for a video around each event."),
        click.option("--record", type=folder, default=None,
                     help="Folder for a video of all frames, in segments (Matroska, Motion JPEG)."
                     " A camera with a name has its own folder in it, here and below."),
    ):  # fmt: skip
        function = option(function)
    return function


def recording_of(flags: Mapping[str, Any]) -> RecordingConfig:
    """What the options ask for.

    Raises:
        UsageError: a value cannot be meant.
    """
    from edgecnn.camera.recording.config import RecordingConfig

    _check(flags)
    given: dict[str, Any] = {
        field: flags[name] for name, field in _FIELDS.items() if flags[name] is not None
    }
    if flags["clip_seconds"] is not None:
        given["before_s"], given["after_s"] = flags["clip_seconds"]
    return RecordingConfig(
        folder=flags["record"],
        clips=flags["clips"],
        snapshots=flags["snapshots"],
        raw=flags["record_raw"],
        **given,
    )


def recording_line(outputs: Mapping[str, Any]) -> str | None:
    """One line on what was recorded, for people; None: nothing was to be.

    Args:
        outputs: what the sinks said of themselves, by key.
    """
    counts = outputs.get("recording")
    if counts is None:
        return None
    line = f"recorded {counts['frames']} frames, {counts['seconds']:.0f} s, "
    line += f"{counts['bytes'] / 1e6:.1f} MB in {counts['files']} files"
    if counts["mb_per_minute"] is not None:
        line += f" ({counts['mb_per_minute']:.1f} MB a minute)"
    for key, words in (
        ("not_recorded", "{} frames not recorded"),
        ("deleted", "{} old files deleted"),
        ("stopped", "stopped {} times by the disk"),
    ):
        if counts[key]:
            line += "; " + words.format(counts[key])
    for key in ("clips", "snapshots"):
        if key in outputs and outputs[key]["lost"]:
            line += f"; {outputs[key]['lost']} {key} of events not recorded"
    return line


def video_line(outputs: Mapping[str, Any]) -> str | None:
    """One line on what the video of ``-o`` does not show, for people; None: it shows everything.

    Args:
        outputs: what the sinks said of themselves, by key.
    """
    counts = outputs.get("video")
    if counts is None or not (counts["left_out"] or counts["cut_s"]):
        return None
    line = f"video: {counts['frames']} frames"
    if counts["left_out"]:
        line += f"; {counts['left_out']} came while it was encoding others, and are left out"
    if counts["cut_s"]:
        line += f"; {counts['cut_s']:.0f} s without frames are not shown"
    return line


def _check(flags: Mapping[str, Any]) -> None:
    """Refuses options that would say nothing, and values that cannot be meant."""
    for name, wanted in _NEEDS.items():
        unset = flags[name] is None or flags[name] is False
        if not unset and not any(flags[one] for one in wanted):
            option, wants = _option(name), " or ".join(_option(one) for one in wanted)
            raise UsageError(
                f"{option} is given without {wants}", hint=f"add {wants}, or leave {option} out"
            )
    fps, quality = flags["record_fps"], flags["record_quality"]
    if fps is not None and not 0 < fps < float("inf"):
        raise UsageError(
            f"--record-fps is {fps:g}, expected more than 0",
            hint="leave it out to record every frame",
        )
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(
            f"--record-quality is {quality}, expected 1 to 100", hint="80 is the default"
        )
    if flags["segment"] == 0:
        raise UsageError("--segment is 0, expected more", hint="for example 90s, 10m or 2h")
    cameras = max(len(flags.get("sources", ())), 1)
    if flags["max_disk"] is not None and flags["max_disk"] < _LEAST_QUOTA * cameras:
        each = f" for each of {cameras} cameras" if cameras > 1 else ""
        raise UsageError(
            f"--max-disk is {flags['max_disk']} bytes, expected at least {_LEAST_QUOTA}{each}: not"
            " even a few frames fit",
            hint="for example 500M or 2G",
        )
    seconds = flags["clip_seconds"]
    if seconds is not None and not (all(0 <= value <= 3600 for value in seconds) and any(seconds)):
        raise UsageError(
            f"--clip-seconds is {seconds[0]:g} {seconds[1]:g}, expected two numbers of 0 to 3600,"
            " not both 0",
            hint="for example --clip-seconds 5 10: five seconds before the event, ten after it",
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
