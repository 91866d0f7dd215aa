"""Pose and segmentation heads: key points and masks as their publishers read them."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.postprocess import DetectSpec, ListedSpec
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.core.tflite.ultralytics import Ultralytics
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.yolo_heads import (
    best_classes,
    boxes_around,
    cells,
    check,
    corners,
    decoded,
    facts_of,
    logits,
    overlap,
    squash,
)

SIZE, STRIDES = (160, 96), (8, 16, 32)
UNITS = np.asarray(SIZE, np.float32)


def known(facts) -> Recognised:
    answer = recognise(facts)
    assert isinstance(answer, Recognised), answer
    return answer


def poses(points, values, *, boxes_in=1.0, points_in=1.0, seed=11):
    """(1, 5 + points · values, N) of a pose head with one class; units to divide by."""
    rng = np.random.default_rng(seed)
    boxes = boxes_around(rng, SIZE, STRIDES)
    prob = squash(logits(rng, len(boxes), 1))
    at = np.asarray([((x + 0.5) * s, (y + 0.5) * s) for x, y, s in cells(SIZE, STRIDES)])
    spread = boxes[:, None, 2:] * rng.uniform(-0.3, 0.3, (len(boxes), points, 2))
    places = (at[:, None] + spread).astype(np.float32)
    extra = rng.uniform(0, 1, (len(boxes), points, values - 2)).astype(np.float32)
    carried = np.concatenate([places / points_in, extra], axis=2).reshape(len(boxes), -1)
    table = np.concatenate([boxes / np.tile(boxes_in * np.ones(2), 2), prob, carried], axis=1)
    wanted = best_classes([corners(*box) for box in boxes.tolist()], prob, 0.25, 0.7)
    chosen = [
        next(k for k in range(len(boxes)) if abs(float(prob[k, 0]) - score) < 1e-7)
        for _, score, _ in wanted
    ]
    return table.T[None].astype(np.float32), wanted, places[chosen], extra[chosen]


@pytest.mark.parametrize(("points", "values"), [(17, 3), (5, 3), (4, 2)])
@pytest.mark.parametrize("form", ["units", "pixels", "points in pixels"])
def test_pose(points, values, form):
    """YOLOv8-pose: no metadata needed; older exports divide the boxes alone."""
    boxes_in = 1.0 if form == "pixels" else UNITS
    points_in = UNITS if form == "units" else 1.0
    table, wanted, places, sure = poses(points, values, boxes_in=boxes_in, points_in=points_in)
    facts = facts_of(SIZE, {"out": table})
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec) and spec.keypoints is not None
    assert (len(spec.keypoints.skeleton.names), spec.keypoints.values) == (points, values)
    assert len(spec.labels) == 1
    assert spec.keypoints.units == ((1.0, 1.0) if form == "points in pixels" else ())
    found = decoded(facts, spec)
    check(found, wanted)
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints[..., :2], places, atol=0.05)
    if values == 3:
        np.testing.assert_allclose(found.keypoints[..., 2], sure[..., 0], atol=1e-5)


def test_pose_with_metadata_names_points_and_classes():
    maker = Ultralytics(
        task="pose", names=("cat", "dog"), keypoint_shape=(3, 3), keypoint_names=("a", "b", "c")
    )
    rng = np.random.default_rng(12)
    boxes = boxes_around(rng, SIZE, STRIDES)
    prob = squash(logits(rng, len(boxes), 2))
    points = rng.uniform(0, 1, (len(boxes), 9)).astype(np.float32)
    table = np.concatenate([boxes / np.tile(UNITS, 2), prob, points], axis=1).T[None]
    facts = facts_of(SIZE, {"out": table}, metadata=FileMetadata(ultralytics=maker))
    answer = known(facts)
    spec = answer.spec
    assert isinstance(spec, DetectSpec) and spec.keypoints is not None
    assert (spec.labels, spec.keypoints.column) == (("cat", "dog"), 6)
    assert spec.keypoints.skeleton.names == ("a", "b", "c")
    assert answer.sure


def masks_of(coefficients, prototypes, box):
    """Which pixels belong to an object: nearest-cell reading of ultralytics' process_mask."""
    grid = np.tensordot(prototypes, coefficients, axes=1) > 0
    big = np.kron(grid, np.ones((4, 4), bool))
    rows, cols = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    inside = (cols >= box[0]) & (cols < box[2]) & (rows >= box[1]) & (rows < box[3])
    return big & inside


@pytest.mark.parametrize("head", ["v8", "v5"])
def test_segmentation(head):
    """v8: (1, 4 + classes + 32, N) and (1, h/4, w/4, 32); v5: (1, 32, h/4, w/4), objectness."""
    rng = np.random.default_rng(13)
    version_5 = head == "v5"
    boxes = boxes_around(rng, SIZE, STRIDES, 3 if version_5 else 1)
    boxes[:, 2:] *= 2
    prob = squash(logits(rng, len(boxes), 3))
    factors = rng.normal(0, 1, (len(boxes), 32)).astype(np.float32)
    smooth = rng.normal(0, 1, (3, 5, 32)).astype(np.float32)
    prototypes = np.kron(smooth, np.ones((8, 8, 1), np.float32))  # 24 × 40 cells
    columns = [boxes / np.tile(UNITS, 2), prob, factors]
    if version_5:
        columns.insert(1, np.ones((len(boxes), 1), np.float32))
    table = np.concatenate(columns, axis=1)[None]
    arrays = {
        "protos": (np.moveaxis(prototypes, 2, 0) if version_5 else prototypes)[None],
        "table": table if version_5 else np.swapaxes(table, 1, 2),
    }
    facts = facts_of(SIZE, {key: np.ascontiguousarray(v) for key, v in arrays.items()})
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec) and spec.masks is not None
    assert (spec.masks.count, spec.masks.channels_first) == (32, version_5)
    found = decoded(facts, spec)
    ends = [corners(*box) for box in boxes.tolist()]
    wanted = best_classes(ends, prob, 0.25, 0.45 if version_5 else 0.7)
    check(found, wanted)
    assert found.masks is not None
    for (box, score, kind), mask in zip(wanted, found.masks, strict=True):
        row = next(k for k, p in enumerate(prob) if abs(float(p[kind]) - score) < 1e-7)
        theirs = masks_of(factors[row], prototypes, box)
        mine = mask.pixels(SIZE[1], SIZE[0])
        both, either = (mine & theirs).sum(), (mine | theirs).sum()
        assert both >= 0.8 * either, (box, both, either)


def test_finished_boxes_with_key_points():
    """YOLO26-pose: rows of corners, score, class, key points."""
    rng = np.random.default_rng(14)
    boxes = boxes_around(rng, SIZE, STRIDES)[:60]
    score = np.sort(squash(logits(rng, 60, 1, 9))[:, 0])[::-1]
    ends = np.asarray([corners(*box) for box in boxes.tolist()], np.float32)
    points = rng.uniform(10, 90, (60, 17, 3)).astype(np.float32)
    rows = np.concatenate(
        [ends, score[:, None], np.zeros((60, 1)), points.reshape(60, -1)], axis=1
    ).astype(np.float32)
    maker = Ultralytics(task="pose", names=("person",), keypoint_shape=(17, 3), end2end=True)
    facts = facts_of(SIZE, {"out": rows[None]}, metadata=FileMetadata(ultralytics=maker))
    spec = known(facts).spec
    assert isinstance(spec, ListedSpec) and spec.keypoints is not None
    found = decoded(facts, spec)
    assert len(found) == (score >= 0.25).sum()
    assert overlap(found.boxes[0].tolist(), ends[0].tolist()) > 0.99
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints[0, :, :2], points[0, :, :2], atol=1e-3)


@pytest.mark.parametrize("channels_first", [False, True])
def test_qualcomm_segmentation(channels_first):
    """AI Hub: boxes, scores, coefficients, classes and prototypes, each an output."""
    rng = np.random.default_rng(15)
    boxes = boxes_around(rng, SIZE, STRIDES)
    prob = squash(logits(rng, len(boxes), 80))
    protos = rng.normal(0, 1, (24, 40, 32)).astype(np.float32)
    ends = np.asarray([corners(*box) for box in boxes.tolist()], np.float32)
    arrays = {
        "protos": (np.moveaxis(protos, 2, 0) if channels_first else protos)[None].copy(),
        "scores": prob.max(axis=1)[None],
        "mask_coeffs": rng.normal(0, 1, (1, len(boxes), 32)).astype(np.float32),
        "class_idx": prob.argmax(axis=1).astype(np.uint8)[None],
        "boxes": ends[None],
    }
    facts = facts_of(SIZE, arrays)
    spec = known(facts).spec
    assert isinstance(spec, ListedSpec) and spec.masks is not None
    assert (spec.masks.output, spec.masks.channels_first) == ("mask_coeffs", channels_first)
    found = decoded(facts, spec)
    check(found, best_classes(ends, prob, 0.25, 0.7))
    assert found.masks is not None and len(found.masks) == len(found)
