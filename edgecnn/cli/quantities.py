"""Values of options with a unit: times and sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import click

_SECONDS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1.0, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class _Quantity(click.ParamType):
    """A number of 0 or more, with or without a unit."""

    def __init__(self, name: str, units: Mapping[str, float], example: str) -> None:
        self.name = name
        self._units, self._example = units, example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number in the unit ``""``."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
        try:
            number = float(digits) * self._units[text[len(digits) :].strip()]
        except (KeyError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            units = ", ".join(unit for unit in self._units if unit)
            self.fail(f"{text!r} is no {self.name}, for example {self._example} (units: {units})",
                      param, ctx)  # fmt: skip
        return number


class _Size(_Quantity):
    """Bytes, in powers of 1024; ``2G``, ``2GB`` and ``2GiB`` are the same."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Whole bytes."""
        if isinstance(value, str):
            value = value.strip().upper().removesuffix("B").removesuffix("I")
        return int(super().convert(value, param, ctx))


#: Seconds as a float: ``10``, ``0.5s``, ``500ms``, ``10m``, ``2h``, ``1d``.
DURATION = _Quantity("time", _SECONDS, "0.5s or 10m")

#: Bytes as an int: ``4096``, ``512M``, ``2G``.
SIZE = _Size("size", _BYTES, "512M or 2G")
