"""The specs embedded in a .tflite, as the plain data that the C emitters write.

What cannot be written as C is no error, since the model itself can: it is a note, which the
generated header repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.postprocess import CentroidSpec, ClassifySpec, DetectSpec, PostprocessSpec
from edgecnn.core.preprocess import Fit, ImageInput, PreprocessSpec, Resize, table
from edgecnn.core.runtime import TensorInfo, tensor_infos
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.model import TfModel
from firmware_glue.compiler.ops.spec import Params

MAX_LABELS = 32767
_FLIP = {"int8": 128, "uint8": 0, "float32": 0}
_BYTES = {"int8": 1, "uint8": 1, "float32": 4}
# Beyond this range of logits, exponentials around their middle would leave float32.
_MAX_LOGIT_RANGE = 150.0
# In the order of the enums in edgecnn_frame.h and edgecnn_scores.h.
_FITS, _RESIZES = get_args(Fit), get_args(Resize)
_SCORES = ("none", "sigmoid", "softmax", "powers")


@dataclass(frozen=True)
class FrameStage:
    """Frames to input 0.

    Attributes:
        params: an ``ec_image_params``.
        table: the tensor's dtype, (1 or channels, 256).
    """

    spec: ImageInput
    params: Params
    table: NDArray[Any] = field(compare=False)


@dataclass(frozen=True)
class ClassifyStage:
    """Scores to probabilities.

    Attributes:
        output: position of the scores' output.
        params: an ``ec_score_params``.
        table: float32 (256,) values of an 8-bit output; None for float outputs.
    """

    spec: ClassifySpec
    output: int
    params: Params
    table: NDArray[Any] | None = field(compare=False)


@dataclass(frozen=True)
class DetectStage:
    """Scores and box codes to boxes.

    Attributes:
        outputs: positions of the scores' and the boxes' output.
        params: an ``ec_detect_params``.
        levels: one ``ec_level`` each.
        anchors: width, height pairs of all levels, flat.
        table: as for :class:`ClassifyStage`.
    """

    spec: DetectSpec
    outputs: tuple[int, int]
    params: Params
    levels: tuple[Params, ...]
    anchors: tuple[float, ...]
    table: NDArray[Any] | None = field(compare=False)


@dataclass(frozen=True)
class CentroidStage:
    """Scores of a grid to points.

    Attributes:
        output: position of the scores' output.
        params: an ``ec_centroid_params``.
        table: as for :class:`ClassifyStage`.
    """

    spec: CentroidSpec
    output: int
    params: Params
    table: NDArray[Any] | None = field(compare=False)


AfterStage = ClassifyStage | DetectStage | CentroidStage


@dataclass(frozen=True)
class Stages:
    """What surrounds the model in C; ``notes`` says why something is missing."""

    before: FrameStage | None = None
    after: AfterStage | None = None
    notes: tuple[str, ...] = ()


def read_stages(model: TfModel) -> Stages:
    """The stages that a model's embedded specs describe.

    Raises:
        ModelError: an embedded spec is no JSON.
        BundleError: an embedded spec holds what it must not.
    """
    before, after = specs(model)
    inputs, outputs = tensor_infos(model)
    first = _before(before, inputs)
    last = _after(after, outputs)
    notes = [f"No preprocess: {first}."] if isinstance(first, str) else []
    notes += [f"No postprocess: {last}."] if isinstance(last, str) else []
    return Stages(
        None if isinstance(first, str) else first,
        None if isinstance(last, str) else last,
        tuple(notes),
    )


def _before(spec: PreprocessSpec | None, inputs: Sequence[TensorInfo]) -> FrameStage | str:
    if spec is None:
        return "the model has no preprocess spec embedded"
    if len(spec.inputs) != 1 or len(inputs) != 1:
        return "it is made for models with one input"
    image, info = spec.inputs[0], inputs[0]
    if not isinstance(image, ImageInput):
        return "the input is no image, so it is filled as it is"
    shape = (1, image.height, image.width, image.channels)
    if info.shape != shape or info.name != image.name:
        return (
            f"the spec describes '{image.name}' {list(shape)},"
            f" the input is '{info.name}' {list(info.shape)}"
        )
    if info.dtype not in _BYTES:
        return f"the input is {info.dtype}, expected int8, uint8 or float32"
    rows = np.ascontiguousarray(table(image, info).T)
    if not np.isfinite(rows).all():
        return "the spec's scale leaves the range of float32"
    shared = bool((rows == rows[0]).all())
    params = Params(
        "ec_image_params",
        (
            ("height", image.height),
            ("width", image.width),
            ("channels", image.channels),
            ("bgr", int(image.colour == "bgr")),
            ("fit", _FITS.index(image.fit)),
            ("resize", _RESIZES.index(image.resize)),
            ("pad", image.pad_value),
            ("element_bytes", _BYTES[info.dtype]),
            ("table_stride", 0 if shared else 256),
        ),
    )
    return FrameStage(image, params, rows[:1] if shared else rows)


def _after(spec: PostprocessSpec | None, outputs: Sequence[TensorInfo]) -> AfterStage | str:
    if spec is None:
        return "the model has no postprocess spec embedded"
    if not isinstance(spec, ClassifySpec | CentroidSpec | DetectSpec):
        return f"there is no C for results of the kind '{spec.kind}'"
    classes = len(spec.labels)
    if not 1 <= classes <= MAX_LABELS:
        return f"the spec has {classes} labels, expected 1 to {MAX_LABELS}"
    columns = classes + int(isinstance(spec, CentroidSpec) and spec.background)
    sizes = {spec.scores: columns}
    if isinstance(spec, CentroidSpec):
        sizes = {spec.scores: spec.level.rows * spec.level.cols * columns}
    if isinstance(spec, DetectSpec):
        if not _in_plain_outputs(spec):
            return (
                "boxes on cells, in an output of their own and without objectness,"
                " are what it is made for"
            )
        sizes = {spec.scores: spec.candidates * classes, spec.boxes: spec.candidates * 4}
    positions = {info.name: k for k, info in enumerate(outputs)}
    for name, size in sizes.items():
        if name not in positions:
            return f"the spec names the output '{name}', the model has {sorted(positions)}"
        info = outputs[positions[name]]
        if np.prod(info.shape, dtype=np.int64) != size:
            return f"the output '{name}' is {list(info.shape)}, expected {size} elements"
        if info.dtype not in _BYTES:
            return f"the output '{name}' is {info.dtype}, expected int8, uint8 or float32"
    scores = outputs[positions[spec.scores]]
    params, values = _scores(scores, spec.activation, columns)
    if isinstance(spec, ClassifySpec):
        return ClassifyStage(spec, positions[spec.scores], params, values)
    if isinstance(spec, CentroidSpec):
        return CentroidStage(spec, positions[spec.scores], _centroids(spec, params), values)
    return _detect(spec, params, values, positions, outputs[positions[spec.boxes]])


def _in_plain_outputs(spec: DetectSpec) -> bool:
    """Whether boxes on cells and their scores are all that there is, each in an output."""
    plain = bool(spec.levels) and not spec.per_level and spec.scores != spec.boxes
    whole = all(float(level.stride).is_integer() for level in spec.levels)
    columns = spec.objectness or spec.transposed or spec.background or spec.bins
    carried = spec.keypoints or spec.masks
    known = spec.coding in ("ltrb", "center-size") and spec.suppression == "greedy"
    return plain and whole and known and not columns and not carried


def _scores(
    info: TensorInfo, activation: str, count: int
) -> tuple[Params, NDArray[np.float32] | None]:
    """An ``ec_score_params``, and for 8-bit outputs the table that its activation works on."""
    values: NDArray[np.float32] | None = None
    if _BYTES[info.dtype] == 1:
        limits = np.iinfo(info.dtype)
        values = info.dequantize(np.arange(limits.min, limits.max + 1))
        span = float(values[-1]) - float(values[0])
        if activation == "sigmoid":
            values, activation = activate(values, "sigmoid"), "none"
        elif activation == "softmax" and span <= _MAX_LOGIT_RANGE:
            # Around the middle, so that the powers of any subset stay within float32.
            wide = values.astype(np.float64)
            values = np.exp(wide - (wide[0] + wide[-1]) / 2).astype(np.float32)
            activation = "powers"
    fields = (
        ("count", count),
        ("element_bytes", _BYTES[info.dtype]),
        ("flip", _FLIP[info.dtype]),
        ("activation", _SCORES.index(activation)),
    )
    return Params("ec_score_params", fields), values


def _centroids(spec: CentroidSpec, scores: Params) -> Params:
    return Params(
        "ec_centroid_params",
        (
            ("scores", scores),
            ("rows", spec.level.rows),
            ("cols", spec.level.cols),
            ("stride", spec.level.stride),
            ("background", int(spec.background)),
            ("max_points", spec.max_detections),
            ("threshold", float(spec.score_threshold)),
        ),
    )


def _detect(
    spec: DetectSpec,
    scores: Params,
    values: NDArray[np.float32] | None,
    positions: dict[str, int],
    boxes: TensorInfo,
) -> DetectStage:
    flip = _FLIP[boxes.dtype]
    params = Params(
        "ec_detect_params",
        (
            ("scores", scores),
            ("candidates", spec.candidates),
            ("max_candidates", min(spec.max_candidates, spec.candidates)),
            ("max_detections", spec.max_detections),
            ("center_size", int(spec.coding == "center-size")),
            ("box_bytes", _BYTES[boxes.dtype]),
            ("box_flip", flip),
            ("box_zero", (boxes.zero_point or 0) + flip),
            ("box_scale", 1.0 if boxes.scale is None else float(boxes.scale)),
            ("box_unit", float(spec.box_scale)),
            ("variances", tuple(float(v) for v in spec.variances)),
            ("threshold", float(spec.score_threshold)),
            ("iou", float(spec.nms_iou)),
        ),
    )
    levels: list[Params] = []
    anchors: list[float] = []
    for level in spec.levels:
        fields = (
            ("rows", level.rows),
            ("cols", level.cols),
            ("stride", level.stride),
            ("per_cell", max(1, len(level.anchors))),
            ("first_anchor", len(anchors) // 2),
        )
        levels.append(Params("ec_level", fields))
        anchors += [float(side) for anchor in level.anchors for side in anchor]
    at = (positions[spec.scores], positions[spec.boxes])
    return DetectStage(spec, at, params, tuple(levels), tuple(anchors), values)
