"""RP2040's second-stage boot loader, run as its boot ROM does, with its registers recorded."""

import struct
from dataclasses import dataclass

import pytest

from firmware_glue.device.elf import read_elf
from firmware_glue.device.emulate.unicorn_machine import UnicornMachine
from firmware_glue.device.flash.boot2 import finish_boot2
from tests.firmware_glue.device.chips import firmware
from tests.firmware_glue.device.chips.machine import Access
from tests.firmware_glue.device.chips.registers import table
from tests.firmware_glue.device.chips.rules import Step, check
from tests.firmware_glue.device.programs import TOOLCHAINS, toolchain

FLASH, SSI, SYSTEM = 0x10000000, 0x18000000, 0xE000E000
VTOR = 0xE000ED08
# RP2040 datasheet, section 2.8.1.3.1: copied to the end of the sixth bank of SRAM, and run there.
LOADED = 0x20041F00
STACK = 0x20042000


@dataclass
class Boot:
    """What the loader did."""

    trace: list[Access]
    words: dict[int, int]
    pc: int
    sp: int


def booted(compiler: str) -> Boot:
    toolchain("pico", compiler)
    elf, board = firmware.image("pico-uart", compiler), firmware.board("pico-uart")
    machine = UnicornMachine(elf, board)
    uc = machine._uc
    boot = Boot([], {}, 0, 0)
    uc.mem_protect(0x20041000, 0x1000, 7)
    machine.write(LOADED, machine.read(FLASH, 256))
    uc.mem_unmap(SYSTEM, 0x1000)

    def read(_uc: object, offset: int, size: int, base: int) -> int:
        value = boot.words.get(base + offset, 0)
        boot.trace.append(Access(0, False, base + offset, value, "", size, value, value))
        return value

    def write(_uc: object, offset: int, size: int, value: int, base: int) -> None:
        before = boot.words.get(base + offset, 0)
        boot.words[base + offset] = value
        boot.trace.append(Access(0, True, base + offset, value, "", size, before, value))

    for base in (SSI, SYSTEM):
        uc.mmio_map(base, 0x1000, read, base, write, base)
    uc.reg_write(machine._core.constant(machine._unicorn, "UC_ARM_REG_SP"), STACK)
    uc.emu_start(LOADED | 1, elf.address("edgecnn_reset"), count=1000)
    boot.pc = machine.pc
    boot.sp = uc.reg_read(machine._core.constant(machine._unicorn, "UC_ARM_REG_SP"))
    return boot


@pytest.mark.parametrize("compiler", TOOLCHAINS)
def test_the_loader_sets_the_flash_up_and_starts_the_program(compiler: str) -> None:
    boot, elf = booted(compiler), firmware.image("pico-uart", compiler)

    def off_while_set_up(step: Step) -> str | None:
        """Section 4.10.13: these registers may be written only while SSIENR is 0."""
        address = step.access.address
        set_up = step.access.write and address in range(SSI, SSI + 0x100) and address != SSI + 8
        return "SSI is on" if set_up and step.state[SSI + 8] & 1 else None

    known = table("rp2040_ssi").over(table("armv7m"))
    assert check(boot.trace, known, (), (off_while_set_up,)) == []
    assert boot.trace[0].write
    assert (boot.trace[0].address, boot.trace[0].value) == (SSI + 8, 0)
    assert boot.words[SSI + 8] == 1
    assert boot.words[VTOR] == FLASH + 0x100
    assert boot.pc == elf.address("edgecnn_reset")
    assert boot.sp == elf.address("edgecnn_stack_top")


def test_the_flash_is_read_as_every_serial_flash_can_be() -> None:
    """Command 03h, 24 bits of address, 32 of data, on one line, at 50 MHz at most."""
    words = booted("zig").words
    control, spi = words[SSI], words[SSI + 0xF4]
    assert control >> 16 & 0x1F == 31
    assert control >> 8 & 3 == 3  # "EEPROM read": command and address out, then data in
    assert control >> 21 & 3 == 0  # one line
    assert words[SSI + 4] == 0  # one frame
    assert spi >> 24 == 0x03
    assert spi >> 8 & 3 == 2  # a command of 8 bits
    assert (spi >> 2 & 0xF) * 4 == 24
    assert spi >> 11 & 0x1F == 0  # no wait cycles
    divisor = words[SSI + 0x14]
    assert divisor % 2 == 0
    assert firmware.board("pico").clock.hz / divisor <= 50e6


@pytest.mark.parametrize("compiler", TOOLCHAINS)
def test_the_loader_fits_and_its_checksum_is_the_boot_rom_s(compiler: str) -> None:
    """Section 2.8.1.3.1: CRC-32 with 0x04C11DB7, not reflected, from all ones, of 252 bytes."""
    toolchain("pico", compiler)
    elf = firmware.image("pico-uart", compiler)
    (flash,) = [s.data for s in elf.segments if s.address == FLASH]
    assert flash[252:256] == bytes(4)  # the loader leaves them free
    finished = read_elf(finish_boot2(firmware.file("pico-uart", compiler), FLASH))
    (flash,) = [s.data for s in finished.segments if s.address == FLASH]
    crc = 0xFFFFFFFF
    for byte in flash[:252]:
        for bit in range(7, -1, -1):
            feedback = crc >> 31 ^ byte >> bit & 1
            crc = (crc << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if feedback else 0)
    assert struct.unpack_from("<I", flash, 252)[0] == crc
