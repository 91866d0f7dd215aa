"""Opens what a recording was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.attachments import Attachments
from edgecnn.camera.recording.clips import ClipSink
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.encoder import JpegSink, JpegStage
from edgecnn.camera.recording.preroll import preroll_bytes
from edgecnn.camera.recording.recorder import Recorder
from edgecnn.camera.recording.snapshots import SnapshotSink
from edgecnn.camera.recording.storage import Storage
from edgecnn.camera.seen import FrameSink
from edgecnn.camera.stats import StageTimes


@dataclass(frozen=True)
class OpenRecording:
    """What records, and what names its files in the events that they show; None: no files are."""

    sinks: tuple[FrameSink, ...] = ()
    attach: Attachments | None = None


def open_recording(
    config: RecordingConfig, *, live: bool, notices: Notices, times: StageTimes
) -> OpenRecording:
    """The sinks that record.

    Args:
        config: what is asked for.
        live: frames come in real time: what cannot be encoded in time is dropped and counted.
            Otherwise every frame is recorded, and the loop waits for it.
        notices: get what happens to the recording.
        times: gets the milliseconds of ``write``.

    Raises:
        UsageError: a folder cannot be written to, or another process records into it.
    """
    folders = [path for path in (config.folder, config.clips, config.snapshots) if path is not None]
    if not folders:
        return OpenRecording()
    storage = Storage(
        folders,
        max_bytes=config.max_disk_bytes,
        keep_free_bytes=config.keep_free_bytes,
        notices=notices,
    )
    attach = Attachments(
        storage,
        clips=config.clips,
        snapshots=config.snapshots,
        before_s=config.before_s,
        after_s=config.after_s,
        live=live,
    )
    stage = JpegStage(
        (*_sinks(config, storage, attach, live, notices), storage),
        raw=config.raw,
        quality=config.quality,
        live=live,
        times=times,
        notices=notices,
    )
    shown = config.clips is not None or config.snapshots is not None
    return OpenRecording((stage,), attach if shown else None)


def _sinks(
    config: RecordingConfig, storage: Storage, attach: Attachments, live: bool, notices: Notices
) -> list[JpegSink]:
    """What was asked for."""
    sinks: list[JpegSink] = []
    if config.folder is not None:
        sinks.append(
            Recorder(config.folder, storage, segment_s=config.segment_s, fps=config.fps, live=live)
        )
    if config.clips is not None:
        clips = ClipSink(
            storage,
            config.clips,
            attach,
            before_s=config.before_s,
            after_s=config.after_s,
            fps=config.fps,
            live=live,
            notices=notices,
            most_bytes=preroll_bytes(config.cameras),
        )
        sinks.append(clips)
    if config.snapshots is not None:
        sinks.append(SnapshotSink(storage, config.snapshots))
    return sinks
