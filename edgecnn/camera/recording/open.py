"""Opens what a recording was asked for."""

from __future__ import annotations

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.encoder import JpegSink, JpegStage
from edgecnn.camera.recording.recorder import Recorder
from edgecnn.camera.recording.storage import Storage
from edgecnn.camera.seen import FrameSink
from edgecnn.camera.stats import StageTimes


def open_recording(
    config: RecordingConfig, *, live: bool, notices: Notices, times: StageTimes
) -> tuple[FrameSink, ...]:
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
    if config.folder is None:
        return ()
    storage = Storage(
        [config.folder],
        max_bytes=config.max_disk_bytes,
        keep_free_bytes=config.keep_free_bytes,
        notices=notices,
    )
    sinks: list[JpegSink] = [
        Recorder(config.folder, storage, segment_s=config.segment_s, fps=config.fps, live=live),
        storage,
    ]
    return (JpegStage(sinks, raw=config.raw, quality=config.quality, live=live, times=times),)
