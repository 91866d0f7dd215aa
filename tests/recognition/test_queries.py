"""Detectors with queries: RT-DETR's tensor, RF-DETR's two, DETR's softmax."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.postprocess import DetectSpec
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.yolo_heads import corners, decoded, facts_of, logits, overlap, squash

SIZE, COUNT = (160, 128), 300
UNITS = np.asarray((160, 128, 160, 128), np.float32)


def queries():
    """Boxes over the input's size, and logits of which few are sure."""
    rng = np.random.default_rng(51)
    boxes = np.concatenate(
        [rng.uniform(0.1, 0.9, (COUNT, 2)), rng.uniform(0.02, 0.3, (COUNT, 2))], 1
    )
    return boxes.astype(np.float32), logits(rng, COUNT, 7)


@pytest.mark.parametrize("form", ["one tensor", "two outputs"])
def test_queries(form) -> None:
    boxes, raw = queries()
    arrays = {"out": np.concatenate([boxes, squash(raw)], axis=1)[None]}
    if form == "two outputs":
        arrays = {"labels": raw[None], "dets": boxes[None]}
    facts = facts_of(SIZE, arrays)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and isinstance(answer.spec, DetectSpec)
    assert (answer.spec.nms_iou, answer.spec.box_units, len(answer.spec.labels)) == (1.0, SIZE, 7)
    assert answer.habit is not None and answer.habit.fit == "stretch"
    sure = squash(raw)
    wanted = sorted((k for k in range(COUNT) if sure[k].max() >= 0.5), key=lambda k: -sure[k].max())
    found = decoded(facts, answer.spec)
    assert len(found) == len(wanted) > 0
    for k, row in enumerate(wanted):
        assert overlap(found.boxes[k].tolist(), corners(*(boxes[row] * UNITS).tolist())) > 0.99
        assert int(found.classes[k]) == int(raw[row].argmax())


def test_what_is_no_such_detector() -> None:
    boxes, raw = queries()
    nothing = np.full((COUNT, 1), 9.0, np.float32)
    last = {"dets": boxes[None], "logits": np.concatenate([raw, nothing], axis=1)[None]}
    answer = recognise(facts_of(SIZE, last))
    assert isinstance(answer, Incomplete) and "no object" in answer.missing["background"]
    corner = np.concatenate([boxes[:, :2] - 0.01, boxes[:, :2] + 0.01], axis=1)
    for arrays in (
        {"a": corner[None], "b": raw[None]},
        {"a": (boxes * 100)[None], "b": raw[None]},
        {"a": np.zeros((1, COUNT, 4), np.float32), "b": raw[None]},
        {"a": np.full((1, COUNT, 84), np.nan, np.float32)},
        {"a": raw[None]},
    ):
        assert recognise(facts_of(SIZE, arrays)) is None
