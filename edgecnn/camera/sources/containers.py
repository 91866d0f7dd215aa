"""What a video file's container says of itself, as far as OpenCV does not tell it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MP4_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_BOXES_AT_MOST = 64


@dataclass(frozen=True)
class ContainerFacts:
    """What is known of a file.

    Attributes:
        listed: it lists its frames one by one, so that their number is no estimate.
        seconds: how long it plays; None: not known.
        headless: an MP4 without its whole index, which is often written last: nothing can be read.
    """

    listed: bool = False
    seconds: float | None = None
    headless: bool = False


def facts_of(path: Path) -> ContainerFacts:
    """Looks at the start of an AVI and the outer boxes of an MP4; others are unknown."""
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
            if start[:4] == b"RIFF" and start[8:] == b"AVI ":
                return ContainerFacts(listed=True)
            if start[4:8] in _MP4_STARTS:
                return _mp4(stream, stream.seek(0, os.SEEK_END))
    except (OSError, ValueError):
        pass
    return ContainerFacts()


def _mp4(stream: BinaryIO, end: int) -> ContainerFacts:
    seconds: float | None = None
    has_index = in_pieces = False
    for kind, start, stop in _boxes(stream, 0, end):
        if kind == b"moov":
            has_index = stop <= end
            for inner, at, _ in _boxes(stream, start, stop):
                if inner == b"mvhd":
                    seconds = _movie_seconds(stream, at)
        # Pieces have their own lists, which the count of frames leaves out.
        in_pieces = in_pieces or kind == b"moof"
    return ContainerFacts(has_index and not in_pieces, seconds, headless=not has_index)


def _boxes(stream: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the content starts and stops, of each box; only the first ones."""
    for _ in range(_BOXES_AT_MOST):
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8 or at >= end:
            return
        size, header = int.from_bytes(head[:4]), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16]), 16
        elif size == 0:
            size = end - at
        if size < header:
            return
        yield head[4:8], at + header, at + size
        at += size


def _movie_seconds(stream: BinaryIO, at: int) -> float | None:
    stream.seek(at)
    content = stream.read(32)
    if len(content) < 32:
        return None
    form, place = (">IQ", 20) if content[0] == 1 else (">II", 12)
    scale, duration = struct.unpack_from(form, content, place)
    return duration / scale if scale and 0 < duration < 2**62 else None
