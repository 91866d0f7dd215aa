"""Standard streams that may be missing, broken or of another alphabet: daemons, old systems."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

import click


def open_missing_streams() -> None:
    """Gives a process that was started without stdin, stdout or stderr empty ones.

    Otherwise the first file that is opened, a recording perhaps, gets the descriptor that libraries
    print their messages to.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def write_any_text() -> None:
    """Lets stdout and stderr take every letter: files and pipes get UTF-8, as JSON wants it.

    A terminal of another encoding (an old Windows, ``LC_ALL=POSIX``) shows escapes for what it
    lacks.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and "utf" not in stream.encoding.lower():
            if stream.isatty():
                stream.reconfigure(errors="backslashreplace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def tell_people(text: str, nl: bool = True) -> None:
    """Writes to stderr, if somebody reads it: a terminal that was closed ends no long run."""
    with suppress(OSError):
        click.echo(text, nl=nl, err=True)


def shown(text: str) -> str:
    r"""The text without what would steer a terminal: a model's labels come from anywhere.

    >>> shown("red\x1b[31m")
    'red?[31m'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)
