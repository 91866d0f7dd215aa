"""What a service manager says to the program it starts, read from the environment in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edgecnn.camera.service.config import ServiceConfig

#: Set by the unit: the folder of the run's marker.
STATE_VARIABLE = "EDGECNN_SERVICE_STATE"

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# systemd-timesyncd makes the folder when it starts, the file when it has set the clock.
_CLOCK = Path("/run/systemd/timesync")


def service_config(
    environ: Mapping[str, str] = os.environ,
    process: int | None = None,
    boot: Path = _BOOT,
    clock: Path = _CLOCK,
) -> ServiceConfig | None:
    """Who supervises this process; None: nobody does.

    Args:
        environ: has ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``, ``WATCHDOG_PID`` and
            ``EDGECNN_SERVICE_STATE`` where somebody does.
        process: the id of this one; None: found out.
        boot: the file that names the time since this machine was started.
        clock: the folder whose ``synchronized`` says that the clock was set by the network.
    """
    socket, state = environ.get("NOTIFY_SOCKET") or None, environ.get(STATE_VARIABLE) or None
    if socket is None and state is None:
        return None
    return ServiceConfig(
        socket,
        _watchdog_s(environ, os.getpid() if process is None else process),
        None if state is None else Path(state),
        _boot_id(boot),
        (clock / "synchronized").exists() if clock.is_dir() else None,
    )


def _watchdog_s(environ: Mapping[str, str], process: int) -> float | None:
    """Seconds, where the manager watches this very process."""
    meant = environ.get("WATCHDOG_PID")
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
        for_us = meant is None or int(meant) == process
    except ValueError:
        return None
    return microseconds / 1e6 if for_us and microseconds > 0 else None


def _boot_id(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
