"""How long work tells how far it is; the CLI draws it, tests ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A sink for progress; every method may be called from one thread only."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Starts a stage of ``total`` steps (None: unknown)."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Moves the current stage on; ``note`` is a short live figure such as ``loss 0.12``."""

    def say(self, line: str) -> None:
        """Prints one line that stays."""


class SilentProgress:
    """Drops everything: for ``--json``, ``-q`` and library use."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Does nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Does nothing."""

    def say(self, line: str) -> None:
        """Does nothing."""
