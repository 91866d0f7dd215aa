"""The spoken digits as arrays: 3,000 recordings of ten digits by six speakers, 8 kHz.

Of each speaker and digit, the recordings 0 to 14 are the test set and 15 to 19 validate; the other
thirty are for training. The set's own split tests 0 to 4 alone: 300 recordings, which cannot tell
half a point.
"""

from __future__ import annotations

import io
import re
import tarfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WINDOW = 8000
LABELS = tuple(str(digit) for digit in range(10))
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav$")
Part = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Clips:
    """One split, ordered by file name.

    Attributes:
        audio: float32 (n, 8000, 1), each clip's peak at 1, centred, silence around it.
        lengths: int64 (n,) samples that are the recording's.
        labels: int64 (n,) the digits.
    """

    audio: NDArray[np.float32]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """How many clips."""
        return len(self.labels)


def load(source: str | Path) -> dict[Part, Clips]:
    """All three splits of ``recordings.tar.xz``."""
    parts: dict[Part, list[tuple[str, NDArray[np.float32], int]]]
    parts = {"train": [], "val": [], "test": []}
    with tarfile.open(source) as archive:
        for member in archive:
            match = _NAME.search(member.name)
            content = archive.extractfile(member) if match else None
            if match and content is not None:
                wave_file = samples_of(content.read())
                item = (member.name, wave_file, int(match.group(1)))
                parts[part_of(int(match.group(3)))].append(item)
    return {part: _clips(sorted(items, key=lambda item: item[0])) for part, items in parts.items()}


def part_of(index: int) -> Part:
    """Which split a recording's number puts it in."""
    return "test" if index < 15 else "val" if index < 20 else "train"


def samples_of(file: bytes) -> NDArray[np.float32]:
    """The first channel of a 16-bit WAV, at most 8,000 samples, its peak brought to 1.

    The recordings' peaks span two powers of ten; at their own level the quiet ones would have two
    or three int8 steps.
    """
    with wave.open(io.BytesIO(file)) as reader:
        channels = reader.getnchannels()
        values = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    audio = values.reshape(-1, channels)[:WINDOW, 0].astype(np.float32)
    return audio / max(float(np.abs(audio).max(initial=0.0)), 1.0)


def centred(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) → (8000, 1) with silence on both sides."""
    window = np.zeros((WINDOW, 1), np.float32)
    start = (WINDOW - len(audio)) // 2
    window[start : start + len(audio), 0] = audio
    return window


def windows(clips: Clips, places: int) -> NDArray[np.float32]:
    """Every clip at ``places`` evenly spread places in its window: float32 (n · places, 8000, 1).

    One clip's windows follow each other.
    """
    rows = []
    for audio, length in zip(clips.audio, clips.lengths, strict=True):
        room = (WINDOW - int(length)) // 2
        shifts = np.linspace(-room, room, places).round().astype(int)
        rows += [np.roll(audio, shift, axis=0) for shift in shifts]
    return np.stack(rows)


def _clips(items: list[tuple[str, NDArray[np.float32], int]]) -> Clips:
    return Clips(
        np.stack([centred(audio) for _, audio, _ in items]),
        np.array([len(audio) for _, audio, _ in items], np.int64),
        np.array([label for *_, label in items], np.int64),
    )
