"""What the report says of a detector: classes, curves, confusions and its mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.core.bundle import Bundle
from edgecnn.core.detections import Detections
from edgecnn.core.metric import Metric
from edgecnn.evaluation.detection import detection_metric
from edgecnn.evaluation.matching import ImageResult
from edgecnn.report.html import render
from edgecnn.report.model import collect
from tests.report.bundles import layer_rows, make_bundle, quantize_json
from tests.report.test_report import HOSTILE, Checker

LABELS = ("bolt", "nut", "washer")


def measured(labels: tuple[str, ...], noise: float) -> Metric:
    """A detector that misses some boxes, and takes the last class for the first now and then."""
    rng = np.random.default_rng(5)
    results = []
    for _ in range(30):
        low = rng.uniform(0, 200, (4, 2))
        boxes = np.concatenate([low, low + rng.uniform(20, 120, (4, 2))], axis=1)
        classes = rng.integers(0, len(labels), 4)
        said = np.where(rng.random(4) < 0.8, classes, 0)
        keep = rng.random(4) < 0.8
        scores = np.sort(rng.uniform(0.2, 1, int(keep.sum())))[::-1].astype(np.float32)
        near = (boxes + rng.normal(0, noise, boxes.shape)).astype(np.float32)
        found = Detections(near[keep], scores, said[keep])
        results.append(ImageResult(found, boxes.astype(np.float32), classes))
    return detection_metric(results, labels, thresholds=(0.4,) * len(labels), rounds=20)


def detector(root: Path, labels: tuple[str, ...], items: Any = None) -> Bundle:
    bundle = make_bundle(root, "detect", labels)
    metrics = {"float": measured(labels, 3.0), "quantized": measured(labels, 5.0)}
    picture = cv2.imencode(".jpg", np.full((90, 120, 3), 128, np.uint8))[1].tobytes()
    with bundle.edit() as edit:
        folder = "variants/int8"
        edit.write_json(f"{folder}/metrics.json", quantize_json(metrics, layer_rows(5)))
        edit.write(f"{folder}/gallery/01.jpg", picture)
        edit.write(f"{folder}/gallery/02.jpg", b"no picture")
        edit.write_json(f"{folder}/gallery/gallery.json", {"items": items or []})
    return bundle.reload()


def exhibit(**changes: Any) -> dict[str, Any]:
    return {
        "file": "01.jpg", "kind": "misplaced", "image": "photos/7.jpg", "shown": "bolt",
        "expected": "bolt", "score": 0.87, "iou": 0.43, "size": [120, 90],
        "found": [10, 10, 50, 50], "truth": [12, 8, 60, 52], **changes,
    }  # fmt: skip


def test_classes_curves_confusions_and_mistakes_are_on_the_page(tmp_path: Path) -> None:
    missed = exhibit(kind="missed", shown=None, score=None, iou=None, found=None)
    bundle = detector(tmp_path / "b", LABELS, [exhibit(), missed])
    metric = bundle.read_json("variants/int8/metrics.json")["metrics"]["quantized"]
    page = render(collect(bundle))
    checker = Checker(page)
    for words in ("AP float", "AP int8", "background", "boxes by size", "Found twice"):
        assert words in checker.text
    for label in LABELS:
        assert f'aria-label="{label}"' in page  # its plot
        share = f"{100 * metric['by_class'][label]['recall']:.1f} %"
        assert share in checker.text
    right = metric["mistakes"]["right"]
    assert f"{right} of {metric['boxes']} boxes are found and shown" in checker.text
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.count('class="box-truth"') == 2 and page.count('class="box-found"') == 1
    assert "bolt 0.87, IoU 0.43" in checker.text and "7.jpg" in checker.text
    assert 'title="photos/7.jpg"' in page
    assert 'href="#mistakes"' in page and checker.ids.count("mistakes") == 1


@pytest.mark.parametrize(
    "item",
    [
        exhibit(file="02.jpg"),
        exhibit(file="../../../model.keras"),
        exhibit(file="03.jpg"),
        exhibit(file=None),
        exhibit(size=[120]),
        exhibit(size=[1e9, 90]),
        exhibit(size=None),
        "no object",
    ],
)
def test_a_damaged_gallery_is_left_out(item: Any, tmp_path: Path) -> None:
    page = render(collect(detector(tmp_path / "b", LABELS, [item])))
    Checker(page)
    assert "data:image/jpeg" not in page


def test_hostile_words_in_a_gallery_are_text(tmp_path: Path) -> None:
    items = [
        exhibit(shown=word, image=word, found=["x"] * 4, kind="false alarm") for word in HOSTILE
    ]
    page = render(collect(detector(tmp_path / "b", HOSTILE, items)))
    checker = Checker(page)
    assert "script" not in checker.elements
    assert not [key for key, _ in checker.attributes if key.startswith("on")]
    assert "box-found" not in page.split("</style>")[1]


def test_a_detector_measured_by_an_older_version_still_has_its_bars(tmp_path: Path) -> None:
    page = render(collect(make_bundle(tmp_path / "b", "detect", LABELS)))
    assert "average precision, %" in page and 'href="#mistakes"' not in page


def test_the_c_of_a_target_stands_beside_the_models_it_was_made_from(tmp_path: Path) -> None:
    bundle = detector(tmp_path / "b", LABELS)
    loss = {"points": 0.44, "interval95": [-1.06, 2.1], "paired": True}
    metric = measured(LABELS, 5.0).to_json()
    rows = [
        {"name": "float32", "runs": "LiteRT", "metric": metric, "loss": None},
        {"name": "cortex-m3", "runs": "C <b>", "metric": {**metric, "value": 0.4321}, "loss": loss},
    ]
    with bundle.edit() as edit:
        edit.write_json("targets/cortex-m3/int8/eval.json", {"compared": rows})
        edit.write_json("targets/cortex-m55/int8/eval.json", {"compared": [None, 7]})
    page = render(collect(bundle.reload()))
    text = Checker(page).text
    assert "on cortex-m3" in text and "43.2 %" in text and "C <b>" in text
    assert "0.4 points [\u22121.1, 2.1] less than float32" in text
    assert "on cortex-m55" not in text
    # What was evaluated, and neither checked nor run, is no row of the devices.
    assert "<b>cortex-m3</b>" not in page and "<b>cortex-m4</b>" in page
