"""Motion JPEG in Matroska, written so that what was written can be played at any moment.

A recording has to survive a process that is killed and a disk that fills up, to hold frames at the
moments when they came, and to cost little. OpenCV's video writer knows one constant rate, says
nothing of a failed write, and leaves nothing playable without its last bytes. A Matroska file whose
segment and last cluster have no size yet is whole behind each of its blocks (RFC 9559, "livestream"
layout), and JPEG frames need no other frame.
"""

from __future__ import annotations

import io
import secrets
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgecnn import __version__
from edgecnn.camera.recording import ebml
from edgecnn.camera.recording.sync import BackgroundSync, sync_now

#: What the files say of who wrote them.
WRITING_APP = f"edgecnn {__version__}"

# The ids of RFC 9559's elements.
EBML = 0x1A45DFA3
SEGMENT = 0x18538067
SEEK_HEAD = 0x114D9B74
INFO = 0x1549A966
DURATION = 0x4489
WRITER = 0x5741
TRACKS = 0x1654AE6B
CLUSTER = 0x1F43B675
TIMESTAMP = 0xE7
SIMPLE_BLOCK = 0xA3
CUES = 0x1C53BB6B

#: Milliseconds that a cluster spans at most.
_CLUSTER_MS = 1000
#: Bytes of a SeekHead with three entries, and of a Duration: kept free until they are known.
SEEK_BYTES, DURATION_BYTES = 68, 11
#: Seconds from 1970 to 2001, where Matroska's dates begin.
_EPOCH_S = 978_307_200
_LONG_SIZE = 8


class RawFile(Protocol):
    """An unbuffered binary file, as ``open(…, buffering=0)`` gives it."""

    def write(self, data: memoryview, /) -> int | None:
        """Writes some of the bytes, and says how many."""

    def seek(self, offset: int, /) -> int:
        """Goes to a byte."""

    def truncate(self, size: int, /) -> int:
        """Cuts off what lies behind."""

    def fileno(self) -> int:
        """The descriptor."""

    def close(self) -> None:
        """Closes it."""


Opener = Callable[[Path], RawFile]


def create_raw(path: Path) -> RawFile:
    """A new file, unbuffered: what was written outlives this process.

    Raises:
        OSError: it exists, or cannot be made.
    """
    return io.FileIO(path, "x")


@dataclass
class Layout:
    """Where things lie in a file, so that it can be closed.

    Attributes:
        segment: of the segment's payload; positions inside the file are told from here.
        seek_head: of the bytes kept free for the SeekHead.
        info, tracks: of these elements.
        duration: of the bytes kept free for the Duration.
        clusters: milliseconds of the first block, and position, of each cluster.
        end: behind the last whole block.
        last_ms, gap_ms: of the last block: when, and how long behind the one before.
    """

    segment: int
    seek_head: int
    info: int
    tracks: int
    duration: int
    clusters: list[tuple[int, int]] = field(default_factory=list)
    end: int = 0
    last_ms: int = -1
    gap_ms: int = 1


class MatroskaWriter:
    """One file of JPEG frames with the times when they came.

    Each frame is handed to the operating system before :meth:`write` returns, so that a process
    that is killed loses none; about once a second the disk is asked to keep them, in the
    background, so that a power cut loses little.

    Args:
        path: must not exist.
        size: width and height of the frames, pixels.
        wall_s: when it begins, seconds since 1970, for the file's date.
        title: for people; "" for none.
        opener: makes the file.
        sync: asks the disk to keep what was written; None: nobody does before :meth:`close`.

    Attributes:
        frames: written up to now.

    Raises:
        OSError: it cannot be made; nothing is left of it.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        wall_s: float,
        title: str = "",
        opener: Opener = create_raw,
        sync: BackgroundSync | None = None,
    ) -> None:
        self.path, self.size, self.frames = path, size, 0
        self._sync, self._closed = sync, False
        head, self._layout = _head(size, wall_s, title)
        self._file = opener(path)
        try:
            _write_all(self._file, head)
        except OSError:
            self._file.close()
            with suppress(OSError):
                path.unlink()
            raise

    @property
    def size_bytes(self) -> int:
        """Size of the file up to the last whole frame, or of the closed file."""
        return self._layout.end

    @property
    def closing_bytes(self) -> int:
        """How many more :meth:`close` writes, at most."""
        return 32 * len(self._layout.clusters) + 32

    @property
    def seconds(self) -> float:
        """How long the file plays, from its beginning to its last frame."""
        return max(self._layout.last_ms, 0) / 1e3

    def write(self, jpeg: bytes, timestamp_s: float) -> None:
        """Adds a frame.

        Args:
            jpeg: one whole JPEG of the file's size.
            timestamp_s: seconds from the file's beginning; one that is not behind the last
                frame's counts as one millisecond behind it.

        Raises:
            OSError: it could not be written; what was written before is whole, and the file can
                still be closed.
        """
        layout = self._layout
        now_ms = max(round(timestamp_s * 1e3), layout.last_ms + 1)
        position, start_ms = layout.end, now_ms
        cluster = b""
        if layout.clusters and now_ms - layout.clusters[-1][0] < _CLUSTER_MS:
            start_ms = layout.clusters[-1][0]
        else:
            cluster = ebml.open_element(CLUSTER) + ebml.unsigned(TIMESTAMP, now_ms)
        head = cluster + ebml.block_head(SIMPLE_BLOCK, now_ms - start_ms, len(jpeg))
        try:
            if cluster:
                self._close_cluster()
            _write_all(self._file, b"".join((head, jpeg)))
        except OSError:
            self._cut()
            raise
        if cluster:
            layout.clusters.append((now_ms, position))
        layout.gap_ms = max(now_ms - max(layout.last_ms, 0), 1)
        layout.last_ms = now_ms
        layout.end += len(head) + len(jpeg)
        self.frames += 1
        if self._sync is not None:
            self._sync.ask(self._file.fileno())

    def close(self) -> None:
        """Makes the file seekable and closes it; may be repeated.

        Raises:
            OSError: it was closed, but the disk could not keep all of it.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._layout.end = finish(self._file, self._layout)
            sync_now(self._file.fileno())
        finally:
            self._file.close()

    def _close_cluster(self) -> None:
        """The last cluster gets its size, which has been unknown while it grew."""
        if self._layout.clusters:
            close_cluster(self._file, self._layout.clusters[-1][1], self._layout.end)
            self._file.seek(self._layout.end)

    def _cut(self) -> None:
        """Takes away a block that was written in part."""
        with suppress(OSError):
            self._file.truncate(self._layout.end)
            self._file.seek(self._layout.end)


def finish(file: RawFile, layout: Layout) -> int:
    """Writes what players want for seeking: sizes, duration, and where each cluster lies.

    Where a full disk has no room for that, the file stays as it is: playable from its beginning.

    Args:
        file: open for writing; cut behind ``layout.end`` already.
        layout: of that file.

    Returns:
        The size of the whole file.

    Raises:
        OSError: the file is not as it was; most of it can be played all the same.
    """
    if not layout.clusters:
        return layout.end
    close_cluster(file, layout.clusters[-1][1], layout.end)
    cues = _cues(layout)
    file.seek(layout.end)
    try:
        _write_all(file, cues)
    except OSError:
        file.truncate(layout.end)
        raise
    duration = ebml.real(DURATION, float(layout.last_ms + layout.gap_ms))
    patches = {
        layout.duration: duration,
        layout.seek_head: _seek_head(layout),
        layout.segment - _LONG_SIZE: ebml.long_size(layout.end + len(cues) - layout.segment),
    }
    for offset, data in patches.items():
        file.seek(offset)
        _write_all(file, data)
    return layout.end + len(cues)


def _head(size: tuple[int, int], wall_s: float, title: str) -> tuple[bytes, Layout]:
    """All that lies before the first cluster."""
    start = ebml.element(
        EBML,
        ebml.unsigned(0x4286, 1)  # EBMLVersion
        + ebml.unsigned(0x42F7, 1)  # EBMLReadVersion
        + ebml.unsigned(0x42F2, 4)  # EBMLMaxIDLength
        + ebml.unsigned(0x42F3, 8)  # EBMLMaxSizeLength
        + ebml.text(0x4282, "matroska")  # DocType
        + ebml.unsigned(0x4287, 4)  # DocTypeVersion
        + ebml.unsigned(0x4285, 2),  # DocTypeReadVersion: SimpleBlock is of version 2
    ) + ebml.open_element(SEGMENT)
    date = struct.pack(">q", round((wall_s - _EPOCH_S) * 1e9))
    about = (
        ebml.unsigned(0x2AD7B1, 1_000_000)  # TimestampScale: milliseconds, in nanoseconds
        + ebml.element(0x4461, date)  # DateUTC
        + (ebml.text(0x7BA9, title) if title else b"")  # Title
        + ebml.text(0x4D80, WRITING_APP)  # MuxingApp
        + ebml.text(WRITER, WRITING_APP)
    )
    info = ebml.element(INFO, about + ebml.void(DURATION_BYTES))
    video = (
        ebml.unsigned(0x9A, 2)  # FlagInterlaced: progressive
        + ebml.unsigned(0xB0, size[0])  # PixelWidth
        + ebml.unsigned(0xBA, size[1])  # PixelHeight
    )
    track = (
        ebml.unsigned(0xD7, 1)  # TrackNumber
        + ebml.unsigned(0x73C5, secrets.randbits(56) | 1)  # TrackUID
        + ebml.unsigned(0x83, 1)  # TrackType: video
        + ebml.unsigned(0x9C, 0)  # FlagLacing
        + ebml.text(0x22B59C, "und")  # Language
        + ebml.text(0x86, "V_MJPEG")  # CodecID
        + ebml.element(0xE0, video)
    )
    seek_head = len(start)
    at_info = seek_head + SEEK_BYTES
    layout = Layout(
        segment=len(start),
        seek_head=seek_head,
        info=at_info,
        tracks=at_info + len(info),
        duration=at_info + len(info) - DURATION_BYTES,
    )
    whole = start + ebml.void(SEEK_BYTES) + info + ebml.element(TRACKS, ebml.element(0xAE, track))
    layout.end = len(whole)
    return whole, layout


def _seek_head(layout: Layout) -> bytes:
    """Where Info, Tracks and Cues lie: exactly the bytes that were kept free."""
    entries = b""
    for ident, offset in ((INFO, layout.info), (TRACKS, layout.tracks), (CUES, layout.end)):
        known = ebml.element(0x53AB, ident.to_bytes(4, "big"))  # SeekID
        position = ebml.unsigned(0x53AC, offset - layout.segment, 8)  # SeekPosition
        entries += ebml.element(0x4DBB, known + position)  # Seek
    return ebml.element(SEEK_HEAD, entries)


def _cues(layout: Layout) -> bytes:
    """One point to jump to for each cluster."""
    points = []
    for start_ms, position in layout.clusters:
        where = ebml.unsigned(0xF7, 1) + ebml.unsigned(0xF1, position - layout.segment)
        points.append(ebml.element(0xBB, ebml.unsigned(0xB3, start_ms) + ebml.element(0xB7, where)))
    return ebml.element(CUES, b"".join(points))


def close_cluster(file: RawFile, start: int, end: int) -> None:
    """The cluster that begins at ``start`` gets the size that makes it end at ``end``."""
    head = len(ebml.open_element(CLUSTER))
    file.seek(start + head - _LONG_SIZE)
    _write_all(file, ebml.long_size(end - start - head))


def _write_all(file: RawFile, data: bytes) -> None:
    """Writes every byte; an unbuffered file may take fewer at a time.

    Raises:
        OSError: it cannot.
    """
    view = memoryview(data)
    while view:
        written = file.write(view)
        if not written:
            raise OSError(0, "nothing could be written")
        view = view[written:]
