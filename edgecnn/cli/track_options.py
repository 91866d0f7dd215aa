"""Options of ``detect`` on tracks, lines and zones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

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
