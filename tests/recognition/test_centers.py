"""Heads that peak at objects' centres, and what their publishers read from them."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.postprocess import from_json, to_json
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.table import recognise
from tests.core.slow_poses import slow_centers
from tests.recognition.given import given

RNG = np.random.default_rng(12)


def heat_map(rows: int, cols: int, classes: int) -> np.ndarray:
    """Logits: low but for a few cells."""
    heat = RNG.normal(-6, 0.5, (1, rows, cols, classes)).astype(np.float32)
    heat.ravel()[RNG.choice(heat.size, 12, replace=False)] = RNG.uniform(0, 3, 12)
    return heat


def recognised(outputs, size, name: str, **kwargs) -> tuple:
    facts = given(outputs, size, **kwargs)
    answer = recognise(facts)
    assert isinstance(answer, Recognised), answer
    assert answer.name == name and from_json(to_json(answer.spec)) == answer.spec
    return answer, decode(answer.spec, outputs, facts.outputs, None)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("probability", [False, True])
@pytest.mark.parametrize("pixels", [False, True])
def test_centernet_in_any_order(probability: bool, pixels: bool) -> None:
    """CenterNet's ctdet_decode: cells, offset, width and height, times 4."""
    heat = heat_map(32, 24, 3)
    wh = RNG.uniform(2, 14, (1, 32, 24, 2)).astype(np.float32) * (4 if pixels else 1)
    reg = RNG.uniform(0, 1, (1, 32, 24, 2)).astype(np.float32)
    given_heat = 1 / (1 + np.exp(-heat)) if probability else heat
    for names in (("hm", "wh", "reg"), ("Identity", "Identity_1", "Identity_2")):
        pieces = dict(zip(names, (given_heat, wh, reg), strict=True))
        for order in permutations(names):
            answer, found = recognised(
                {name: pieces[name] for name in order}, (96, 128), "centre heat maps (CenterNet)"
            )
            assert answer.spec.activation == ("none" if probability else "sigmoid")
            assert bool(answer.warnings) == (names[0] == "Identity")
    expected = slow_centers(heat[0], math.log(0.3 / 0.7), 3)
    assert len(found) == len(expected) > 5
    for box, score, label, (logit, y, x, k) in zip(
        found.boxes, found.scores, found.classes, expected, strict=True
    ):
        w, h = wh[0, y, x] * (1 if pixels else 4)
        cx, cy = (x + reg[0, y, x, 0]) * 4, (y + reg[0, y, x, 1]) * 4
        np.testing.assert_allclose(box, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), rtol=1e-4,
                                   atol=1e-3)  # fmt: skip
        assert label == k and score == pytest.approx(sigmoid(logit), rel=1e-5)


def test_tensorflows_heads_have_the_height_first() -> None:
    outputs = {"object_center/class_predictions": heat_map(16, 16, 2),
               "box/scale": RNG.uniform(1, 9, (1, 16, 16, 2)).astype(np.float32),
               "box/offset": RNG.uniform(0, 1, (1, 16, 16, 2)).astype(np.float32)}  # fmt: skip
    answer, _ = recognised(outputs, (64, 64), "centre heat maps (CenterNet)")
    assert answer.spec.axes == "yx" and not answer.warnings


def test_ttfnet() -> None:
    """Distances to four sides in pixels, from four times the cell's number."""
    heat = heat_map(20, 20, 4)
    wh = RNG.uniform(2, 30, (1, 20, 20, 4)).astype(np.float32)
    _, found = recognised({"hm": heat, "wh": wh}, (80, 80), "centre heat maps (TTFNet)")
    expected = slow_centers(heat[0], math.log(0.3 / 0.7), 3)
    assert len(found) == len(expected) > 5
    for box, (_, y, x, _) in zip(found.boxes, expected, strict=True):
        left, top, right, bottom = wh[0, y, x]
        sides = (x * 4 - left, y * 4 - top, x * 4 + right, y * 4 + bottom)
        np.testing.assert_allclose(box, sides, rtol=1e-5)


def test_centerface() -> None:
    """CenterFace's decode: exp of scales times 4 around (cell + offset + 0.5) times 4."""
    heat = 1 / (1 + np.exp(-heat_map(40, 30, 1)))
    scale = RNG.uniform(0.5, 2.5, (1, 40, 30, 2)).astype(np.float32)
    offset = RNG.uniform(-0.5, 0.5, (1, 40, 30, 2)).astype(np.float32)
    marks = RNG.uniform(0, 1, (1, 40, 30, 10)).astype(np.float32)
    for names in (("537", "538", "539", "540"), ("heatmap", "scale", "offset", "landmarks")):
        outputs = dict(zip(names, (heat, scale, offset, marks), strict=True))
        answer, found = recognised(outputs, (120, 160), "centre heat maps (CenterFace)")
        assert answer.spec.labels == ("face",)
    assert len(found) > 5
    for box, score in zip(found.boxes, found.scores, strict=True):
        y, x = np.argwhere(heat[0, ..., 0] == score)[0]
        h, w = np.exp(scale[0, y, x]) * 4
        left = (x + offset[0, y, x, 1] + 0.5) * 4 - w / 2
        top = (y + offset[0, y, x, 0] + 0.5) * 4 - h / 2
        place = found.scores.tolist().index(score)
        expected = marks[0, y, x].reshape(5, 2)[:, ::-1] * (w, h) + (left, top)
        np.testing.assert_allclose(found.keypoints[place, :, :2], expected, rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(box, (left, top, left + w, top + h), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("transposed", [False, True])
def test_facedetlite(transposed: bool) -> None:
    """Qualcomm's detect: distances to four sides in cells, times 8; NMS at 0.2."""
    heat = heat_map(60, 80, 1)
    box = RNG.uniform(0.5, 2, (1, 60, 80, 4)).astype(np.float32)
    marks = RNG.uniform(-2, 2, (1, 60, 80, 10)).astype(np.float32)
    outputs = {"heatmap": heat, "bbox": box, "landmark": marks}
    if transposed:
        outputs = {name: np.ascontiguousarray(value.transpose(0, 3, 1, 2))
                   for name, value in outputs.items()}  # fmt: skip
    answer, found = recognised(outputs, (640, 480), "centre heat maps (FaceDetLite)")
    assert answer.spec.transposed == transposed
    expected = slow_centers(heat[0], math.log(0.2 / 0.8), 3)
    assert 5 < len(found) <= len(expected)
    for got, score, points in zip(found.boxes, found.scores, found.keypoints, strict=True):
        _, y, x, _ = min(expected, key=lambda item: abs(sigmoid(item[0]) - score))
        left, top, right, bottom = box[0, y, x]
        sides = np.asarray((x - left, y - top, x + right, y + bottom)) * 8
        np.testing.assert_allclose(got, sides, rtol=1e-5, atol=1e-3)
        expected_x, expected_y = marks[0, y, x, :5] + x, marks[0, y, x, 5:] + y
        np.testing.assert_allclose(points[:, 0], expected_x * 8, rtol=1e-4)
        np.testing.assert_allclose(points[:, 1], expected_y * 8, rtol=1e-4)


def test_centernet_with_poses() -> None:
    """CenterNet's multi_pose heads, channels first: hps counts from the cell."""
    shapes = {"hm_hp": 17, "hm": 1, "wh": 2, "hps": 34, "reg": 2, "hm_offset": 2}
    outputs = {name: RNG.uniform(0, 4, (1, channels, 24, 32)).astype(np.float32)
               for name, channels in shapes.items()}  # fmt: skip
    outputs["hm"] = np.ascontiguousarray(heat_map(24, 32, 1).transpose(0, 3, 1, 2))
    _, found = recognised(outputs, (128, 96), "centre heat maps (CenterNet, poses)")
    expected = slow_centers(outputs["hm"][0, 0][..., None], math.log(0.3 / 0.7), 3)
    assert len(found) == len(expected) > 5
    for points, (_, y, x, _) in zip(found.keypoints, expected, strict=True):
        pairs = outputs["hps"][0, :, y, x].reshape(17, 2)
        np.testing.assert_allclose(points[:, :2], (pairs + (x, y)) * 4, rtol=1e-5)


def test_two_maps_alike_are_asked_for() -> None:
    outputs = {"a": heat_map(16, 16, 3)} | {
        name: RNG.uniform(0, 1, (1, 16, 16, 2)).astype(np.float32) for name in "bc"
    }
    answer = recognise(given(outputs, (64, 64)))
    assert isinstance(answer, Incomplete) and set(answer.missing) == {"sizes", "offsets"}
    whole = {**answer.draft, "schema": "edgecnn.postprocess/2", "sizes": "b", "offsets": "c"}
    assert from_json(whole).scores == "a"
