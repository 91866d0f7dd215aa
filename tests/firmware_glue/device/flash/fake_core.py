"""A Cortex-M as a debugger sees it: memory, and the core's debug registers.

Arm, ARMv7-M architecture reference manual, C1.6 (ARMv6-M: C1.6 too). What a debugger loads into RAM
and starts is run by unicorn, a slice whenever the core is looked at, until its breakpoint. The
program in flash only "runs": its instructions are of no interest here.
"""

import struct
from typing import Any

from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_INTR,
    UC_HOOK_MEM_WRITE,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    Uc,
    UcError,
)
from unicorn import arm_const as arm

AIRCR, DFSR, DHCSR, DCRSR, DCRDR, DEMCR = (
    0xE000ED0C, 0xE000ED30, 0xE000EDF0, 0xE000EDF4, 0xE000EDF8, 0xE000EDFC,
)  # fmt: skip
SCS, ROM_TABLE, CPUID = 0xE000E000, 0xE00FF000, 0xE000ED00
_ENABLED, _HALT, _REGISTER_READY, _HALTED, _RESET_SEEN = 1, 1 << 1, 1 << 16, 1 << 17, 1 << 25
_CATCH_RESET, _BREAKPOINT = 1, 7
_SLICE = 1_000_000
_REGISTERS = (
    *(getattr(arm, f"UC_ARM_REG_R{number}") for number in range(13)),
    arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC,
)  # fmt: skip
_XPSR, _THUMB = 16, 1 << 24


def _ids(base: int, kind: int, part: int) -> dict[int, int]:
    """Peripheral and component identification registers (ADIv5, chapter 13)."""
    values = {0xFD0: 4, 0xFE0: part, 0xFE4: 0xB0, 0xFE8: 0x0B, 0xFEC: 0}
    values |= {0xFF0: 0x0D, 0xFF4: kind << 4, 0xFF8: 0x05, 0xFFC: 0xB1}
    return {base + offset: value for offset, value in values.items()}


class Core:
    """What chips share; they map their memories and their flash controller's registers."""

    ram, ram_bytes = 0x20000000, 0x4000
    flash_origin, flash_bytes = 0, 0x40000

    def __init__(self, cpuid: int, part: int) -> None:
        self.uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self.uc.mem_map(self.ram, self.ram_bytes)
        self.uc.mem_map(self.flash_origin, self.flash_bytes)
        self.program(b"\xff" * self.flash_bytes)
        self.uc.hook_add(UC_HOOK_MEM_WRITE, self._hooked)
        self.uc.hook_add(UC_HOOK_INTR, self._interrupted)
        self.words = _ids(ROM_TABLE, 1, 0xC4) | _ids(SCS, 14, part) | {CPUID: cpuid}
        self.words |= {ROM_TABLE: (SCS - ROM_TABLE & 0xFFFFFFFF) | 3, ROM_TABLE + 4: 0}
        self.halted, self.busy, self.reset_seen = False, False, False
        self.demcr, self.dcrdr, self.resets = 0, 0, 0
        self.erased: list[int] = []
        self.faults: list[str] = []

    def flash(self, size: int) -> bytes:
        return bytes(self.uc.mem_read(self.flash_origin, size))

    def program(self, data: bytes) -> None:
        self.uc.mem_write(self.flash_origin, data)

    def read(self, address: int) -> int:
        self._run()
        if address == DHCSR:
            seen, self.reset_seen = self.reset_seen, False
            halted = _HALTED | _HALT if self.halted else 0
            return _ENABLED | _REGISTER_READY | halted | _RESET_SEEN * seen
        if address == DCRDR:
            return self.dcrdr
        if address == DEMCR:
            return self.demcr
        if self._mapped(address):
            return int(struct.unpack("<I", self.uc.mem_read(address, 4))[0])
        return self.words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        if address == DHCSR:
            self._debug(value)
        elif address == DCRDR:
            self.dcrdr = value
        elif address == DCRSR:
            self._register(value)
        elif address == DEMCR:
            self.demcr = value
        elif address == AIRCR:
            if value & 4:
                self._reset()
        elif self._mapped(address):
            self._hooked(self.uc, 0, address, 4, value, None)
            self.uc.mem_write(address, struct.pack("<I", value))
        elif address != DFSR:
            self.words[address] = value

    def read_bytes(self, address: int, size: int) -> bytes:
        return bytes(self.uc.mem_read(address, size))

    def write_bytes(self, address: int, data: bytes) -> None:
        self.uc.mem_write(address, data)

    def written(self, address: int, size: int, value: int) -> None:
        """A chip's flash controller looks on: whoever writes, wherever to."""

    def _hooked(self, uc: Uc, _: int, address: int, size: int, value: int, __: Any) -> None:
        self.written(address, size, value & (1 << 8 * size) - 1)

    def _mapped(self, address: int) -> bool:
        return any(start <= address <= end for start, end, _ in self.uc.mem_regions())

    def _debug(self, value: int) -> None:
        if value >> 16 != 0xA05F:
            return
        self.halted = bool(value & _HALT)
        counter = self.uc.reg_read(arm.UC_ARM_REG_PC)
        self.busy = not self.halted and self.ram <= counter < self.ram + self.ram_bytes
        if self.busy:
            self.uc.ctl_flush_tb()  # another algorithm may stand where the last one stood

    def _run(self) -> None:
        if not self.busy:
            return
        try:
            counter = self.uc.reg_read(arm.UC_ARM_REG_PC)
            self.uc.emu_start(counter | 1, 0xFFFFFFFF, count=_SLICE)
        except UcError as error:
            self.faults.append(str(error))
            self.busy, self.halted = False, True

    def _interrupted(self, uc: Uc, number: int, _: Any) -> None:
        if number != _BREAKPOINT:
            self.faults.append(f"exception {number}")
        self.busy, self.halted = False, True
        uc.emu_stop()

    def _register(self, value: int) -> None:
        number, write = value & 0x7F, value >> 16 & 1
        if number >= len(_REGISTERS):
            if not write:
                self.dcrdr = _THUMB if number == _XPSR else 0
        elif write:
            self.uc.reg_write(_REGISTERS[number], self.dcrdr)
        else:
            self.dcrdr = int(self.uc.reg_read(_REGISTERS[number]))

    def _reset(self) -> None:
        self.resets += 1
        self.busy, self.reset_seen = False, True
        self.halted = bool(self.demcr & _CATCH_RESET)
        stack, start = struct.unpack("<II", self.flash(8))
        self.uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self.uc.reg_write(arm.UC_ARM_REG_PC, start & ~1)
