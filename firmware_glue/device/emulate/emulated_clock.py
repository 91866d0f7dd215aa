"""What the clock of an emulated board counts: never time."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_glue.device.board import Board

QEMU_PER_US = 1000.0
"""Instructions: with ``-icount shift=0`` one takes a nanosecond of the machine's time."""


def cycles_per_us(board: Board) -> float:
    """The core's cycles in a microsecond."""
    return board.clock.hz / 1e6


@dataclass(frozen=True)
class EmulatedClock:
    """What a microsecond of an emulated board's own clock stands for: ``per_us`` of ``unit``."""

    unit: str
    per_us: float


def emulated_clock(board: Board) -> EmulatedClock | None:
    """What the emulator of ``board`` counts; None: no emulator is known for it.

    QEMU runs an instruction per nanosecond of its clock (``-icount shift=0``), rp2040js counts the
    core's cycles.
    """
    by = board.emulation.by if board.emulation is not None else ""
    if by == "qemu":
        return EmulatedClock("instructions", QEMU_PER_US)
    if by == "rp2040js":
        return EmulatedClock("cycles", cycles_per_us(board))
    return None
