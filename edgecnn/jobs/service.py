"""service: has the user's systemd run ``edgecnn detect`` for good, asks it, and ends that."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.camera.service.marker import NAME, read_marker
from edgecnn.core.errors import EdgecnnError, ServiceError, UsageError
from edgecnn.jobs.service_files import (
    ServiceFiles,
    read_secrets,
    read_text,
    write_private,
    write_secrets,
)
from edgecnn.jobs.service_manager import UserManager
from edgecnn.jobs.service_unit import ServiceUnit, unit_text

PAGE_TOKEN = "EDGECNN_PAGE_TOKEN"
_LEAST_MEMORY = 64 << 20
_TOKEN_BYTES = 24
_PAGE_TRIES, _PAGE_PAUSE_S = 30, 0.1


@dataclass(frozen=True)
class InstallRequest:
    """What is to run, and how.

    Attributes:
        command: the program's path and its arguments.
        folder: that it runs in.
        environment: variables for it, none of them secret.
        secrets: variables for it that are.
        needs_token: its page is open to other machines.
        ends: it comes to an end by itself, and is not begun anew then.
        memory: bytes that it may take; 0: no limit; None: by the machine's.
        start: now, too; otherwise with the next start of the machine.
    """

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    needs_token: bool = False
    ends: bool = False
    memory: int | None = None
    start: bool = True


@dataclass(frozen=True)
class Installed:
    """What was done.

    Attributes:
        name: of the service.
        unit: its file.
        updated: it was there before.
        changed: the settings that are different from before, without values.
        state: ``running``, ``starting``, or ``not started``.
        lingers: it starts with the machine, and not only when its user logs in.
        limited: its memory is; None: not known yet.
        page: where its page is; None: nowhere, or not known yet.
        token: of the page; None: it needs none.
        new_token: whether that was made just now.
        kept: the names of the secret variables that it gets.
    """

    name: str
    unit: Path
    updated: bool
    changed: tuple[str, ...]
    state: str
    lingers: bool
    limited: bool | None
    page: str | None
    token: str | None
    new_token: bool
    kept: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """``edgecnn.service-install/1``; a token is shown on its first day alone."""
        return {
            "schema": "edgecnn.service-install/1",
            "name": self.name,
            "unit": str(self.unit),
            "updated": self.updated,
            "changed": list(self.changed),
            "state": self.state,
            "starts_with_machine": self.lingers,
            "memory_limited": self.limited,
            "page": self.page,
            "token": self.token if self.new_token else None,
            "kept": list(self.kept),
        }


def planned_unit(request: InstallRequest, files: ServiceFiles, machine_bytes: int) -> str:
    """The text of the unit; writes nothing.

    Args:
        request: what is to run.
        files: where its files lie.
        machine_bytes: the machine's memory; 0: unknown.

    Raises:
        UsageError: something that systemd cannot be told, or a memory in which nothing runs.
    """
    keeps = request.secrets or request.needs_token or files.secrets.exists()
    return unit_text(
        ServiceUnit(
            files.name,
            request.command,
            request.folder,
            request.environment,
            files.secrets if keeps else None,
            _memory(request.memory, machine_bytes),
            "on-failure" if request.ends else "always",
        )
    )


def install(
    request: InstallRequest,
    files: ServiceFiles,
    manager: UserManager,
    user: str,
    machine_bytes: int,
) -> Installed:
    """Writes the unit, has it started with the machine, and starts it.

    Args:
        request: what is to run.
        files: where its files lie.
        manager: the user's systemd.
        user: whose.
        machine_bytes: the machine's memory; 0: unknown.

    Raises:
        UsageError: something that systemd cannot be told.
        ServiceError: systemd does not take it, or a unit of that name is somebody else's: then
            everything is as it was before; or it was installed and does not start.
    """
    updated = files.is_ours()
    unit = planned_unit(request, files, machine_bytes)
    before, before_secrets = read_text(files.unit), read_secrets(files.secrets)
    kept = {**before_secrets, **request.secrets}
    new_token = request.needs_token and not kept.get(PAGE_TOKEN)
    if new_token:
        kept[PAGE_TOKEN] = secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        _make_state(files)
        write_secrets(files.secrets, kept)
        write_private(files.unit, unit)
        manager.do("daemon-reload")
        manager.do("enable", files.unit_name)
    except EdgecnnError:
        _put_back(files, before, before_secrets, manager)
        raise
    lingers = manager.linger(user)
    begun_s = time.time()
    state = _start(files, manager) if request.start else "not started"
    memory = manager.show(files.unit_name, "MemoryCurrent").get("MemoryCurrent", "")
    return Installed(
        files.name,
        files.unit,
        updated,
        _changed(before, unit, before_secrets, kept),
        state,
        lingers,
        memory.isdigit() if state == "running" else None,
        _page(files, begun_s) if state == "running" else None,
        kept.get(PAGE_TOKEN) if request.needs_token else None,
        new_token,
        tuple(sorted(kept)),
    )


@dataclass(frozen=True)
class Removed:
    """What was done: which files are gone, and the folder with the marker that is gone, too."""

    name: str
    files: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """``edgecnn.service-remove/1``."""
        return {
            "schema": "edgecnn.service-remove/1",
            "name": self.name,
            "removed": [str(path) for path in self.files],
        }


def remove(files: ServiceFiles, manager: UserManager) -> Removed:
    """Stops the service and takes its files away; what it recorded stays.

    Raises:
        ServiceError: there is none of that name, or it is somebody else's.
    """
    if not files.is_ours():
        raise ServiceError(
            f"there is no service '{files.name}'", hint="edgecnn service status lists them"
        )
    manager.do("disable", "--now", files.unit_name)
    gone = []
    marker = files.state / NAME
    for path in (files.unit, files.secrets, marker):
        if path.exists():
            path.unlink()
            gone.append(path)
    if files.state.is_dir() and not any(files.state.iterdir()):
        files.state.rmdir()
    manager.do("daemon-reload")
    manager.tries("reset-failed", files.unit_name)
    return Removed(files.name, tuple(gone))


def _memory(asked: int | None, machine_bytes: int) -> int | None:
    """Three quarters of the machine's, unless something else was asked for; whole megabytes."""
    if asked == 0:
        return None
    if asked is not None:
        if asked < _LEAST_MEMORY:
            raise UsageError(
                f"--memory is {asked} bytes, expected at least 64M: Python with a small model takes"
                " more than that",
                hint="for example --memory 500M; 0 is no limit",
            )
        return asked
    if not machine_bytes:
        return None
    return max(_LEAST_MEMORY, machine_bytes * 3 // 4 >> 20 << 20)


def _make_state(files: ServiceFiles) -> None:
    try:
        files.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(
            f"cannot make '{files.state}': {error.strerror or error}",
            hint="check who owns the folder above",
        ) from error


def _put_back(
    files: ServiceFiles, unit: str | None, kept: Mapping[str, str], manager: UserManager
) -> None:
    """Leaves the files as they were."""
    if unit is None:
        manager.tries("disable", files.unit_name)
        files.unit.unlink(missing_ok=True)
    else:
        write_private(files.unit, unit)
    write_secrets(files.secrets, kept)
    manager.tries("daemon-reload")


def _start(files: ServiceFiles, manager: UserManager) -> str:
    """Starts it, or starts it anew; says how far that has come.

    Raises:
        ServiceError: it ended at once.
    """
    manager.tries("reset-failed", files.unit_name)
    manager.tries("restart", files.unit_name)
    state = manager.show(files.unit_name, "ActiveState", "SubState", "ExecMainStatus")
    if state.get("ActiveState") == "active":
        return "running"
    if state.get("SubState") == "start":
        return "starting"
    raise ServiceError(
        f"the service '{files.name}' is installed, and ends at once with exit code"
        f" {state.get('ExecMainStatus', 'unknown')}",
        hint="it is tried again for ever; look at edgecnn service logs, then install it again or"
        " edgecnn service remove",
        details=manager.last_lines(files.unit_name, 5),
    )


def _page(files: ServiceFiles, begun_s: float) -> str | None:
    """Where a run that began since then serves its page; it says so a moment after it is ready."""
    for _ in range(_PAGE_TRIES):
        with suppress(ValueError, OSError):
            marker = read_marker(files.state)
            if marker is not None and marker.started.wall_s >= begun_s:
                return marker.page
        time.sleep(_PAGE_PAUSE_S)
    return None


def _changed(
    before: str | None, unit: str, kept: Mapping[str, str], keeps: Mapping[str, str]
) -> tuple[str, ...]:
    """The names of settings and variables that differ; empty where nothing was there."""
    if before is None:
        return ()
    old, new = (
        {line for line in text.splitlines() if "=" in line and not line.startswith("#")}
        for text in (before, unit)
    )
    names = sorted({line.split("=")[0] for line in old ^ new})
    return (*names, *sorted(key for key in {*kept, *keeps} if kept.get(key) != keeps.get(key)))
