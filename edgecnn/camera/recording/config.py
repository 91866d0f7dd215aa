"""What is recorded, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SEGMENT_S = 600.0
KEEP_FREE_BYTES = 256 << 20


@dataclass(frozen=True)
class RecordingConfig:
    """What ``--record``, ``--clips`` and ``--snapshots`` ask for.

    Attributes:
        folder: of the segments of everything that is seen; None: not recorded.
        clips: of the clips around events; None: none are made.
        snapshots: of one JPEG for each event; None: none are made.
        raw: the pixels as they came, without what was found drawn on them.
        fps: at most so many frames a second are recorded; None: every frame that was processed.
        quality: of the JPEG frames, 1 to 100.
        segment_s: a new file is begun after so many seconds.
        before_s, after_s: how much a clip shows before its event and after it, seconds.
        max_disk_bytes: the oldest recordings of ours in these folders are deleted before all of
            them together grow beyond this; None: nothing is deleted.
        keep_free_bytes: recording stops, and detection goes on, while the disk has less free.
        cameras: so many record on this machine, and share its memory.
    """

    folder: Path | None = None
    clips: Path | None = None
    snapshots: Path | None = None
    raw: bool = False
    fps: float | None = None
    quality: int = 80
    segment_s: float = SEGMENT_S
    before_s: float = 5.0
    after_s: float = 5.0
    max_disk_bytes: int | None = None
    keep_free_bytes: int = KEEP_FREE_BYTES
    cameras: int = 1
