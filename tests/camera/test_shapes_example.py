"""The network of ``examples/shapes.py`` on the pattern whose truth is known."""

import json
from pathlib import Path

from tests.camera.page.browser import shapes_model
from tests.run import in_process


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union of two boxes."""
    sides = [min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
    both = max(0.0, sides[0]) * max(0.0, sides[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def test_it_finds_every_shape_where_it_is(tmp_path: Path) -> None:
    model = shapes_model(tmp_path)
    for seed in (1, 2):
        source = f"test,size=800x600,rate=40,seconds=0.5,seed={seed}"
        done = in_process("detect", "--source", source, "--model", model, "--json")
        assert done.returncode == 0, done.stderr
        frames = [json.loads(line) for line in done.stdout.splitlines()[:-1]]
        assert len(frames) > 5
        for frame in frames:
            found = {item["label"]: item for item in frame["detections"]}
            truth = {item["label"]: item["box_xyxy"] for item in frame["truth"]}
            assert len(frame["detections"]) == 3 and found.keys() == truth.keys()
            for label, item in found.items():
                assert overlap(item["box_xyxy"], truth[label]) > 0.95
                assert item["score"] > 0.9
