"""Firmware in unicorn with its peripherals recorded: a small model answers, every access is kept.

The model keeps what is written and gives it back; what a chip would report by itself (an oscillator
is stable, a clock is selected) is a function of what was written so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf
from firmware_glue.device.emulate.unicorn_machine import UnicornMachine

PERIPHERALS, PERIPHERALS_BYTES = 0x40000000, 0x20000000
SYSTEM, SYSTEM_BYTES = 0xE000E000, 0x1000
PHASE = 0x5FFFFFFC
"""A word of our own that the test's main writes: where the trace is."""
INSTRUCTIONS = 3_000_000
"""More than any start takes where everything answers."""


@dataclass(frozen=True)
class Access:
    """One access.

    Attributes:
        phase: what the firmware was doing.
        write: else a read.
        address: of the register itself, where an alias was used.
        value: what was read or written.
        alias: ``""``, ``xor``, ``set`` or ``clear``: RP2040's and RP2350's.
        size: in bytes.
        after: the register after a write.
        before: the register before it.
    """

    phase: int
    write: bool
    address: int
    value: int
    alias: str
    size: int
    before: int
    after: int


@dataclass
class State:
    """What the registers hold; ``arrived``: bytes that the receiver holds."""

    reset: Mapping[int, int]
    words: dict[int, int] = field(default_factory=dict)
    arrived: list[int] = field(default_factory=list)

    def __getitem__(self, address: int) -> int:
        return self.words.get(address, self.reset.get(address, 0))

    def bits(self, address: int, high: int, low: int) -> int:
        return self[address] >> low & ((1 << (high - low + 1)) - 1)


Answer = Callable[[State, int], int]
"""What a read of a register gives."""


@dataclass(frozen=True)
class Receiver:
    """How a byte arrives: in phase ``phase``, at register ``data``; ``event`` then becomes 1."""

    phase: int
    byte: int
    data: int
    event: int = 0


class TracedMachine:
    """A board's image with recorded peripherals; stops at a reset, or when told to."""

    def __init__(
        self,
        elf: Elf,
        board: Board,
        state: State,
        answer: Answer,
        receiver: Receiver,
        *,
        aliases: bool,
        effect: Callable[[State, int, int, int], None] | None = None,
        resets: Mapping[int, int],
    ) -> None:
        self.machine = UnicornMachine(elf, board)
        self.elf, self.state, self.trace = elf, state, list[Access]()
        self._answer, self._aliases, self._resets = answer, aliases, resets
        self._effect = effect
        self._phase, self._receiver = 0, receiver
        self.was_reset = False
        uc: Any = self.machine._uc
        self._uc = uc
        uc.mem_unmap(SYSTEM, SYSTEM_BYTES)
        for base, size in ((PERIPHERALS, PERIPHERALS_BYTES), (SYSTEM, SYSTEM_BYTES)):
            uc.mmio_map(base, size, self._read, base, self._write, base)

    def run(self, instructions: int = INSTRUCTIONS) -> None:
        """Runs from reset until the chip is reset, the program ends, or so many instructions."""
        uc = self._uc
        start = self.elf.address("edgecnn_reset") | 1
        uc.emu_start(start, self.elf.address("edgecnn_fault"), count=instructions)

    def _place(self, address: int) -> tuple[int, str]:
        memory = 0x50100000 <= address < 0x50110000  # the USB's has no aliases
        if not self._aliases or memory or not PERIPHERALS <= address < 0x50200000:
            return address, ""
        return address & ~0x3000, ("", "xor", "set", "clear")[address >> 12 & 3]

    def _read(self, _uc: Any, offset: int, size: int, base: int) -> int:
        address, _alias = self._place(base + offset)
        value = self._answer(self.state, address) & 0xFFFFFFFF
        if address == self._receiver.data and self.state.arrived:
            value = self.state.arrived.pop(0)
        kept = self.state[address]
        self.trace.append(Access(self._phase, False, address, value, "", size, kept, kept))
        return value

    def _write(self, _uc: Any, offset: int, size: int, value: int, base: int) -> None:
        if base + offset == PHASE:
            self._phase = value
            if value == self._receiver.phase:
                self.state.arrived.append(self._receiver.byte)
                if self._receiver.event:
                    self.state.words[self._receiver.event] = 1
            return
        address, alias = self._place(base + offset)
        before = self.state[address]
        after = {
            "": value, "set": before | value, "clear": before & ~value, "xor": before ^ value,
        }[alias]  # fmt: skip
        self.state.words[address] = after
        self.trace.append(Access(self._phase, True, address, value, alias, size, before, after))
        if self._effect is not None:
            self._effect(self.state, address, before, value)
        if address in self._resets and value & self._resets[address]:
            self.was_reset = True
            self._uc.emu_stop()
