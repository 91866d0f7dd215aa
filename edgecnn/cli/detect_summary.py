"""What ``edgecnn detect`` prints when the loop is over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.event_options import event_line
from edgecnn.cli.output import print_table
from edgecnn.cli.record_options import recording_line, video_line
from edgecnn.cli.streams import tell_people
from edgecnn.cli.track_options import following_lines

if TYPE_CHECKING:
    from edgecnn.camera.loop import LoopSummary
    from edgecnn.camera.together import CameraSummary, RunSummary

_BOUNDS = {
    "source": "what the source gives",
    "decoding": "decoding the file",
    "inference": "inference",
    "cores": "all cores busy",
}


def _counted(summary: LoopSummary) -> str:
    """What became of the frames that were not processed; what did not happen is left out."""
    counts = summary.counts
    said = [f"{counts.dropped} dropped"]
    if counts.corrupt:
        said.append(f"{counts.corrupt} damaged")
    if counts.reconnects:
        said.append(f"{counts.reconnects} reconnects")
    return ", ".join(said)


def print_summary(summary: RunSummary, written: Sequence[Path]) -> None:
    """Of each camera frames, times, how fast it could have been; what was recorded and written."""
    tell_people("")
    for camera in summary.cameras:
        _print_camera(camera)
    if len(summary.cameras) > 1:
        click.echo(f"all cameras: {summary.frames} frames, {summary.fps:.1f} FPS")
    line = event_line(summary.outputs)
    if line is not None:
        click.echo(line)
    for path in written:
        click.echo(f"wrote {path}")


def _print_camera(camera: CameraSummary) -> None:
    """One camera's part; its name in front where it has one."""
    run = camera.run
    times = {**run.stage_ms, "frame age": run.age_ms}
    rows = [
        (name, f"{spread['p50']:.2f}", f"{spread['p95']:.2f}")
        for name, spread in times.items()
        if spread["p50"] is not None and spread["p95"] is not None
    ]
    name = "" if camera.name is None else f"{camera.name}: "
    headline = f"{name}{run.frames} frames, {_counted(run)}, {run.fps:.1f} FPS"
    if rows:
        print_table(headline, ("stage", "p50 ms", "p95 ms"), rows, numeric=(1, 2))
    else:
        click.echo(headline)
    if run.bound is not None:
        bound = run.bound
        click.echo(
            f"bound: {bound.fps:.1f} FPS ({_BOUNDS[bound.by]}), reached {bound.reached:.0%};"
            f" {bound.cpu_ms:.2f} ms of CPU a frame"
        )
    for said in (video_line, recording_line):
        line = said(run.outputs)
        if line is not None:
            click.echo(line)
    for line in following_lines(run.outputs):
        click.echo(line)
