"""One event, and its JSON line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecnn.camera.clock import Instant

SCHEMA = "edgecnn.event/1"

#: Kinds of events that a clip and a snapshot are made for.
SHOWN_KINDS = frozenset({"appeared", "crossed", "entered", "exited"})


@dataclass(frozen=True)
class Event:
    """Something that began or ended, or happened to the source or an output.

    Attributes:
        number: counts the events of this run from 1.
        kind: ``appeared``, ``left``, ``crossed`` (a line), ``entered`` and ``exited`` (a zone),
            ``started``, ``ended``, or the kind of a notice.
        moment: when; of ``left``: when that was clear.
        source: where the frames come from, passwords masked; None: it is about what several
            cameras share.
        text: for people; None where the other fields say it.
        frame, timestamp_s: of the frame it was seen on, of ``left`` the last one; None: of none.
        file: the name of the image that frame is; None: frames are no files of their own.
        label, score, box_xyxy, region: of the detection, of ``left`` the best score and the last
            box; None: of none, ``region``: of no region.
        seconds: of ``left``: how long it was there, from when it was seen first to when last.
        began: of ``left``: the number of its ``appeared``.
        clip, snapshot: names of the files that show it; None: there are none.
        track: the number of what it is about; None: nothing is followed.
        line, zone: the name of what was passed; None: nothing was.
        direction: ``in`` or ``out``, of what passed.
        camera: the name of the camera; None: there is one without a name.
        run: the same for all events of one run of the program, another one for each run: an event
            that was sent twice has the same ``run`` and ``number``.
    """

    number: int
    kind: str
    moment: Instant
    source: str | None
    text: str | None = None
    frame: int | None = None
    timestamp_s: float | None = None
    label: str | None = None
    score: float | None = None
    box_xyxy: tuple[float, float, float, float] | None = None
    region: str | None = None
    seconds: float | None = None
    began: int | None = None
    clip: str | None = None
    snapshot: str | None = None
    run: str | None = None
    file: str | None = None
    track: int | None = None
    line: str | None = None
    zone: str | None = None
    direction: str | None = None
    camera: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of its line; what does not apply is null."""
        box = self.box_xyxy
        return {
            "schema": SCHEMA,
            "run": self.run,
            "number": self.number,
            "event": self.kind,
            "time": self.moment.iso(),
            "monotonic_s": round(self.moment.monotonic_s, 3),
            "source": self.source,
            "text": self.text,
            "frame": self.frame,
            "timestamp_s": None if self.timestamp_s is None else round(self.timestamp_s, 4),
            "file": self.file,
            "label": self.label,
            "score": None if self.score is None else round(self.score, 4),
            "box_xyxy": None if box is None else [round(value, 2) for value in box],
            "region": self.region,
            "track": self.track,
            "line": self.line,
            "zone": self.zone,
            "direction": self.direction,
            "camera": self.camera,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "began": self.began,
            "clip": self.clip,
            "snapshot": self.snapshot,
        }
