"""What ``detect`` is asked for, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.overlay import OverlayOptions
from edgecnn.camera.page.config import PageConfig
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.service.config import ServiceConfig
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.several import NamedSource
from edgecnn.camera.tracking.config import FollowConfig
from edgecnn.jobs.cascade_file import NetworkStage
from edgecnn.jobs.place import HERE, Place


@dataclass(frozen=True)
class DetectRequest:
    """Where frames come from and what looks at them.

    Attributes:
        stages: one network, or a detector and one that looks at crops of its boxes.
        cameras: where frames come from; those of several have names.
        config: limits and looks.
        video: an annotated .mp4 or .avi to write; of a camera with a name in a folder of its name.
        lines: a text stream or a path for the JSON Lines of all cameras.
        source_options: how sources are opened and kept open.
        recording: what is recorded beside the loop; of a camera with a name in a folder of its
            name. The quota is for all together.
        events: what makes an event, and where it goes; None: there are none.
        follow: what is followed and counted, for each camera by itself; None: nothing is.
        page: where the live page is served; None: nowhere.
        service: who supervises this run; None: nobody does.
        place: where the models run.
    """

    stages: tuple[NetworkStage, ...]
    cameras: tuple[NamedSource, ...]
    config: LoopConfig
    video: Path | None = None
    lines: IO[str] | Path | None = None
    source_options: SourceOptions = field(default_factory=SourceOptions)
    recording: RecordingConfig = field(default_factory=RecordingConfig)
    events: EventConfig | None = None
    follow: FollowConfig | None = None
    page: PageConfig | None = None
    service: ServiceConfig | None = None
    place: Place = HERE

    @property
    def loop_config(self) -> LoopConfig:
        """``config`` with what the loop says of the target, and draws of the events."""
        return replace(
            self.config,
            target=self.place.target.name if self.place.target else None,
            overlay=self._overlay(),
        )

    def recording_of(self, name: str | None) -> RecordingConfig:
        """What is recorded of one camera, and where: its share of the quota."""
        whole = self.recording
        if name is None:
            return whole
        most = whole.max_disk_bytes
        return replace(
            whole,
            folder=whole.folder and whole.folder / name,
            clips=whole.clips and whole.clips / name,
            snapshots=whole.snapshots and whole.snapshots / name,
            max_disk_bytes=None if most is None else most // len(self.cameras),
            cameras=len(self.cameras),
        )

    def video_of(self, name: str | None) -> Path | None:
        """Where one camera's annotated video goes."""
        if self.video is None or name is None:
            return self.video
        return self.video.parent / name / self.video.name

    def _overlay(self) -> OverlayOptions | None:
        """How results are drawn, with the regions of the events, lines and zones."""
        overlay = self.config.overlay
        if overlay is None:
            return None
        return replace(
            overlay,
            regions=self.events.regions if self.events is not None else (),
            places=self.follow.places if self.follow is not None else (),
        )
