"""What bare cores and boards have in common as targets: a board's data, and the C made for it."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_glue.device.board import Board
from targets.base import API, Capabilities


@dataclass(frozen=True)
class CompiledTarget:
    """A target that models are compiled to C for."""

    board: Board
    api: int = API
    capabilities: Capabilities = Capabilities(
        dtypes=("int8", "int16", "uint8", "float32"),
        granularity="per-channel",
        delegate="",
        unit="instructions",
        extra="mcu",
    )

    @property
    def name(self) -> str:
        """The name for ``-t``."""
        return self.board.name

    @property
    def summary(self) -> str:
        """One line for ``edgecnn targets``."""
        return self.board.summary

    @property
    def tried(self) -> str:
        """Where what is made for it was run so far."""
        return self.board.tried
