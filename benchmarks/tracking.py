"""Our tracker and those of others on the same detections, judged by motmetrics.

``python -m benchmarks tracking [--seeds N] [--kinds NAME …] [--peer-dir FOLDER]``: scenes are made
here; each peer, and motmetrics, runs in a Python of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.peers.venvs import (
    DEFAULT_FOLDER,
    MOTMETRICS,
    TRACKERS,
    PeerFailedError,
    python_of,
    run_script,
)
from benchmarks.record import Record, conditions
from benchmarks.tracking_scenes import (
    KINDS,
    LABELS,
    Found,
    Scene,
    make_scene,
)
from edgecnn.camera.result import Item
from edgecnn.camera.tracking.bytetrack import ByteTracker

SEEDS = 6
#: The first scene of each kind; 1 to 6 and those from 1000 on were looked at to make rules.
_FIRST = 101
#: Name → the score from which on detections count.
OURS: Mapping[str, float] = MappingProxyType({"ours, 0.5": 0.5, "ours, 0.25": 0.25})
#: As benchmarks/peers/tracking.py calls them.
PEERS = (
    "supervision ByteTrack",
    "supervision ByteTrack, 0.5",
    "trackers ByteTrack",
    "trackers ByteTrack, 0.5",
    "trackers SORT",
    "trackers SORT, 0.5",
    "norfair, 0.5",
)
COLUMNS = ("scenes", "tracker", "MOTA %", "IDF1 %", "switches", "false", "missed", "us a frame")
_LOADS = (1, 10, 50, 100)
NOTE = (
    f"{SEEDS} scenes of each kind made by benchmarks/tracking_scenes.py; no rule was chosen on"
    " these. All trackers get the same detections, frame by frame. Behind a name stands from which"
    " score on a detection counts; what scores less is a candidate. Without it: a peer as it comes"
    " (supervision's ByteTrack and trackers' SORT: from 0.25 on; trackers' ByteTrack: from 0.6 on,"
    " new tracks from 0.7 on). Peers know no time, and are told the mean frame rate. Told is what a"
    " user would see: confirmed tracks, where they are seen. MOTA, IDF1 and identity switches are"
    " motmetrics', of all scenes of a kind together, a match being an overlap of a half. mean: of"
    " the kinds' MOTA and IDF1, the rest summed. us a frame: CPU time; of these scenes the mean, of"
    " so many things the median."
)


@dataclass(frozen=True)
class TrackingSelection:
    """What is run.

    Attributes:
        seeds: of each kind.
        kinds: of scenes; empty: all.
        folder: where the peers' Pythons are.
    """

    seeds: int = SEEDS
    kinds: tuple[str, ...] = ()
    folder: Path = DEFAULT_FOLDER

    @property
    def whole(self) -> bool:
        """Whether it is the table as it is published."""
        return self.seeds >= SEEDS and not self.kinds


@dataclass(frozen=True)
class _Given:
    """The scenes, where scripts find them, and what scores are made with."""

    scenes: tuple[Scene, ...]
    file: Path
    folder: Path
    versions: dict[str, str] = field(default_factory=dict)

    def tell(self, name: str, told: Path) -> None:
        """Writes what a tracker tells of all scenes.

        Raises:
            PeerFailedError: a peer cannot be had, or failed.
        """
        if name in OURS:
            told.write_text(json.dumps(_ours(self.scenes, OURS[name])), "utf-8")
            return
        said = run_script(python_of(TRACKERS, self.folder), "tracking", name, self.file, told)
        self.versions.update(said["versions"])

    def scored(self, told: Path) -> dict[str, dict[str, float]]:
        """Kind → motmetrics' figures of what a tracker told."""
        said = run_script(python_of(MOTMETRICS, self.folder), "tracking_scores", self.file, told)
        self.versions.update(said["versions"])
        scores: dict[str, dict[str, float]] = said["scores"]
        return scores


def selection_of(arguments: Sequence[str]) -> TrackingSelection:
    """Reads the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tracking")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=())
    parser.add_argument("--peer-dir", type=Path, default=DEFAULT_FOLDER)
    given = parser.parse_args(arguments)
    return TrackingSelection(given.seeds, tuple(given.kinds), given.peer_dir)


def run(chosen: TrackingSelection | None = None) -> Record:
    """Follows all scenes with all trackers.

    Raises:
        PeerFailedError: motmetrics cannot be had.
    """
    chosen = chosen or TrackingSelection()
    kinds, seeds = chosen.kinds or tuple(KINDS), range(_FIRST, _FIRST + chosen.seeds)
    scenes = tuple(make_scene(kind, seed) for kind in kinds for seed in seeds)
    rows: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory(prefix="edgecnn-tracking-") as scratch:
        file, told = Path(scratch) / "scenes.json", Path(scratch) / "told.json"
        file.write_text(json.dumps([scene.to_json() for scene in scenes]), "utf-8")
        given = _Given(scenes, file, chosen.folder)
        by_tracker: dict[str, tuple[dict[str, dict[str, float]], float]] = {}
        frames = sum(len(scene.times) for scene in scenes)
        for name in (*OURS, *PEERS):
            print(f"tracking: {name}", flush=True)
            try:
                given.tell(name, told)
            except PeerFailedError as error:
                print(f"{name} left out: {error}", flush=True)
                continue
            spent_s = sum(json.loads(told.read_text("utf-8"))["seconds"])
            by_tracker[name] = (given.scored(told), spent_s / frames * 1e6)
    for kind in kinds:
        rows += [_row(kind, name, scores[kind], None) for name, (scores, _) in by_tracker.items()]
    rows += [_row("mean", name, _mean(scores), us) for name, (scores, us) in by_tracker.items()]
    rows += [(f"{n} things", "ours", *[None] * 5, round(microseconds(n))) for n in _LOADS]
    made = conditions()
    made["versions"].update(given.versions)
    return Record("tracking", COLUMNS, tuple(rows), NOTE, made, chosen.whole)


def items_of(found: tuple[Found, ...], counts_from: float) -> tuple[Item, ...]:
    """A frame's detections as the loop has them."""
    return tuple(
        Item(LABELS[kind], kind, score, box, candidate=score < counts_from)
        for kind, score, box in found
    )


def microseconds(things: int) -> float:
    """The median time of a frame with so many of them."""
    rng = np.random.default_rng(1)
    start = rng.uniform((0, 0), (1280, 720), (things, 2))
    speed, sides = rng.normal(0, 60, (things, 2)), rng.uniform(30, 80, (things, 2))
    tracker, spent_s = ByteTracker(), []
    for frame in range(300):
        middle = start + speed * (frame / 30) + rng.normal(0, 1, (things, 2))
        boxes = np.hstack([middle - sides / 2, middle + sides / 2]).tolist()
        items = tuple(Item("a", 0, 0.9, tuple(box)) for box in boxes)
        began = time.process_time()
        tracker.update(items, frame / 30)
        spent_s.append(time.process_time() - began)
    return statistics.median(spent_s) * 1e6


def _ours(scenes: tuple[Scene, ...], counts_from: float) -> dict[str, Any]:
    """What our tracker tells, as a peer's script writes it."""
    told, spent_s = [], []
    for scene in scenes:
        tracker, frames = ByteTracker(), []
        given = [items_of(found, counts_from) for found in scene.found]
        began = time.process_time()
        for at, items in zip(scene.times, given, strict=True):
            frames.append(tracker.update(items, at).items)
        spent_s.append(time.process_time() - began)
        told.append(
            [[(item.track, item.box_xyxy) for item in items if item.track] for items in frames]
        )
    return {"told": told, "seconds": spent_s}


def _mean(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """Sums the kinds up: the mean of their shares, the sum of their counts."""
    each = list(scores.values())
    return {
        key: sum(one[key] for one in each) / (len(each) if key in ("mota", "idf1") else 1)
        for key in each[0]
    }


def _row(kind: str, name: str, score: dict[str, float], us: float | None) -> tuple[Any, ...]:
    counts = (round(score[key]) for key in ("num_switches", "num_false_positives", "num_misses"))
    shares = (round(100 * score[key], 1) for key in ("mota", "idf1"))
    return (kind, name, *shares, *counts, None if us is None else round(us))
