"""Names and marks of recorded files: by them the quota and the next start know what is ours.

A name begins with a number that goes on from the highest in the folders, so that names sort by age
also where the wall clock was wrong: ``000042_2026-11-22T04-12-18Z.mkv``, with ``.part`` before the
suffix while it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgecnn.camera.recording import ebml
from edgecnn.camera.recording.matroska import EBML, INFO, SEGMENT, WRITER, WRITING_APP

VIDEO, PICTURE = ".mkv", ".jpg"
_PART = ".part"
_MARK = WRITING_APP.split()[0].encode() + b" "
_NAME = re.compile(
    r"(?P<number>\d{6,12})_(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)(?:_(?P<label>[\w-]{1,60}))?"
    r"(?P<part>\.part)?(?P<suffix>\.mkv|\.jpg)",
    re.ASCII,
)
# Where the mark of a file is looked for: its first bytes.
_BEGINNING = 4096


@dataclass(frozen=True)
class RecordingName:
    """A name of ours, taken apart.

    Attributes:
        number: the age: later files have higher ones.
        time: UTC by the wall clock, ``2026-11-22T04-12-18Z``.
        suffix: ``.mkv`` or ``.jpg``.
        label: what it shows; "" for everything.
        part: it is still being written, or its process was killed.
    """

    number: int
    time: str
    suffix: str
    label: str = ""
    part: bool = False

    @staticmethod
    def new(number: int, wall_s: float, suffix: str, label: str = "") -> RecordingName:
        """The name of a file that begins now.

        Args:
            number: higher than any in the folders.
            wall_s: seconds since 1970.
            suffix: of the file.
            label: any text; what no file system minds is kept of it.
        """
        time = datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        return RecordingName(number, time, suffix, re.sub(r"[^A-Za-z0-9_]+", "-", label)[:60])

    @staticmethod
    def of(path: Path) -> RecordingName | None:
        """The name of a file; None: it is not one of ours."""
        found = _NAME.fullmatch(path.name)
        if found is None:
            return None
        return RecordingName(
            int(found["number"]),
            found["time"],
            found["suffix"],
            found["label"] or "",
            found["part"] is not None,
        )

    def file(self, part: bool = False) -> str:
        """The file's name; ``part``: while it is written."""
        label = f"_{self.label}" if self.label else ""
        return f"{self.number:06d}_{self.time}{label}{_PART if part else ''}{self.suffix}"


def named_in(folder: Path) -> list[tuple[RecordingName, Path]]:
    """Files in a folder whose names are like ours, the oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    found = [(RecordingName.of(path), path) for path in folder.iterdir()]
    ours = [(name, path) for name, path in found if name is not None and path.is_file()]
    return sorted(ours, key=lambda item: (item[0].number, item[1].name))


def next_number(folders: Iterable[Path]) -> int:
    """One more than the highest number in any of the folders.

    Raises:
        OSError: a folder cannot be read.
    """
    numbers = [name.number for folder in folders for name, _ in named_in(folder)]
    return max(numbers, default=0) + 1


def is_ours(path: Path) -> bool:
    """Whether both the name and the file's beginning say that this program recorded it."""
    name = RecordingName.of(path)
    if name is None or path.is_symlink():
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(_BEGINNING)
    except OSError:
        return False
    return _video_mark(start) if name.suffix == VIDEO else _picture_mark(start)


def marked_picture(jpeg: bytes) -> bytes:
    """The JPEG with a comment that says who made it, behind its first segment."""
    # A JFIF segment has to come first, where there is one.
    place = 2
    if jpeg[2:4] == b"\xff\xe0":
        place = 4 + int.from_bytes(jpeg[4:6], "big")
    text = WRITING_APP.encode()
    comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
    return jpeg[:place] + comment + jpeg[place:]


def _picture_mark(start: bytes) -> bool:
    if start[:2] != b"\xff\xd8":
        return False
    place = 2
    for _ in range(2):
        size = int.from_bytes(start[place + 2 : place + 4], "big")
        if start[place : place + 2] == b"\xff\xfe":
            return start[place + 4 :].startswith(_MARK)
        place += 2 + size
    return False


def _video_mark(start: bytes) -> bool:
    place, inside = 0, {SEGMENT, INFO}
    while (head := ebml.read_head(start, place)) is not None:
        if not place and head.ident != EBML:
            return False
        if head.ident == WRITER:
            return start[place + head.length :].startswith(_MARK)
        place += head.length
        if head.ident not in inside:
            if head.size is None:
                return False
            place += head.size
    return False
