"""The text of a systemd unit, and how systemd wants its values written.

Quoting and specifiers are those of ``systemd.syntax(7)``, ``systemd.service(5)`` ("Command lines")
and ``systemd.unit(5)`` ("Specifiers"); an environment file's are those of ``systemd.exec(5)``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import UsageError

#: The first line of every unit of ours; a file without it is somebody else's.
MARK = "# Made by edgecnn service install; the next install writes it anew."


@dataclass(frozen=True)
class ServiceUnit:
    """What a unit says.

    Attributes:
        name: of the service.
        command: the program's path and its arguments.
        folder: that it runs in.
        environment: variables for it, none of them secret.
        secrets: the file with the others; None: there is none.
        memory: bytes that it may take; None: no limit.
        restart: ``always``, or ``on-failure`` where it comes to an end by itself.
        watchdog_s: it is started anew when nothing was heard of it for so long, seconds.
        start_s: it may take so long to open model and camera.
        stop_s: it may take so long to finish its files.
        pause_s: before it is started anew.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    secrets: Path | None
    memory: int | None
    restart: str
    watchdog_s: int = 120
    start_s: int = 300
    stop_s: int = 45
    pause_s: int = 10


def unit_text(unit: ServiceUnit) -> str:
    """The file.

    Raises:
        UsageError: a value that systemd cannot be told.
    """
    environment = [
        f"Environment={_quoted(f'{key}={value}', f'the variable {key}')}"
        for key, value in sorted(unit.environment.items())
    ]
    if unit.secrets is not None:
        environment.append(f"EnvironmentFile={_path(unit.secrets)}")
    memory = ["# No MemoryMax: --memory 0."]
    if unit.memory is not None:
        memory = [
            "# What takes more is started anew, before the machine swaps to a standstill.",
            f"MemoryMax={unit.memory}",
            "MemorySwapMax=0",
        ]
    lines = [
        MARK,
        "[Unit]",
        f"Description=edgecnn detect ({unit.name})",
        "# However often it fails, it is tried again. A user's units know nothing of the system's:",
        "# there is no network-online.target here; what is not there yet is waited for.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={command_line(unit.command)}",
        f"WorkingDirectory={_path(unit.folder)}",
        *environment,
        f"Restart={unit.restart}",
        f"RestartSec={unit.pause_s}",
        "# It gives a sign as long as every camera's loop goes on, at least once a frame.",
        f"WatchdogSec={unit.watchdog_s}",
        "# Then SIGABRT makes Python print where each thread hangs; a core would be a waste.",
        "LimitCORE=0",
        f"TimeoutStartSec={unit.start_s}",
        f"TimeoutStopSec={unit.stop_s}",
        "# The program ends what it has started itself, once its files are finished.",
        "KillMode=mixed",
        "KillSignal=SIGTERM",
        *memory,
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        "RestrictSUIDSGID=yes",
        "StandardOutput=journal",
        "StandardError=journal",
        f"SyslogIdentifier=edgecnn-{unit.name}",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def command_line(words: tuple[str, ...]) -> str:
    r"""A program and its arguments as the value of ``ExecStart=``.

    >>> print(command_line(("/usr/bin/python3", "-c", 'say "100 %" of $HOME')))
    "/usr/bin/python3" "-c" "say \"100 %%\" of $$HOME"

    Args:
        words: the first is an absolute path.

    Raises:
        UsageError: one holds what systemd cannot be told.
    """
    program, *arguments = words
    if "$" in program:
        # systemd puts variables into the program's name for itself, but not into its path.
        raise UsageError(
            f"the path of Python has a '$': {program!r}",
            hint="make the virtual environment in a folder without it",
        )
    quoted = [_quoted(program, "the path of Python")]
    quoted += [_quoted(word.replace("$", "$$"), "an argument") for word in arguments]
    return " ".join(quoted)


def environment_text(secrets: Mapping[str, str]) -> str:
    """The file of an ``EnvironmentFile=``.

    Raises:
        UsageError: a value has a control character.
    """
    lines = [MARK]
    for key, value in sorted(secrets.items()):
        if any(_is_control(letter) for letter in value):
            raise UsageError(
                f"{key} has a line end or another control character",
                hint="set it anew, then install again",
            )
        for letter in '\\"`$':
            value = value.replace(letter, "\\" + letter)
        lines.append(f'{key}="{value}"')
    return "\n".join(lines) + "\n"


def _quoted(text: str, what: str) -> str:
    """In quotes, with nothing left that systemd would read as its own."""
    _refuse_control(text, what)
    for letter, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("\t", "\\t")):
        text = text.replace(letter, written)
    return f'"{text}"'


def _path(path: Path) -> str:
    """A path as the value of a setting that knows specifiers, but no quotes."""
    text = str(path)
    _refuse_control(text, "the path")
    if text != text.strip() or text.endswith("\\") or "\t" in text:
        raise UsageError(
            f"systemd cannot be told the path {text!r}: it ends with white space or a backslash",
            hint="rename the folder, or install from another one",
        )
    return text.replace("%", "%%")


def _refuse_control(text: str, what: str) -> None:
    if any(_is_control(sign) and sign != "\t" for sign in text):
        raise UsageError(
            f"{what} has a line end, a control character or a byte that is no UTF-8: {text!r}",
            hint="rename the file, or put what it says into a file of its own",
        )


def _is_control(sign: str) -> bool:
    """Whether it is none that systemd takes as text.

    A surrogate is a byte of a file's name that is no UTF-8; the last two of each plane, and 32 in
    the middle of the first, are no characters and never will be.
    """
    code = ord(sign)
    no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return no_character or unicodedata.category(sign) in ("Cc", "Cs")
