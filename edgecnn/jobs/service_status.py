"""How a service is: what systemd says of it, and what its run has left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.camera.service.marker import RunMarker, read_marker
from edgecnn.jobs.service_files import ServiceFiles
from edgecnn.jobs.service_manager import UserManager

_KEYS = (
    "ActiveState",
    "SubState",
    "UnitFileState",
    "ActiveEnterTimestamp",
    "NRestarts",
    "MemoryCurrent",
    "MemoryMax",
    "StatusText",
    "MainPID",
    "Result",
    "ExecMainStatus",
)


@dataclass(frozen=True)
class ServiceStatus:
    """How a service is; what is unknown is None.

    Attributes:
        name: of the service.
        state: ``active``, ``activating``, ``failed``, ``inactive`` … as systemd says.
        detail: its finer state: ``running``, ``auto-restart`` …
        enabled: it is started with the user's systemd.
        lingers: which is started with the machine.
        since: when it came to run, as systemd writes it.
        restarts: how often it was started anew by itself.
        memory, memory_limit: bytes.
        result: why it ended last, as systemd says: ``success``, ``watchdog``, ``oom-kill`` …
        words: what the run itself says.
        run: what its marker says; None: there is none yet, or it cannot be read.
    """

    name: str
    state: str
    detail: str
    enabled: bool
    lingers: bool
    since: str | None
    restarts: int
    memory: int | None
    memory_limit: int | None
    result: str | None
    words: str | None
    run: RunMarker | None

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.state == "active"

    def to_json(self) -> dict[str, Any]:
        """``edgecnn.service/1``."""
        return {
            "schema": "edgecnn.service/1",
            "name": self.name,
            "state": self.state,
            "detail": self.detail,
            "enabled": self.enabled,
            "starts_with_machine": self.enabled and self.lingers,
            "since": self.since,
            "restarts": self.restarts,
            "memory_bytes": self.memory,
            "memory_limit_bytes": self.memory_limit,
            "result": self.result,
            "status": self.words,
            "run": None if self.run is None else self.run.to_json(),
        }


def service_status(
    files: ServiceFiles, manager: UserManager, lingers: bool, processes: Path = Path("/proc")
) -> ServiceStatus:
    """Asks systemd, and reads the marker.

    Args:
        files: of the service.
        manager: the user's systemd.
        lingers: it is started with the machine.
        processes: says how much memory the process has, where systemd does not.
    """
    said = manager.show(files.unit_name, *_KEYS)
    memory = _number(said.get("MemoryCurrent"))
    if memory is None:
        memory = _resident(processes, said.get("MainPID", "0"))
    return ServiceStatus(
        files.name,
        said.get("ActiveState", "unknown"),
        said.get("SubState", "unknown"),
        said.get("UnitFileState") == "enabled",
        lingers,
        said.get("ActiveEnterTimestamp"),
        _number(said.get("NRestarts")) or 0,
        memory,
        _number(said.get("MemoryMax")),
        said.get("Result"),
        said.get("StatusText"),
        _run(files),
    )


def _run(files: ServiceFiles) -> RunMarker | None:
    try:
        return read_marker(files.state)
    except (ValueError, OSError):
        return None


def _number(text: str | None) -> int | None:
    """A count; None: ``[not set]``, ``infinity``, or systemd's word for no limit."""
    if text is None or not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        return None
    return int(text)


def _resident(processes: Path, process: str) -> int | None:
    """A process's own memory, bytes."""
    try:
        for line in (processes / process / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return None
