"""Options of ``detect`` on tracks, lines and zones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.cli.streams import shown

if TYPE_CHECKING:
    from edgecnn.camera.tracking.config import FollowConfig

F = TypeVar("F", bound=Callable[..., Any])


def track_options(function: F) -> F:
    """``--track``, ``--line`` and ``--zone``."""
    for option in (
        click.option("--zone", "zones", multiple=True, metavar="[NAME=]X,Y,X,Y,…",
                     help="Count what enters and leaves: its corners (two for a rectangle), or a"
                          " .toml or .json file. Repeat. Implies --track."),
        click.option("--line", "lines", multiple=True, metavar="[NAME=]X,Y,X,Y",
                     help="Count what crosses it between its ends, in pixels of the frame (or 50%,"
                          " or 0 to 1); `in` is to the right, walking from the first to the"
                          " second. Or a .toml or .json file. Repeat. Implies --track."),
        click.option("--track", is_flag=True,
                     help="Number what is the same from frame to frame."),
    ):  # fmt: skip
        function = option(function)
    return function


def follow_of(flags: Mapping[str, Any]) -> FollowConfig | None:
    """What the options ask for; None: nothing is followed.

    Raises:
        UsageError: a value cannot be meant.
        DataError: a file of lines or zones cannot be read.
    """
    from edgecnn.camera.counting.given import given_places
    from edgecnn.camera.tracking.config import FollowConfig

    if not (flags["track"] or flags["lines"] or flags["zones"]):
        return None
    return FollowConfig(given_places(flags["lines"], flags["zones"]))


def following_lines(outputs: Mapping[str, Any]) -> list[str]:
    """What was followed and counted, for people: a line for each line and zone.

    Args:
        outputs: what the follower said of itself, by key.
    """
    said = []
    if "tracks" in outputs:
        said.append(f"tracks: {outputs['tracks']}")
    for count in outputs.get("counts", ()):
        kind = "line" if "line" in count else "zone"
        ways = [f"{count[way]} {way}{_by_label(count[f'{way}_by_label'])}" for way in ("in", "out")]
        if count["inside"] is not None:
            ways.append(f"{count['inside']} inside")
        said.append(f"{kind} '{count[kind]}': {', '.join(ways)}")
    return said


def _by_label(counts: Mapping[str, int]) -> str:
    """How many of each, where anything passed."""
    each = ", ".join(f"{shown(label)} {count}" for label, count in counts.items() if count)
    return f" ({each})" if each else ""
