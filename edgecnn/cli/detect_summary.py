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

if TYPE_CHECKING:
    from edgecnn.camera.loop import LoopSummary

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


def print_summary(summary: LoopSummary, written: Sequence[Path]) -> None:
    """Frames, times, how fast it could have been, what was recorded; the files it wrote."""
    times = {**summary.stage_ms, "frame age": summary.age_ms}
    rows = [
        (name, f"{spread['p50']:.2f}", f"{spread['p95']:.2f}")
        for name, spread in times.items()
        if spread["p50"] is not None and spread["p95"] is not None
    ]
    headline = f"{summary.frames} frames, {_counted(summary)}, {summary.fps:.1f} FPS"
    tell_people("")
    if rows:
        print_table(headline, ("stage", "p50 ms", "p95 ms"), rows, numeric=(1, 2))
    else:
        click.echo(headline)
    if summary.bound is not None:
        bound = summary.bound
        click.echo(
            f"bound: {bound.fps:.1f} FPS ({_BOUNDS[bound.by]}), reached {bound.reached:.0%};"
            f" {bound.cpu_ms:.2f} ms of CPU a frame"
        )
    for said in (video_line, recording_line, event_line):
        line = said(summary.outputs)
        if line is not None:
            click.echo(line)
    for path in written:
        click.echo(f"wrote {path}")
