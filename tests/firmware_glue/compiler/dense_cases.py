"""Dense detectors in every form that their outputs can have: named ones, and random ones."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np

from edgecnn.core.postprocess import (
    BoxCoding,
    CandidatePoints,
    DetectSpec,
    GridLevel,
    Skeleton,
)
from edgecnn.core.preprocess import ImageInput
from tests.firmware_glue.compiler.stage_models import Head, head_model

Case = tuple[bytes, DetectSpec, ImageInput]
CODINGS = get_args(BoxCoding)
LABELS = ("cup", "mug", "jug")
IMAGE = ImageInput("image", 48, 64, fit="letterbox")
CELLS = (GridLevel(6, 8, 8.0), GridLevel(3, 4, 16.5))
CORNERS = tuple(replace(level, offset=0.0) for level in CELLS)
ON_ANCHORS = (
    GridLevel(3, 4, 16.0, ((10.0, 13.0), (30.5, 16.0))),
    GridLevel(2, 2, 32.0, ((40.0, 20.0), (20.0, 40.0)), anchors_first=True),
)
POINTS = CandidatePoints(Skeleton(("nose", "tail", "ear")), "keypoints")
_ROLES = ("scores", "boxes", "objectness", "keypoints")
_BASIC = {"scores": "scores", "boxes": "boxes", "labels": LABELS, "score_threshold": 0.3}

_SOFT = {"activation": "softmax", "score_threshold": 0.4}
_OBJECT = {"objectness": "objectness", "score_threshold": 0.2}


def anchor_boxes(rng: np.random.Generator, count: int) -> tuple[tuple[float, ...], ...]:
    """Centre x, y, width, height of some anchors on the image."""
    rows = rng.uniform((0, 0, 6, 6), (64, 48, 40, 40), (count, 4)).astype(np.float32)
    return tuple(tuple(map(float, row)) for row in rows)


def own_outputs(spec: DetectSpec) -> DetectSpec:
    """The same detector with outputs of its own for each level."""
    named = [key for key in _ROLES[:3] if getattr(spec, key)]
    points = spec.keypoints and replace(spec.keypoints, output="")
    named += ["keypoints"] if points else []
    levels = tuple(
        replace(level, **{key: f"{key}{number}" for key in named})
        for number, level in enumerate(spec.levels)
    )
    return replace(spec, levels=levels, scores="", boxes="", objectness="", keypoints=points)


def in_one_tensor(spec: DetectSpec, *, unused: int = 0) -> DetectSpec:
    """The same detector with boxes, objectness, scores and key points in one output."""
    boxes, objectness = spec.box_columns, int(bool(spec.objectness))
    scores = boxes + objectness
    points = spec.keypoints and replace(
        spec.keypoints, output="all", column=scores + spec.score_columns + unused
    )
    return replace(
        spec, scores="all", boxes="all", objectness="all" if objectness else "",
        objectness_column=boxes, score_column=scores, keypoints=points,
    )  # fmt: skip


def model_of(spec: DetectSpec, dtypes: str | tuple[str, ...] = "int8", unused: int = 0) -> Case:
    """A model with the outputs that a spec reads.

    Args:
        spec: the detector.
        dtypes: of the outputs, one or one each.
        unused: columns behind the last one of an output that several share.
    """
    found: dict[str, tuple[int, int]] = {}
    for grid in spec.levels if spec.per_level else (None,):
        for key, start, width in _columns(spec):
            own = getattr(grid, key) if grid is not None else ""
            name = own or (spec.keypoints.output if key == "keypoints" else getattr(spec, key))  # type: ignore[union-attr]
            rows = grid.candidates if own and grid is not None else spec.candidates
            columns = max(start + width, found.get(name, (0, 0))[1])
            found[name] = (rows, columns)
    heads = []
    for number, (name, (rows, columns)) in enumerate(sorted(found.items())):
        dtype = dtypes if isinstance(dtypes, str) else dtypes[number % len(dtypes)]
        wide = columns + unused * (name == "all")
        shape = (1, wide, rows) if spec.transposed else (1, rows, wide)
        zero = 9 - 3 * number + (128 if dtype == "uint8" else 0)
        heads.append(Head(name, shape, dtype, 0.04 + 0.003 * number, zero))
    return head_model(IMAGE, tuple(heads), spec), spec, IMAGE


def _columns(spec: DetectSpec) -> list[tuple[str, int, int]]:
    """(role, first column, columns) of each kind of output that the spec has."""
    found = [
        ("scores", spec.score_column, spec.score_columns),
        ("boxes", spec.box_column, spec.box_columns),
    ]
    if spec.objectness or any(level.objectness for level in spec.levels):
        found.append(("objectness", spec.objectness_column, 1))
    if spec.keypoints is not None:
        found.append(("keypoints", spec.keypoints.column, spec.keypoints.width))
    return found


def _spec(**fields: object) -> DetectSpec:
    return DetectSpec(**{**_BASIC, "levels": (), **fields})  # type: ignore[arg-type]


def _decoded(**fields: object) -> DetectSpec:
    return _spec(**{"coding": "cxcywh", "decoded_boxes": 60, "box_units": (9.0, 8.0), **fields})


def _anchor_boxes(coding: str, **fields: object) -> DetectSpec:
    boxes = anchor_boxes(np.random.default_rng(2), 40)
    return _spec(coding=coding, anchor_boxes=boxes, **fields)


DENSE = {
    "yolov5": model_of(
        in_one_tensor(_decoded(objectness="objectness", activation="none", score_unit=2.0))
    ),
    "yolov8": model_of(in_one_tensor(_decoded(transposed=True), unused=2), "float32", 2),
    "corners": model_of(_decoded(coding="xyxy", nms_iou=1.0), ("uint8", "float32")),
    "softmaxobject": model_of(
        _decoded(objectness="objectness", activation="softmax", thresholds=(0.1, 0.2, 0.3)), "uint8"
    ),
    "fractions": model_of(_spec(levels=CELLS, box_scale=0.7)),
    "bins": model_of(in_one_tensor(_spec(levels=CELLS, bins=5, score_threshold=0.4))),
    "levels": model_of(
        own_outputs(_spec(levels=ON_ANCHORS, coding="center-size", background=True, **_SOFT)),
        ("int8", "int8", "uint8", "uint8"),
    ),
    "yolox": model_of(in_one_tensor(_spec(levels=CELLS, coding="cell-exp", **_OBJECT))),
    "yolov3": model_of(_spec(levels=ON_ANCHORS, coding="anchor-exp", **_OBJECT), "uint8"),
    "yolov5raw": model_of(own_outputs(_spec(levels=ON_ANCHORS, coding="anchor-square", **_OBJECT))),
    "faces": model_of(
        _anchor_boxes(
            "center-linear",
            suppression="weighted",
            nms_iou=0.3,
            keypoints=replace(POINTS, coding="anchor"),
        )
    ),
    "pose": model_of(
        in_one_tensor(
            _spec(
                levels=CELLS,
                bins=4,
                transposed=True,
                keypoints=replace(POINTS, coding="cell", values=3, activation="sigmoid"),
            )
        ),
        "float32",
    ),
}


def random_dense(rng: np.random.Generator) -> Case:
    """A detector with whatever a spec can say."""
    coding = str(rng.choice(CODINGS))
    fields: dict[str, object] = {"coding": coding}
    if coding in ("cxcywh", "xyxy"):
        fields |= {"decoded_boxes": 50, "box_units": tuple(map(float, rng.uniform(4, 20, 2)))}
    elif coding.startswith(("center", "corner")) and rng.random() < 0.4:
        fields["anchor_boxes"] = anchor_boxes(rng, 45)
    else:
        fields["levels"] = CELLS if coding in ("ltrb", "cell-exp") else ON_ANCHORS
        if coding == "ltrb" and rng.random() < 0.3:
            fields["levels"] = CORNERS
    if coding == "ltrb" and rng.random() < 0.5:
        fields["bins"] = int(rng.integers(2, 9))
    fields["variances"] = tuple(map(float, rng.uniform(0.1, 0.5, 4)))
    fields["activation"] = str(rng.choice(["none", "sigmoid", "softmax"]))
    fields["background"] = bool(rng.random() < 0.4)
    fields["objectness"] = "objectness" if rng.random() < 0.4 else ""
    fields["score_threshold"] = float(rng.uniform(0.1, 0.5))
    if rng.random() < 0.3:
        fields["thresholds"] = tuple(map(float, rng.uniform(0.05, 0.6, len(LABELS))))
    fields["nms_iou"] = float(rng.choice([0.2, 0.5, 0.7, 1.0]))
    fields["suppression"] = "weighted" if rng.random() < 0.3 else "greedy"
    if rng.random() < 0.4:
        on_cells = "levels" in fields and fields["levels"] is not CORNERS
        codings = ["units", "cell"] if on_cells else ["units"]
        codings += ["anchor"] if coding.startswith(("center", "corner", "anchor")) else []
        fields["keypoints"] = replace(
            POINTS, values=int(rng.integers(2, 4)), axes=str(rng.choice(["xy", "yx"])),
            coding=str(rng.choice(codings)), units=((1.5, 1.25) if rng.random() < 0.3 else ()),
            activation=str(rng.choice(["none", "sigmoid"])),
        )  # fmt: skip
        fields["box_units"] = tuple(map(float, rng.uniform(4, 20, 2)))
    fields["max_detections"] = int(rng.choice([5, 100]))
    spec = _spec(**fields)
    form = rng.random()
    if form < 0.3 and spec.levels:
        spec = own_outputs(spec)
    elif form < 0.7:
        spec = in_one_tensor(spec)
    if not spec.per_level and rng.random() < 0.4:
        spec = replace(spec, transposed=True)
    kinds = ["int8", "uint8", "float32"]
    dtype = str(rng.choice(kinds))
    return model_of(spec, dtype if spec.per_level else tuple(map(str, rng.choice(kinds, 2))))
