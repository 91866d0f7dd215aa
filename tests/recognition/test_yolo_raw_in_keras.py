"""Anchor-free heads, and decoded ones in two outputs, built in Keras and converted.

Layouts: ``YOLOXHead.forward``, ST's st_yoloxn.py, ``NanoDetPlusHead._forward_onnx``, ``Detect`` of
ultralytics cut before its decoding, ``decode_tflite`` of hunglc007/tensorflow-yolov4-tflite. What
the files give is decoded in plain loops.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.postprocess import DetectSpec
from edgecnn.recognition import yolo_known as published
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.given import built
from tests.recognition.test_yolo_in_keras import (
    CLASSES,
    NAMES,
    SIZE,
    STRIDES,
    backbone,
    converted,
    head,
    outputs_of,
    scaled,
    start,
)
from tests.recognition.yolo_heads import (
    best_classes,
    check,
    corners,
    decoded_from,
    from_cells,
    from_distances,
    on_anchors,
    squash,
)


def net_of(kind):
    """A small network with one of the heads."""
    keras, image = start(41)
    layers = keras.layers
    outs = []
    for x in backbone(keras, image, "v8", STRIDES):
        if kind.startswith("v8"):
            parts = [head(keras, x, 64), head(keras, x, CLASSES, -3.0)]
        elif kind == "nanodet-plus":
            both = layers.Reshape((-1, CLASSES + 32))(head(keras, x, CLASSES + 32, -1.0))
            sure = layers.Activation("sigmoid")(both[..., :CLASSES])
            parts = [sure, both[..., CLASSES:]]
        else:
            parts = [head(keras, x, 4), head(keras, x, 1, -1.0), head(keras, x, CLASSES)]
            if kind == "yolox joined":
                sigmoid = layers.Activation("sigmoid")
                parts = [parts[0], sigmoid(parts[1]), sigmoid(parts[2])]
        together = kind not in ("v8 apart", "yolox apart")
        outs += [layers.Concatenate(axis=-1)(parts)] if together else parts
    if kind in ("nanodet-plus", "yolox joined"):
        rows = [layers.Reshape((-1, out.shape[-1]))(out) for out in outs]
        outs = layers.Concatenate(axis=1, name="output")(rows)
    return scaled(keras, keras.Model(image, outs))


def yolov4_tiny():
    """(1, N, 4) in pixels and (1, N, classes), objectness multiplied in."""
    keras, image = start(42)
    layers, ops = keras.layers, keras.ops
    boxes, scores = [], []
    for x, stride, anchors in zip(
        backbone(keras, image, "v4-tiny", (16, 32)), (16, 32), published.V4_TINY, strict=True
    ):
        rows, cols = SIZE[1] // stride, SIZE[0] // stride
        y = layers.Reshape((rows, cols, 3, 5 + CLASSES))(head(keras, x, 3 * (5 + CLASSES), -1.0))
        grid = np.stack(np.meshgrid(np.arange(cols), np.arange(rows)), -1)[None, :, :, None]
        place = (ops.sigmoid(y[..., :2]) * 1.05 - 0.025 + grid.astype(np.float32)) * float(stride)
        extent = ops.exp(y[..., 2:4]) * np.asarray(anchors, np.float32)
        boxes.append(layers.Reshape((-1, 4))(layers.Concatenate(axis=-1)([place, extent])))
        chance = ops.sigmoid(y[..., 4:5]) * ops.sigmoid(y[..., 5:])
        scores.append(layers.Reshape((-1, CLASSES))(chance))
    outs = [layers.Concatenate(axis=1, name="Identity")(boxes)]
    outs.append(layers.Concatenate(axis=1, name="Identity_1")(scores))
    return scaled(keras, keras.Model(image, outs))


def plain(kind, real):
    """Corners and scores of all candidates, from a file's real outputs."""
    flat = [value.reshape(-1, value.shape[-1]) for value in real.values()]
    widths = sorted({table.shape[1] for table in flat}, key=lambda w: (w != 4, w != 64, w))
    by_width = [
        np.concatenate([t for t in sorted(flat, key=lambda t: -len(t)) if t.shape[1] == width])
        for width in widths
    ]
    table = np.concatenate(by_width, axis=1)
    if kind == "v4-tiny":
        return [corners(*box) for box in table[:, :4].tolist()], table[:, 4:]
    if kind.startswith("v8"):
        return from_distances(table[:, :64], SIZE, STRIDES, 16), squash(table[:, 64:])
    if kind == "nanodet-plus":
        boxes = from_distances(table[:, CLASSES:], SIZE, STRIDES, 8, origin=0.0)
        return boxes, table[:, :CLASSES]
    if kind == "st":
        half = [[(SIZE[0] / 2, SIZE[1] / 2)]] * 3
        powers = np.exp(table[:, 5:])
        chance = squash(table[:, 4:5]) * powers / powers.sum(axis=1, keepdims=True)
        return on_anchors(table[:, :4], SIZE, STRIDES, half, squared=False), chance
    ready = kind == "yolox joined"
    sure = table[:, 4:] if ready else squash(table[:, 4:])
    return from_cells(table[:, :4], SIZE, STRIDES), sure[:, :1] * sure[:, 1:]


KINDS = {
    "v4-tiny": "a YOLO detection head",
    "yolox joined": "YOLOX",
    "nanodet-plus": "NanoDet-Plus",
    "v8 together": "YOLOv8",
    "v8 apart": "YOLOv8",
    "yolox apart": "YOLOX",
    "st": "ST's YOLOX",
}
#: Not the decoded boxes in int8: exp() gives them a scale of many pixels.
CASES = [
    (kind, int8) for kind in KINDS for int8 in (False, True) if (kind, int8) != ("v4-tiny", True)
]
SHORT = (("v4-tiny", False), ("nanodet-plus", True))


@pytest.mark.parametrize(
    ("kind", "int8"),
    [case if case in SHORT else pytest.param(*case, marks=pytest.mark.long) for case in CASES],
)
def test_heads(kind, int8) -> None:
    net = yolov4_tiny() if kind == "v4-tiny" else net_of(kind)
    data = converted(net, int8=int8)
    facts = built(data, NAMES)
    answer, unnamed = recognise(facts), recognise(built(data))
    assert isinstance(answer, Recognised) and answer.name.startswith(KINDS[kind])
    assert isinstance(unnamed, Recognised) and unnamed.name == answer.name
    spec = answer.spec
    assert isinstance(spec, DetectSpec) and spec.labels == NAMES
    raw, real = outputs_of(facts)
    boxes, scores = plain(kind, real)
    wanted = best_classes(boxes, scores, spec.score_threshold, spec.nms_iou)
    check(decoded_from(facts, spec, raw), wanted[: spec.max_detections])
