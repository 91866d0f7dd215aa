"""Options of ``detect`` on the live page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgecnn.camera.page.config import PageConfig

F = TypeVar("F", bound=Callable[..., Any])


def page_options(function: F) -> F:
    """``--serve`` and ``--no-serve``."""
    for option in (
        click.option("--no-serve", is_flag=True,
                     help="Serve no page, on a terminal with a camera either."),
        click.option("--serve", default=None, metavar="[HOST:]PORT",
                     help="Serve the live page there."),
    ):  # fmt: skip
        function = option(function)
    return function


def page_of(flags: Mapping[str, Any]) -> PageConfig | None:
    """What the options ask for; None: no page.

    Raises:
        UsageError: a value cannot be meant.
    """
    return None
