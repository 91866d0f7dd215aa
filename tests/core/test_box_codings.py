"""Each coding of boxes against its published formula, in Python floats; whole heads as exporters
lay them out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import (
    CandidatePoints,
    DetectSpec,
    GridLevel,
    MaskCoefficients,
    Skeleton,
)
from edgecnn.core.runtime import TensorInfo

STRIDE, CELL, ANCHOR = 16, (3, 2), (30.0, 50.0)
MIDDLE = ((CELL[0] + 0.5) * STRIDE, (CELL[1] + 0.5) * STRIDE)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def yolov3(x, y, w, h):
    """Redmon and Farhadi 2018: bx = σ(tx) + cx, bw = pw · exp(tw)."""
    return (
        (sigmoid(x) + CELL[0]) * STRIDE, (sigmoid(y) + CELL[1]) * STRIDE,
        ANCHOR[0] * math.exp(w), ANCHOR[1] * math.exp(h),
    )  # fmt: skip


def yolov5(x, y, w, h):
    """Ultralytics YOLOv5, Detect: (σ · 2 − 0.5 + grid) · stride, (σ · 2)² · anchor."""
    x, y, w, h = map(sigmoid, (x, y, w, h))
    return (
        (2 * x - 0.5 + CELL[0]) * STRIDE, (2 * y - 0.5 + CELL[1]) * STRIDE,
        (2 * w) ** 2 * ANCHOR[0], (2 * h) ** 2 * ANCHOR[1],
    )  # fmt: skip


def yolox(x, y, w, h):
    """Ge et al. 2021, demo_postprocess: (xy + grid) · stride, exp(wh) · stride."""
    return (
        (x + CELL[0]) * STRIDE, (y + CELL[1]) * STRIDE,
        math.exp(w) * STRIDE, math.exp(h) * STRIDE,
    )  # fmt: skip


def ssd(y, x, h, w):
    """FasterRcnnBoxCoder of TensorFlow's object detection, scales 10, 10, 5, 5."""
    return (
        x / 10 * ANCHOR[0] + MIDDLE[0], y / 10 * ANCHOR[1] + MIDDLE[1],
        math.exp(w / 5) * ANCHOR[0], math.exp(h / 5) * ANCHOR[1],
    )  # fmt: skip


def retinaface(x, y, w, h):
    """Deng et al. 2019, decode: the same with x first."""
    return ssd(y, x, h, w)


def mediapipe(x, y, w, h):
    """TensorsToDetectionsCalculator: raw / scale · anchor, sizes as well; negative ones are 0."""
    return (
        x / 10 * ANCHOR[0] + MIDDLE[0], y / 10 * ANCHOR[1] + MIDDLE[1],
        max(w / 5, 0) * ANCHOR[0], max(h / 5, 0) * ANCHOR[1],
    )  # fmt: skip


FORMULAS = {
    "anchor-exp": yolov3, "anchor-square": yolov5, "cell-exp": yolox, "center-size": ssd,
    "center-exp": retinaface, "center-linear": mediapipe,
}  # fmt: skip


def one_candidate(coding: str, code) -> Detections:
    """What the candidate of one cell is decoded to, all others scoring low."""
    level = GridLevel(4, 5, STRIDE, (ANCHOR,))
    spec = DetectSpec("cls", "box", ("a",), (level,), coding)  # type: ignore[arg-type]
    scores, boxes = np.full((1, 4, 5, 1), -9, np.float32), np.zeros((1, 4, 5, 4), np.float32)
    scores[0, CELL[1], CELL[0]], boxes[0, CELL[1], CELL[0]] = 2, code
    return run(spec, {"cls": scores, "box": boxes})


def run(spec: DetectSpec, outputs: dict, frame_map: FrameMap | None = None) -> Detections:
    infos = [TensorInfo(name, raw.shape, raw.dtype.name) for name, raw in outputs.items()]
    found = decode(spec, outputs, infos, frame_map)
    assert isinstance(found, Detections)
    return found


@pytest.mark.parametrize("coding", FORMULAS)
@pytest.mark.parametrize("seed", range(3))
def test_codings_are_the_published_ones(coding: str, seed: int) -> None:
    code = np.random.default_rng(seed).normal(0, 1.5, 4).tolist()
    x, y, w, h = FORMULAS[coding](*code)
    found = one_candidate(coding, code)
    assert np.allclose(found.boxes, [[x - w / 2, y - h / 2, x + w / 2, y + h / 2]], atol=1e-3)
    assert found.scores[0] == pytest.approx(sigmoid(2), abs=1e-6)


def test_distances_as_means_over_bins() -> None:
    """Li et al. 2020: the distance is the integral over the bins; YOLOv8 has 16, NanoDet 8."""
    rng = np.random.default_rng(3)
    for bins in (8, 16):
        values = rng.normal(0, 2, (1, 6, 4 * bins)).astype(np.float32)
        scores = np.full((1, 6, 1), -9, np.float32)
        scores[0, 4] = 3
        spec = DetectSpec("cls", "box", ("a",), (GridLevel(2, 3, 8),), bins=bins)
        found = run(spec, {"cls": scores, "box": values})
        reach = []
        for side in values[0, 4].reshape(4, bins).tolist():
            powers = [math.exp(value) for value in side]
            reach.append(sum(k * p for k, p in enumerate(powers)) / sum(powers) * 8)
        x, y = 1.5 * 8, 1.5 * 8
        expected = [x - reach[0], y - reach[1], x + reach[2], y + reach[3]]
        assert np.allclose(found.boxes, [expected], atol=1e-3)


def test_heads_of_yolov5_are_cell_major_with_85_values_per_anchor() -> None:
    """(1, rows, cols, 3 · 85), each level with its own quantization."""
    levels = tuple(
        GridLevel(side, side, stride, ((10.0, 20.0), (30.0, 15.0), (60.0, 70.0)), *[name] * 3)
        for name, side, stride in (("fine", 4, 8), ("coarse", 2, 16))
    )
    labels = tuple(f"c{k}" for k in range(80))
    spec = DetectSpec("", "", labels, levels, "anchor-square", score_column=5, objectness_column=4)
    infos = [
        TensorInfo("fine", (1, 4, 4, 255), "int8", 0.05, 3),
        TensorInfo("coarse", (1, 2, 2, 255), "int8", 0.08, -20),
    ]
    real = {info.name: np.full(info.shape, -6.0) for info in infos}
    # Cell (row 1, col 3), anchor 2 of the fine level; cell (1, 0), anchor 0 of the coarse one.
    real["fine"][0, 1, 3, 2 * 85 : 2 * 85 + 5] = [0, 0, 0, 0, 5]
    real["fine"][0, 1, 3, 2 * 85 + 5 + 17] = 4
    real["coarse"][0, 1, 0, :5] = [0, 0, 0, 0, 6]
    real["coarse"][0, 1, 0, 5 + 79] = 6
    outputs = {info.name: info.quantize(real[info.name]) for info in infos}
    found = decode(spec, outputs, infos, None)
    assert isinstance(found, Detections)
    assert found.classes.tolist() == [79, 17]
    assert np.allclose(found.boxes, [[3, 14, 13, 34], [-2, -23, 58, 47]], atol=2)
    assert np.allclose(found.scores, [sigmoid(6) ** 2, sigmoid(5) * sigmoid(4)], atol=2e-3)


def test_a_background_column_takes_part_in_the_softmax_alone() -> None:
    anchors = ((50.0, 50.0, 20.0, 20.0), (80.0, 80.0, 20.0, 20.0))
    spec = DetectSpec(
        "cls", "box", ("cat", "dog"), (), "center-size", activation="softmax", background=True,
        anchor_boxes=anchors, score_threshold=0.3,
    )  # fmt: skip
    scores = np.float32([[[2, 1, 2.5], [9, 3, 1]]])
    found = run(spec, {"cls": scores, "box": np.zeros((1, 2, 4), np.float32)})
    powers = [math.exp(value) for value in (2, 1, 2.5)]
    assert found.classes.tolist() == [1]
    assert found.scores[0] == pytest.approx(powers[2] / sum(powers), abs=1e-6)
    assert found.boxes.tolist() == [[40, 40, 60, 60]]
    # The other activations do not look at it.
    sigmoids = replace(spec, activation="sigmoid")
    found = run(sigmoids, {"cls": -scores, "box": np.zeros((1, 2, 4), np.float32)})
    assert found.classes.tolist() == []
    found = run(sigmoids, {"cls": scores, "box": np.zeros((1, 2, 4), np.float32)})
    assert found.classes.tolist() == [0, 1]
    assert np.allclose(found.scores, [sigmoid(3), sigmoid(2.5)])


def test_key_points_and_masks_reach_the_frame() -> None:
    """A YOLOv8 tensor with points and one with masks, on a frame twice as large and shifted."""
    values = np.zeros((1, 4 + 1 + 6 + 2, 3), np.float32)
    values[0, :, 1] = [0.5, 0.5, 0.25, 0.5, 0.9, 0.4, 0.5, 0.8, 0.6, 0.5, 0.3, 1, -1]
    values[0, :, 2] = [0.5, 0.5, 0.25, 0.5, 0.6, *[9] * 6, 5, 5]
    spec = DetectSpec(
        "all", "all", ("a",), (), "cxcywh", activation="none", score_column=4, transposed=True,
        decoded_boxes=3, box_units=(32.0, 16.0),
        keypoints=CandidatePoints(Skeleton(("l", "r")), "all", 5, 3),
        masks=MaskCoefficients("all", 11, "protos", 4, 8, 2, 32, 16),
    )  # fmt: skip
    protos = np.random.default_rng(0).normal(0, 1, (1, 4, 8, 2)).astype(np.float32)
    found = run(spec, {"all": values, "protos": protos}, FrameMap(2.0, 2.0, 5.0, -1.0, 100, 100))
    assert found.boxes.tolist() == [[29, 7, 45, 23]]
    assert found.keypoints is not None and found.masks is not None
    expected = [[0.4 * 64 + 5, 0.5 * 32 - 1, 0.8], [0.6 * 64 + 5, 0.5 * 32 - 1, 0.3]]
    assert np.allclose(found.keypoints, [expected], atol=1e-4)
    (mask,) = found.masks
    assert mask.inside == (29, 7, 45, 23)
    left, top, right, bottom = (
        (end - o) / 8 for end, o in zip(mask.covers, (5, -1, 5, -1), strict=True)
    )
    assert np.allclose(
        mask.values,
        (protos[0, ..., 0] - protos[0, ..., 1])[int(top) : int(bottom), int(left) : int(right)],
        atol=1e-5,
    )  # fmt: skip


def test_weighted_suppression_is_mediapipe_s() -> None:
    """Three boxes on one face become their mean by score; the second face stays as it is."""
    scores = np.float32([0.5, 0.9, 0.7, 0.6])
    boxes = np.float32([[12, 10, 32, 30], [10, 10, 30, 30], [10, 12, 30, 32], [60, 60, 80, 80]])
    points = np.float32([[22, 20], [20, 20], [20, 22], [70, 70]])
    spec = DetectSpec(
        "cls", "box", ("face",), (), "xyxy", activation="none", decoded_boxes=4, nms_iou=0.3,
        suppression="weighted", keypoints=CandidatePoints(Skeleton(("nose",)), "points"),
    )  # fmt: skip
    outputs = {"cls": scores.reshape(1, 4, 1), "box": boxes[None], "points": points[None]}
    found = run(spec, outputs)
    assert np.allclose(found.scores, [0.9, 0.6])
    assert found.keypoints is not None
    for value, expected in ((found.boxes[0], boxes[:3]), (found.keypoints[0, 0, :2], points[:3])):
        mean = (scores[:3, None].astype(float) * expected).sum(axis=0) / scores[:3].sum()
        assert np.allclose(value, mean, atol=1e-4)
    assert np.allclose(found.boxes[1], boxes[3]) and np.allclose(
        found.keypoints[:, 0, 2], [0.9, 0.6]
    )
    assert np.allclose(run(replace(spec, nms_iou=1.0), outputs).boxes, boxes[[1, 2, 3, 0]])
