"""A board's whole program in unicorn, with the chip's model for peripherals, behind a line.

For boards that no emulator has. Unicorn knows no interrupts: a byte that has arrived interrupts the
program where its main loop begins a turn (it feeds the watchdog there), by a call of the line's
handler; where the program waits for an interrupt (WFI) and none is due, the run ends until the host
sends more. No time passes, but on the Picos: a little with each look at their timer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firmware_glue.device.elf import Elf
from tests.firmware_glue.device.chips.firmware import on_usb
from tests.firmware_glue.device.chips.machine import Access, State, TracedMachine
from tests.firmware_glue.device.chips.specimens import Specimen
from tests.firmware_glue.device.chips.usb_host import UsbHost, clears_by_ones

_WFI = b"\x30\xbf"
_CLOBBERED = ("R0", "R1", "R2", "R3", "R12", "LR")
_INSTRUCTIONS, _RUNS = 50_000_000, 1000


_TIMERS, _STEP_US = {"rp2040": 0x40054028, "rp2350": 0x400B0028}, 100


class ModelledLine:
    """A line to the program."""

    def __init__(self, what: Specimen, elf: Elf) -> None:
        self.description = f"model of {what.name}"
        reset = {address: each.reset for address, each in what.registers.by_address.items()}
        self.state = State(reset)
        self.host = UsbHost(self.state) if on_usb(what.name) else None
        self._what, self._elf, self._us = what, elf, 0
        self._timer = _TIMERS.get(what.board.family)
        self._traced = TracedMachine(
            elf, what.board, self.state, self._answer, what.receiver,
            aliases=what.aliases, resets=what.resets,
            effect=clears_by_ones if self.host else None,
        )  # fmt: skip
        self._uc: Any = self._traced.machine._uc
        self._const = self._traced.machine._unicorn.arm_const
        self._input, self._sent = bytearray(), bytearray()
        self.accesses: list[Access] = []
        self._at: int | None = elf.address("edgecnn_reset")
        self._saved: dict[str, int] = {}
        self._hung: Any = None
        self._stuck = False
        uc, hook = self._uc, self._traced.machine._unicorn.UC_HOOK_CODE
        # A turn of the main loop; and where the program waits for its line, it reads the clock.
        for name in ("edgecnn_watchdog_feed", "edgecnn_clock_us"):
            at = elf.address(name)
            uc.hook_add(hook, self._interrupt, None, at, at)
        for at in self._waits():
            uc.hook_add(hook, self._wait, None, at, at)

    def read(self, timeout_s: float) -> bytes:
        """Runs the program until it waits for more; returns what it has sent."""
        del timeout_s
        for _ in range(_RUNS):
            self._run()
            if self._at is None or not self._due():
                break
        sent, self._sent = bytes(self._sent), bytearray()
        return sent

    def write(self, data: bytes) -> None:
        """Bytes for the program."""
        if self.host is not None:
            self.host.to_send += data
        else:
            self._input += data

    def close(self) -> None:
        """Nothing is to be closed."""

    def hang_in(self, function: str) -> None:
        """Makes the program stay in that function from now on."""
        at, hook = self._elf.address(function) & ~1, self._traced.machine._unicorn.UC_HOOK_CODE
        self._hung = self._uc.hook_add(hook, self._hang, None, at, at)

    def reset(self, registers: Mapping[int, int]) -> None:
        """What a reset does: registers as after it, these told; RAM keeps what it holds."""
        self.state.words = dict(registers)
        if self.host is not None:
            self.host = UsbHost(self.state)
        if self._hung is not None:
            self._uc.hook_del(self._hung)
            self._hung = None
        self._input.clear()
        self._sent.clear()
        self._saved = {}
        self._uc.reg_write(self._register("SP"), self._elf.address("edgecnn_stack_top"))
        self._uc.reg_write(self._register("PRIMASK"), 0)
        self._at = self._elf.address("edgecnn_reset")

    def _hang(self, uc: Any, _address: int, _size: int, _user: object) -> None:
        self._stuck = True
        uc.emu_stop()

    def _answer(self, state: State, address: int) -> int:
        if address == self._timer:
            self._us += _STEP_US
            return self._us
        return self._what.answer(state, address)

    def _due(self) -> bool:
        """Whether the line interrupts the core."""
        return self.host.step() if self.host is not None else bool(self._input)

    def _run(self) -> None:
        if self._at is None:
            return
        self._uc.emu_start(self._at | 1, 0xFFFFFFFE, count=_INSTRUCTIONS)
        ended, self._stuck = self._traced.was_reset or self._stuck, False
        self._at = None if ended else self._traced.machine.pc
        data, trace = self._what.sent_at, self._traced.trace
        if self.host is not None:
            self._sent += self.host.received
            self.host.received.clear()
        else:
            self._sent += bytes(a.value & 0xFF for a in trace if a.write and a.address == data)
        self.accesses += trace
        trace.clear()

    def _waits(self) -> list[int]:
        """Where the program waits: a hook at each, so that other code stays fast."""
        origin = self._what.board.memory.flash_origin
        (code,) = [s.data for s in self._elf.segments if s.address == origin]
        return [origin + at for at in range(0, len(code), 2) if code[at : at + 2] == _WFI]

    def _register(self, name: str) -> int:
        return int(getattr(self._const, f"UC_ARM_REG_{name}"))

    def _wait(self, uc: Any, _address: int, _size: int, _user: object) -> None:
        if not self._due():
            uc.emu_stop()

    def _interrupt(self, uc: Any, address: int, _size: int, _user: object) -> None:
        """Calls the handler, which returns to where it was called; there nothing has changed."""
        if self._saved:
            for name, value in self._saved.items():
                uc.reg_write(self._register(name), value)
            self._saved = {}
            return
        if uc.reg_read(self._register("PRIMASK")) or not self._due():
            return
        if self.host is None:
            self.state.arrived.append(self._input.pop(0))
            if self._what.receiver.event:
                self.state.words[self._what.receiver.event] = 1
        self._saved = {name: uc.reg_read(self._register(name)) for name in _CLOBBERED}
        uc.reg_write(self._register("LR"), address | 1)
        uc.reg_write(self._register("PC"), self._elf.address("edgecnn_line_irq") | 1)
