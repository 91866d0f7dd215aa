"""Frames as the page gets them: scaled, as a JPEG, with what was found as JSON; once for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.page.demand import Job
from edgecnn.camera.page.reply import to_json_bytes
from edgecnn.camera.recording.worker import Worker
from edgecnn.camera.result import FrameResult, Item
from edgecnn.camera.seen import Seen
from edgecnn.camera.sources.capture import Image

#: Pixels of the longer side where cores are idle and where none is, and qualities of the JPEG.
_LONGEST, _LONGEST_BUSY = 1280, 960
_QUALITY, _SNAPSHOT_QUALITY = 75, 92
#: The shortest time from one frame to the next, seconds, likewise: about 30 a second, since cameras
#: are not exact, and about 10.
_PERIOD_S, _PERIOD_BUSY_S = 0.9 / 30, 0.9 / 10
#: However slow the machine is, a frame comes so often, seconds.
_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True)
class Encoded:
    """What was made of one frame.

    Attributes:
        live: the message of ``/live``; None: nobody waits for one.
        stream: a drawn JPEG; None: likewise.
        snapshots: JPEGs of the full size: as the frame came (False), drawn (True).
    """

    live: bytes | None = None
    stream: bytes | None = None
    snapshots: Mapping[bool, bytes] = field(default_factory=dict)


class Encoder:
    """Makes what is wanted of single frames, on a thread that begins with the first.

    One frame is under way at a time, until :meth:`done`; then there is a pause that keeps the
    thread's part of one core's time within its share.

    Args:
        camera: its name, for the messages.
        clock: for the pause.

    Attributes:
        deliver: gets what was made, on the thread.
        failed: likewise, an error of ours.
    """

    def __init__(self, camera: str, clock: TimeSource = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._share, self._ample = 0.1, False
        self.deliver: Callable[[Encoded], object] = lambda encoded: self.done()
        self.failed: Callable[[BaseException], object] = lambda error: None
        self._camera = camera
        self._worker: Worker[tuple[Seen, Job, float]] = Worker(
            self._work, "edgecnn-page-encode", room=1, waits=False
        )
        self._busy, self._due_s = False, 0.0

    @property
    def free(self) -> bool:
        """Whether it would take a frame at once."""
        return not self._busy

    @property
    def due(self) -> bool:
        """Whether the pause is over."""
        return self._clock.now().monotonic_s >= self._due_s

    def take(self, seen: Seen, job: Job, fps: float) -> None:
        """Takes a frame; ``fps`` is what is said of the camera's rate."""
        self._busy = True
        if not self._worker.put((seen, job, fps)):
            self._busy = False

    def allow(self, share: float, ample: bool) -> None:
        """Sets the share of one core's time, and whether cores are idle beside the loop."""
        self._share, self._ample = share, ample

    def done(self) -> None:
        """What was delivered is on its way: the next frame may come."""
        self._busy = False

    def close(self) -> None:
        """Ends the thread."""
        self._worker.discard()

    def _work(self, item: tuple[Seen, Job, float]) -> None:
        seen, job, fps = item
        longest, period_s = (_LONGEST_BUSY, _PERIOD_BUSY_S)
        if self._ample:
            longest, period_s = _LONGEST, _PERIOD_S
        began_s, began_cpu_s = self._clock.now().monotonic_s, time.thread_time()
        encoded = Encoded()
        try:
            encoded = made_of(seen, job, fps, self._camera, longest)
        except Exception as error:  # noqa: BLE001 - one frame less, not a page that stands still
            self.failed(error)
        spent_s = time.thread_time() - began_cpu_s
        self._due_s = began_s + min(max(period_s, spent_s / self._share), _LONGEST_PAUSE_S)
        self.deliver(encoded)


def made_of(seen: Seen, job: Job, fps: float, camera: str, longest: int) -> Encoded:
    """What a job asks for; what cannot be encoded is left out.

    Raw pixels come first: drawing may be done in the same memory.
    """
    live, stream = None, None
    snapshots: dict[bool, bytes] = {}
    if job.live:
        jpeg = to_jpeg(smaller(seen.picture.raw, longest), _QUALITY)
        text = to_json_bytes(frame_json(seen.result, seen.frame.image.shape[:2], fps, camera))
        live = message(text, jpeg)
    for drawn in sorted(job.snapshots):
        image = seen.picture.drawn() if drawn else seen.picture.raw
        snapshots[drawn] = to_jpeg(image, _SNAPSHOT_QUALITY)
    if job.stream:
        stream = to_jpeg(smaller(seen.picture.drawn(), longest), _QUALITY)
    return Encoded(live, stream or None, snapshots)


def message(text: bytes, jpeg: bytes = b"") -> bytes:
    """One message of ``/live``: both lengths, JSON, JPEG."""
    return len(text).to_bytes(4, "big") + len(jpeg).to_bytes(4, "big") + text + jpeg


def json_message(data: Mapping[str, Any]) -> bytes:
    """A message without a picture."""
    return message(to_json_bytes(data))


def to_jpeg(image: Image, quality: int) -> bytes:
    """uint8 (H, W, 3) BGR as a JPEG; empty where that cannot be made."""
    import cv2

    try:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except (cv2.error, MemoryError):
        return b""
    return data.tobytes() if done else b""


def smaller(image: Image, longest: int) -> Image:
    """The image, its longer side at most so many pixels."""
    import cv2

    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    # Averaging costs several times as much, and pays only where pixels would be skipped.
    how = cv2.INTER_LINEAR if factor > 0.45 else cv2.INTER_AREA
    return cv2.resize(image, size, interpolation=how)


def frame_json(
    result: FrameResult, size_hw: tuple[int, ...], fps: float, camera: str
) -> dict[str, Any]:
    """The JSON of a ``frame`` message."""
    following = result.following
    return {
        "kind": "frame",
        "camera": camera,
        "frame": result.frame,
        "width": size_hw[1],
        "height": size_hw[0],
        "time": result.captured.iso(),
        "age_ms": round(result.age_ms, 3),
        "fps": round(fps, 2),
        "detections": [_item_json(item) for item in result.items],
        "trails": [
            {
                "track": trail.track,
                "label": trail.label,
                "class": trail.class_index,
                "points": [[round(x, 1), round(y, 1)] for x, y in trail.points],
            }
            for trail in (following.trails if following is not None else ())
        ],
        "counts": [
            count.to_json() for count in (following.counts if following is not None else ())
        ],
    }


def _item_json(item: Item) -> dict[str, Any]:
    """What the frame's line says of an item, and what is needed to draw it."""
    fields = item.to_json()
    fields["class"] = item.class_index
    if item.keypoints is not None:
        fields["edges"] = [list(edge) for edge in item.edges]
    if item.whole_frame:
        fields["whole_frame"] = True
    if item.whole_class:
        fields["whole_class"] = True
    if item.then is not None:
        fields["then"] = [_item_json(inner) for inner in item.then]
    return fields
