"""A reader of Matroska files, written from RFC 8794 and RFC 9559 for the tests alone."""

from __future__ import annotations

from dataclasses import dataclass

# Elements that hold elements: EBML, Segment, SeekHead, Seek, Info, Tracks, TrackEntry, Video,
# Cluster, Cues, CuePoint, CueTrackPositions.
MASTERS = {
    0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675,
    0x1C53BB6B, 0xBB, 0xB7,
}  # fmt: skip


@dataclass
class Element:
    ident: int
    start: int
    payload: int
    end: int
    data: bytes
    children: list[Element]

    def child(self, ident: int) -> Element:
        (found,) = [child for child in self.children if child.ident == ident]
        return found


def number(element: Element) -> int:
    return int.from_bytes(element.data, "big")


def ids(elements: list[Element]) -> list[int]:
    return [element.ident for element in elements]


def variable(data: bytes, at: int) -> tuple[int, int, int]:
    """The integer with and without its length marker, and where it ends."""
    length = 1
    while not data[at] & (0x80 >> (length - 1)):
        length += 1
    raw = int.from_bytes(data[at : at + length], "big")
    return raw, raw & ~(1 << (7 * length)), at + length


def parse(data: bytes, start: int = 0, end: int | None = None) -> list[Element]:
    """Every element between two bytes; all of them must have sizes that fit exactly."""
    end = len(data) if end is None else end
    found = []
    while start < end:
        ident, _, after = variable(data, start)
        _, size, payload = variable(data, after)
        stop = payload + size
        assert stop <= end, f"element {ident:x} at {start} reaches {stop} of {end}"
        children = parse(data, payload, stop) if ident in MASTERS else []
        found.append(Element(ident, start, payload, stop, data[payload:stop], children))
        start = stop
    return found
