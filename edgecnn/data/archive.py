"""Images and recordings of a .tar.xz, .tar.gz or .zip, kept encoded in memory, never unpacked.

An archive is untrusted: a member that points outside, a link, or one that unpacks to more than the
bounds refuses the whole file.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edgecnn.core.errors import DataError
from edgecnn.data.layout import is_audio, is_image, is_visible

EXTENSIONS = (".tar.xz", ".tar.gz", ".tgz", ".tar.bz2", ".tar", ".zip")
MAX_MEMBER_BYTES = 64 << 20
MAX_TOTAL_BYTES = 4 << 30
MAX_MEMBERS = 2_000_000
# Of files that are no media texts alone are kept: annotations, and what tells what there is.
_TEXTS = (".xml", ".json", ".txt", ".yaml", ".yml", ".csv", ".tsv", ".names")
_MAX_HEAD_BYTES, _MAX_HEADS_BYTES = 256 << 20, 1 << 30
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,  # a zip method that Python does not know
    UnicodeError,
)


def is_archive(path: Path) -> bool:
    """Whether the file's name says that it is an archive that we read."""
    return path.name.lower().endswith(EXTENSIONS)


class ArchiveFiles:
    """The images and recordings of an archive; see :class:`edgecnn.data.images.Files`.

    Args:
        path: an existing file.

    Raises:
        DataError: damaged, unsafe or too large.
    """

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        self._bytes: dict[str, bytes] = {}
        self._heads: dict[str, bytes] = {}
        folders: set[str] = set()
        total = heads = 0
        try:
            members = _zip(path) if path.name.lower().endswith(".zip") else _tar(path)
            for count, (name, data) in enumerate(members):
                media = is_image(name) or is_audio(name)
                total += len(data or b"") if media else 0
                heads += 0 if media else len(data or b"")
                if count >= MAX_MEMBERS or total > MAX_TOTAL_BYTES or heads > _MAX_HEADS_BYTES:
                    raise DataError(
                        f"'{path}' holds over {MAX_TOTAL_BYTES >> 30} GiB or {MAX_MEMBERS} files",
                        hint="unpack it and give the folder",
                    )
                folders.update(str(parent) for parent in PurePosixPath(name).parents)
                if data is None:
                    folders.add(name)
                elif media:
                    self._bytes[name] = data
                elif is_visible(name):
                    self._heads[name] = data
        except _BROKEN as error:
            raise DataError(
                f"the archive '{path}' cannot be read: {error or type(error).__name__}",
                hint="check that it was copied whole; .tar.xz, .tar.gz and .zip are read",
            ) from error
        self.images = tuple(sorted(name for name in self._bytes if is_image(name)))
        self.recordings = tuple(sorted(name for name in self._bytes if is_audio(name)))
        self.others = tuple(sorted(self._heads))
        self.folders = tuple(sorted(folders - {"."}))

    def read(self, path: str) -> bytes:
        """The encoded bytes of one file."""
        return self._bytes[path]

    def head(self, path: str, limit: int) -> bytes:
        """Reads at most ``limit`` bytes of a text's beginning; none of other files."""
        return self._heads[path][:limit]

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {path: len(data) for path, data in self._bytes.items()}


def archive_stamp(path: Path) -> str:
    """Changes whenever the archive is written."""
    info = path.stat()
    return hashlib.sha256(f"{path}:{info.st_size}:{info.st_mtime_ns}".encode()).hexdigest()


def _tar(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """(name, bytes) of files, and (name, None) of folders, in one pass.

    Images and recordings come whole, of texts the beginning, of other files nothing.
    """
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isdir():
                name = _safe(path, member.name)
                if name != ".":
                    yield name, None
                continue
            if not member.isreg():
                raise _refused(path, member.name, "a link or a device")
            name = _safe(path, member.name)
            limit = _limit(name)
            if limit == MAX_MEMBER_BYTES and member.size > limit:
                raise _refused(path, member.name, f"over {MAX_MEMBER_BYTES >> 20} MiB")
            stream = archive.extractfile(member) if limit else None
            yield name, b"" if stream is None else stream.read(limit)


def _zip(path: Path) -> Iterator[tuple[str, bytes | None]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = _safe(path, member.filename)
            kind = member.external_attr >> 28  # the Unix file type, where the writer set one
            if kind == 0o12:
                raise _refused(path, member.filename, "a link")
            if member.is_dir():
                yield name, None
                continue
            limit = _limit(name)
            if not limit:
                yield name, b""
                continue
            if member.flag_bits & 1:
                if limit == MAX_MEMBER_BYTES:
                    raise _refused(path, member.filename, "encrypted")
                yield name, b""
                continue
            with archive.open(member) as stream:
                data = stream.read(limit + 1)
            if limit == MAX_MEMBER_BYTES and len(data) > limit:
                raise _refused(path, member.filename, f"over {MAX_MEMBER_BYTES >> 20} MiB")
            yield name, data[:limit]


def _limit(name: str) -> int:
    """How many bytes of a member are read."""
    if is_image(name) or is_audio(name):
        return MAX_MEMBER_BYTES
    return _MAX_HEAD_BYTES if name.lower().endswith(_TEXTS) else 0


def _safe(path: Path, name: str) -> str:
    pure = PurePosixPath(name.replace("\\", "/"))
    drive = bool(pure.parts) and pure.parts[0].endswith(":")
    if pure.is_absolute() or drive or ".." in pure.parts or "\0" in name:
        raise _refused(path, name, "a path that leads out of the archive")
    return pure.as_posix()


def _refused(path: Path, member: str, why: str) -> DataError:
    return DataError(
        f"the archive '{path}' is refused: its member '{member}' is {why}",
        hint="pack the folder again, as plain files",
    )
