"""The RP2040's second-stage boot loader: its checksum.

The boot ROM copies the first 256 bytes of flash to RAM and runs them only if their last four bytes
are the CRC-32 of the other 252 (RP2040 datasheet, 2.8.1.3.1, "Checksum"): polynomial 0x04C11DB7,
most significant bit first, initial value 0xFFFFFFFF, no final exclusive or.
"""

from __future__ import annotations

from edgecnn.core.errors import TargetError
from firmware_glue.device.elf import read_elf
from firmware_glue.device.elf_patch import patch_elf

BOOT2_BYTES = 256
CODE_BYTES = 252
RP2040_FLASH = 0x10000000
_POLYNOMIAL = 0x04C11DB7
_TOP, _WORD = 1 << 31, 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ (_POLYNOMIAL if value & _TOP else 0)) & _WORD
        rows.append(value)
    return tuple(rows)


_TABLE = _table()


def boot2_checksum(code: bytes) -> int:
    """The checksum of the first 252 bytes, ``code``."""
    value = _WORD
    for byte in code:
        value = ((value << 8) & _WORD) ^ _TABLE[(value >> 24) ^ byte]
    return value


def finish_boot2(image: bytes, flash_origin: int = RP2040_FLASH) -> bytes:
    """The ELF image with the checksum of its first 252 flash bytes put behind them.

    Args:
        image: an ELF file that fills the first 256 bytes of flash; the last four of them are what
            the linker fills gaps with, or the right checksum already.
        flash_origin: where flash starts.

    Raises:
        TargetError: not an ELF image, no 256 bytes at the flash origin, or the boot loader's code
            reaches into the checksum's place.
    """
    first = _first_bytes(image, flash_origin)
    checksum = boot2_checksum(first[:CODE_BYTES]).to_bytes(4, "little")
    place = first[CODE_BYTES:]
    if place not in (checksum, *(bytes((fill,)) * 4 for fill in (0x00, 0xFF, 0xD4))):
        raise TargetError(
            f"the second-stage boot loader holds {place.hex()} in bytes 252 to 255, which are its"
            " checksum's",
            hint=f"keep its code within {CODE_BYTES} bytes",
        )
    return patch_elf(image, flash_origin + CODE_BYTES, checksum)


def _first_bytes(image: bytes, flash_origin: int) -> bytes:
    """The first 256 bytes of flash; a linker may have put them into several segments."""
    first = bytearray()
    for segment in sorted(read_elf(image).segments, key=lambda segment: segment.address):
        if segment.address == flash_origin + len(first):
            first += segment.data
        if len(first) >= BOOT2_BYTES:
            return bytes(first[:BOOT2_BYTES])
    raise TargetError(
        f"the image holds {len(first)} bytes at 0x{flash_origin:08x}, expected the"
        f" {BOOT2_BYTES} bytes of a second-stage boot loader",
        hint="build the image again with edgecnn's own start-up code for the RP2040",
    )
