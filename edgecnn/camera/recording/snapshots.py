"""One JPEG for each event: ``--snapshots``."""

from __future__ import annotations

from pathlib import Path

from edgecnn.camera.events.event import SHOWN_KINDS, Event
from edgecnn.camera.recording.encoder import EncodedFrame
from edgecnn.camera.recording.late import LateEvents
from edgecnn.camera.recording.names import RecordingName
from edgecnn.camera.recording.storage import Storage
from edgecnn.camera.seen import Seen


class SnapshotSink:
    """Writes the frame of each event, as a sink of the encoding stage.

    An event whose frame came too fast to be encoded gets the next one.

    Args:
        storage: of the files.
        folder: one of the storage's.
    """

    def __init__(self, storage: Storage, folder: Path) -> None:
        self._storage, self._folder = storage, folder
        self._late = LateEvents()
        self._files = self._lost = 0

    def wants(self, seen: Seen) -> bool:
        """The frames of events."""
        return self._late.waiting or any(map(snapshot_of, seen.events))

    def put(self, frame: EncodedFrame) -> None:
        """Writes it once for each event."""
        for event in (*self._late.take(), *frame.events):
            name = snapshot_of(event)
            if name is not None:
                written = self._storage.save(self._folder, frame, name=name) is not None
                self._files += written
                self._lost += not written

    def missed(self, seen_events: tuple[Event, ...]) -> None:
        """Their snapshots show the next frame."""
        self._late.keep(filter(snapshot_of, seen_events))

    def tell(self, event: Event) -> None:
        """Nothing to do."""

    def tick(self) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        """No frame comes any more for events that still wait for one."""
        self._late.give_up()

    def summary(self) -> dict[str, object]:
        """See docs/json.md."""
        return {"snapshots": {"files": self._files, "lost": self._lost + self._late.lost}}


def snapshot_of(event: Event) -> RecordingName | None:
    """The name of the snapshot to be made: what leaves names the one of its coming."""
    if event.kind not in SHOWN_KINDS or event.snapshot is None:
        return None
    return RecordingName.of(Path(event.snapshot))
