"""TFLite_Detection_PostProcess, a custom op: SSD boxes and non-maximum suppression."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.flexbuffers import FlexError, read_numbers
from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.detection_reference import Setup, detect
from firmware_glue.compiler.ops.rules import constant, dtypes, per_tensor, rank
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Lowered,
    OpSpec,
    OptionError,
    Params,
    ScratchArg,
    Variant,
    out_args,
    rule,
    tensor_args,
)

CODE = "CUSTOM:TFLite_Detection_PostProcess"
_HEADER = "edgecnn_detection_postprocess.h"
_MAX_ROWS = 1 << 16
_LANES = 8
"""LiteRT dequantizes so many scores at once, in another order than the rest of them."""


@dataclass(frozen=True)
class Options:
    """The op's options.

    Attributes:
        per_class: most detections of a class; 0: suppress all classes together ("fast").
        scale: of y, x, height and width of the encodings.
    """

    detections: int
    categories: int
    per_class: int
    classes: int
    score_threshold: float
    iou_threshold: float
    scale: tuple[float, float, float, float]


def parse(options: Mapping[str, Any]) -> Options:
    """Reads the FlexBuffers map of the custom op.

    Raises:
        OptionError: it is damaged, or beyond what the op allows.
    """
    try:
        found = read_numbers(options.get("custom_options", b""))
    except FlexError as error:
        raise OptionError(
            "The op's options must be a FlexBuffers map.", str(error), "a map of numbers"
        ) from error
    numbers = [float(value) for value in found.values()]
    if not all(math.isfinite(value) and abs(value) < 2**31 for value in numbers):
        raise OptionError("The op's options must be finite.", str(numbers)[:200], "int32, float32")
    detections = int(found.get("max_detections", 0))
    per_class = min(int(found.get("detections_per_class", 100)), detections)
    scale = tuple(float(np.float32(found.get(f"{axis}_scale", 0.0))) for axis in "yxhw")
    result = Options(
        detections,
        int(found.get("max_classes_per_detection", 0)),
        per_class if found.get("use_regular_nms") else 0,
        int(found.get("num_classes", 0)),
        float(np.float32(found.get("nms_score_threshold", 0.0))),
        float(np.float32(found.get("nms_iou_threshold", 0.0))),
        (scale[0], scale[1], scale[2], scale[3]),
    )
    _check(result, bool(found.get("use_regular_nms")))
    return result


def _check(options: Options, regular: bool) -> None:
    def limit(name: str, value: float, fits: bool, allowed: str) -> None:
        if not fits:
            raise OptionError(f"{name} is out of range.", f"{value:g}", allowed)

    rows = options.detections * options.categories
    limit("max_detections", options.detections, options.detections > 0, "1 and up")
    limit("max_classes_per_detection", options.categories, options.categories > 0, "1 and up")
    limit("max_detections * max_classes_per_detection", rows, rows <= _MAX_ROWS, f"≤ {_MAX_ROWS}")
    limit("num_classes", options.classes, options.classes > 0, "1 and up")
    limit("detections_per_class", options.per_class, options.per_class > 0 or not regular, "1 up")
    threshold = options.iou_threshold
    limit("nms_iou_threshold", threshold, 0 < threshold <= 1, "above 0, up to 1")
    for axis, value in zip("yxhw", options.scale, strict=True):
        limit(f"{axis}_scale", value, value != 0, "not 0")


@rule("encodings (1, boxes, 4 or more), scores (1, boxes, classes or one more), anchors (boxes, 4)")
def shapes_fit(graph: Graph, op: Op) -> str | None:
    """Encodings, scores and anchors must be of the same boxes."""
    codes, scores, anchors = (graph.input(op, i).shape for i in range(3))
    extra = scores[2] - op.options.classes
    fits = codes[0] == scores[0] == 1 and codes[1] == scores[1] == anchors[0]
    if fits and codes[2] >= 4 and anchors[1] == 4 and extra in (0, 1):
        return None
    return f"{list(codes)}, {list(scores)}, {list(anchors)}, {op.options.classes} classes"


@rule("heights and widths of at least 0")
def anchors_are_boxes(graph: Graph, op: Op) -> str | None:
    """Anchors must have a size."""
    sizes = _anchors(graph, op)[:, 2:]
    return None if bool(np.all(sizes >= 0)) else f"{float(np.min(sizes)):g}"


def _anchors(graph: Graph, op: Op) -> Array:
    """Float32 (boxes, 4): y, x, height, width."""
    tensor = graph.input(op, 2)
    if tensor.data is None:
        raise ValueError("anchors are not constant")
    if tensor.dtype is DType.FLOAT32:
        return tensor.data
    values = tensor.data.astype(np.float32) - np.float32(tensor.zero_point)
    return values * np.float32(tensor.scale)


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """Boxes (1, rows, 4), classes (1, rows), scores (1, rows), count (1,)."""
    rows = op.options.detections * op.options.categories
    return ((1, rows, 4), (1, rows), (1, rows), (1,))


def _blocked(graph: Graph, op: Op) -> int:
    return graph.input(op, 1).elements // _LANES * _LANES


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Numpy, in the order of the C kernel."""
    codes, scores = values[0], values[1]
    if codes.dtype == np.uint8:
        encoding, tensor = graph.input(op, 0), graph.input(op, 1)
        codes = (codes.astype(np.float32) - np.float32(encoding.zero_point)) * np.float32(
            encoding.scale
        )
        scale, zero = np.float32(tensor.scale), np.float32(tensor.zero_point)
        flat = scores.astype(np.float32).ravel()
        split = _blocked(graph, op)
        ahead = flat[:split] * scale + -zero * scale
        flat = np.concatenate([ahead, (flat[split:] - zero) * scale])
        scores = flat.reshape(scores.shape)
    o = op.options
    setup = Setup(
        o.detections, o.categories, o.per_class, o.classes, np.float32(o.score_threshold),
        np.float32(o.iou_threshold), np.array(o.scale),
    )  # fmt: skip
    return detect(setup, codes[0], scores[0], _anchors(graph, op))


def _memory(graph: Graph, op: Op) -> tuple[tuple[ScratchArg, ...], int]:
    """Scratch arrays as arguments, and their bytes."""
    boxes, o = graph.input(op, 0).shape[1], op.options
    rows = max(o.classes, o.detections)
    sizes = {"float": (4 * boxes, boxes, rows), "int32_t": (boxes, o.detections, rows)}
    args, offset = [], 0
    for ctype, counts in sizes.items():
        for count in counts:
            args.append(ScratchArg(ctype, offset))
            offset += 4 * count
    return tuple(args), offset


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_detection_u8`` or ``ec_detection_f32``."""
    codes, scores, o = graph.input(op, 0), graph.input(op, 1), op.options
    suffix = "f32" if codes.dtype is DType.FLOAT32 else "u8"
    params = Params(
        "ec_detection_params",
        (
            ("boxes", codes.shape[1]), ("encoding", codes.shape[2]), ("classes", o.classes),
            ("label_offset", scores.shape[2] - o.classes), ("detections", o.detections),
            ("categories", o.categories), ("per_class", o.per_class),
            ("blocked", _blocked(graph, op)),
            ("score_threshold", o.score_threshold), ("iou_threshold", o.iou_threshold),
            ("scale", o.scale),
            ("encoding_scale", float(codes.scale)), ("encoding_zero", float(codes.zero_point)),
            ("class_scale", float(scores.scale)), ("class_zero", float(scores.zero_point)),
        ),
    )  # fmt: skip
    memory, scratch = _memory(graph, op)
    anchors = ConstArg("anchors", np.ascontiguousarray(_anchors(graph, op)), from_file=True)
    args = (*tensor_args(op, 2), anchors, *memory, *out_args(op))
    call = Call(f"ec_detection_{suffix}", _HEADER, params, args)
    return Lowered(f"detection_{suffix}", (call,), scratch)


def _variant(dtype: DType, suffix: str) -> Variant:
    rules = (dtypes(1, dtype), dtypes(2, dtype))
    scales = (per_tensor(0, 1, 2),) if dtype is DType.UINT8 else ()
    late = (constant(2, "anchors"), anchors_are_boxes)
    return Variant(f"detection_{suffix}", reference, lower, (*rules, *scales, *late))


SPEC = OpSpec(
    parse,
    infer,
    {"uint8": _variant(DType.UINT8, "u8"), "float32": _variant(DType.FLOAT32, "f32")},
    (
        rank(0, 3, 3), rank(1, 3, 3), rank(2, 2, 2), shapes_fit,
        *(dtypes(i, DType.FLOAT32, output=True) for i in range(4)),
    ),
)  # fmt: skip
