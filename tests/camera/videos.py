"""Video files for tests: distinct frames, and what can happen to files."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

SIZE = (64, 48)
CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "MJPG"}
PERIOD_MS = 40


def video(path: Path, frames: int = 30, fps: float = 1000 / PERIOD_MS) -> Path:
    """Frame k is filled with the gray value 5 + 8·k."""
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    writer = cv2.VideoWriter(str(path), codec, fps, SIZE)
    assert writer.isOpened()
    for k in range(frames):
        writer.write(np.full((SIZE[1], SIZE[0], 3), 5 + 8 * k % 250, np.uint8))
    writer.release()
    return path


def number_of(image: np.ndarray) -> int:
    """Which frame of :func:`video` this is."""
    return round((float(image.mean()) - 5) / 8)


def without_frames(path: Path, numbers: Sequence[int]) -> None:
    """Makes the JPEGs of some frames of an .avi unreadable, in place."""
    data = bytearray(path.read_bytes())
    starts = [match.end() for match in re.finditer(b"00dc(?=....\xff\xd8\xff)", data, re.DOTALL)]
    for number in numbers:
        start, size = starts[number], int.from_bytes(data[starts[number] :][:4], "little")
        data[start + 4 : start + 4 + size] = bytes(size)
    path.write_bytes(data)


def cut(path: Path, share: float) -> None:
    """Leaves the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def retimed(path: Path, times_ms: Sequence[int]) -> None:
    """Gives each frame of an .mkv another time, in place."""
    data = bytearray(path.read_bytes())
    for (start, cluster_ms), ms in zip(
        list(_blocks(data, 0, len(data), [0])), times_ms, strict=True
    ):
        struct.pack_into(">h", data, start, ms - cluster_ms)
    path.write_bytes(data)


def _blocks(data: bytes, at: int, end: int, cluster: list[int]) -> Iterator[tuple[int, int]]:
    """Where each SimpleBlock's 16-bit time lies, and the time of its cluster."""
    while at < end:
        name_bytes = 9 - data[at].bit_length()
        name = int.from_bytes(data[at : at + name_bytes])
        at += name_bytes
        size_bytes = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + size_bytes]) & ((1 << 7 * size_bytes) - 1)
        at += size_bytes
        if name in (0x18538067, 0x1F43B675):  # Segment, Cluster
            yield from _blocks(data, at, at + size, cluster)
        elif name == 0xE7:  # the cluster's time
            cluster[0] = int.from_bytes(data[at : at + size])
        elif name == 0xA3:
            yield at + 1, cluster[0]
        at += size
