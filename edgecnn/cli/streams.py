"""Standard streams that may be missing or broken: a closed terminal, a daemon's start."""

from __future__ import annotations

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


def tell_people(text: str, nl: bool = True) -> None:
    """Writes to stderr, if somebody reads it: a terminal that was closed ends no long run."""
    with suppress(OSError):
        click.echo(text, nl=nl, err=True)
