"""The block that RP2350's boot ROM looks for, found by a reader written from the datasheet."""

import struct

import pytest

from firmware_glue.device.families import FAMILIES
from tests.firmware_glue.device.chips import firmware
from tests.firmware_glue.device.chips.picobin import (
    BEGIN,
    END,
    IMAGE_TYPE,
    VECTOR_TABLE,
    read_loop,
)
from tests.firmware_glue.device.programs import TOOLCHAINS, toolchain

FLASH = 0x10000000
# Section 5.9.5.1, the example of the datasheet.
MINIMUM = struct.pack("<5I", BEGIN, 0x10210142, 0x000001FF, 0, END)


def flash_of(compiler: str) -> bytes:
    toolchain("pico2", compiler)
    elf = firmware.image("pico2", compiler)
    (data,) = [s.data for s in elf.segments if s.address == FLASH]
    return data


def test_the_reader_reads_the_datasheet_s_example() -> None:
    (block,) = read_loop(MINIMUM + bytes(64), FLASH)
    assert [(item.kind, item.data) for item in block.items] == [(IMAGE_TYPE, 0x1021)]
    assert read_loop(bytes(0xFFC) + MINIMUM, FLASH)
    assert not read_loop(bytes(0x1000) + MINIMUM, FLASH)  # beyond the first 4 KiB
    for at in range(len(MINIMUM)):
        broken = bytearray(MINIMUM)
        broken[at] ^= 0x10
        found = read_loop(bytes(broken), FLASH)
        assert found == () or found[0].items != block.items, at


def test_the_reader_wants_a_closed_loop() -> None:
    two = [
        struct.pack("<5I", BEGIN, 0x10210142, 0x000001FF, link, END) for link in (20, 0xFFFFFFEC)
    ]
    assert [block.address for block in read_loop(b"".join(two), FLASH)] == [FLASH, FLASH + 20]
    open_end = two[0] + MINIMUM  # the second one links to itself
    assert FLASH not in [block.address for block in read_loop(open_end, FLASH)]


@pytest.mark.parametrize("compiler", TOOLCHAINS)
def test_the_image_says_what_the_boot_rom_wants(compiler: str) -> None:
    data = flash_of(compiler)
    (block,) = read_loop(data, FLASH)
    kind = block.item(IMAGE_TYPE)
    assert kind is not None
    # Section 5.9.3.1: executable, secure, Arm, RP2350; not "try before you buy".
    flags = kind.data
    assert (flags & 0xF, flags >> 4 & 3, flags >> 8 & 7, flags >> 12 & 7, flags >> 15) == (
        1, 2, 0, 1, 0,
    )  # fmt: skip
    table = block.item(VECTOR_TABLE)
    assert table is not None
    (address,) = table.words
    # The table: the stack in RAM, the reset handler in flash with its Thumb bit; aligned for VTOR
    # to the next power of two above its size.
    elf = firmware.image("pico2", compiler)
    stack, reset = struct.unpack_from("<2I", data, address - FLASH)
    assert stack == elf.address("edgecnn_stack_top")
    assert reset == elf.address("edgecnn_reset") | 1
    assert address % 256 == 0
    most = max(port.irq for port in FAMILIES["rp2350"].ports.values())
    assert 4 * (16 + most + 1) <= 256
