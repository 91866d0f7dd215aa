"""Image and audio files below a folder, read when they are needed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from edgecnn.core.errors import DataError
from edgecnn.data.layout import is_audio, is_image, is_visible


class FolderFiles:
    """The images and recordings below ``root``; see :class:`edgecnn.data.images.Files`.

    Args:
        root: an existing folder. Links are followed, each folder is entered once.

    Raises:
        DataError: the folder cannot be listed.
    """

    def __init__(self, root: Path) -> None:
        self.source = str(root)
        self._root = root
        files, self.folders = _walk(root)
        self.images = tuple(path for path in files if is_image(path))
        self.recordings = tuple(path for path in files if is_audio(path))
        media = {*self.images, *self.recordings}
        self.others = tuple(path for path in files if path not in media)

    def read(self, path: str) -> bytes:
        """The encoded bytes of one file; OSError when it cannot be read."""
        return (self._root / path).read_bytes()

    def head(self, path: str, limit: int) -> bytes:
        """Reads at most ``limit`` bytes of a file's beginning; none where it cannot be read."""
        try:
            with (self._root / path).open("rb") as stream:
                return stream.read(limit)
        except OSError:
            return b""

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {
            path: (self._root / path).stat().st_size for path in (*self.images, *self.recordings)
        }

    @property
    def stamp(self) -> str:
        """Changes whenever a file is added, removed or written."""
        digest = hashlib.sha256("\n".join(self.folders).encode())
        for path in (*self.images, *self.recordings, *self.others):
            info = (self._root / path).stat()
            digest.update(f"{path}:{info.st_size}:{info.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def _walk(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    files: list[str] = []
    folders: list[str] = []
    entered: set[str] = set()

    def fail(error: OSError) -> None:
        raise DataError(
            f"cannot read the folder '{error.filename}': {error.strerror}",
            hint="check the folder's permissions",
        ) from error

    for place, below, names in os.walk(root, followlinks=True, onerror=fail):
        real = os.path.realpath(place)
        if real in entered:
            below.clear()
            continue
        entered.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        base = Path(place).relative_to(root)
        if base.parts:
            folders.append(base.as_posix())
        paths = [(base / name).as_posix() for name in names]
        # A dangling link has no size and no bytes: it is not there.
        wanted = [path for path in paths if is_visible(path)]
        files += [path for path in wanted if (root / path).is_file()]
    return tuple(sorted(files)), tuple(sorted(folders))
