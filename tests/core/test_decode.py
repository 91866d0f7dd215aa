"""Decoding against plain loops, and NMS against cv2's."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgecnn.core.activation import activate
from edgecnn.core.decode import decode
from edgecnn.core.decode.suppression import nms
from edgecnn.core.detections import Classification, Detections
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import ClassifySpec, DetectSpec, GridLevel
from edgecnn.core.runtime import TensorInfo

LABELS = ("cat", "dog", "owl")
LEVELS = (GridLevel(4, 6, 8), GridLevel(2, 3, 16))
COUNT = 30


def slow_nms(boxes, scores, classes, iou, limit):
    order = sorted(range(len(scores)), key=lambda k: (-scores[k], k))
    kept: list[int] = []
    for k in order:
        if len(kept) == limit:
            break
        if all(classes[k] != classes[j] or overlap(boxes[k], boxes[j]) <= iou for j in kept):
            kept.append(k)
    return kept


def overlap(a, b) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    shared = width * height
    return shared / (area - shared) if area > shared else 0.0


def random_boxes(rng, count):
    # Whole pixels, so that areas are exact in float32.
    low = rng.integers(0, 60, (count, 2))
    return np.concatenate([low, low + rng.integers(1, 50, (count, 2))], 1).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_nms_equals_the_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 120))
    boxes = random_boxes(rng, count)
    scores = np.round(rng.random(count), 1).astype(np.float32)  # many ties
    classes = rng.integers(0, 3, count)
    limit = int(rng.integers(1, 60))
    iou = float(rng.choice([0.0, 0.31, 0.53, 1.0]))
    got = nms(boxes, scores, classes, iou, limit)
    assert got.tolist() == slow_nms(boxes.tolist(), scores.tolist(), classes, iou, limit)


@pytest.mark.parametrize("seed", range(10))
def test_nms_of_one_class_equals_cv2(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    boxes = random_boxes(rng, 80)
    scores = rng.permutation(80).astype(np.float32) / 100 + np.float32(0.1)
    sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    expected = cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), 0.0, 0.47)
    got = nms(boxes, scores, np.zeros(80, np.int64), 0.47, 1000)
    assert got.tolist() == np.asarray(expected).ravel().tolist()


def test_activations() -> None:
    real = np.float32([[-1000, 0, 1000], [1, 2, 3]])
    assert activate(real, "sigmoid")[0].tolist() == [0, 0.5, 1]
    soft = activate(real, "softmax")
    assert soft[0].tolist() == [0, 0, 1]
    total = sum(math.exp(k) for k in (1, 2, 3))
    assert np.allclose(soft[1], [math.exp(k) / total for k in (1, 2, 3)])
    assert np.array_equal(activate(real, "none"), real)
    assert all(activate(real, kind).dtype == np.float32 for kind in ("none", "softmax", "sigmoid"))


def test_classify_dequantizes() -> None:
    info = TensorInfo("scores", (1, 3), "int8", 1 / 256, -128)
    result = decode(
        ClassifySpec("scores", LABELS), {"scores": np.int8([[-128, 0, 127]])}, [info], None
    )
    assert isinstance(result, Classification)
    assert result.scores.tolist() == [0, 0.5, 255 / 256]
    assert result.best == 2


def quantized(rng, shape, info):
    return rng.integers(-128, 128, shape).astype(np.int8), info


def slow_detect(spec, scores, boxes):
    """Candidates above the threshold, one loop, in Python floats."""
    found, k = [], 0
    for level in spec.levels:
        for row in range(level.rows):
            for col in range(level.cols):
                for anchor in level.anchors or (None,):
                    real = scores[k]
                    label = int(np.argmax(real))
                    score = 1 / (1 + math.exp(-real[label]))
                    cx, cy = (col + 0.5) * level.stride, (row + 0.5) * level.stride
                    a, b, c, d = boxes[k]
                    if anchor is None:
                        reach = [max(0, v) * spec.box_scale * level.stride for v in (a, b, c, d)]
                        box = [cx - reach[0], cy - reach[1], cx + reach[2], cy + reach[3]]
                    else:
                        vy, vx, vh, vw = spec.variances
                        cx, cy = cx + b * vx * anchor[0], cy + a * vy * anchor[1]
                        w, h = anchor[0] * math.exp(d * vw), anchor[1] * math.exp(c * vh)
                        box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                    limit = spec.thresholds[label] if spec.thresholds else spec.score_threshold
                    if score >= limit:
                        found.append((box, score, label))
                    k += 1
    best = sorted(range(len(found)), key=lambda k: (-found[k][1], k))[: spec.max_candidates]
    return [found[k] for k in sorted(best)]


def check_detect(spec: DetectSpec, shapes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    infos = [
        TensorInfo("cls", shapes[0], "int8", 0.04, 10),
        TensorInfo("box", shapes[1], "int8", 0.02, -100),
    ]
    raw = {info.name: rng.integers(-128, 128, info.shape).astype(np.int8) for info in infos}
    real = [info.dequantize(raw[info.name]) for info in infos]
    slow = slow_detect(spec, real[0].reshape(-1, 3).tolist(), real[1].reshape(-1, 4).tolist())
    kept = slow_nms(
        *([row[k] for row in slow] for k in (0, 1, 2)), spec.nms_iou, spec.max_detections
    )
    result = decode(spec, raw, infos, None)
    assert isinstance(result, Detections)
    assert len(slow) > 5
    assert len(result) == len(kept)
    assert np.allclose(result.boxes, [slow[k][0] for k in kept], atol=1e-3)
    assert np.allclose(result.scores, [slow[k][1] for k in kept], atol=1e-6)
    assert result.classes.tolist() == [slow[k][2] for k in kept]
    types = (result.boxes.dtype, result.scores.dtype, result.classes.dtype)
    assert types == (np.float32, np.float32, np.int64)


@pytest.mark.parametrize("seed", range(5))
def test_anchor_free_levels(seed: int) -> None:
    spec = DetectSpec("cls", "box", LABELS, LEVELS, box_scale=0.7, score_threshold=0.4)
    check_detect(spec, ((1, COUNT, 3), (1, COUNT, 4)), seed)


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_per_class_and_a_bound(seed: int) -> None:
    spec = DetectSpec("cls", "box", LABELS, LEVELS, thresholds=(0.2, 0.9, 0.0))
    check_detect(spec, ((1, COUNT, 3), (1, COUNT, 4)), seed)
    for most in (6, 12, 30):
        check_detect(replace(spec, max_candidates=most), ((1, COUNT, 3), (1, COUNT, 4)), seed)
    assert spec.with_threshold(0.5) == DetectSpec("cls", "box", LABELS, LEVELS, score_threshold=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_a_single_grid_comes_as_a_map(seed: int) -> None:
    spec = DetectSpec("cls", "box", LABELS, LEVELS[:1], score_threshold=0.4)
    check_detect(spec, ((1, 4, 6, 3), (1, 4, 6, 4)), seed)


@pytest.mark.parametrize("seed", range(5))
def test_anchors(seed: int) -> None:
    levels = (GridLevel(4, 6, 8, ((10, 20), (30, 15))), GridLevel(2, 3, 16, ((40, 40),)))
    spec = DetectSpec(
        "cls", "box", LABELS, levels, coding="center-size", score_threshold=0.4, max_detections=20
    )
    check_detect(spec, ((1, 54, 3), (1, 54, 4)), seed)


def one_box(frame_map: FrameMap | None, code=(1, 1, 1, 1), score=9.0) -> Detections:
    spec = DetectSpec("cls", "box", ("thing",), (GridLevel(1, 1, 16),))
    infos = [TensorInfo("cls", (1, 1, 1), "float32"), TensorInfo("box", (1, 1, 4), "float32")]
    raw = {"cls": np.float32([[[score]]]), "box": np.float32([[code]])}
    result = decode(spec, raw, infos, frame_map)
    assert isinstance(result, Detections)
    return result


def test_boxes_are_mapped_and_clipped() -> None:
    assert one_box(None).boxes.tolist() == [[-8, -8, 24, 24]]
    assert one_box(FrameMap(2, 1, 0, -4, 32, 10)).boxes.tolist() == [[0, 0, 32, 10]]
    assert len(one_box(FrameMap(1, 1, 0, -100, 32, 32))) == 0
    assert len(one_box(None, score=-9.0)) == 0
    assert len(one_box(None, score=float("nan"))) == 0


def test_misfits_are_bundle_errors() -> None:
    spec = DetectSpec("cls", "box", LABELS, LEVELS)
    infos = [TensorInfo("cls", (1, 9, 3), "float32"), TensorInfo("box", (1, 9, 4), "float32")]
    raw = {info.name: np.zeros(info.shape, np.float32) for info in infos}
    with pytest.raises(BundleError, match="30 candidates × 3 classes"):
        decode(spec, raw, infos, None)
    with pytest.raises(BundleError, match="'nothing'"):
        decode(ClassifySpec("nothing", LABELS), raw, infos, None)
    with pytest.raises(BundleError, match="3 scores, one per label"):
        decode(ClassifySpec("box", LABELS), raw, infos, None)
