"""Where a service's files lie, and those of them that hold secrets."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import ServiceError, UsageError
from edgecnn.jobs.service_unit import MARK, environment_text

#: Variables whose values are secret: they go to a file that only its owner may read.
SECRETS = (
    "EDGECNN_SOURCE_PASSWORD",
    "EDGECNN_MQTT_PASSWORD",
    "EDGECNN_WEBHOOK_TOKEN",
    "EDGECNN_PAGE_TOKEN",
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_LINE = re.compile(r'([A-Z_]+)="((?:[^"\\]|\\.)*)"')
_UNITS = "edgecnn-*.service"


@dataclass(frozen=True)
class ServiceFiles:
    """The files of one service.

    Attributes:
        name: of the service.
        unit: the systemd unit.
        secrets: the environment file.
        state: the folder with the run's marker.
    """

    name: str
    unit: Path
    secrets: Path
    state: Path

    @property
    def unit_name(self) -> str:
        """As systemctl calls it."""
        return self.unit.name

    def is_ours(self) -> bool:
        """Whether the unit is there.

        Raises:
            ServiceError: one of that name is there, and was made by somebody else.
        """
        text = read_text(self.unit)
        if text is not None and not text.startswith(MARK):
            raise ServiceError(
                f"'{self.unit}' was not made by edgecnn service install",
                hint="choose another --name, or move that file away",
            )
        return text is not None


def service_files(name: str, environ: Mapping[str, str]) -> ServiceFiles:
    """Those of a service.

    Args:
        name: of the service.
        environ: has ``HOME``, and ``XDG_CONFIG_HOME`` and ``XDG_STATE_HOME`` if they are elsewhere.

    Raises:
        UsageError: the name can be none.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name is {name!r}, expected up to 41 of a-z, 0-9, - and _, a letter or digit first",
            hint="for example --name door",
        )
    config = _base(environ, "XDG_CONFIG_HOME", ".config")
    state = _base(environ, "XDG_STATE_HOME", ".local/state")
    return ServiceFiles(
        name,
        config / "systemd" / "user" / f"edgecnn-{name}.service",
        config / "edgecnn" / f"{name}.env",
        state / "edgecnn" / name,
    )


def installed(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names of all services of ours."""
    folder = _base(environ, "XDG_CONFIG_HOME", ".config") / "systemd" / "user"
    found = []
    for path in sorted(folder.glob(_UNITS)):
        text = read_text(path)
        if text is not None and text.startswith(MARK):
            found.append(path.stem.removeprefix("edgecnn-"))
    return tuple(found)


def read_secrets(path: Path) -> dict[str, str]:
    """What :func:`environment_text` has written; lines of others are left out."""
    found = {}
    for line in (read_text(path) or "").split("\n"):
        match = _LINE.fullmatch(line)
        if match is not None and match[1] in SECRETS:
            found[match[1]] = re.sub(r"\\(.)", r"\1", match[2])
    return found


def write_secrets(path: Path, values: Mapping[str, str]) -> None:
    """Writes the environment file, or removes it where there is nothing to keep.

    Raises:
        UsageError: a value that cannot be kept.
        ServiceError: the folder cannot be written to.
    """
    if not values:
        path.unlink(missing_ok=True)
        return
    write_private(path, environment_text(values))


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, from its first byte on, and renames it.

    Raises:
        ServiceError: the folder cannot be written to; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ServiceError(
            f"cannot write '{path}': {error.strerror or error}",
            hint="check who owns the folder, and whether the disk is full",
        ) from error


def read_text(path: Path) -> str | None:
    """A file's text; None: it is not there.

    Raises:
        ServiceError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServiceError(
            f"cannot read '{path}': {error.strerror or error}", hint="check who owns it"
        ) from error


def _base(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """A base folder as the XDG specification has it: a relative path does not count."""
    given = Path(environ.get(variable, ""))
    if given.is_absolute():
        return given
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / default
