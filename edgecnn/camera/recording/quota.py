"""How much all recordings together may take; the oldest of ours make room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from edgecnn.camera.recording.names import is_ours, named_in


class Quota:
    """Counts what lies in the folders, and deletes the oldest before a limit is passed.

    Only files whose name and beginning say that this program recorded them count, and only they are
    ever deleted; unfinished ones neither. Within a folder the number in the name tells the age;
    between folders, whose numbers may be of different runs, the time of the last change does.

    Args:
        folders: of all recordings.
        max_bytes: the limit; None: nothing is counted and nothing deleted.
        say: gets a line for each file that cannot be deleted, once.

    Attributes:
        deleted: files up to now.

    Raises:
        OSError: a folder cannot be read.
    """

    def __init__(
        self, folders: Sequence[Path], max_bytes: int | None, say: Callable[[str], None]
    ) -> None:
        self.max_bytes, self.deleted, self._say = max_bytes, 0, say
        self._kept_bytes = 0
        self._refused: list[tuple[deque[tuple[Path, int, float]], tuple[Path, int, float]]] = []
        self._told: set[Path] = set()
        self._queues: list[deque[tuple[Path, int, float]]] = []
        if max_bytes is not None:
            self._queues = [self._read(folder) for folder in folders]
        self._places = {folder: place for place, folder in enumerate(folders)}

    @property
    def used_bytes(self) -> int:
        """Size of the files that are finished."""
        return self._kept_bytes

    def add(self, folder: Path, path: Path, size: int, changed_s: float) -> None:
        """Counts a finished file.

        Args:
            folder: one of those given.
            path: of the file.
            size: bytes.
            changed_s: wall clock.
        """
        if self.max_bytes is not None:
            self._queues[self._places[folder]].append((path, size, changed_s))
            self._kept_bytes += size

    def make_room(self, size: int) -> bool:
        """Deletes the oldest until so many bytes fit beside what is left; False: they cannot."""
        if self.max_bytes is None:
            return True
        while self._kept_bytes + size > self.max_bytes:
            waiting = [queue for queue in self._queues if queue]
            if size > self.max_bytes or not waiting:
                self._try_again()
                return False
            self._delete(min(waiting, key=lambda queue: queue[0][2]))
        return True

    def _delete(self, queue: deque[tuple[Path, int, float]]) -> None:
        path, size, changed_s = queue.popleft()
        try:
            # It may be gone since it was counted, or be another's file.
            if is_ours(path):
                path.unlink(missing_ok=True)
                self.deleted += 1
        except OSError as error:
            self._refused.append((queue, (path, size, changed_s)))
            if path not in self._told:
                self._told.add(path)
                self._say(
                    f"'{path}' should make room for newer recordings, and cannot be deleted:"
                    f" {error.strerror or error}"
                )
            return
        self._kept_bytes -= size

    def _try_again(self) -> None:
        """What could not be deleted may be the next time: a disk is read-only for a while."""
        for queue, file in reversed(self._refused):
            queue.appendleft(file)
        self._refused.clear()

    def _read(self, folder: Path) -> deque[tuple[Path, int, float]]:
        found: deque[tuple[Path, int, float]] = deque()
        for name, path in named_in(folder):
            if not name.part and is_ours(path):
                status = path.stat()
                found.append((path, status.st_size, status.st_mtime))
                self._kept_bytes += status.st_size
        return found
