"""Recordings that a crash, a kill or a power cut left unfinished, found at the next start."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording import ebml
from edgecnn.camera.recording.matroska import (
    CLUSTER,
    DURATION,
    DURATION_BYTES,
    EBML,
    INFO,
    SEEK_BYTES,
    SEEK_HEAD,
    SEGMENT,
    SIMPLE_BLOCK,
    TIMESTAMP,
    TRACKS,
    Layout,
    close_cluster,
    finish,
)
from edgecnn.camera.recording.names import VIDEO, is_ours, named_in
from edgecnn.camera.recording.sync import sync_now

# A power cut may lose or scramble what the disk was not yet asked to keep: so many clusters of a
# second each are looked at frame by frame.
_CHECKED_CLUSTERS = 5


def rescue(
    folder: Path,
    notices: Notices,
    in_use: Sequence[Path] = (),
    told: set[Path] | None = None,
) -> list[Path]:
    """Finishes what was left: cut behind its last whole frame, seekable, and named.

    Args:
        folder: locked, so that what is unfinished is no other process's.
        notices: get each file's name.
        in_use: unfinished files that are being written.
        told: those that could not be finished before, and need not be told of again; added to.

    Returns:
        The finished files.

    Raises:
        OSError: the folder cannot be read.
    """
    finished = []
    for name, path in named_in(folder):
        if not name.part or path in in_use:
            continue
        final = path.with_name(name.file())
        try:
            worth = _rescued(path, name.suffix) if is_ours(path) else path.stat().st_size > 0
            if not worth:
                path.unlink()  # not one frame is in it
            elif is_ours(path) and not final.exists():
                path.rename(final)
                finished.append(final)
                notices.say(
                    "recording_leftover",
                    f"'{final}' was left unfinished, by a crash perhaps; it has been finished",
                )
        except OSError as error:
            if told is not None:
                if path in told:
                    continue
                told.add(path)
            notices.say(
                "recording_leftover",
                f"'{path}' was left unfinished, and cannot be finished now:"
                f" {error.strerror or error}",
            )
    return finished


def _rescued(path: Path, suffix: str) -> bool:
    """Makes a file of ours whole; whether there is anything in it."""
    if suffix != VIDEO:
        return path.read_bytes().endswith(b"\xff\xd9")
    with path.open("rb") as stream:
        layout = read_layout(stream)
    if layout is None:
        return True  # of a version that lays files out otherwise: it is only named
    if not layout.clusters:
        return False
    with io.FileIO(path, "r+") as file:
        file.truncate(layout.end)
        ends = [start for _, start in layout.clusters[1:]] + [layout.end]
        for (_, start), end in zip(layout.clusters, ends, strict=True):
            close_cluster(file, start, end)
        # A full disk has no room for what makes it seekable: it can be played all the same.
        with suppress(OSError):
            finish(file, layout)
        sync_now(file.fileno())
    return True


@dataclass(frozen=True)
class _Element:
    """One element of a file: its id, where its payload lies, and where that ends."""

    ident: int
    start: int
    payload: int
    end: int


def read_layout(stream: BinaryIO) -> Layout | None:
    """Where things lie in a file of ours up to its last whole frame; None: laid out otherwise.

    Only the last clusters are read frame by frame, so that a large file takes no longer.
    """
    size = stream.seek(0, io.SEEK_END)
    start = _at(stream, 0, size)
    segment = start and _at(stream, start.end, size)
    if start is None or segment is None or (start.ident, segment.ident) != (EBML, SEGMENT):
        return None
    place = segment.payload
    parts = []
    for element in _elements(stream, place, size):
        if element.ident == CLUSTER:
            break
        parts.append(element)
        place = element.end
    if [part.ident for part in parts[1:3]] != [INFO, TRACKS] or len(parts) != 3:
        return None
    seek_head, info, tracks = parts
    last = list(_elements(stream, info.payload, info.end))[-1]
    if (
        seek_head.ident not in (ebml.VOID, SEEK_HEAD)
        or last.ident not in (ebml.VOID, DURATION)
        or (seek_head.end - seek_head.start, last.end - last.start) != (SEEK_BYTES, DURATION_BYTES)
    ):
        return None
    layout = Layout(segment.payload, seek_head.start, info.start, tracks.start, last.start)
    layout.end = tracks.end
    _read_clusters(stream, layout, place, size)
    return layout


def _read_clusters(stream: BinaryIO, layout: Layout, place: int, size: int) -> None:
    """Adds the clusters from ``place`` on, as far as their frames are whole."""
    found = []
    for element in _elements(stream, place, size):
        if element.ident != CLUSTER:
            break
        found.append(element)
    for number, cluster in enumerate(found):
        inside = _elements(stream, cluster.payload, cluster.end)
        time = next(inside, None)
        if time is None or time.ident != TIMESTAMP:
            return
        stream.seek(time.payload)
        start_ms = int.from_bytes(stream.read(time.end - time.payload), "big")
        if number < len(found) - _CHECKED_CLUSTERS:
            layout.clusters.append((start_ms, cluster.start))
            layout.end, layout.last_ms = cluster.end, start_ms
            continue
        whole = False
        for block in inside:
            offset_ms = _whole_block(stream, block)
            if offset_ms is None:
                break
            if not whole:
                layout.clusters.append((start_ms, cluster.start))
            whole = True
            now_ms = start_ms + offset_ms
            layout.gap_ms = max(now_ms - max(layout.last_ms, 0), 1)
            layout.last_ms, layout.end = now_ms, block.end
        if layout.end != cluster.end:
            return


def _whole_block(stream: BinaryIO, block: _Element) -> int | None:
    """Milliseconds behind its cluster; None: it is not a block with a whole JPEG."""
    if block.ident != SIMPLE_BLOCK or block.end - block.payload < 8:
        return None
    stream.seek(block.payload)
    start = stream.read(6)
    stream.seek(block.end - 2)
    if start[4:] + stream.read(2) != b"\xff\xd8\xff\xd9":
        return None
    offset_ms: int = struct.unpack(">h", start[1:3])[0]
    return offset_ms


def _elements(stream: BinaryIO, place: int, end: int) -> Iterator[_Element]:
    """The elements between two bytes, up to the first that is cut off.

    One without a size, or whose size goes beyond the end, counts up to the end if it holds others.
    """
    while place < end and (element := _at(stream, place, end)) is not None:
        yield element
        place = element.end


def _at(stream: BinaryIO, place: int, end: int) -> _Element | None:
    stream.seek(place)
    head = ebml.read_head(stream.read(ebml.LONGEST_HEAD))
    if head is None:
        return None
    payload = place + head.length
    stop = end if head.size is None else payload + head.size
    if stop > end:
        if head.ident not in (SEGMENT, CLUSTER):
            return None
        stop = end
    return _Element(head.ident, place, payload, stop)
