"""The peer's boxes are scored as ours are, whatever order the files come in."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import yolo


@pytest.fixture
def photos(tmp_path):
    """Twelve photos with one box each, in VOC format with splits."""
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for k in range(12):
        image = rng.integers(0, 255, (40, 60, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "JPEGImages" / f"p{k}.png"), image)
        corners = f"<xmin>{k + 1}</xmin><ymin>5</ymin><xmax>{k + 20}</xmax><ymax>30</ymax>"
        (tmp_path / "Annotations" / f"p{k}.xml").write_text(
            f"<annotation><filename>p{k}.png</filename><size><width>60</width><height>40</height>"
            f"<depth>3</depth></size><object><name>thing</name><bndbox>{corners}</bndbox></object>"
            "</annotation>"
        )
    for part, numbers in (("train", range(6)), ("val", range(6, 9)), ("test", range(9, 12))):
        names = "".join(f"p{k}\n" for k in numbers)
        (tmp_path / "ImageSets" / "Main" / f"{part}.txt").write_text(names)
    return tmp_path


def test_boxes_that_a_peer_finds_are_scored_by_our_evaluation(photos, monkeypatch):
    def peer(python, script, data, images, out, *_):
        assert Path(data).read_text("utf-8").startswith(f"path: {Path(images).parents[1]}\n")
        names = sorted(path.name for path in Path(images).iterdir())
        rows = [[i, int(name[1:-4]), 4, int(name[1:-4]) + 20, 30, 0.9, 0]
                for i, name in enumerate(names)]  # fmt: skip
        rows.append([0, 0, 0, 5, 5, 0.1, 0])
        np.savez(out, names=names[::1], rows=np.array(rows, np.float32), epochs=7, parameters=5,
                 spent=(2.0, 3.0))  # fmt: skip
        return {"versions": {"ultralytics": "1"}}

    monkeypatch.setattr(yolo, "run_script", peer)
    score = yolo.measure_yolo(photos, Path("python"), cpu_seconds=1.0)
    assert (score.map50, score.map5095) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (score.epochs, score.parameters, score.cpu_seconds) == (7, 5, 3.0)
    assert json.dumps(score.per_class) == '{"thing": 1.0}'
