"""EBML, the binary form of Matroska files: elements of an id, a size and a payload (RFC 8794)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

VOID = 0xEC
#: The size of an element whose end is not known yet.
UNKNOWN_SIZE = (1 << 56) - 1
#: The longest id and size together.
LONGEST_HEAD = 12


def element(ident: int, payload: bytes) -> bytes:
    """One element with a size as short as can be.

    >>> element(0xD7, bytes([1])).hex()
    'd78101'
    """
    return _id(ident) + short_size(len(payload)) + payload


def unsigned(ident: int, value: int, length: int | None = None) -> bytes:
    """An element that holds an unsigned integer.

    Args:
        ident: of the element.
        value: 0 or more.
        length: bytes it takes; None: as few as can be.
    """
    least = max(1, (value.bit_length() + 7) // 8)
    return element(ident, value.to_bytes(length or least, "big"))


def text(ident: int, value: str) -> bytes:
    """An element that holds UTF-8 text."""
    return element(ident, value.encode())


def real(ident: int, value: float) -> bytes:
    """An element that holds a 64-bit float: 8 bytes behind its head."""
    return element(ident, struct.pack(">d", value))


def void(total: int) -> bytes:
    """An element of nothing, ``total`` bytes with its head: 2 to 128."""
    return element(VOID, bytes(total - 2))


def open_element(ident: int) -> bytes:
    """The head of an element whose size is not known yet; :func:`long_size` goes over its end."""
    return _id(ident) + long_size(UNKNOWN_SIZE)


def block_head(ident: int, offset_ms: int, payload: int) -> bytes:
    """What stands before the ``payload`` bytes of a key frame of track 1.

    Args:
        ident: of Matroska's simple blocks.
        offset_ms: behind the cluster's time, at most 32767.
        payload: bytes that follow.
    """
    inside = struct.pack(">BhB", 0x81, offset_ms, 0x80)
    return _id(ident) + short_size(len(inside) + payload) + inside


def long_size(size: int) -> bytes:
    """A size in 8 bytes."""
    return (1 << 56 | size).to_bytes(8, "big")


def short_size(size: int) -> bytes:
    """A size in as few bytes as hold it; all ones would mean that it is unknown."""
    for length in range(1, 9):
        if size < (1 << 7 * length) - 1:
            return (1 << 7 * length | size).to_bytes(length, "big")
    raise ValueError(f"{size} does not fit an EBML size")


def _id(ident: int) -> bytes:
    return ident.to_bytes((ident.bit_length() + 7) // 8, "big")


@dataclass(frozen=True)
class Head:
    """The id and size of an element that was read.

    Attributes:
        ident: with its length marker, as Matroska's tables print it.
        size: of the payload, bytes; None: unknown.
        length: of the head itself, bytes.
    """

    ident: int
    size: int | None
    length: int


def read_head(data: bytes, offset: int = 0) -> Head | None:
    """The head of the element at ``offset``; None: it is cut off, or it is none."""
    ident = _number(data, offset, 4, keep_marker=True)
    if ident is None:
        return None
    size = _number(data, offset + ident[1], 8, keep_marker=False)
    if size is None:
        return None
    unknown = size[0] == (1 << 7 * size[1]) - 1
    return Head(ident[0], None if unknown else size[0], ident[1] + size[1])


def _number(data: bytes, offset: int, longest: int, keep_marker: bool) -> tuple[int, int] | None:
    """The variable-length integer at ``offset``, and its length."""
    if offset >= len(data) or not data[offset]:
        return None
    length = 9 - data[offset].bit_length()
    raw = data[offset : offset + length]
    if length > longest or len(raw) < length:
        return None
    value = int.from_bytes(raw, "big")
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), length
