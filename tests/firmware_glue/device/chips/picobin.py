"""Reads the blocks by which RP2350's boot ROM knows an image, as its datasheet has them.

RP2350 datasheet, sections 5.9.1 (blocks and block loops), 5.9.2 and 5.9.3 (items). It shares
nothing with the firmware.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

BEGIN, END = 0xFFFFDED3, 0xAB123579
SEARCHED = 0x1000
"""Section 5.9.5: in flash a block has to begin in the first 4 KiB."""
MOST_BYTES = 384
"""Section 5.9.1: of an IMAGE_DEF; larger ones are ignored."""
IMAGE_TYPE, VECTOR_TABLE, ENTRY_POINT, LAST = 0x42, 0x03, 0x44, 0x7F


@dataclass(frozen=True)
class Item:
    """An item: its type without the size flag, the rest of its first word, and further words."""

    kind: int
    data: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """A block: where it begins, its items without LAST, and where the next block begins."""

    address: int
    items: tuple[Item, ...]
    following: int

    def item(self, kind: int) -> Item | None:
        return next((item for item in self.items if item.kind == kind), None)


def read_loop(image: bytes, base: int) -> tuple[Block, ...]:
    """The loop of blocks that begins in the first 4 KiB; empty: the ROM finds no image.

    Args:
        image: flash from its start.
        base: the address of its start.
    """
    for offset in range(0, min(SEARCHED, len(image) - 3), 4):
        if _word(image, offset) != BEGIN:
            continue
        blocks: list[Block] = []
        at = offset
        while True:
            block = _block(image, at, base)
            if block is None:
                break
            blocks.append(block)
            at = block.following - base
            if at == offset:
                return tuple(blocks)
            if any(each.address == block.following for each in blocks):
                break
    return ()


def _block(image: bytes, offset: int, base: int) -> Block | None:
    """The block at an offset; None: it is none."""
    if offset % 4 or not 0 <= offset <= len(image) - 16 or _word(image, offset) != BEGIN:
        return None
    at, items = offset + 4, list[Item]()
    while at - offset < MOST_BYTES and at + 12 <= len(image):
        first = _word(image, at)
        long = bool(first & 0x80)
        kind, size = first & 0x7F, (first >> 8 & 0xFFFF) if long else (first >> 8 & 0xFF)
        if kind == LAST:
            words = (at - offset - 4) // 4
            good = (size, first >> 24) == (words, 0) and _word(image, at + 8) == END
            link = struct.unpack_from("<i", image, at + 4)[0]
            return Block(base + offset, tuple(items), base + offset + link) if good else None
        if size == 0 or at + 4 * size > len(image):
            return None
        words = struct.unpack_from(f"<{size - 1}I", image, at + 4)
        items.append(Item(kind, first >> (24 if long else 16), words))
        at += 4 * size
    return None


def _word(image: bytes, offset: int) -> int:
    return int(struct.unpack_from("<I", image, offset)[0])
