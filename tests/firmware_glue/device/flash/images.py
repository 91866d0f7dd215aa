"""Images for the tests of flashing: linked ones, and segments made up."""

import struct
from collections.abc import Sequence

from hypothesis import strategies as st

from firmware_glue.device.board import Board
from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import Elf, Segment

FLASH = 0x08000000
FLASH_BYTES = 0x40000


def elf(*segments: tuple[int, bytes]) -> Elf:
    return Elf((), tuple(Segment(address, data) for address, data in segments), ())


def elf_file(segments: Sequence[tuple[int, bytes]]) -> bytes:
    """A 32-bit little-endian ELF file with these load segments and no sections."""
    table, offset = b"", 52 + 32 * len(segments)
    for address, data in segments:
        size = len(data)
        table += struct.pack("<8I", 1, offset, address, address, size, size, 5, 4)
        offset += size
    header = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01" + bytes(9),
        2, 40, 1, 0, 52, 0, 0, 52, 32, len(segments), 40, 0, 0,
    )  # fmt: skip
    return header + table + b"".join(data for _, data in segments)


@st.composite
def segments(draw: st.DrawFn, origin: int = FLASH) -> list[tuple[int, bytes]]:
    """Segments inside flash, apart from each other, in any order; some reach a 64 KiB border."""
    found, at = [], origin
    for _ in range(draw(st.integers(1, 4))):
        at += draw(st.one_of(st.integers(0, 600), st.sampled_from((4096, 0xFFF0, 0x10000))))
        data = draw(st.binary(min_size=1, max_size=700))
        found.append((at, data))
        at += len(data)
    return draw(st.permutations(found))


def board_image(name: str, data: bytes = b"program") -> tuple[Board, Elf]:
    """A packaged board, and an image at the start of its flash."""
    board = load_board(name)
    return board, elf((board.memory.flash_origin, data))
