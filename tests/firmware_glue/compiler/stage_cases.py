"""Classifiers and detectors to decode, and their generated postprocessing called from Python."""

from __future__ import annotations

import ctypes

import numpy as np

from edgecnn.core.detections import Centroids, Detections
from edgecnn.core.postprocess import (
    CenterSpec,
    CentroidSpec,
    ClassifySpec,
    DetectSpec,
    GridLevel,
    ListedSpec,
)
from edgecnn.core.preprocess import ImageInput
from edgecnn.core.runtime import TensorInfo
from tests.firmware_glue.compiler.harness import Runner
from tests.firmware_glue.compiler.stage_models import (
    BoxC,
    CandidateC,
    CellC,
    FrameMapC,
    Head,
    KeypointC,
    PointC,
    head_model,
)

LABELS = ("cup", 'a "mug"\\', "what??/", "Löffel")
IMAGE = ImageInput("image", 48, 64, fit="letterbox")
CROP = ImageInput("image", 48, 64, fit="crop")
FREE = (GridLevel(6, 8, 8), GridLevel(3, 4, 16))
ANCHORED = (
    GridLevel(3, 4, 16, ((10.0, 13.0), (30.5, 16.0))),
    GridLevel(2, 2, 32, ((40.0, 20.0), (20.0, 40.0), (33.0, 33.0))),
)


def _classify(count: int, activation: str, **head: object) -> tuple[bytes, ClassifySpec]:
    spec = ClassifySpec("scores", tuple(f"c{i}" for i in range(count)), activation)  # type: ignore[arg-type]
    return head_model(IMAGE, (Head("scores", (1, count), **head),), spec), spec  # type: ignore[arg-type]


CLASSIFIERS = {
    "probabilities": _classify(4, "none", scale=1 / 256, zero=-128),
    "sigmoid8": _classify(7, "sigmoid", scale=0.1, zero=20),
    "softmax8": _classify(10, "softmax", scale=0.17, zero=-5),
    "softmaxu8": _classify(300, "softmax", dtype="uint8", scale=0.08, zero=130),
    "softmaxwide": _classify(5, "softmax", scale=1.5, zero=3),
    "softmaxf": _classify(1000, "softmax", dtype="float32"),
    "sigmoidf": _classify(6, "sigmoid", dtype="float32"),
    "one": _classify(1, "softmax", scale=0.1),
}


def _detect(
    levels: tuple[GridLevel, ...], dtype: str = "int8", image: ImageInput = IMAGE, **fields: object
) -> tuple[bytes, DetectSpec, ImageInput]:
    spec = DetectSpec("scores", "boxes", LABELS, levels, **fields)  # type: ignore[arg-type]
    zero = 7 + (128 if dtype == "uint8" else 0)
    ltrb = spec.coding == "ltrb"
    heads = (
        Head("boxes", (1, spec.candidates, 4), dtype, 0.03, zero - (80 if ltrb else 0)),
        Head("scores", (1, spec.candidates, len(LABELS)), dtype, 0.06, zero + 20),
    )
    return head_model(image, heads, spec), spec, image


DETECTORS = {
    "ltrb": _detect(FREE),
    "ltrbcrop": _detect(FREE, image=CROP, box_scale=1.5, nms_iou=0.3, max_detections=12),
    "ltrbfloat": _detect(FREE, "float32", score_threshold=0.55),
    "ltrbthresholds": _detect(FREE, thresholds=(0.3, 0.95, 0.0, 0.6), max_candidates=20),
    "ltrbanchors": _detect(ANCHORED, "uint8", activation="none", score_threshold=0.2),
    "ssd": _detect(ANCHORED, coding="center-size", activation="softmax"),
    "ssdu8": _detect(ANCHORED, "uint8", coding="center-size", nms_iou=0.0, image=CROP),
    "ssdfloat": _detect(ANCHORED, "float32", coding="center-size", activation="softmax"),
}


def _grid(
    dtype: str = "int8", image: ImageInput = IMAGE, **fields: object
) -> tuple[bytes, CentroidSpec, ImageInput]:
    spec = CentroidSpec("scores", LABELS, GridLevel(6, 8, 8), **fields)  # type: ignore[arg-type]
    zero = 25 + (128 if dtype == "uint8" else 0)
    shape = (1, 6, 8, len(LABELS) + int(spec.background))
    return head_model(image, (Head("scores", shape, dtype, 0.06, zero),), spec), spec, image


GRIDS = {
    "points": _grid(max_detections=5),
    "pointsu8": _grid("uint8", CROP, thresholds=(0.3, 0.95, 0.0, 0.6)),
    "pointsfloat": _grid("float32", score_threshold=0.55),
    "pointssoftmax": _grid(background=True, activation="softmax", score_threshold=0.3),
    "pointsnone": _grid("float32", background=True, activation="softmax", score_threshold=0.4),
}


def read_points(
    runner: Runner, frame_map: FrameMapC | None, spec: CentroidSpec, most: int | None = None
) -> Centroids:
    most = spec.max_detections if most is None else most
    cells = spec.level.rows * spec.level.cols
    rows_c, scratch = (PointC * (most + 1))(), (CellC * (cells + 1))()
    rows_c[most].label = scratch[cells].label = -99
    pointer = None if frame_map is None else ctypes.byref(frame_map)
    count = runner.call("postprocess", pointer, rows_c, most, scratch)
    assert 0 <= count <= most
    assert rows_c[most].label == scratch[cells].label == -99, "wrote behind the end"
    rows = rows_c[:count]
    return Centroids(
        np.array([(o.x, o.y) for o in rows], np.float32).reshape(-1, 2),
        np.array([(o.x1, o.y1, o.x2, o.y2) for o in rows], np.float32).reshape(-1, 4),
        np.array([o.score for o in rows], np.float32),
        np.array([o.label for o in rows], np.int64),
    )


def fill(
    runner: Runner, rng: np.random.Generator, spread: float
) -> tuple[dict[str, np.ndarray], list[TensorInfo]]:
    """Random outputs, put where the model would leave them."""
    values, infos = {}, []
    for io in runner.model.outputs:
        infos.append(TensorInfo(io.name, io.shape, io.dtype, io.scale, io.zero_point))
        real = rng.normal(0, spread, io.shape)
        if io.dtype == "float32":
            value = real.astype(np.float32)
        elif io.dtype in ("bool", "int32", "int64"):
            value = np.rint(real).astype(io.dtype)
        else:
            limits = np.iinfo(io.dtype)
            middle = (limits.min + limits.max) / 2
            value = np.clip(real * 25 + middle, limits.min, limits.max).astype(io.dtype)
        values[io.name] = value
        raw = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        runner.arena[io.offset : io.offset + io.nbytes] = raw
    return values, infos


def read_best(runner: Runner, count: int) -> tuple[int, float, np.ndarray]:
    score, scores = ctypes.c_float(-1), np.full(count + 1, -7, np.float32)
    found = runner.call("postprocess", ctypes.byref(score), ctypes.c_void_p(scores.ctypes.data))
    assert scores[-1] == -7, "wrote behind the scores"
    assert runner.call("postprocess", None, None) == found
    return found, score.value, scores[:-1]


def read_boxes(
    runner: Runner,
    frame_map: FrameMapC | None,
    spec: DetectSpec | ListedSpec | CenterSpec,
    room: int,
    most: int | None = None,
) -> Detections:
    most = min(spec.max_detections, 200) if most is None else most
    carried = spec.landmarks if isinstance(spec, CenterSpec) else spec.keypoints
    each = len(carried.skeleton.names) if carried else 0
    rows_c, points_c = (BoxC * (most + 1))(), (KeypointC * (most * each + 1))()
    scratch = (CandidateC * (room + 1))()
    rows_c[most].label = scratch[room].label = points_c[most * each].x = -99
    pointer = None if frame_map is None else ctypes.byref(frame_map)
    arrays = (rows_c, points_c) if each else (rows_c,)
    count = runner.call("postprocess", pointer, *arrays, most, scratch, room)
    assert 0 <= count <= most
    assert rows_c[most].label == scratch[room].label == -99, "wrote behind the end"
    assert points_c[most * each].x == -99, "wrote behind the points"
    rows = [(b.x1, b.y1, b.x2, b.y2) for b in rows_c[:count]]
    points = [(p.x, p.y, p.score) for p in points_c[: count * each]]
    return Detections(
        np.array(rows, np.float32).reshape(-1, 4),
        np.array([b.score for b in rows_c[:count]], np.float32),
        np.array([b.label for b in rows_c[:count]], np.int64),
        np.array(points, np.float32).reshape(count, each, 3) if each else None,
    )


def same_boxes(ours: Detections, expected: Detections, zoom: float = 1.0) -> None:
    """``zoom``: frame pixels per tensor pixel, by which the last bit of exp() grows."""
    np.testing.assert_array_equal(ours.classes, expected.classes)
    np.testing.assert_allclose(ours.scores, expected.scores, rtol=0, atol=1e-6)
    # Beyond 1024 pixels float32 itself is coarser than 1e-4.
    near = {"rtol": 1.2e-7, "atol": 1e-4 * max(1.0, zoom / 8)}
    np.testing.assert_allclose(ours.boxes, expected.boxes, **near)
    assert (ours.keypoints is None) == (expected.keypoints is None)
    if ours.keypoints is not None and expected.keypoints is not None:
        np.testing.assert_allclose(ours.keypoints[..., :2], expected.keypoints[..., :2], **near)
        np.testing.assert_allclose(
            ours.keypoints[..., 2], expected.keypoints[..., 2], rtol=0, atol=1e-6
        )
