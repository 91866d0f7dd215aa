"""ELF → the bytes that flash is to hold, gaps filled."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecnn.core.errors import TargetError
from edgecnn.core.files import sha256_bytes
from firmware_glue.device.elf import Elf, Segment

ERASED = 0xFF
"""What erased NOR flash reads as; gaps are filled with it."""
_HINT = "link the program for this board's flash: compile it again with the board as --target"


@dataclass(frozen=True)
class FlatImage:
    """Flash from its origin to the image's last byte, without gaps.

    Every file is written from this one piece, so that each byte that the device's hash covers is
    decided here, and nothing of an older program shows through a gap.
    """

    origin: int
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The hash that the device is expected to compute over as many bytes of its flash."""
        return sha256_bytes(self.data)


def flatten(image: Elf, flash_origin: int, flash_bytes: int) -> FlatImage:
    """The image's segments at their physical addresses, as one piece from ``flash_origin`` on.

    Raises:
        TargetError: there is nothing to write, a segment lies outside flash, or two overlap.
    """
    segments = sorted(image.segments, key=lambda segment: segment.address)
    if not any(segment.data for segment in segments):
        raise TargetError("the image has no bytes for flash; expected code and data", hint=_HINT)
    flash_end = flash_origin + flash_bytes
    data = bytearray()
    for segment in segments:
        if not segment.data:
            continue
        if segment.address < flash_origin or segment.address + len(segment.data) > flash_end:
            raise TargetError(
                f"the image's {_range(segment)} lies outside the board's flash,"
                f" 0x{flash_origin:08x} to 0x{flash_end:08x}",
                hint=_HINT,
            )
        gap = segment.address - flash_origin - len(data)
        if gap < 0:
            raise TargetError(f"the image's {_range(segment)} overlaps the one before", hint=_HINT)
        data += bytes((ERASED,)) * gap + segment.data
    return FlatImage(flash_origin, bytes(data))


def _range(segment: Segment) -> str:
    return f"segment 0x{segment.address:08x} to 0x{segment.address + len(segment.data):08x}"
