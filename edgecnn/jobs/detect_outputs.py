"""Who gets what the cameras of ``detect`` see: what all share, and what each has for itself."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from edgecnn.camera.common import CommonOutputs
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.open import EventRun, open_event_sinks, watch_events
from edgecnn.camera.loop import Listeners, OnNotice, OnResult
from edgecnn.camera.notices import Notices
from edgecnn.camera.page.open import Page
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.camera.recording.open import open_recording
from edgecnn.camera.recording.video_file import VideoFile
from edgecnn.camera.recording.video_sink import VideoSink
from edgecnn.camera.seen import FrameSink
from edgecnn.camera.sources.frames import Source
from edgecnn.camera.sources.several import NamedSource
from edgecnn.camera.sources.spec import parse_source
from edgecnn.camera.stats import StageTimes
from edgecnn.jobs.detect_request import DetectRequest


@dataclass(frozen=True)
class RunOutputs:
    """What is the same for all cameras.

    Attributes:
        request: what was asked for.
        common: outputs that all share.
        shared: those as the loops get them.
        on_result: gets each frame's result; called by the threads of all loops.
        on_notice: likewise, what happens.
        page: shows what the cameras see; None: there is none.
        run: of the events.
    """

    request: DetectRequest
    common: CommonOutputs
    shared: tuple[FrameSink, ...]
    on_result: OnResult | None = None
    on_notice: OnNotice | None = None
    page: Page | None = None
    run: EventRun = field(default_factory=EventRun)

    def of_camera(
        self, camera: NamedSource, source: Source, notices: Notices, stack: ExitStack
    ) -> Listeners:
        """Everything that gets what one camera sees.

        Args:
            camera: its name and what it was asked for by.
            source: open.
            notices: get what happens to its own outputs.
            stack: gives them up if something cannot be opened.

        Raises:
            UsageError: an output cannot be written.
        """
        request, times = self.request, StageTimes()
        own: list[FrameSink] = []
        video = request.video_of(camera.name)
        if video is not None:
            fps = None if source.live else source.fps or 30.0
            own.append(VideoSink(VideoFile(video, fps), times, notices))
            stack.callback(own[-1].discard)
        recording = open_recording(
            request.recording_of(camera.name), live=source.live, notices=notices, times=times
        )
        for sink in recording.sinks:
            stack.callback(sink.discard)
            own.append(sink)
        if self.page is not None:
            own.append(self.page.sink_of(camera.name, source.live, times, source))
            stack.callback(own[-1].discard)
        # The page shows events also where nobody else gets them.
        events = request.events or (EventConfig() if self.page is not None else None)
        watch = watch_events(
            events,
            parse_source(camera.source).display,
            recording.attach,
            self.run,
            camera.name,
        )
        return Listeners(
            sinks=(*self.shared, *own),
            events=watch,
            times=times,
            notices=notices,
            on_notice=self.on_notice,
            on_result=self.on_result,
        )


def open_outputs(
    request: DetectRequest,
    notices: Notices,
    on_result: OnResult | None,
    on_notice: OnNotice | None,
    page: Page | None,
    stack: ExitStack,
) -> RunOutputs:
    """Opens what all cameras share.

    Args:
        request: what was asked for.
        notices: get what happens to what they share.
        on_result: see :class:`RunOutputs`.
        on_notice: likewise.
        page: likewise.
        stack: gives it up if something else cannot be opened.

    Raises:
        UsageError: an output cannot be written, or an address can be none.
        MissingExtraError: MQTT without its package.
    """
    lines = LineFile(request.lines, notices) if request.lines is not None else None
    if lines is not None:
        stack.callback(lines.discard)
    common = CommonOutputs(open_event_sinks(request.events, notices), lines, notices)
    stack.callback(common.discard)
    return RunOutputs(request, common, common.shared(), on_result, on_notice, page)
