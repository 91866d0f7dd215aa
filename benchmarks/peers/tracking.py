"""Trackers by others on given detections, frame by frame.

Usage: python tracking.py TRACKER SCENES.json OUT.json

SCENES.json holds the scenes of benchmarks/tracking_scenes.py; OUT.json gets number and box of
everything that the tracker tells, for each frame of each scene. What is told is what is seen: boxes
are the detections' own wherever the tracker says which they were.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from measure import finish, start

COUNTS_FROM = 0.5
Told = list[tuple[int, tuple[float, ...]]]
Step = Callable[[np.ndarray, np.ndarray], Told]


def of_supervision(fps: float, **options: object) -> Step:
    """ByteTrack of supervision."""
    import supervision as sv

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracker = sv.ByteTrack(frame_rate=max(1, round(fps)), **options)

    def step(boxes: np.ndarray, scores: np.ndarray) -> Told:
        found = sv.Detections(xyxy=boxes, confidence=scores)
        return _numbered(tracker.update_with_detections(found))

    return step


def of_trackers(name: str, fps: float, **options: object) -> Step:
    """The trackers package."""
    import supervision as sv
    import trackers

    tracker = getattr(trackers, name)(frame_rate=fps, **options)

    def step(boxes: np.ndarray, scores: np.ndarray) -> Told:
        return _numbered(tracker.update(sv.Detections(xyxy=boxes, confidence=scores)))

    return step


def of_norfair(fps: float, least: float) -> Step:
    """Norfair with IoU, as its documentation shows for boxes."""
    import norfair

    tracker = norfair.Tracker(
        distance_function="iou",
        distance_threshold=0.7,
        hit_counter_max=max(2, round(fps / 2)),
        initialization_delay=1,
    )

    def step(boxes: np.ndarray, scores: np.ndarray) -> Told:
        found = [
            norfair.Detection(points=box.reshape(2, 2))
            for box, score in zip(boxes, scores, strict=True)
            if score >= least
        ]
        told = []
        for thing in tracker.update(found):
            if thing.last_detection in found:  # it was seen on this frame
                box = tuple(thing.last_detection.points.ravel().tolist())
                told.append((int(thing.id), box))
        return told

    return step


def _numbered(found: object) -> Told:
    numbers = [] if found.tracker_id is None else found.tracker_id.tolist()
    return [
        (int(number), tuple(box.tolist()))
        for number, box in zip(numbers, found.xyxy, strict=True)
        if number >= 0
    ]


#: Name → what makes a tracker for a frame rate: as it comes, and told from which score on a
#: detection counts.
TRACKERS: dict[str, Callable[[float], Step]] = {
    "supervision ByteTrack": of_supervision,
    "supervision ByteTrack, 0.5": lambda fps: of_supervision(
        fps, track_activation_threshold=COUNTS_FROM
    ),
    "trackers ByteTrack": lambda fps: of_trackers("ByteTrackTracker", fps),
    "trackers ByteTrack, 0.5": lambda fps: of_trackers(
        "ByteTrackTracker",
        fps,
        track_activation_threshold=COUNTS_FROM,
        high_conf_det_threshold=COUNTS_FROM,
    ),
    "trackers SORT": lambda fps: of_trackers("SORTTracker", fps),
    "trackers SORT, 0.5": lambda fps: of_trackers(
        "SORTTracker", fps, track_activation_threshold=COUNTS_FROM
    ),
    "norfair, 0.5": lambda fps: of_norfair(fps, COUNTS_FROM),
}


def follow(name: str, scene: dict) -> tuple[list[Told], float]:
    """What the tracker tells of each frame, and how long it took for all of them, CPU seconds."""
    step = TRACKERS[name](scene["fps"])
    told, spent_s = [], 0.0
    for found in scene["found"]:
        boxes = np.array([box for _, _, box in found], np.float64).reshape(-1, 4)
        scores = np.array([score for _, score, _ in found], np.float64)
        began = time.process_time()
        told.append(step(boxes, scores))
        spent_s += time.process_time() - began
    return told, spent_s


def main(name: str, scenes: str, out: str) -> None:
    """Runs one tracker over all scenes."""
    clock = start()
    told = [follow(name, scene) for scene in json.loads(Path(scenes).read_text("utf-8"))]
    Path(out).write_text(
        json.dumps({"told": [each for each, _ in told], "seconds": [s for _, s in told]}),
        "utf-8",
    )
    package = name.split()[0].rstrip(",")
    finish(clock, **{package: version(package)})


if __name__ == "__main__":
    main(*sys.argv[1:])
