"""Prints who takes what of a board's flash and RAM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecnn.cli.output import print_table, thousands

_ROWS = (
    ("flash", "program_bytes", "firmware: start-up, drivers, protocol"),
    ("flash", "model_code_bytes", "the model's code"),
    ("flash", "weight_bytes", "weights"),
    ("flash", "total_bytes", "flash, all"),
    ("flash", "available_bytes", "flash of the board"),
    ("ram", "arena_bytes", "arena"),
    ("ram", "static_bytes", "variables"),
    ("ram", "stack_bytes", "stack, kept"),
    ("ram", "total_bytes", "RAM, all"),
    ("ram", "available_bytes", "RAM of the board"),
    ("measured", "stack_bytes", "stack, deepest seen on the board"),
    ("measured", "total_bytes", "RAM, measured on the board"),
)


def print_fits(fits: Mapping[str, Any]) -> None:
    """The object ``fits`` of ``edgecnn run --json`` as a table."""
    rows = [
        (what, thousands(fits[part].get(key)))
        for part, key, what in _ROWS
        if part in fits and fits[part].get(key) is not None
    ]
    verdict = {True: "fits", False: "does not fit", None: "fits as far as known"}[fits["fits"]]
    print_table(verdict, ("memory", "bytes"), rows, numeric=(1,))
