"""How fast the loop could be at best, and how near it came."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edgecnn.camera.stats import StageTimes


@dataclass(frozen=True)
class Bound:
    """The least of what the stages could do alone.

    Attributes:
        fps: frames per second that nothing could exceed.
        by: what sets it: ``source`` (a camera's own rate), ``decoding`` (reading a file),
            ``inference`` (of a live source with preprocessing), or ``cores`` (all of them busy all
            the time).
        reached: the loop's rate as a share of it.
        cpu_ms: CPU time of this process for one frame, milliseconds.
    """

    fps: float
    by: str
    reached: float
    cpu_ms: float

    def to_json(self) -> dict[str, object]:
        """The object ``bound`` of the last JSON line."""
        return {
            "fps": round(self.fps, 2),
            "by": self.by,
            "reached": round(self.reached, 3),
            "cpu_ms_per_frame": round(self.cpu_ms, 3),
        }


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bound_of(
    times: StageTimes, fps: float, cpu_ms: float, source_fps: float | None, cores: int
) -> Bound | None:
    """The bound of a run.

    The stages are timed while all of them run; where they compete for cores, each looks slower
    than it would be alone.

    Args:
        times: milliseconds by stage.
        fps: what the loop reached.
        cpu_ms: CPU time for one frame.
        source_fps: what a live source gave, dropped frames included; None: a file, which is read
            as fast as it can be decoded.
        cores: that it may use.

    Returns:
        None without frames.
    """
    capture, preprocess, infer = (times.mean(name) for name in ("capture", "preprocess", "infer"))
    if infer is None or preprocess is None or capture is None or cpu_ms <= 0:
        return None
    # Frames of a file can be prepared beside inference, while they wait; a live one cannot.
    model_ms = infer if source_fps is None else preprocess + infer
    limits = {"inference": 1e3 / max(model_ms, 1e-6), "cores": cores * 1e3 / cpu_ms}
    if source_fps is None:
        limits["decoding"] = 1e3 / max(capture, 1e-6)
    elif source_fps > 0:
        limits["source"] = source_fps
    by = min(limits, key=lambda name: limits[name])
    return Bound(limits[by], by, fps / limits[by], cpu_ms)
