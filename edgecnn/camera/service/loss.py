"""What was lost between the run before and this one, in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgecnn.camera.clock import Instant
from edgecnn.camera.service.marker import RunMarker, read_marker

_PLACES = 8

LossKind = Literal["run_interrupted", "run_resumed"]


@dataclass(frozen=True)
class Loss:
    """What there is to say.

    Attributes:
        kind: of its notice: ``run_interrupted``: the run before did not come to its end;
            ``run_resumed``: it did.
        text: one line.
    """

    kind: LossKind
    text: str


def find_loss(folder: Path, now: Instant, boot: str | None, clock_set: bool | None) -> Loss | None:
    """What the marker of the run before tells; None: there was none.

    Args:
        folder: of the marker.
        now: this instant.
        boot: names the time since this machine was started; None: unknown.
        clock_set: whether the wall clock was set by the network; None: unknown.
    """
    try:
        marker = read_marker(folder)
    except (ValueError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        return Loss(
            "run_interrupted", f"what the run before left in '{folder}' cannot be read: {why}"
        )
    return None if marker is None else describe_loss(marker, now, boot, clock_set)


def describe_loss(
    marker: RunMarker, now: Instant, boot: str | None, clock_set: bool | None
) -> Loss:
    """What a marker tells; the arguments are those of :func:`find_loss`."""
    same_boot = None not in (marker.boot, boot) and marker.boot == boot
    cause = "killed, or it hung" if same_boot else "the machine lost power or was restarted"
    if boot is None or marker.boot is None:
        cause = "power cut, or killed"
    gap = _gap(marker, now, same_boot, clock_set)
    text = f"the run before {last_words(marker, cause)}; {gap}{_until_then(marker)}"
    kind: LossKind = "run_resumed" if marker.ended is not None else "run_interrupted"
    return Loss(kind, " ".join(text.split()))


def last_words(marker: RunMarker, cause: str = "killed, or a power cut") -> str:
    """How the run of a marker ended, and when.

    Args:
        marker: of a run that is over.
        cause: what may have cut it off.
    """
    when = _clock(marker.alive)
    if marker.ended is not None:
        return f"ended at {when} ({marker.ended})"
    return f"did not come to its end ({cause}): last word {when}"


def _gap(marker: RunMarker, now: Instant, same_boot: bool, clock_set: bool | None) -> str:
    """How long nobody watched, and how far that can be believed.

    A run that was cut off may have gone on for a while after its last word.
    """
    most = "" if marker.ended is not None else "at most "
    if same_boot and now.monotonic_s >= marker.alive.monotonic_s:
        return f"not watched for {most}{span(now.monotonic_s - marker.alive.monotonic_s)}"
    seconds = now.wall_s - marker.alive.wall_s
    if seconds < 0:
        return (
            f"the clock says {_clock(now)} now, which is earlier and cannot be: how long it was not"
            " watched is not known"
        )
    text = f"not watched for {most}{span(seconds)}"
    return text if clock_set is not False else f"{text}, by a clock that the network has not set"


def _until_then(marker: RunMarker) -> str:
    """Frames and counts of the run that is over."""
    text = f"; it had seen {marker.frames:,} frames by then"
    parts = list(marker.lines())
    if len(parts) > _PLACES:
        parts[_PLACES:] = [f"and {len(parts) - _PLACES} more"]
    return text + (f", and counted {', '.join(parts)}" if parts else "")


def span(seconds: float) -> str:
    """A time for people.

    >>> span(4.2), span(192 * 60), span(3 * 86400 + 7200)
    ('4 s', '3 h 12 min', '3 d 2 h')
    """
    whole = int(seconds)
    for large, small, size, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole // 60} min" if whole >= 120 else f"{whole} s"


def _clock(moment: Instant) -> str:
    """Writes a time to the second, for people."""
    return moment.iso()[:19] + "Z"
