"""Models that list their boxes, and heat maps that peak at centres."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.core.postprocess import (
    CandidatePoints,
    CenterPoints,
    CenterSpec,
    GridLevel,
    ListedSpec,
    Skeleton,
)
from edgecnn.core.preprocess import ImageInput
from tests.firmware_glue.compiler.stage_models import Head, head_model

LABELS = ("cup", "mug", "jug")
IMAGE = ImageInput("image", 48, 64, fit="letterbox")
POINTS = CandidatePoints(Skeleton(("nose", "tail")), "all", 6, 3, "yx", activation="sigmoid")
_SCALES = {"classes": 0.03, "count": 0.3}
ListedCase = tuple[bytes, ListedSpec, ImageInput]
CenterCase = tuple[bytes, CenterSpec, ImageInput]


def _listed(heads: dict[str, tuple[int, ...]], dtype: str, **fields: object) -> ListedCase:
    given = {"scores": "scores", "boxes": "boxes", "labels": LABELS, "rows": 20, **fields}
    spec = ListedSpec(**given)  # type: ignore[arg-type]
    zero = 6 + (128 if dtype == "uint8" else 0)
    made = tuple(
        Head(name, shape, dtype, _SCALES.get(name, 0.02), zero - 50 * (name in _SCALES))
        for name, shape in heads.items()
    )
    return head_model(IMAGE, made, spec), spec, IMAGE


_FOUR = {"boxes": (1, 20, 4), "classes": (1, 20), "scores": (1, 20), "count": (1,)}
LISTED = {
    # What TFLite_Detection_PostProcess gives.
    "ssdop": _listed(
        _FOUR, "float32", classes="classes", count="count", box_units=(64.0, 48.0),
        score_threshold=0.2,
    ),
    "ssdopint": _listed(
        _FOUR, "int8", classes="classes", count="count", box_units=(20.0, 20.0), nms_iou=0.4,
        thresholds=(0.1, 0.2, 0.05), class_offset=-1, max_detections=6,
    ),
    # YOLOv10: corners, score and class in one tensor.
    "yolov10": _listed(
        {"all": (1, 20, 7)}, "float32", scores="all", boxes="all", classes="all", score_column=4,
        class_column=5, box_order="xyxy", activation="sigmoid", box_units=(20.0, 20.0),
    ),
    # MoveNet MultiPose: boxes with key points, one class.
    "multipose": _listed(
        {"all": (1, 20, 12)}, "uint8", scores="all", boxes="all", score_column=4,
        box_order="cxcywh", box_units=(20.0, 15.0), score_threshold=0.1, keypoints=POINTS,
        nms_iou=0.6,
    ),
}  # fmt: skip


def _center(dtypes: tuple[str, ...], **fields: object) -> CenterCase:
    given = {
        "scores": "scores", "sizes": "sizes", "labels": LABELS, "level": GridLevel(6, 8, 7.5),
        "score_threshold": 0.4, **fields,
    }  # fmt: skip
    spec = CenterSpec(**given)  # type: ignore[arg-type]
    columns = {"scores": len(LABELS), "sizes": 4 if spec.coding == "ltrb" else 2}
    columns |= {"offsets": 2} if spec.offsets else {}
    columns |= {"marks": 2 * len(spec.landmarks.skeleton.names)} if spec.landmarks else {}
    heads = tuple(
        Head(
            name,
            (1, count, 6, 8) if spec.transposed else (1, 6, 8, count),
            dtype,
            0.05,
            -20 + (128 if dtype == "uint8" else 0),
        )
        for (name, count), dtype in zip(columns.items(), dtypes, strict=False)
    )
    return head_model(IMAGE, heads, spec), spec, IMAGE


_INT, _FLOAT = ("int8",) * 4, ("float32",) * 4
_MARKS = CenterPoints(Skeleton(("left eye", "right eye", "nose")), "marks")
CENTERS = {
    "centernet": _center(_INT, offsets="offsets", size_unit=8.0),
    "centerlog": _center(_FLOAT, coding="log-size", size_unit=4.0, nms_iou=0.3, axes="yx"),
    "centerltrb": _center(
        ("uint8", "float32"), coding="ltrb", size_unit=6.0, origin="corner", window=5, axes="yx",
        thresholds=(0.3, 0.5, 0.7), max_detections=7,
    ),
    "centerface": _center(
        ("int8", "uint8", "int8", "float32"), offsets="offsets", size_unit=8.0, axes="yx",
        transposed=True, landmarks=replace(_MARKS, coding="box", planar=True, axes="yx"),
    ),
    "facedet": _center(_FLOAT[:2] + _INT, offsets="offsets", landmarks=_MARKS, nms_iou=0.5),
    "centerone": _center(_INT, offsets="offsets", origin="centre", axes="yx", window=1,
                         activation="none"),
}  # fmt: skip
