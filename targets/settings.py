"""Reads a target's TOML: its data, apart from its code."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from importlib.resources import files
from typing import Any, TypeVar

from edgecnn.core.errors import TargetError

T = TypeVar("T")


class FromSettings:
    """Name and summary of a target whose ``settings`` were read from its TOML."""

    settings: Any

    @property
    def name(self) -> str:
        """The name for ``-t``."""
        return str(self.settings.name)

    @property
    def summary(self) -> str:
        """One line for ``edgecnn targets``."""
        return str(self.settings.summary)


def load_settings(kind: type[T], package: str, filename: str) -> T:
    """Fills the dataclass ``kind`` from ``filename`` in ``package``; lists become tuples.

    Raises:
        TargetError: the file is missing or damaged, or has unknown, missing or ill-typed keys.
    """
    where = f"{package}/{filename}"
    try:
        data = tomllib.loads((files(package) / filename).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetError(f"'{where}' cannot be read: {error}", hint="install edgecnn again") from (
            error
        )
    known = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    for key in (*data, *known):
        if key not in known or key not in data:
            state = "unknown" if key not in known else "missing"
            raise TargetError(
                f"'{where}': {state} key '{key}'", hint=f"its keys are {', '.join(known)}"
            )
        if type(data[key]).__name__ != str(known[key]).partition("[")[0].replace("tuple", "list"):
            raise TargetError(
                f"'{where}': {key} = {data[key]!r}, expected {known[key]}",
                hint="give the key a value of that type",
            )
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
    }
    return kind(**values)
