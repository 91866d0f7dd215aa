"""The user's service manager, as far as it is needed: ``systemctl --user`` and ``loginctl``."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgecnn.core.errors import ServiceError

_PATIENCE_S = 90.0
_BOOTED = Path("/run/systemd/system")
_LINGER = Path("/var/lib/systemd/linger")


@dataclass(frozen=True)
class Answer:
    """What a program answered: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def why(self) -> str:
        """Its last words, for messages."""
        lines = [line for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit code {self.code}"


class Calls(Protocol):
    """Runs a program."""

    def __call__(self, *words: str) -> Answer:
        """Runs it to its end."""


@dataclass(frozen=True)
class ServiceSurroundings:
    """Where this program runs, as far as it decides what can supervise it.

    Attributes:
        platform: as ``sys.platform``.
        booted: systemd has started this machine.
        programs: whether a program is there.
        environ: variables.
        user: the user's name.
        uid: and number.
    """

    platform: str
    booted: bool
    programs: Callable[[str], bool]
    environ: Mapping[str, str]
    user: str
    uid: int


def surroundings() -> ServiceSurroundings:
    """Those of this process."""
    return ServiceSurroundings(
        sys.platform,
        _BOOTED.is_dir(),
        lambda name: shutil.which(name) is not None,
        os.environ,
        getpass.getuser(),
        os.getuid() if hasattr(os, "getuid") else 0,
    )


def with_runtime_dir(around: ServiceSurroundings) -> dict[str, str]:
    """The environment that ``systemctl --user`` needs; ``cron`` leaves a part of it out."""
    environ = dict(around.environ)
    folder = f"/run/user/{around.uid}"
    if "XDG_RUNTIME_DIR" not in environ and os.access(folder, os.W_OK | os.X_OK):
        environ["XDG_RUNTIME_DIR"] = folder
    return environ


def calls_in(environ: Mapping[str, str]) -> Calls:
    """Runs programs with these variables, and with words in English."""

    def call(*words: str) -> Answer:
        try:
            done = subprocess.run(
                words,
                env={**environ, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer(124, "", f"{words[0]} did not answer in {_PATIENCE_S:.0f} s")
        except OSError as error:
            return Answer(127, "", f"{words[0]}: {error.strerror}")
        return Answer(done.returncode, done.stdout, done.stderr)

    return call


class UserManager:
    """Tells the user's systemd what to do with units.

    Args:
        call: runs ``systemctl`` and ``loginctl``.
    """

    def __init__(self, call: Calls) -> None:
        self._call = call

    def do(self, *words: str) -> None:
        """``systemctl --user WORDS``.

        Raises:
            ServiceError: it failed.
        """
        answer = self._call("systemctl", "--user", *words)
        if answer.code:
            raise ServiceError(
                f"systemctl --user {' '.join(words)} failed: {answer.why}",
                hint="systemctl --user status says how the user's services are",
            )

    def tries(self, *words: str) -> Answer:
        """``systemctl --user WORDS``, whatever it answers."""
        return self._call("systemctl", "--user", *words)

    def show(self, unit: str, *keys: str) -> dict[str, str]:
        """Properties of a unit; what it does not have is missing."""
        answer = self._call("systemctl", "--user", "show", unit, f"--property={','.join(keys)}")
        pairs = (line.partition("=") for line in answer.out.splitlines())
        return {key: value for key, equals, value in pairs if equals and value}

    def last_lines(self, unit: str, count: int) -> tuple[str, ...]:
        """The newest lines of its journal; empty where there is none."""
        answer = self._call(
            "journalctl", f"--user-unit={unit}", "-n", str(count), "-o", "cat", "--no-pager", "-q"
        )
        return tuple(answer.out.splitlines()) if answer.code == 0 else ()

    def linger(self, user: str) -> bool:
        """Has the user's services started with the machine; False: that takes more rights."""
        if lingers(user):
            return True
        return self._call("loginctl", "--no-ask-password", "enable-linger").code == 0


def lingers(user: str, folder: Path = _LINGER) -> bool:
    """Whether the user's services start with the machine."""
    return (folder / user).exists()


def machine_bytes() -> int:
    """The machine's memory; 0: unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not everywhere has these names
        return 0


def journal_command(unit: str, lines: int, *, follow: bool, as_json: bool) -> tuple[str, ...]:
    """What prints a service's journal.

    Not ``--user``: where the journal is kept in memory alone, it is one for all, and that option
    finds nothing.

    Args:
        unit: as systemctl calls it.
        lines: the newest so many.
        follow: go on with what comes.
        as_json: a JSON object a line.
    """
    form = ("-o", "json") if as_json else ()
    goes_on = ("-f",) if follow else ("--no-pager",)
    return ("journalctl", f"--user-unit={unit}", f"--lines={lines}", *form, *goes_on)


def open_manager(
    around: ServiceSurroundings,
    name: str,
    folder: Path,
    command: Sequence[str],
    call: Calls | None = None,
) -> UserManager:
    """The user's manager.

    Args:
        around: where this program runs.
        name: of the service.
        folder: that its command runs in.
        command: what is to be supervised, for the line that says how to do so elsewhere.
        call: runs programs; None: those of the system.

    Raises:
        ServiceError: there is none; its hint says what to use instead.
    """
    refuse_elsewhere(around, name, folder, command)
    call = call or calls_in(with_runtime_dir(around))
    answer = call("systemctl", "--user", "show", "--property=Version")
    if answer.code:
        raise ServiceError(
            f"the user's systemd cannot be reached: {answer.why}",
            hint=f"log in as {around.user} itself (ssh or a console, not su or sudo), or type: sudo"
            f" loginctl enable-linger {around.user}; export XDG_RUNTIME_DIR=/run/user/{around.uid}",
        )
    return UserManager(call)


def refuse_elsewhere(
    around: ServiceSurroundings, name: str, folder: Path, command: Sequence[str]
) -> None:
    """Raises where there is no systemd; see :func:`open_manager`."""
    if around.platform == "win32":
        line = subprocess.list2cmdline(list(command)).replace('"', '\\"')
        raise ServiceError(
            "a service is a systemd unit, and Windows has no systemd",
            hint="use its Task Scheduler instead: schtasks /Create /SC ONLOGON /TN"
            f' edgecnn-{name} /TR "cmd /c cd /d \\"{folder}\\" && {line}"',
        )
    line = f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"
    if around.platform == "darwin":
        raise ServiceError(
            "a service is a systemd unit, and macOS has no systemd",
            hint=f"use launchd instead: a LaunchAgent with RunAtLoad, KeepAlive and the"
            f" ProgramArguments /bin/sh, -c, {shlex.quote(line)}",
        )
    if not (around.booted and around.programs("systemctl")):
        raise ServiceError(
            "a service is a systemd unit, and this machine was not started by systemd",
            hint="let its own supervisor run this (supervisord, runit), or cron, as a line of"
            " crontab -e: @reboot " + line.replace("%", "\\%"),
        )
