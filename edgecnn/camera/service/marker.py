"""``last_run.json``: what a run leaves for the next one, whatever ends it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.camera.clock import Instant
from edgecnn.core.files import write_json

SCHEMA = "edgecnn.service-run/1"
NAME = "last_run.json"
_LARGEST = 1 << 20


@dataclass(frozen=True)
class CameraCounts:
    """What one camera has given.

    Attributes:
        frames: that the model has looked at.
        counts: of its lines and zones, as JSON has them.
    """

    frames: int
    counts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class RunMarker:
    """A run as its marker has it.

    Attributes:
        started: when the loop began.
        alive: when it was last known to go on.
        boot: names the time since the machine was started; None: unknown.
        cameras: by name.
        ended: why it ended; None: it did not come to its end, or goes on.
        before: what was said of the run before; None: nothing was.
        notice: the last one; None: there was none.
        page: where its live page was served; None: nowhere.
    """

    started: Instant
    alive: Instant
    boot: str | None
    cameras: Mapping[str, CameraCounts] = field(default_factory=dict)
    ended: str | None = None
    before: str | None = None
    notice: str | None = None
    page: str | None = None

    @property
    def frames(self) -> int:
        """Counts the frames of all cameras."""
        return sum(camera.frames for camera in self.cameras.values())

    def lines(self) -> tuple[str, ...]:
        """Its counts for people, a line for each camera and place."""
        several = len(self.cameras) > 1
        found = []
        for name, camera in self.cameras.items():
            for one in camera.counts:
                place = one.get("line") or one.get("zone") or "?"
                where = f"{name} {place}" if several and name else place
                found.append(f"{where} {one['in']} in {one['out']} out")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The file's object."""
        return {
            "schema": SCHEMA,
            "started": self.started.iso(),
            "started_s": round(self.started.wall_s, 3),
            "last_alive": self.alive.iso(),
            "last_alive_s": round(self.alive.wall_s, 3),
            "monotonic_s": round(self.alive.monotonic_s, 3),
            "boot": self.boot,
            "ended": self.ended,
            "cameras": {
                name: {"frames": camera.frames, "counts": [dict(one) for one in camera.counts]}
                for name, camera in self.cameras.items()
            },
            "before": self.before,
            "notice": self.notice,
            "page": self.page,
        }


def write_marker(folder: Path, marker: RunMarker) -> None:
    """Writes it, so that a power cut leaves it or the one before.

    Raises:
        UsageError: the folder cannot be written to.
    """
    write_json(folder / NAME, marker.to_json())


def read_marker(folder: Path) -> RunMarker | None:
    """Reads it; None: there is none.

    Raises:
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        with (folder / NAME).open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(data) > _LARGEST:
        raise ValueError("it is far too large")
    try:
        return _marker(json.loads(data))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it holds something else") from error


def _marker(found: Any) -> RunMarker:
    if found["schema"] != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    monotonic_s = _number(found["monotonic_s"])
    return RunMarker(
        started=Instant(0.0, _number(found["started_s"])),
        alive=Instant(monotonic_s, _number(found["last_alive_s"])),
        boot=_text(found["boot"]),
        cameras={
            str(name): CameraCounts(int(_number(one["frames"])), _counts(one["counts"]))
            for name, one in found["cameras"].items()
        },
        ended=_text(found["ended"]),
        before=_text(found["before"]),
        notice=_text(found["notice"]),
        page=_text(found["page"]),
    )


def _counts(found: Any) -> tuple[Mapping[str, Any], ...]:
    counts = tuple(found)
    for one in counts:
        _number(one["in"]), _number(one["out"])
        _text(one.get("line")), _text(one.get("zone"))
    return counts


def _number(value: Any) -> float:
    # Later than that a time is in no calendar.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise ValueError("a number is none")
    if not math.isfinite(value):
        raise ValueError("a number is none")
    return float(value)


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("a text is none")
    return value
