"""MediaPipe's detectors against its published rule, one anchor at a time."""

import dataclasses
import math

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import DetectSpec, from_json, to_json
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.mediapipe import mediapipe_detector
from edgecnn.recognition.table import recognise
from tests.recognition.given import given

# face_detection, palm_detection and pose_detection: input size, strides, anchors per layer and
# cell, values of a candidate, its count, lowest score and input range.
PUBLISHED = [
    ("face", 128, (8, 16, 16, 16), 2, 16, 896, 0.5, "-1..1"),
    ("face", 256, (16, 32, 32, 32), 2, 16, 896, 0.65, "-1..1"),
    ("face", 192, (4,), 1, 16, 2304, 0.6, "-1..1"),
    ("palm", 192, (8, 16, 16, 16), 2, 18, 2016, 0.5, "0..1"),
    ("palm", 256, (8, 16, 32, 32, 32), 2, 18, 2944, 0.7, "-1..1"),
    ("palm", 128, (8, 16, 16, 16), 2, 18, 896, 0.5, "0..1"),
    ("person", 224, (8, 16, 32, 32, 32), 2, 12, 2254, 0.5, "-1..1"),
    ("person", 128, (8, 16, 16, 16), 2, 12, 896, 0.5, "-1..1"),
]


def centres(size: int, strides: tuple[int, ...], per_layer: int) -> list[tuple[float, float]]:
    """SsdAnchorsCalculator with fixed_anchor_size: layers of one stride share their cells."""
    found, layer = [], 0
    while layer < len(strides):
        last = layer
        while last < len(strides) and strides[last] == strides[layer]:
            last += 1
        cells = math.ceil(size / strides[layer])
        for y in range(cells):
            for x in range(cells):
                found += [((x + 0.5) / cells, (y + 0.5) / cells)] * (per_layer * (last - layer))
        layer = last
    return found


def plain(regressors, logits, anchors, size, threshold):
    """TensorsToDetections, then weighted suppression at 0.3: (score, values in shares) rows."""
    rows = []
    for (ax, ay), code, logit in zip(anchors, regressors, logits, strict=True):
        score = 1 / (1 + math.exp(-min(max(logit, -100), 100)))
        if score < threshold:
            continue
        x, y = code[0] / size + ax, code[1] / size + ay
        w, h = code[2] / size, code[3] / size
        points = [code[k] / size + (ay if k % 2 else ax) for k in range(4, len(code))]
        rows.append((score, [x - w / 2, y - h / 2, x + w / 2, y + h / 2, *points]))
    rows.sort(key=lambda row: -row[0])
    found = []
    while rows:
        best = rows[0]
        near = [row for row in rows if row is best or overlap(best[1], row[1]) > 0.3]
        rows = [row for row in rows if all(row is not other for other in near)]
        total = sum(row[0] for row in near)
        mean = [sum(row[0] * row[1][k] for row in near) / total for k in range(len(best[1]))]
        found.append((best[0], mean))
    return found


def overlap(a, b) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def outputs_of(size: int, count: int, values: int):
    rng = np.random.default_rng(count + size)
    regressors = rng.normal(0, size / 16, (count, values)).astype(np.float32)
    regressors[:, 2:4] = rng.uniform(size / 8, size / 3, (count, 2))
    logits = rng.normal(-9, 1, count).astype(np.float32)
    logits[rng.choice(count, 40, replace=False)] = rng.uniform(-1, 4, 40)
    logits[::97] = 150.0  # beyond the clipping
    return regressors, logits


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row[0]}-{row[1]}")
def test_each_published_detector_is_recognised_and_decoded(row) -> None:
    label, size, strides, per_layer, values, count, threshold, convention = row
    anchors = centres(size, strides, per_layer)
    assert len(anchors) == count
    regressors, logits = outputs_of(size, count, values)
    outputs = {"classificators": logits[None, :, None], "regressors": regressors[None]}
    facts = given(outputs, (size, size))
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.sure
    assert answer.name == f"a {label} detector of MediaPipe" and answer.spec.labels == (label,)
    assert (answer.habit.convention, answer.habit.fit) == (convention, "letterbox")
    assert from_json(to_json(answer.spec)) == answer.spec
    assert answer.spec.score_threshold == threshold
    got = decode(answer.spec, outputs, facts.outputs, None)
    check(got, plain(regressors, logits, anchors, size, threshold), size)


def check(got, expected, size: int, most: int = 100) -> None:
    expected = expected[:most]
    assert len(got) == len(expected) > 3
    np.testing.assert_allclose(got.scores, [score for score, _ in expected], atol=1e-6)
    flat = np.concatenate([got.boxes, got.keypoints[..., :2].reshape(len(got), -1)], axis=1)
    wanted = np.array([mean for _, mean in expected]) * size
    # Of equal scores the order is the candidates'; means of the same boxes in any order are equal.
    np.testing.assert_allclose(flat, wanted, atol=size * 1e-4)


def test_a_pair_of_outputs_per_level() -> None:
    anchors = centres(128, (8, 16, 16, 16), 2)
    regressors, logits = outputs_of(128, 896, 16)
    outputs = {
        "box_scores_2": logits[None, 512:, None], "box_coords_1": regressors[None, :512],
        "box_coords_2": regressors[None, 512:], "box_scores_1": logits[None, :512, None],
    }  # fmt: skip
    facts = given(outputs, (128, 128), ("a face",))
    answer = recognise(facts)
    assert isinstance(answer.spec, DetectSpec) and answer.spec.labels == ("a face",)
    assert [level.scores for level in answer.spec.levels] == ["box_scores_1", "box_scores_2"]
    assert answer.habit.convention == "0..1"  # as Qualcomm AI Hub exports it
    got = decode(answer.spec, outputs, facts.outputs, None)
    check(got, plain(regressors, logits, anchors, 128, 0.5), 128)


def test_what_does_not_fit_exactly_is_not_recognised() -> None:
    regressors, logits = outputs_of(128, 896, 16)
    whole = {"b": regressors[None], "s": logits[None, :, None]}
    assert mediapipe_detector(given(whole, (128, 128))) is not None
    for outputs, size in (
        (whole, (192, 192)), (whole, (128, 96)), ({**whole, "x": logits[None, :3]}, (128, 128)),
        ({"b": regressors[None, :, :14], "s": logits[None, :, None]}, (128, 128)),
        ({"b": regressors[None, 1:], "s": logits[None, :, None]}, (128, 128)),
        ({"b": regressors, "s": logits[:, None]}, (128, 128)),
        ({"b": regressors[None]}, (128, 128)),
    ):  # fmt: skip
        assert mediapipe_detector(given(outputs, size)) is None


def test_no_numbers_find_nothing() -> None:
    regressors, logits = outputs_of(128, 896, 16)
    outputs = {"regressors": np.full_like(regressors, np.nan)[None],
               "classificators": np.full_like(logits, np.nan)[None, :, None]}  # fmt: skip
    facts = given(outputs, (128, 128))
    answer = recognise(facts)
    frame = FrameMap(1.0, 1.0, 0.0, 0.0, 128, 128)
    assert len(decode(answer.spec, outputs, facts.outputs, frame)) == 0
    outputs["classificators"] = logits[None, :, None]
    assert len(decode(answer.spec, outputs, facts.outputs, frame)) == 0


def test_retinaface() -> None:
    rng = np.random.default_rng(8)
    anchors = [
        ((x + 0.5) * step, (y + 0.5) * step, side)
        for step, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
        for y in range(96 // step)
        for x in range(64 // step)
        for side in sides
    ]
    count = len(anchors)
    x, y, side = np.array(anchors).T
    codes = rng.normal(0, 1, (count, 4)).astype(np.float32)
    points = rng.normal(0, 2, (count, 10)).astype(np.float32)
    logits = np.stack([np.full(count, 2.0), rng.normal(-3, 1, count)], 1).astype(np.float32)
    faces = rng.choice(count, 6, replace=False)
    logits[faces, 1] = np.arange(4, 10)
    outputs = {"a": points[None], "b": logits[None], "c": codes[None]}
    facts = given(outputs, (64, 96))
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.name == "RetinaFace"
    assert from_json(to_json(answer.spec)) == answer.spec
    got = decode(dataclasses.replace(answer.spec, nms_iou=1.0), outputs, facts.outputs, None)
    for row, k in enumerate(faces[::-1]):
        middle = np.array([x[k], y[k]]) + codes[k, :2] * 0.1 * side[k]
        half = side[k] * np.exp(codes[k, 2:] * 0.2) / 2
        np.testing.assert_allclose(got.boxes[row], [*(middle - half), *(middle + half)], atol=1e-3)
        place = points[k].reshape(5, 2) * 0.1 * side[k] + [x[k], y[k]]
        np.testing.assert_allclose(got.keypoints[row, :, :2], place, atol=1e-3)
    assert len(got) == 6
