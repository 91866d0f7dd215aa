"""Executed blocks of code → instructions and estimated cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware_glue.device.board import Board
from firmware_glue.device.emulate import riscv, thumb

Block = tuple[int, int]  # address, bytes


@dataclass(frozen=True)
class BlockCounts:
    """How often each run of code, (address, bytes), was entered.

    Attributes:
        isa: one of :data:`firmware_glue.device.board.ISAS`.
    """

    isa: str
    entered: Mapping[Block, int]
    code: Mapping[Block, bytes] = field(repr=False)

    @property
    def instructions(self) -> int:
        """Instructions executed."""
        count = riscv.count_instructions if self.isa == "riscv" else thumb.count_instructions
        return sum(n * count(self.code[key]) for key, n in self.entered.items())

    def cycles(self, board: Board) -> int | None:
        """Estimated cycles; None where the board has no cost table."""
        table = board.cycles
        if table is None:
            return None
        cost = riscv.code_cycles if self.isa == "riscv" else thumb.code_cycles
        return sum(n * cost(self.code[key], table) for key, n in self.entered.items())
