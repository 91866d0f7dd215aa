"""Pictures out of a multipart body, such as ``multipart/x-mixed-replace``; does no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.camera.sources.jpeg import END, wholeness

MOST_BYTES = 32 << 20
_MOST_HEAD = 16 << 10
_MOST_PREAMBLE = 64 << 10
#: A shorter boundary may be found inside a picture by chance; it counts at a line's start alone.
_UNMISTAKABLE = 6


class NoMultipartError(Exception):
    """The bytes are no multipart body, or one beyond all limits; inside this room alone."""


@dataclass(frozen=True)
class Part:
    """One part of the body.

    Attributes:
        type: its Content-Type in lower case, empty if it has none.
        data: what is in it.
    """

    type: str
    data: bytes


class Multipart:
    """Takes bytes as they come, gives the parts that are complete.

    Cameras are careless: the boundary is not always the announced one, and Content-Length may be
    missing or wrong. So the boundary is learned from the body, and the length is believed where a
    JPEG's end lies there. Otherwise a part ends behind the first bytes that are a whole JPEG, or
    where the next part begins.

    Args:
        boundary: as announced.
    """

    def __init__(self, boundary: bytes) -> None:
        self.ended = False
        self._announced = boundary
        self._buffer = bytearray()
        self._delimiter = b""
        self._head: dict[str, str] | None = None
        self._length: int | None = None
        self._given = False
        self._searched = 0

    def feed(self, data: bytes) -> list[Part]:
        """Adds bytes; returns the parts that are complete now.

        Raises:
            NoMultipartError: this makes no sense, or is too much.
        """
        self._buffer += data
        parts: list[Part] = []
        while not self.ended:
            if not self._delimiter:
                goes_on = self._learn()
            elif self._head is None:
                goes_on = self._read_head()
            else:
                goes_on = self._read_data(parts)
            if not goes_on:
                break
        return parts

    def _learn(self) -> bool:
        """Finds the first boundary; what stands before it does not count."""
        start = 0
        while (end := self._buffer.find(b"\n", start)) >= 0:
            line = bytes(self._buffer[start:end]).strip()
            if line.startswith(b"--") or (line and line == self._announced):
                self._delimiter = line
                del self._buffer[: self._buffer.find(line, start) + len(line)]
                return True
            start = end + 1
        if len(self._buffer) > _MOST_PREAMBLE:
            raise NoMultipartError("no boundary in sight")
        return False

    def _read_head(self) -> bool:
        """Reads the lines between a boundary and the part's data."""
        if self._buffer[:2] == b"--":
            self.ended = True
            return False
        text = self._buffer
        ends = [(text.find(mark), len(mark)) for mark in (b"\r\n\r\n", b"\n\n")]
        found = [(place, size) for place, size in ends if place >= 0]
        next_one = text.find(self._delimiter)
        if not found and next_one < 0 and len(text) <= _MOST_HEAD:
            return False
        self._given, self._searched = False, 0
        place, size = min(found, default=(_MOST_HEAD + 1, 0))
        if place > _MOST_HEAD or 0 <= next_one < place:
            # No head that makes sense: what comes up to the next boundary is one damaged part.
            self._head, self._length = {}, None
            return True
        lines = bytes(text[:place]).decode("latin-1").splitlines()
        pairs = (line.partition(":") for line in lines)
        self._head = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = self._head.get("content-length", "")
        sane = length.isascii() and length.isdigit() and len(length) < 10
        self._length = int(length) if sane else None
        del text[: place + size]
        return True

    def _read_data(self, parts: list[Part]) -> bool:
        """Takes the part as soon as its end is certain; passes over what lies behind it."""
        length, have = self._length, len(self._buffer)
        if not self._given and length is not None and length <= have and self._ends_at(length):
            parts.append(self._cut(length))
            return True
        short = len(self._delimiter) < _UNMISTAKABLE
        needle = b"\n" + self._delimiter if short else self._delimiter
        found = self._buffer.find(needle, max(self._searched - len(needle), 0))
        if found >= 0:
            if not self._given:
                end = found + short
                for mark in (b"\n", b"\r"):
                    end -= self._buffer.endswith(mark, 0, end)
                parts.append(self._cut(end))
                found = self._buffer.find(needle)
            del self._buffer[: found + len(needle)]
            self._head = None
            return True
        self._searched = have
        if self._given:
            del self._buffer[: max(have - len(needle), 0)]
            self._searched = 0
        elif end := self._end_of_jpeg():
            parts.append(self._cut(end))
        elif have > MOST_BYTES:
            raise NoMultipartError("a part without end")
        return False

    def _end_of_jpeg(self) -> int:
        """Where a JPEG ends that is whole and the last thing that came; 0: there is none such."""
        have = len(self._buffer)
        for end in (have, have - 2 * self._buffer.endswith(b"\r\n")):
            if self._ends_at(end) and wholeness(bytes(self._buffer[:end])) == "whole":
                return end
        return 0

    def _ends_at(self, end: int) -> bool:
        return bytes(self._buffer[max(end - 2, 0) : end]) == END

    def _cut(self, end: int) -> Part:
        part = Part((self._head or {}).get("content-type", "").lower(), bytes(self._buffer[:end]))
        del self._buffer[:end]
        self._given, self._searched = True, 0
        return part
