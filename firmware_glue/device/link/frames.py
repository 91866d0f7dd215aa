"""Frames: how binary requests and replies are wrapped. docs/protocol.md describes them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAGIC = b"\xed\xc7"
_HEADER = struct.Struct("<2sBBHH")
_CRC_BYTES = 4
LONGEST_PAYLOAD = 4096
"""A longer one is taken for noise: boards have a few hundred bytes."""


@dataclass(frozen=True)
class LineFrame:
    """A frame that came whole.

    Attributes:
        type: of the request; replies have bit 7 set.
        sequence: of the request, 0 to 255.
    """

    type: int
    sequence: int
    payload: bytes


def encode_frame(frame: LineFrame) -> bytes:
    """The frame's bytes on the line.

    Raises:
        ValueError: the payload is longer than 65535 bytes.
    """
    if len(frame.payload) > 0xFFFF:
        raise ValueError(f"a payload has at most 65535 bytes, not {len(frame.payload)}")
    start = MAGIC + bytes((frame.type, frame.sequence)) + len(frame.payload).to_bytes(2, "little")
    data = start + (zlib.crc32(start) & 0xFFFF).to_bytes(2, "little") + frame.payload
    return data + zlib.crc32(data).to_bytes(_CRC_BYTES, "little")


class FrameReader:
    """Finds frames in a stream of bytes that may hold anything.

    Where what looked like a frame is none, the search goes on with its second byte: nothing that
    follows noise, or a frame that was cut, is missed.

    Attributes:
        damaged: the last :meth:`feed` met a frame with a right beginning and a wrong end.
    """

    def __init__(self) -> None:
        self.damaged = False
        self._data = bytearray()
        self._text = bytearray()

    def feed(self, data: bytes) -> list[LineFrame]:
        """Takes bytes; returns the frames that they complete."""
        self.damaged = False
        self._data += data
        found = []
        while self._find_magic():
            size = self._size()
            if size is None:
                self._skip(1)
            elif len(self._data) < size:
                break
            else:
                frame = self._decoded(size)
                if frame is not None:
                    found.append(frame)
        return found

    def cut(self) -> list[LineFrame]:
        """Nothing follows what has begun: looks for frames behind its beginning."""
        found = []
        while self._data:
            self._skip(1)
            found += self.feed(b"")
        return found

    def take_text(self) -> bytes:
        """Returns, once, the bytes so far that belong to no frame; the last 64 KiB of them."""
        text = bytes(self._text)
        self._text.clear()
        return text

    def _find_magic(self) -> bool:
        """Drops what comes before a frame; whether enough of a header is there."""
        at = self._data.find(MAGIC[:1])
        while at >= 0 and self._data[at + 1 : at + 2] not in (b"", MAGIC[1:]):
            at = self._data.find(MAGIC[:1], at + 1)
        self._skip(len(self._data) if at < 0 else at)
        return len(self._data) >= _HEADER.size

    def _skip(self, count: int) -> None:
        self._text += self._data[:count]
        del self._text[: -(1 << 16)]
        del self._data[:count]

    def _size(self) -> int | None:
        """Bytes of the frame that begins; None: its header is wrong."""
        _, _, _, length, check = _HEADER.unpack_from(self._data)
        if zlib.crc32(self._data[: _HEADER.size - 2]) & 0xFFFF != check:
            return None
        if length > LONGEST_PAYLOAD:
            return None
        return int(_HEADER.size + length + _CRC_BYTES)

    def _decoded(self, size: int) -> LineFrame | None:
        body = bytes(self._data[: size - _CRC_BYTES])
        crc = int.from_bytes(self._data[size - _CRC_BYTES : size], "little")
        if zlib.crc32(body) != crc:
            self.damaged = True
            self._skip(1)
            return None
        del self._data[:size]
        return LineFrame(body[2], body[3], body[_HEADER.size :])
