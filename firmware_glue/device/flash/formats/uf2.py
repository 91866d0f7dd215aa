"""Writes UF2, the block format of drives that boot loaders show.

Format: https://github.com/microsoft/uf2, "File format": blocks of 512 bytes, each on its own.
"""

from __future__ import annotations

import struct

from edgecnn.core.errors import TargetError
from firmware_glue.device.flash.formats.flat import ERASED, FlatImage

MAGIC_START = (0x0A324655, 0x9E5D5157)
MAGIC_END = 0x0AB16F30
FAMILY_PRESENT = 0x00002000
PAYLOAD_BYTES = 256
SECTOR_BYTES = 4096
"""What flash is erased by (RP2040 datasheet, 2.8.4.2)."""
_HEADER = struct.Struct("<8I")
_DATA_BYTES = 476


def write_uf2(image: FlatImage, family: int) -> bytes:
    """UF2 blocks of 256 bytes each that fill whole flash sectors.

    The RP2040's boot ROM erases by block number and not by address (datasheet, erratum E14), so a
    file has to start at a sector and leave no block of it out; the last sector is filled up, so
    that no older bytes stay behind the image.

    Args:
        image: starts at a multiple of a sector.
        family: the chip's UF2 family; a boot loader skips blocks of other families.

    Raises:
        TargetError: the image does not start at a sector, or no family is given.
    """
    if image.origin % SECTOR_BYTES:
        raise TargetError(
            f"the image starts at 0x{image.origin:08x}; a UF2 file has to start at a multiple of"
            f" {SECTOR_BYTES}",
            hint="correct 'memory.flash_origin' in the board's TOML",
        )
    if not 0 < family < 1 << 32:
        raise TargetError(
            f"the UF2 family is {family}; expected the chip's 32-bit number",
            hint="set 'flashing.uf2_family' in the board's TOML",
        )
    data = image.data + bytes((ERASED,)) * (-len(image.data) % SECTOR_BYTES)
    count = len(data) // PAYLOAD_BYTES
    blocks = []
    for number in range(count):
        start = number * PAYLOAD_BYTES
        header = _HEADER.pack(
            *MAGIC_START, FAMILY_PRESENT, image.origin + start, PAYLOAD_BYTES, number, count, family
        )
        payload = data[start : start + PAYLOAD_BYTES].ljust(_DATA_BYTES, b"\0")
        blocks.append(header + payload + struct.pack("<I", MAGIC_END))
    return b"".join(blocks)
