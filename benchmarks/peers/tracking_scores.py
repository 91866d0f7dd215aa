"""MOTA, IDF1 and identity switches by motmetrics.

Usage: python tracking_scores.py SCENES.json TOLD.json

Prints one JSON line with ``scores``: kind of scene → what motmetrics says of all its scenes
together. A box is the thing's where they overlap by half.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import motmetrics
import numpy as np

METRICS = ("mota", "idf1", "num_switches", "num_false_positives", "num_misses", "num_objects")


def accumulated(scene: dict, told: list) -> motmetrics.MOTAccumulator:
    """One scene's matches, frame by frame."""
    found = motmetrics.MOTAccumulator(auto_id=True)
    for truth, frame in zip(scene["truth"], told, strict=True):
        distances = motmetrics.distances.iou_matrix(_boxes(truth), _boxes(frame), max_iou=0.5)
        found.update([number for number, _ in truth], [number for number, _ in frame], distances)
    return found


def _boxes(numbered: list) -> np.ndarray:
    corners = np.array([box for _, box in numbered], np.float64).reshape(-1, 4)
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def main(scenes: str, told: str) -> None:
    """Scores all scenes."""
    given = json.loads(Path(scenes).read_text("utf-8"))
    said = json.loads(Path(told).read_text("utf-8"))["told"]
    host = motmetrics.metrics.create()
    by_kind: dict[str, list] = {}
    for scene, frames in zip(given, said, strict=True):
        kind = scene["name"].rsplit("/", 1)[0]
        by_kind.setdefault(kind, []).append(accumulated(scene, frames))
    scores = {}
    for kind, each in by_kind.items():
        names = [str(k) for k in range(len(each))]
        table = host.compute_many(each, metrics=METRICS, names=names, generate_overall=True)
        scores[kind] = {key: float(table.loc["OVERALL", key]) for key in METRICS}
    print(json.dumps({"scores": scores, "versions": {"motmetrics": version("motmetrics")}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
