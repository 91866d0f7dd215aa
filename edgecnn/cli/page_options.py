"""Options of ``detect`` on the live page."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.cli.streams import tell_people
from edgecnn.core.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.camera.page.config import PageConfig

F = TypeVar("F", bound=Callable[..., Any])

TOKEN_VARIABLE = "EDGECNN_PAGE_TOKEN"
_SHORTEST_TOKEN = 16
_PORT = "8080"
_PLACE = re.compile(
    r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\s]+):)?(?P<port>[0-9]{1,5})", re.ASCII
)
_TOKEN = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)


def page_options(function: F) -> F:
    """``--serve`` and ``--no-serve``."""
    for option in (
        click.option("--no-serve", is_flag=True,
                     help="Serve no page, on a terminal with a camera either."),
        click.option("--serve", default=None, is_flag=False, flag_value=_PORT,
                     metavar="[HOST:]PORT",
                     help=f"Serve the live page there; alone: on port {_PORT} of this machine. A"
                          " HOST that others reach (0.0.0.0: all addresses) asks them for a token,"
                          f" which is printed, or taken from {TOKEN_VARIABLE}."),
    ):  # fmt: skip
        function = option(function)
    return function


def page_of(flags: Mapping[str, Any]) -> PageConfig | None:
    """What the options ask for; None: no page.

    On a terminal and in a service, what is live gets a page unasked.

    Raises:
        UsageError: a value cannot be meant.
    """
    from edgecnn.camera.page.config import PageConfig

    place = flags["serve"]
    if place is not None and flags["no_serve"]:
        raise UsageError("--serve and --no-serve are both given", hint="leave one of them out")
    if place is None:
        wanted = not flags["no_serve"] and _somebody_looks(flags)
        return PageConfig(asked=False) if wanted else None
    found = _PLACE.fullmatch(place.strip())
    if found is None or int(found["port"]) > 65535:
        raise UsageError(
            f"--serve is {place!r}, expected a port, or a host and a port",
            hint="for example --serve 8080, --serve 0.0.0.0:8080 or --serve [::]:8080",
        )
    host = (found["host"] or PageConfig.host).strip("[]")
    return PageConfig(host, int(found["port"]), token=_token())


def show_page(line: str, quiet: bool) -> None:
    """Says where the page is, on stderr; to who wants quiet only what nobody could guess."""
    if not quiet or "?token=" in line:
        tell_people(line)


def _token() -> str | None:
    """The token of the environment; None: there is none.

    Raises:
        UsageError: it is too short, or cannot stand in an address.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        return None
    if len(token) < _SHORTEST_TOKEN or _TOKEN.fullmatch(token) is None:
        raise UsageError(
            f"{TOKEN_VARIABLE} has {len(token)} characters, expected at least {_SHORTEST_TOKEN}"
            " letters, digits, and - . _ ~ between them",
            hint="leave it out, and one is made; or take what `openssl rand -hex 16` prints",
        )
    return token


def _somebody_looks(flags: Mapping[str, Any]) -> bool:
    """Whether a person sees a camera run, or may want to see how its service is."""
    from edgecnn.camera.sources.open import is_live
    from edgecnn.camera.sources.spec import parse_source
    from edgecnn.jobs.service_environment import STATE_VARIABLE

    if flags["as_json"] or flags["quiet"]:
        return False
    if not sys.stderr.isatty() and not os.environ.get(STATE_VARIABLE):
        return False
    return any(is_live(parse_source(source)) for source in flags["sources"])
