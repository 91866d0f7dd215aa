"""Options of ``detect`` on events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.cli.quantities import DURATION
from edgecnn.core.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.camera.events.config import EventConfig

F = TypeVar("F", bound=Callable[..., Any])

#: Options that get events; without one of them nothing is watched.
_RECEIVERS = ("events", "mqtt", "webhook", "clips", "snapshots")


def event_options(function: F) -> F:
    """``--events`` and what makes one."""
    for option in (
        click.option("--webhook", default=None, metavar="URL",
                     help="Post each event to it as JSON; a bearer token is taken from"
                          " EDGECNN_WEBHOOK_TOKEN."),
        click.option("--mqtt", default=None, metavar="URL",
                     help="Publish each event: mqtt[s]://[USER@]HOST[:PORT][/TOPIC]; the password"
                          " is taken from EDGECNN_MQTT_PASSWORD. Needs edgecnn[mqtt]."),
        click.option("--event-gap", type=DURATION, default=None, metavar="TIME",
                     help="It has left when it was not there for so long; default: 2s."),
        click.option("--event-after", type=DURATION, default=None, metavar="TIME",
                     help="It has appeared once it was there for so long; default: at once."),
        click.option("--region", "regions", multiple=True, metavar="NAME=X,Y,X,Y,…",
                     help="Only what stands in it makes an event: corners as shares of the frame"
                          " (0.5 or 50%), two for a rectangle; or a .toml or .json file. Repeat."),
        click.option("--events", default=None, metavar="FILE",
                     help="Append a JSON line when something appears or leaves; -: to stdout."),
    ):  # fmt: skip
        function = option(function)
    return function


def event_line(outputs: Mapping[str, Any]) -> str | None:
    """One line on the events, for people; None: there were to be none.

    Args:
        outputs: what the sinks said of themselves, by key.
    """
    counts = outputs.get("events")
    if counts is None:
        return None
    line = f"events: {counts['appeared']} appeared, {counts['left']} left"
    if counts["logged"] is not None:
        line += f"; {counts['logged']} lines in the log"
    if counts["log_dropped"]:
        line += f", {counts['log_dropped']} could not be written"
    for way, account in outputs.get("deliveries", {}).items():
        line += f"; {way}: {account['delivered']} delivered"
        if account["dropped"]:
            line += f", {account['dropped']} dropped"
    return line


def events_of(flags: Mapping[str, Any]) -> EventConfig | None:
    """What the options ask for; None: no events.

    Raises:
        UsageError: a value cannot be meant, or nothing gets the events.
        DataError: a file of regions cannot be read.
    """
    from edgecnn.camera.events.config import EventConfig
    from edgecnn.camera.events.regions import parse_region

    if all(flags.get(name) is None for name in _RECEIVERS):
        for key, option in _MAKERS.items():
            if flags[key] not in (None, ()):
                raise UsageError(
                    f"{option} says what makes an event, and nothing gets events",
                    hint="add --events FILE, --mqtt URL or --webhook URL",
                )
        return None
    if flags["events"] == "-" and flags["as_json"]:
        raise UsageError(
            "--events - and --json both write lines to standard output",
            hint="give --events a file, or leave --json out",
        )
    given = {
        "after_s": flags["event_after"],
        "gap_s": flags["event_gap"],
        "mqtt": flags.get("mqtt"),
        "webhook": flags.get("webhook"),
    }
    return EventConfig(
        log=None if flags["events"] is None else Path(flags["events"]),
        regions=tuple(region for text in flags["regions"] for region in parse_region(text)),
        **{key: value for key, value in given.items() if value is not None},
    )


_MAKERS = {"regions": "--region", "event_after": "--event-after", "event_gap": "--event-gap"}
