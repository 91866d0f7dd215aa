"""The folders that are recorded into, where files begin and end, and trouble with the disk stays.

Whatever the disk does (full, removed, unmounted, read-only, no permission), the recording stops
with one notice, what was recorded stays, detection goes on, and the recording resumes by itself.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.encoder import EncodedFrame
from edgecnn.camera.recording.leftovers import rescue
from edgecnn.camera.recording.lock import FolderLock
from edgecnn.camera.recording.matroska import MatroskaWriter, Opener, create_raw
from edgecnn.camera.recording.names import (
    VIDEO,
    RecordingName,
    marked_picture,
    next_number,
)
from edgecnn.camera.recording.quota import Quota
from edgecnn.camera.recording.sync import BackgroundSync, sync_now
from edgecnn.camera.seen import Seen
from edgecnn.core.errors import UsageError

#: Seconds between two looks at the disk while all is well, and first and at most where it is not.
_WATCH_S, _FIRST_RETRY_S, _LONGEST_RETRY_S = 2.0, 4.0, 60.0
#: Bytes after which it is looked at sooner.
_WATCH_BYTES = 4 << 20
#: What has to be free beyond the limit before recording resumes, so that it does not at once stop.
_RESUME_SHARE, _RESUME_BYTES = 0.1, 4 << 20
#: What a file takes beside its frames: its beginning, and heads of a few blocks.
_OVERHEAD_BYTES = 1024


@dataclass
class RecordingCounts:
    """What was recorded, for the last JSON line.

    Attributes:
        files, bytes: that were finished, clips and snapshots included, and what they take.
        frames, seconds, video_bytes: of the videos among them.
        not_recorded: frames that were to be recorded, and were not.
        stopped: how often the disk stopped the recording.
    """

    files: int = 0
    bytes: int = 0
    frames: int = 0
    seconds: float = 0.0
    video_bytes: int = 0
    not_recorded: int = 0
    stopped: int = 0


@dataclass
class VideoPart:
    """One video while it is written.

    Attributes:
        folder, name: where it will lie, and how it will be called.
        writer: of its file.
        broken: nothing can be added; it only wants to be ended.
    """

    folder: Path
    name: RecordingName
    writer: MatroskaWriter
    broken: bool = False


@dataclass
class _Trouble:
    """Nothing is recorded now.

    Attributes:
        retry_s: monotonic: not before then is it tried again.
        trying: it is being tried: the first thing written ends the trouble.
    """

    retry_s: float
    trying: bool = False


class Storage:
    """Videos and pictures in some folders, within a quota, on a disk that may fail.

    Segments, clips and snapshots share one, so that numbers, quota and free space are common. It
    is the last :class:`~edgecnn.camera.recording.encoder.JpegSink` of the stage: used on the
    stage's thread alone, closed when the others have finished.

    Args:
        folders: of all recordings; made where missing.
        max_bytes: of all recordings together; None: as much as the disk holds.
        keep_free_bytes: recording stops while the disk has less free.
        notices: get what happens to the recording.
        clock: of pauses and names.
        opener: makes video files.

    Raises:
        UsageError: a folder cannot be written to, or another process records into it.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        max_bytes: int | None,
        keep_free_bytes: int,
        notices: Notices,
        clock: TimeSource = SYSTEM_CLOCK,
        opener: Opener = create_raw,
    ) -> None:
        self._notices, self._clock, self._opener = notices, clock, opener
        self._keep_free = keep_free_bytes
        self.counts = RecordingCounts()
        self._parts: list[VideoPart] = []
        self._unfinished: set[Path] = set()
        self._trouble: _Trouble | None = None
        self._next_look_s, self._unseen_bytes = clock.now().monotonic_s, 0
        self._resumed_s, self._pause_s = -_LONGEST_RETRY_S, _FIRST_RETRY_S
        # A folder may be given twice, and a relative one must outlive a change of directory.
        self._places = {folder: _made(folder).resolve() for folder in folders}
        self._folders = tuple(dict.fromkeys(self._places.values()))
        self._mounts = {folder: _mount_of(folder) for folder in self._folders}
        with ExitStack() as stack:
            self._locks = []
            for folder in self._folders:
                try:
                    self._locks.append(FolderLock(folder))
                except OSError as error:
                    raise _refused(folder, error) from error
                stack.callback(self._locks[-1].release)
            try:
                for folder in self._folders:
                    rescue(folder, notices, told=self._unfinished)
                self._numbers = count(next_number(self._folders))
                self._quota = Quota(self._folders, max_bytes, self._said)
                self._quota.make_room(0)  # of a run before, which was allowed more
            except OSError as error:
                raise _refused(self._folders[0], error) from error
            stack.pop_all()
        self._warn_of_little_room()
        self._sync = BackgroundSync()

    @property
    def part_limit_bytes(self) -> int | None:
        """A video ends before it grows beyond this, so that there are older ones to delete.

        None: it may grow.
        """
        return None if self._quota.max_bytes is None else self._quota.max_bytes // 4

    def begin(
        self, folder: Path, frame: EncodedFrame, name: RecordingName | None = None, title: str = ""
    ) -> VideoPart | None:
        """Begins a video whose first frame will be this one; None: nothing can be recorded now.

        Args:
            folder: one of those given.
            frame: says size and time; it is not yet written.
            name: of :meth:`new_name`; None: any.
            title: for players.
        """
        folder = self._places[folder]
        if not self._may_write(len(frame.jpeg) + 2 * _OVERHEAD_BYTES):
            return None
        name = name or self.new_name(frame.captured.wall_s, VIDEO)
        try:
            writer = MatroskaWriter(
                folder / name.file(part=True),
                frame.size,
                frame.captured.wall_s,
                title,
                self._opener,
                self._sync,
            )
        except OSError as error:
            self._stop(_words(error))
            return None
        part = VideoPart(folder, name, writer)
        self._parts.append(part)
        return part

    def write(self, part: VideoPart, jpeg: bytes, timestamp_s: float) -> bool:
        """Adds a frame to a video; False: it cannot be, and the video wants to be ended.

        Args:
            part: of :meth:`begin`.
            jpeg: of the video's size.
            timestamp_s: seconds since the video's first frame.
        """
        if part.broken or not self._may_write(len(jpeg) + _OVERHEAD_BYTES):
            return False
        try:
            part.writer.write(jpeg, timestamp_s)
        except OSError as error:
            part.broken = True
            self._stop(_words(error))
            return False
        self.counts.frames += 1
        self._went_well()
        return True

    def end(self, part: VideoPart) -> Path | None:
        """Closes a video and gives it its name; None: it could not get it, or was empty."""
        self._parts.remove(part)
        writer, counts = part.writer, self.counts
        try:
            writer.close()
        except OSError as error:
            self._stop(_words(error))
        self._sync.settle()
        counts.seconds += writer.seconds
        counts.video_bytes += writer.size_bytes
        try:
            if not writer.frames:
                writer.path.unlink(missing_ok=True)
                return None
            path = _named(writer.path, part.folder / part.name.file())
        except OSError as error:
            self._stop(_words(error))
            return None
        self._quota.add(part.folder, path, writer.size_bytes, self._clock.now().wall_s)
        counts.files += 1
        counts.bytes += writer.size_bytes
        return path

    def save(self, folder: Path, frame: EncodedFrame, name: RecordingName) -> Path | None:
        """Writes one picture, whole or not at all; None: it could not be.

        Args:
            folder: one of those given.
            frame: the picture.
            name: of :meth:`new_name`.
        """
        folder = self._places[folder]
        data = marked_picture(frame.jpeg)
        if not self._may_write(len(data)):
            return None
        temporary = folder / name.file(part=True)
        try:
            with temporary.open("xb") as stream:
                stream.write(data)
                stream.flush()
                sync_now(stream.fileno())
            path = _named(temporary, folder / name.file())
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            self._stop(_words(error))
            return None
        self._went_well()
        self._quota.add(folder, path, len(data), self._clock.now().wall_s)
        self.counts.files += 1
        self.counts.bytes += len(data)
        return path

    def new_name(self, wall_s: float, suffix: str, label: str = "") -> RecordingName:
        """A name that no file has had: its number is the next one. Any thread may ask.

        Args:
            wall_s: when the file begins, seconds since 1970.
            suffix: of the file.
            label: becomes part of the name.
        """
        return RecordingName.new(next(self._numbers), wall_s, suffix, label)

    @property
    def stopped(self) -> bool:
        """Nothing can be recorded now, nor is it time to try again. Any thread may ask."""
        trouble = self._trouble
        if trouble is None or trouble.trying:
            return False
        return self._clock.now().monotonic_s < trouble.retry_s

    # What follows makes it the last of the stage's sinks.

    def wants(self, seen: Seen) -> bool:
        """No frame: others bring them."""
        return False

    def put(self, frame: EncodedFrame) -> None:
        """Nothing to do."""

    def missed(self, events: tuple[Event, ...]) -> None:
        """Nothing to do."""

    def tell(self, event: Event) -> None:
        """Nothing to do."""

    def tick(self) -> None:
        """The disk is looked at also when no frame comes."""
        if self._trouble is None:
            self._look()

    def finish(self) -> None:
        """Ends what is open, and lets other processes record here."""
        for part in tuple(self._parts):
            self.end(part)
        self._sync.close()
        for lock in self._locks:
            lock.release()

    def summary(self) -> dict[str, object]:
        """See docs/json.md."""
        counts = self.counts
        minutes = counts.seconds / 60
        return {
            "recording": {
                "files": counts.files,
                "bytes": counts.bytes,
                "frames": counts.frames,
                "seconds": round(counts.seconds, 3),
                "mb_per_minute": round(counts.video_bytes / 1e6 / minutes, 3) if minutes else None,
                "not_recorded": counts.not_recorded,
                "deleted": self._quota.deleted,
                "stopped": counts.stopped,
            }
        }

    def _may_write(self, size: int) -> bool:
        """Whether so many bytes can be written now, as far as one can know."""
        now_s = self._clock.now().monotonic_s
        if self._trouble is None:
            self._unseen_bytes += size
            if now_s >= self._next_look_s or self._unseen_bytes >= _WATCH_BYTES:
                self._look()
        elif not self._trouble.trying and now_s >= self._trouble.retry_s:
            obstacle = self._obstacle(resuming=True)
            self._trouble.trying = obstacle is None
            self._trouble.retry_s = now_s + _FIRST_RETRY_S
        if self._trouble is not None and not self._trouble.trying:
            return False
        open_bytes = sum(p.writer.size_bytes + p.writer.closing_bytes for p in self._parts)
        if self._quota.make_room(open_bytes + size):
            return True
        self._stop(
            f"the next {size_words(size)} do not fit the {size_words(self._quota.max_bytes or 0)}"
            " of --max-disk, and nothing of ours is left to delete"
        )
        return False

    def _look(self) -> None:
        self._next_look_s = self._clock.now().monotonic_s + _WATCH_S
        self._unseen_bytes = 0
        obstacle = self._obstacle(resuming=False)
        if obstacle is not None:
            self._stop(obstacle)

    def _obstacle(self, resuming: bool) -> str | None:
        """Why nothing can be recorded; None: nothing is known to be in the way."""
        try:
            for part in self._parts:
                if not part.broken:
                    # A file whose name is gone takes bytes that nobody will find.
                    part.broken = True
                    part.writer.path.stat()
                    part.broken = False
            for folder, lock in zip(self._folders, self._locks, strict=True):
                if resuming:
                    if not os.path.ismount(self._mounts[folder]):
                        return f"'{self._mounts[folder]}' is not mounted"
                    folder.mkdir(parents=True, exist_ok=True)
                    lock.hold()
                    # A disk that was away may have kept what could not be finished then.
                    in_use = [part.writer.path for part in self._parts]
                    for path in rescue(folder, self._notices, in_use, self._unfinished):
                        status = path.stat()
                        self._quota.add(folder, path, status.st_size, status.st_mtime)
                usage = shutil.disk_usage(folder)
                wanted = self._keep_free
                if resuming:
                    wanted += max(wanted // 10, min(_RESUME_BYTES, usage.total // 10))
                if usage.free < wanted:
                    return (
                        f"the disk of '{folder}' has {size_words(usage.free)} free, and"
                        f" {size_words(wanted)} are kept free (--keep-free)"
                    )
        except OSError as error:
            return _words(error)
        except UsageError as error:
            return error.message
        return None

    def _stop(self, why: str) -> None:
        """Something went wrong: one notice, and the next try after a pause."""
        now_s = self._clock.now().monotonic_s
        if self._trouble is None:
            again = now_s - self._resumed_s < _LONGEST_RETRY_S
            self._pause_s = self._longer() if again else _FIRST_RETRY_S
            self._trouble = _Trouble(now_s + self._pause_s)
            self.counts.stopped += 1
            self._notices.say(
                "recording_stopped",
                f"recording stopped, detection goes on: {why}; it resumes when it can",
            )
        elif self._trouble.trying:
            self._pause_s = self._longer()
            self._trouble = _Trouble(now_s + self._pause_s)

    def _longer(self) -> float:
        return min(self._pause_s * 2, _LONGEST_RETRY_S)

    def _went_well(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._resumed_s = self._clock.now().monotonic_s
            self._notices.say("recording_resumed", "recording resumed")

    def _warn_of_little_room(self) -> None:
        """Says at the start where the disk will be short before the quota is reached."""
        if self._quota.max_bytes is None:
            return
        with suppress(OSError):
            free = min(shutil.disk_usage(folder).free for folder in self._folders)
            room = self._quota.used_bytes + max(free - self._keep_free, 0)
            if room < self._quota.max_bytes:
                self._notices.say(
                    "recording_short",
                    f"--max-disk allows {size_words(self._quota.max_bytes)}, and the disk has room"
                    f" for {size_words(room)}: then recording will stop, and nothing be deleted",
                )

    def _said(self, text: str) -> None:
        self._notices.say("recording_kept", text)


def size_words(size: int) -> str:
    """A size for people.

    >>> size_words(5 << 29), size_words(300)
    ('2.5 GiB', '300 bytes')
    """
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.4g} {unit}"
    return f"{size} bytes"


def _mount_of(folder: Path) -> Path:
    """The nearest mount point above a folder, or the folder itself."""
    while not os.path.ismount(folder) and folder.parent != folder:
        folder = folder.parent
    return folder


def _named(path: Path, final: Path) -> Path:
    """Renames a file; what somebody else put in its place is never replaced."""
    if final.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
    return path.rename(final)


def _words(error: OSError) -> str:
    where = f" ('{error.filename}')" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error
    return folder


def _refused(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot record into '{folder}': {error.strerror or error}",
        hint="choose a folder that you may write to",
    )
