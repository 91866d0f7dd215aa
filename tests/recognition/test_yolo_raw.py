"""Heads that leave the decoding to the host: recognised, and decoded as their publishers do."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.core.tflite.ultralytics import Ultralytics
from edgecnn.recognition import yolo_known as published
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.yolo_heads import (
    best_classes,
    by_level,
    cells,
    check,
    decoded,
    facts_of,
    from_cells,
    from_distances,
    logits,
    on_anchors,
    squash,
)

SIZE, STRIDES, FOUR = (160, 96), (8, 16, 32), (8, 16, 32, 64)


def names(count):
    return tuple(f"thing {k}" for k in range(count))


def known(facts) -> Recognised:
    answer = recognise(facts)
    assert isinstance(answer, Recognised), answer
    return answer


def in_cells(rng, count):
    """YOLOX's four codes."""
    place, size = rng.uniform(-0.5, 1.5, (count, 2)), rng.uniform(-0.3, 1.5, (count, 2))
    return np.concatenate([place, size], axis=1).astype(np.float32)


def dfl(rng, count, bins=16):
    """Distributions that peak between one and three."""
    values = rng.normal(0, 0.5, (count, 4, bins))
    values[..., 1:4] += rng.uniform(2, 5, (count, 4, 1))
    return values.reshape(count, 4 * bins).astype(np.float32)


def named(*maps):
    """Outputs of levels in an order that says nothing."""
    flat = [item for level in zip(*maps, strict=True) for item in level]
    order = np.random.default_rng(1).permutation(len(flat))
    return {f"Identity_{k}": flat[k] for k in order}


@pytest.mark.parametrize("ready", [False, True])
@pytest.mark.parametrize("classes", [2, 80])
def test_yolox_in_one_tensor(ready, classes):
    """``decode_in_inference`` off: sigmoids are done, as ``YOLOXHead.forward`` does them."""
    rng = np.random.default_rng(21)
    count = len(cells(SIZE, STRIDES))
    codes, obj = in_cells(rng, count), logits(rng, count, 1, 12)
    prob = rng.normal(0, 2, (count, classes)).astype(np.float32)
    table = [codes, squash(obj), squash(prob)] if ready else [codes, obj, prob]
    facts = facts_of(SIZE, {"out": np.concatenate(table, axis=1)[None]}, labels=names(classes))
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec)
    assert (spec.coding, spec.activation) == ("cell-exp", "none" if ready else "sigmoid")
    scores = squash(obj) * squash(prob)
    check(decoded(facts, spec), best_classes(from_cells(codes, SIZE, STRIDES), scores, 0.3, 0.45))


@pytest.mark.parametrize("strides", [STRIDES, FOUR])
def test_nanodet_plus(strides):
    """Classes first, then four distributions over eight values; centres at the cells' corners."""
    rng = np.random.default_rng(22)
    size = (144, 112)  # 64 does not divide it: cells are rounded up
    count = len(cells(size, strides))
    prob, codes = squash(logits(rng, count, 5)), dfl(rng, count, 8)
    facts = facts_of(size, {"output": np.concatenate([prob, codes], axis=1)[None]})
    answer = known(facts)
    spec = answer.spec
    assert isinstance(spec, DetectSpec)
    assert (len(spec.labels), spec.bins, len(spec.levels)) == (5, 8, len(strides))
    assert answer.habit is not None and answer.habit.colour == "bgr"
    boxes = from_distances(codes, size, strides, 8, origin=0.0)
    check(decoded(facts, spec), best_classes(boxes, prob, 0.35, 0.6))


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("channels_first", [False, True])
def test_yolov8_by_level(together, channels_first):
    """``Detect`` cut before its decoding: 64 values and the classes, in one tensor or two."""
    rng = np.random.default_rng(23)
    count = len(cells(SIZE, STRIDES))
    codes, raw = dfl(rng, count), logits(rng, count, 80)
    tables = [np.concatenate([codes, raw], axis=1)] if together else [codes, raw]
    maps = [by_level(table, SIZE, STRIDES) for table in tables]
    if channels_first:
        maps = [[np.ascontiguousarray(np.moveaxis(m, 3, 1)) for m in item] for item in maps]
    facts = facts_of(SIZE, named(*maps))
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec)
    assert (spec.coding, spec.bins, spec.transposed) == ("ltrb", 16, channels_first)
    assert [level.stride for level in spec.levels] == [8, 16, 32]
    boxes = from_distances(codes, SIZE, STRIDES, 16)
    check(decoded(facts, spec), best_classes(boxes, squash(raw), 0.25, 0.7))


def test_yolov8_pose_by_level():
    """Hailo's cut of the pose head: 64, 1 and 51 values a cell."""
    rng = np.random.default_rng(24)
    count = len(cells(SIZE, STRIDES))
    codes, raw = dfl(rng, count), logits(rng, count, 1)
    points = rng.normal(0, 1, (count, 51)).astype(np.float32)
    facts = facts_of(SIZE, named(*(by_level(t, SIZE, STRIDES) for t in (codes, raw, points))))
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec) and spec.keypoints is not None
    found = decoded(facts, spec)
    wanted = best_classes(from_distances(codes, SIZE, STRIDES, 16), squash(raw), 0.25, 0.7)
    check(found, wanted)
    assert found.keypoints is not None
    for (_, score, _), mine in zip(wanted, found.keypoints, strict=True):
        row = int(np.argmin(np.abs(squash(raw)[:, 0] - score)))
        x, y, stride = cells(SIZE, STRIDES)[row]
        for k in range(17):
            tx, ty, seen = points[row, 3 * k : 3 * k + 3].tolist()
            theirs = ((tx * 2 + x) * stride, (ty * 2 + y) * stride)
            np.testing.assert_allclose(mine[k, :2], theirs, atol=1e-3)
            assert abs(float(mine[k, 2]) - 1 / (1 + np.exp(-seen))) < 1e-5


@pytest.mark.parametrize("strides", [STRIDES, FOUR])
def test_nanodet_and_picodet_by_level(strides):
    """(1, cells, classes) after the sigmoid and (1, cells, 32), two a level."""
    rng = np.random.default_rng(25)
    count = len(cells(SIZE, strides))
    prob, codes = squash(logits(rng, count, 6)), dfl(rng, count, 8)
    flat = [
        [m.reshape(1, -1, m.shape[-1]) for m in by_level(t, SIZE, strides)] for t in (prob, codes)
    ]
    facts = facts_of(SIZE, named(*flat))
    answer = known(facts)
    assert isinstance(answer.spec, DetectSpec)
    pico = len(strides) == 4
    assert answer.name.startswith("PicoDet" if pico else "NanoDet")
    boxes = from_distances(codes, SIZE, strides, 8)
    threshold, iou = (0.4, 0.5) if pico else (0.35, 0.6)
    check(decoded(facts, answer.spec), best_classes(boxes, prob, threshold, iou))


@pytest.mark.parametrize("classes", [1, 3, 80])
def test_yolox_by_level(classes):
    """Three convolutions a level: box, objectness, classes."""
    rng = np.random.default_rng(26)
    count = len(cells(SIZE, STRIDES))
    codes, obj = in_cells(rng, count), logits(rng, count, 1, 12)
    prob = rng.normal(0, 2, (count, classes)).astype(np.float32)
    facts = facts_of(SIZE, named(*(by_level(t, SIZE, STRIDES) for t in (codes, obj, prob))))
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec) and spec.coding == "cell-exp"
    scores = squash(obj) * squash(prob)
    check(decoded(facts, spec), best_classes(from_cells(codes, SIZE, STRIDES), scores, 0.3, 0.45))


def anchored(strides, anchors, classes, *, seed=27):
    """Raw values of a head with three anchors a cell, and their objectness times classes."""
    rng = np.random.default_rng(seed)
    count = len(cells(SIZE, strides)) * 3
    codes = rng.normal(0, 0.7, (count, 4)).astype(np.float32)
    obj = logits(rng, count, 1, 15)
    prob = rng.normal(0, 2, (count, classes)).astype(np.float32)
    table = np.concatenate([codes, obj, prob], axis=1)
    return codes, squash(obj) * squash(prob), table.reshape(count // 3, -1)


@pytest.mark.parametrize("form", ["flat", "apart", "anchors first"])
def test_anchors_that_the_file_does_not_tell(form):
    """Outputs alone do not say v3 from v5: what is missing is named, and with it they decode."""
    codes, scores, table = anchored(STRIDES, published.P5, 80)
    maps = by_level(table, SIZE, STRIDES)
    if form != "flat":
        maps = [m.reshape(*m.shape[:3], 3, 85) for m in maps]
    if form == "anchors first":
        maps = [np.ascontiguousarray(np.moveaxis(m, 3, 1)) for m in maps]
    facts = facts_of(SIZE, named(maps))
    answer = recognise(facts)
    assert isinstance(answer, Incomplete)
    assert set(answer.missing) == {"levels.anchors", "coding"}
    assert [level["stride"] for level in answer.draft["levels"]] == [8, 16, 32]
    from edgecnn.core.postprocess import from_json

    body = dict(answer.draft)
    body["levels"] = [
        {**level, "anchors": [list(pair) for pair in anchors]}
        for level, anchors in zip(body["levels"], published.P5, strict=True)
    ]
    body = {key: _lists(value) for key, value in body.items()}
    spec = from_json({"schema": "edgecnn.postprocess/2", **body, "coding": "anchor-square"})
    boxes = on_anchors(codes, SIZE, STRIDES, published.P5, squared=True)
    check(decoded(facts, spec), best_classes(boxes, scores, 0.25, 0.45))


def test_a_sigmoid_in_the_graph():
    _, _, table = anchored(STRIDES, published.P5, 80)
    answer = recognise(facts_of(SIZE, named(by_level(squash(table), SIZE, STRIDES))))
    assert isinstance(answer, Incomplete)
    assert "sigmoid" in answer.missing["coding"]


def _lists(value):
    if isinstance(value, (list, tuple)):
        return [_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize(
    ("classes", "stride", "anchors"),
    [(80, 32, published.V2_COCO), (1, 32, None), (1, 16, None)],
)
def test_yolov2(classes, stride, anchors):
    """(1, rows, cols, 5 · (5 + classes)): a softmax over the classes; ST's persons by shares."""
    rng = np.random.default_rng(28)
    size = (224, 160)
    count = len(cells(size, (stride,))) * 5
    codes = rng.normal(0, 0.5, (count, 4)).astype(np.float32)
    obj = logits(rng, count, 1, 9)
    prob = rng.normal(0, 3, (count, classes)).astype(np.float32)
    table = np.concatenate([codes, obj, prob], axis=1).reshape(count // 5, -1)
    facts = facts_of(size, {"conv": by_level(table, size, (stride,))[0]})
    answer = known(facts)
    assert isinstance(answer.spec, DetectSpec)
    if anchors is None:
        pixels = [(x * size[0], y * size[1]) for x, y in published.ST_PERSON]
    else:
        pixels = [(x * stride, y * stride) for x, y in anchors]
    assert bool(answer.warnings) == (anchors is None)
    powers = np.exp(prob - prob.max(axis=1, keepdims=True))
    scores = squash(obj) * powers / powers.sum(axis=1, keepdims=True)
    boxes = on_anchors(codes, size, (stride,), [pixels], squared=False)
    limit = answer.spec.score_threshold
    check(decoded(facts, answer.spec), best_classes(boxes, scores, limit, answer.spec.nms_iou))


def test_yolov2_with_anchors_of_its_own():
    rng = np.random.default_rng(29)
    table = rng.normal(0, 1, (1, 3, 5, 5 * 9)).astype(np.float32)
    answer = recognise(facts_of(SIZE, {"conv": table}))
    assert isinstance(answer, Incomplete) and set(answer.missing) == {"levels.anchors"}


def test_st_yolox():
    """st_yoloxn: YOLOv2's formulas on three levels, one anchor of half the input each."""
    rng = np.random.default_rng(30)
    size = (96, 96)
    count = len(cells(size, STRIDES))
    codes = rng.normal(-1, 0.5, (count, 4)).astype(np.float32)
    obj = logits(rng, count, 1, 9)
    prob = rng.normal(0, 3, (count, 1)).astype(np.float32)
    table = np.concatenate([codes, obj, prob], axis=1)
    facts = facts_of(size, named(by_level(table, size, STRIDES)), labels=("person",))
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec) and spec.coding == "anchor-exp"
    boxes = on_anchors(codes, size, STRIDES, [[(48, 48)]] * 3, squared=False)
    check(decoded(facts, spec), best_classes(boxes, squash(obj), 0.5, 0.5))


def test_maps_that_are_no_head():
    rng = np.random.default_rng(31)

    def maps(width, strides=STRIDES):
        count = len(cells(SIZE, strides))
        return by_level(rng.normal(0, 1, (count, width)).astype(np.float32), SIZE, strides)

    boxes, scores = maps(24), maps(6 * 21)
    for arrays in (
        named(boxes, scores),  # SSD: six anchors a cell
        named(maps(96)),  # features of a backbone
        named(maps(64), maps(64)),  # nothing says which is which
        {"a": maps(70)[0], "b": maps(71)[1], "c": maps(70)[2]},  # levels differ
        {**named(maps(67)), "more": np.zeros((1, 7), np.float32)},
        {"a": np.full((1, 12, 20, 255), np.nan, np.float32)},
    ):
        assert not isinstance(recognise(facts_of(SIZE, arrays)), Recognised)


def test_rockchip_adds_the_sum_of_the_scores():
    rng = np.random.default_rng(32)
    count = len(cells(SIZE, STRIDES))
    codes, prob = dfl(rng, count), squash(logits(rng, count, 80))
    total = np.minimum(prob.sum(axis=1, keepdims=True), 1)
    facts = facts_of(SIZE, named(*(by_level(t, SIZE, STRIDES) for t in (codes, prob, total))))
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec) and spec.activation == "none"
    boxes = from_distances(codes, SIZE, STRIDES, 16)
    check(decoded(facts, spec), best_classes(boxes, prob, 0.25, 0.7))


@pytest.mark.parametrize("form", ["one", "two", "two, transposed"])
def test_yolov8_levels_joined(form):
    """(1, N, 64 + classes), or 64 and the classes apart: the distributions are left to the host."""
    rng = np.random.default_rng(33)
    count = len(cells(SIZE, STRIDES))
    codes, raw = dfl(rng, count), logits(rng, count, 3)
    tables = [np.concatenate([codes, raw], axis=1)] if form == "one" else [raw, codes]
    if form == "two, transposed":
        tables = [np.ascontiguousarray(table.T) for table in tables]
    arrays = {f"out{k}": table[None] for k, table in enumerate(tables)}
    spec = known(facts_of(SIZE, arrays, labels=names(3))).spec
    assert isinstance(spec, DetectSpec) and spec.bins == 16
    boxes = from_distances(codes, SIZE, STRIDES, 16)
    found = decoded(facts_of(SIZE, arrays), spec)
    check(found, best_classes(boxes, squash(raw), 0.25, 0.7))


def test_labels_of_the_metadata():
    rng = np.random.default_rng(34)
    count = len(cells(SIZE, STRIDES))
    maker = FileMetadata(ultralytics=Ultralytics(task="detect", names=names(3)))
    table = np.concatenate([dfl(rng, count), logits(rng, count, 3)], axis=1)
    arrays = named(by_level(table, SIZE, STRIDES))
    assert known(facts_of(SIZE, arrays, metadata=maker)).spec.labels == names(3)


def test_the_face_head_of_arms_evaluation_kit():
    """yolo-fastest_192_face_v4: two maps of a gray picture, v3's formulas, anchors of its own."""
    rng = np.random.default_rng(35)
    size, strides = (192, 192), (16, 32)
    count = len(cells(size, strides)) * 3
    codes = rng.normal(0, 0.5, (count, 4)).astype(np.float32)
    obj, prob = logits(rng, count, 1, 9), rng.normal(2, 1, (count, 1)).astype(np.float32)
    table = np.concatenate([codes, obj, prob], axis=1).reshape(count // 3, -1)
    arrays = named(by_level(table, size, strides))
    facts = facts_of(size, arrays, labels=("face",), channels=1)
    answer = known(facts)
    assert answer.name.startswith("YOLO-Fastest face") and isinstance(answer.spec, DetectSpec)
    boxes = on_anchors(codes, size, strides, published.FASTEST_FACE, squared=False)
    scores = squash(obj) * squash(prob)
    check(decoded(facts, answer.spec), best_classes(boxes, scores, 0.5, 0.45))
    coloured = facts_of(size, arrays, labels=("face",))
    assert isinstance(recognise(coloured), Incomplete)
