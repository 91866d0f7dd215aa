"""Writes Intel HEX with 32-bit addresses.

Format: Intel, "Hexadecimal Object File Format Specification", revision A, 1988: records 00 (data),
01 (end of file), 04 (upper 16 bits of the addresses that follow).
"""

from __future__ import annotations

from firmware_glue.device.flash.formats.flat import FlatImage

DATA, END, UPPER_ADDRESS = 0x00, 0x01, 0x04
ROW_BYTES = 16
_PAGE = 0x10000


def write_hex(image: FlatImage) -> bytes:
    """The image as lines of 16 bytes; each piece of 64 KiB has its own address record.

    A start address (record 05) is left out: Cortex-M parts start from their vector table, and
    drives of debug probes differ in whether they take the record.
    """
    lines = []
    position = 0
    while position < len(image.data):
        address = image.origin + position
        if position == 0 or address % _PAGE == 0:
            lines.append(_record(UPPER_ADDRESS, 0, (address >> 16).to_bytes(2, "big")))
        # No record crosses a 64 KiB border: its address would wrap there.
        row = min(ROW_BYTES - address % ROW_BYTES, len(image.data) - position)
        lines.append(_record(DATA, address % _PAGE, image.data[position : position + row]))
        position += row
    lines.append(_record(END, 0, b""))
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _record(kind: int, address: int, data: bytes) -> str:
    body = bytes((len(data), address >> 8, address & 0xFF, kind)) + data
    return f":{body.hex().upper()}{-sum(body) & 0xFF:02X}"
