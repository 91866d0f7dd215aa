"""Changes bytes of a linked image in place: checksums that only the finished image can have."""

from __future__ import annotations

import struct

from edgecnn.core.errors import TargetError
from firmware_glue.device.elf import read_elf

_TABLE = struct.Struct("<28xI12xH")
"""Of the file's header: offset of the program headers, and their number."""
_SEGMENT = struct.Struct("<5I12x")
"""Of a program header: type, file offset, virtual and physical address, bytes in the file."""
_LOAD = 1


def patch_elf(data: bytes, address: int, value: bytes) -> bytes:
    """The image with ``value`` put at physical address ``address``; all else stays.

    Raises:
        TargetError: not a 32-bit little-endian ELF file, or no segment stores those bytes.
    """
    read_elf(data)  # refuses tables that lead out of the file
    table, count = _TABLE.unpack_from(data)
    for index in range(count):
        kind, offset, _, physical, stored = _SEGMENT.unpack_from(
            data, table + index * _SEGMENT.size
        )
        start = address - physical
        if kind == _LOAD and start >= 0 and start + len(value) <= stored:
            at = offset + start
            return data[:at] + value + data[at + len(value) :]
    raise TargetError(
        f"the image stores no {len(value)} bytes at 0x{address:08x}", hint="build the image again"
    )
