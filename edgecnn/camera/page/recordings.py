"""Recordings, clips and snapshots as the page lists and serves them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import unquote

from edgecnn.camera.page.connection import FileReply
from edgecnn.camera.page.reply import Reply, error_reply, head
from edgecnn.camera.page.request import RefusedError
from edgecnn.camera.recording.names import PICTURE, RecordingName

RecordingKind = Literal["recording", "clip", "snapshot"]
#: The newest of so many are listed.
_MOST = 1000
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_TYPES = {PICTURE: "image/jpeg"}
_VIDEO_TYPE = "video/x-matroska"


@dataclass(frozen=True)
class RecordingFolder:
    """A folder, what is recorded there, and of which camera ("": it has no name)."""

    kind: RecordingKind
    path: Path
    camera: str = ""


@dataclass(frozen=True)
class Recordings:
    """Files in the folders that are recorded to.

    A name that is asked for is never made a path: it is taken apart by the pattern of our names,
    which has neither dots nor separators, and put together anew. Links are not followed.

    Attributes:
        folders: with what is recorded there.
    """

    folders: Sequence[RecordingFolder]

    def listing(self) -> list[dict[str, Any]]:
        """What is there, the newest first; a folder that cannot be read has nothing."""
        found: dict[str, dict[str, Any]] = {}
        for folder in self.folders:
            with suppress(OSError), os.scandir(folder.path) as entries:
                for entry in entries:
                    name = RecordingName.of(Path(entry.name))
                    if name is None:
                        continue
                    with suppress(OSError):
                        described = _described(entry, name, folder)
                        if described is not None:
                            found.setdefault(described["name"], described)
        newest = sorted(found.values(), key=lambda item: (item["time"], item["name"]), reverse=True)
        return newest[:_MOST]

    def answer(self, asked: str, wanted: str | None) -> FileReply | Reply:
        """A file, or the part of it that a Range header asks for.

        Args:
            asked: its name as it is listed, as it was sent.
            wanted: the header; None: there is none.

        Raises:
            RefusedError: there is no such file.
        """
        camera, _, last = unquote(asked, errors="replace").rpartition("/")
        name = RecordingName.of(Path(last))
        if name is None or name.file(name.part) != last:
            raise RefusedError(404, "there is no such recording")
        file = self._opened(camera, last)
        size = os.fstat(file.fileno()).st_size
        kind = _TYPES.get(name.suffix, _VIDEO_TYPE)
        common = (
            ("Accept-Ranges", "bytes"),
            ("Content-Disposition", f'inline; filename="{last}"'),
        )
        span = _span(wanted, size)
        if span is None:
            file.close()
            error = RefusedError(416, "the file has no such part")
            reply = error_reply(error)
            return Reply(reply.body, reply.kind, 416, (("Content-Range", f"bytes */{size}"),))
        first, length = span
        file.seek(first)
        headers = (*common, ("Content-Length", str(length)))
        if length == size and not first:
            return FileReply(head(200, kind, headers), file, length)
        part = ("Content-Range", f"bytes {first}-{first + length - 1}/{size}")
        return FileReply(head(206, kind, (*headers, part)), file, length)

    def _opened(self, camera: str, name: str) -> BinaryIO:
        """The file, opened in the first folder of the camera that has it."""
        flags = os.O_RDONLY
        for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
            flags |= getattr(os, flag, 0)
        for folder in self.folders:
            if folder.camera != camera:
                continue
            try:
                descriptor = os.open(folder.path / name, flags)
            except OSError:
                continue
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.fdopen(descriptor, "rb", buffering=0)
            os.close(descriptor)
        raise RefusedError(404, "there is no such recording")


def _described(
    entry: os.DirEntry[str], name: RecordingName, folder: RecordingFolder
) -> dict[str, Any] | None:
    """An entry of the list; None: it is no file of its own."""
    if not entry.is_file(follow_symlinks=False):
        return None
    kind = folder.kind
    if name.suffix == PICTURE:
        kind = "snapshot"
    elif name.label and kind == "recording":
        kind = "clip"  # both may go into one folder; only a clip says what it shows
    day, _, clock = name.time.partition("T")
    return {
        "name": f"{folder.camera}/{entry.name}" if folder.camera else entry.name,
        "camera": folder.camera,
        "kind": kind,
        "bytes": entry.stat(follow_symlinks=False).st_size,
        "time": f"{day}T{clock.replace('-', ':')}",
        "open": name.part,
    }


def _span(wanted: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length of what is asked for; None: the file does not have it.

    What is no single range of bytes is not understood, and the whole file is sent.
    """
    found = _RANGE.fullmatch(wanted.replace(" ", "")) if wanted else None
    if found is None or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        length = min(int(found[2]), size)
        return (size - length, length) if length else None
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return 0, size
    if first >= size:
        return None
    return first, min(last, size - 1) - first + 1
