"""Models of one object's key points, and maps of classes."""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import PointsSpec, PosesSpec, SegmentSpec, Skeleton
from edgecnn.core.preprocess import ImageInput
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.stage_models import Head, head_model, with_specs

IMAGE = ImageInput("image", 48, 64, fit="letterbox")
SKELETON = Skeleton(("nose", 'left "eye"', "right eye", "tail"))
COUNT = len(SKELETON.names)
PoseCase = tuple[bytes, PointsSpec | PosesSpec, ImageInput]
MapCase = tuple[bytes, SegmentSpec, ImageInput]
Heads = dict[str, tuple[int, ...]]


def _model(heads: Heads, dtypes: str | tuple[str, ...], spec: object) -> bytes:
    given = (dtypes,) * len(heads) if isinstance(dtypes, str) else dtypes
    made = (
        Head(name, shape, dtype, 0.06, 6 + (128 if dtype == "uint8" else 0))
        for (name, shape), dtype in zip(heads.items(), given, strict=True)
    )
    return head_model(IMAGE, tuple(made), spec)  # type: ignore[arg-type]


def _points(heads: Heads, dtypes: str | tuple[str, ...], **fields: object) -> PoseCase:
    spec = PointsSpec("points", ("person",), SKELETON, **fields)  # type: ignore[arg-type]
    return _model(heads, dtypes, spec), spec, IMAGE


def _poses(heads: Heads, dtypes: str | tuple[str, ...], **fields: object) -> PoseCase:
    given = {"rows": 6, "cols": 8, "stride": (8.0, 7.5), **fields}
    spec = PosesSpec("heat", ("person",), SKELETON, **given)  # type: ignore[arg-type]
    return _model(heads, dtypes, spec), spec, IMAGE


_HEAT: Heads = {"heat": (1, 6, 8, COUNT), "offsets": (1, 6, 8, 2 * COUNT)}
_TURNED: Heads = {"heat": (1, COUNT, 6, 8), "offsets": (1, 2 * COUNT, 6, 8)}
POSES = {
    "movenet": _points({"points": (1, 1, COUNT, 3)}, "float32", units=(64.0, 48.0)),
    "movenetint": _points(
        {"points": (1, 1, COUNT, 3)}, "uint8", units=(20.0, 20.0), point_threshold=0.5
    ),
    "landmarks": _points(
        {"points": (1, 5 * COUNT + 2), "score": (1, 1)}, ("int8", "float32"), column=2, values=5,
        axes="xy", units=(9.0, 9.0), point_score=3, point_activation="sigmoid", score="score",
        activation="sigmoid", score_threshold=0.5, point_threshold=0.6,
    ),
    "noscores": _points(
        {"points": (1, 2 * COUNT), "score": (1,)}, "int8", values=2, axes="xy", units=(9.0, 9.0),
        point_score=-1, score="score",
    ),
    "simcc": _points(
        {"points": (1, COUNT, 40), "vertical": (1, COUNT, 31)}, ("float32", "int8"),
        vertical="vertical", units=(1.5, 1.5), score_threshold=0.1,
    ),
    "posenet": _poses(_HEAT, "int8", offsets="offsets", offset_unit=2.0),
    "posenetturned": _poses(
        _TURNED, ("uint8", "float32"), offsets="offsets", axes="xy", transposed=True,
        origin="centre", point_threshold=0.9,
    ),
    "baseline": _poses({"heat": _HEAT["heat"]}, "int8", activation="none", peak_shift=0.25),
    "baselinefloat": _poses({"heat": _HEAT["heat"]}, "float32", peak_shift=0.25),
}  # fmt: skip


def _map(shape: tuple[int, ...], dtype: str, **fields: object) -> MapCase:
    given = {"labels": ("road", "car", "sky", "tree"), "rows": 5, "cols": 7, **fields}
    spec = SegmentSpec("map", **given)  # type: ignore[arg-type]
    return _model({"map": shape}, dtype, spec), spec, IMAGE


_ONE = ("road",)
MAPS = {
    "argmax": _map((1, 5, 7, 4), "int8", background=0),
    "argmaxturned": _map((1, 4, 5, 7), "uint8", transposed=True, activation="sigmoid"),
    "softmaxmap": _map((1, 5, 7, 4), "int8", activation="softmax", score_threshold=0.5),
    "softmaxmapfloat": _map((1, 5, 7, 4), "float32", activation="softmax", background=2),
    "single": _map((1, 5, 7), "int8", labels=_ONE, activation="sigmoid", score_threshold=0.6),
    "singlefloat": _map((1, 5, 7, 1), "float32", labels=_ONE, score_threshold=0.3),
    "numbers": _map((1, 5, 7), "int8", class_numbers=True, background=1),
    "numbersfloat": _map((1, 5, 7), "float32", class_numbers=True),
}


def _whole_image(dtype: str) -> MapCase:
    """The highest channel of each pixel, or whether a pixel is bright: maps in wider types."""
    build = ModelBuilder()
    kind = "gray" if dtype == "bool" else "rgb"
    image = ImageInput("image", 5, 7, kind)
    x = build.tensor((1, 5, 7, image.channels), "int8", 1 / 255, -128, name="image")
    y = build.tensor((1, 5, 7, 1) if dtype == "bool" else (1, 5, 7), dtype, name="map")
    if dtype == "bool":
        half = build.tensor((1,), "int8", 1 / 255, -128, data=[0])
        build.op("GREATER", [x, half], [y])
    else:
        axis = build.tensor((), "int32", data=3)
        build.op("ARG_MAX", [x, axis], [y], output_type=dtype.upper())
    labels = ("dark", "bright") if dtype == "bool" else ("red", "green")
    spec = SegmentSpec("map", labels, 5, 7, class_numbers=True)
    return with_specs(build.build([x], [y]), image, spec), spec, image


MAPS |= {f"numbers{dtype}": _whole_image(dtype) for dtype in ("int32", "int64", "bool")}


def not_finite(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Float values of which some are no finite numbers."""
    spoilt = values.copy()
    spoilt[rng.random(values.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    return spoilt
