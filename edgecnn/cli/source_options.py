"""Options of ``detect`` on where frames come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgecnn.camera.sources.options import SourceOptions

F = TypeVar("F", bound=Callable[..., Any])


def source_options(function: F) -> F:
    """``--source`` and how it is kept open."""
    for option in (
        click.option("--realtime", is_flag=True,
                     help="Play a file at its own speed, newest frame first."),
        click.option("--source", default=None, help="Camera number, video file or URL."),
    ):  # fmt: skip
        function = option(function)
    return function


def source_options_of(flags: Mapping[str, Any]) -> SourceOptions:
    """What the options ask for.

    Raises:
        UsageError: a value cannot be meant.
    """
    from edgecnn.camera.sources.options import SourceOptions

    return SourceOptions(realtime=flags["realtime"])
