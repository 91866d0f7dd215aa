"""What the surroundings of a service tell the run, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServiceConfig:
    """Who supervises this run, and where it leaves word for the next one.

    Attributes:
        socket: the service manager's datagram socket: a path, or ``@`` and an abstract name; None:
            nobody listens.
        watchdog_s: the manager ends a run from which it hears nothing for so long; None: it does
            not.
        state: folder of ``last_run.json``; None: no word is left.
        boot: names the time since this machine was started; None: unknown.
        clock_set: whether the wall clock was set by the network; None: unknown.
    """

    socket: str | None = None
    watchdog_s: float | None = None
    state: Path | None = None
    boot: str | None = None
    clock_set: bool | None = None
