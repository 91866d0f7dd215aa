"""Options of ``detect`` on where frames come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.camera.sources.forms import forms_text
from edgecnn.core.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.camera.sources.options import SourceOptions
    from edgecnn.camera.sources.several import NamedSource

_DIGITS = 9

F = TypeVar("F", bound=Callable[..., Any])


def source_options(function: F) -> F:
    """``--source`` and how it is kept open."""
    for option in (
        click.option("--realtime", is_flag=True,
                     help="Play a file at its own speed, newest frame first."),
        click.option("--reconnect", default="5", metavar="N|forever", show_default=True,
                     help="Reopen a lost camera or stream so often before giving up; counted anew"
                     " after each frame."),
        click.option("--wait", is_flag=True,
                     help="Wait for a source that is not there yet, instead of ending."),
        click.option("--name", "names", multiple=True, metavar="NAME",
                     help="Of the camera of each --source, in their order; default for several:"
                     " camera1, camera2, …"),
        click.option("--source", "sources", multiple=True, metavar="SOURCE",
                     help=f"Where frames come from. {forms_text()}. Repeat for several cameras:"
                     " they share the model."),
    ):  # fmt: skip
        function = option(function)
    return function


def source_options_of(flags: Mapping[str, Any]) -> SourceOptions:
    """What the options ask for.

    Raises:
        UsageError: a value cannot be meant.
    """
    from edgecnn.camera.sources.options import SourceOptions
    from edgecnn.camera.sources.reconnect import ReconnectPolicy

    return SourceOptions(
        realtime=flags["realtime"],
        wait=flags["wait"],
        reconnect=ReconnectPolicy(attempts=_attempts(flags["reconnect"])),
    )


def cameras_of(flags: Mapping[str, Any]) -> tuple[NamedSource, ...]:
    """Each source with the name of its camera.

    Raises:
        UsageError: see :func:`edgecnn.camera.sources.several.named_sources`.
    """
    from edgecnn.camera.sources.several import named_sources

    return named_sources(flags["sources"], flags["names"])


def _attempts(text: str) -> int | None:
    """How often ``--reconnect`` says; None: for ever."""
    if text.strip().lower() == "forever":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise UsageError(
            f"--reconnect is '{text}', expected a number from 0, or forever",
            hint="for example --reconnect 10, or --reconnect forever; 0 ends with the first loss",
        )
    return int(text)
