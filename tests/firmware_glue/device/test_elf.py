"""The ELF reader: against what our own linker script says, and on damaged files."""

import random

import pytest

from edgecnn.core.errors import TargetError
from firmware_glue.device.elf import read_elf
from tests.firmware_glue.device.programs import image, program

CODE = """
uint32_t initialised[3] = {1u, 2u, 3u};
uint8_t zeroed[100];
const uint16_t constant[7] = {1, 2, 3, 4, 5, 6, 7};
KEEP uint32_t use(volatile uint32_t i) { return initialised[i] + zeroed[i] + constant[i]; }
int main(void) { initialised[1] = zeroed[2]; zeroed[3] = 1u; return (int)use(1); }
"""


def test_sections_and_symbols() -> None:
    elf = program("cortex-m4", CODE)
    assert elf.section_bytes(".data") == 12
    assert elf.section_bytes(".bss") == 100
    assert elf.section_bytes(".stack") == 0x2000
    assert elf.section_bytes(".nothing") == 0
    assert elf.address("edgecnn_stack_bottom") == 0x20000000
    assert elf.address("edgecnn_stack_top") == 0x20002000
    assert elf.address("initialised") == 0x20002000
    assert elf.address("use") % 2 == 0
    assert elf.has("use")
    assert not elf.has("useless")
    assert elf.where(elf.address("use") + 4) == "use+0x4"
    assert elf.where(0xFFFF0000) == "?"
    with pytest.raises(TargetError, match="no symbol 'useless'"):
        elf.address("useless")


def test_what_is_loaded_into_flash() -> None:
    elf = program("cortex-m4", CODE)
    flash = {segment.address: segment.data for segment in elf.segments}
    assert all(address < 0x1000 for address in flash)
    assert any(data.endswith(bytes.fromhex("010000000200000003000000")) for data in flash.values())


def test_damaged_images_are_refused() -> None:
    data = image("cortex-m4", CODE)
    with pytest.raises(TargetError, match="does not start as"):
        read_elf(b"MZ" + data)
    for size in (0, 3, 20, 60, len(data) // 2, len(data) - 1):
        with pytest.raises(TargetError, match="cannot be read"):
            read_elf(data[:size])


def test_random_damage_never_crashes() -> None:
    data = image("cortex-m4", CODE)
    tables = list(range(52)) + list(range(len(data) - 900, len(data)))
    rng = random.Random(7)
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.choice(tables)] = rng.randrange(256)
        try:
            read_elf(bytes(damaged))
        except TargetError:
            continue
