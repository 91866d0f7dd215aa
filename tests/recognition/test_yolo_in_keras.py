"""Published YOLO heads built in Keras on small backbones, converted to float and int8.

The heads' formulas and layouts: ``TFDetect`` in models/tf.py of ultralytics/yolov5, ``Detect`` in
ultralytics/nn/modules/head.py, darknet's yolov3.cfg, yolov3-tiny.cfg and yolov4-tiny.cfg,
yolov7.yaml of WongKinYiu/yolov7. Boxes are compared with plain loops over the raw maps.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edgecnn.core.postprocess import DetectSpec
from edgecnn.recognition import yolo_known as published
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.given import built
from tests.recognition.yolo_heads import (
    best_classes,
    cells,
    check,
    corners,
    decoded_from,
    from_distances,
    on_anchors,
    squash,
)

SIZE, STRIDES, CLASSES = (96, 64), (8, 16, 32), 3
NAMES = ("ant", "bee", "cow")
UNITS = np.asarray((96, 64, 96, 64), np.float32)


def backbone(keras, image, kind, strides):
    """Feature maps at the strides, with the activations and joints that a family has."""
    layers = keras.layers
    leaky = kind in ("v3", "v3-tiny", "v4-tiny", "v7-tiny")

    def conv(x, stride=1, width=8, kernel=3):
        x = layers.Conv2D(width, kernel, strides=stride, padding="same", use_bias=False)(x)
        return layers.LeakyReLU(negative_slope=0.1)(x) if leaky else layers.Activation("silu")(x)

    x, at, maps = image, 1, {}
    while at < max(strides):
        pools = kind == "v3-tiny" or (kind == "v4-tiny" and at in (4, 8, 16))
        x = (
            layers.MaxPooling2D(2)(conv(x))
            if pools or kind == "v7-tiny" and at == 4
            else conv(x, 2)
        )
        more = conv(x)
        if kind in ("v5", "v8", "v3"):
            x = layers.Add()([x, more])
        elif kind == "v3-tiny":
            x = more
        else:
            x = conv(layers.Concatenate()([x, more]), kernel=1)
        at *= 2
        maps[at] = x
    if kind == "v3-tiny":  # its last pool has stride 1
        maps[at] = conv(layers.MaxPooling2D(2, strides=1, padding="same")(maps[at]))
    return [maps[stride] for stride in strides]


def head(keras, x, width, bias=0.0):
    """One convolution; its weights are scaled once the net stands."""
    return keras.layers.Conv2D(
        width, 1, bias_initializer=keras.initializers.Constant(bias), name=f"head_{width}_{x.name}"
    )(x)


def scaled(keras, net, spread=1.0):
    """The net with head weights that make values of this spread on the picture."""
    heads = [layer for layer in net.layers if layer.name.startswith("head_")]
    values = keras.Model(net.input, [layer.output for layer in heads])(picture())
    for layer, value in zip(heads, values, strict=True):
        kernel, bias = layer.get_weights()
        columns = np.asarray(value).reshape(-1, kernel.shape[-1])
        factor = spread / np.maximum(columns.std(axis=0), 1e-6)
        away = (columns.mean(axis=0) - bias) * factor
        layer.set_weights([kernel * factor, bias - away])
    return net


def start(seed):
    import keras

    keras.utils.set_random_seed(seed)
    return keras, keras.Input((SIZE[1], SIZE[0], 3), batch_size=1, name="images")


def with_anchors(kind, strides):
    """(1, rows, cols, 3 · (5 + classes)) a level, as the networks of darknet and PyTorch end."""
    keras, image = start(31)
    maps = backbone(keras, image, kind, strides)
    outs = [head(keras, x, 3 * (5 + CLASSES), -1.0) for x in maps]
    return scaled(keras, keras.Model(image, outs[::-1]))


def yolov5():
    """``TFDetect``: sigmoids, grids and anchors in the graph, boxes over the input's size."""
    keras, image = start(32)
    layers, ops = keras.layers, keras.ops
    raw, tables = [], []
    for x, stride, anchors in zip(
        backbone(keras, image, "v5", STRIDES), STRIDES, published.P5, strict=True
    ):
        rows, cols = SIZE[1] // stride, SIZE[0] // stride
        y = head(keras, x, 3 * (5 + CLASSES), -1.0)
        raw.append(y)
        y = layers.Activation("sigmoid")(layers.Reshape((rows * cols, 3, 5 + CLASSES))(y))
        grid = np.stack(np.meshgrid(np.arange(cols), np.arange(rows)), -1).reshape(1, -1, 1, 2)
        span = np.asarray(SIZE, np.float32)
        place = (y[..., 0:2] * 2 + (grid - 0.5).astype(np.float32)) * np.float32(stride) / span
        sides = np.asarray(anchors, np.float32).reshape(1, 1, 3, 2) * 4
        extent = ops.square(y[..., 2:4]) * sides / span
        joined = layers.Concatenate(axis=-1)([place, extent, y[..., 4:]])
        tables.append(layers.Reshape((rows * cols * 3, 5 + CLASSES))(joined))
    out = layers.Concatenate(axis=1, name="StatefulPartitionedCall")(tables)
    return scaled(keras, keras.Model(image, out)), keras.Model(image, raw)


def yolov8():
    """``Detect``: distributions over 16 values, boxes over the input's size, candidates last."""
    keras, image = start(33)
    layers, ops = keras.layers, keras.ops
    boxes, scores = [], []
    for x, stride in zip(backbone(keras, image, "v8", STRIDES), STRIDES, strict=True):
        count = (SIZE[1] // stride) * (SIZE[0] // stride)
        boxes.append(layers.Reshape((count, 64))(head(keras, x, 64)))
        scores.append(layers.Reshape((count, CLASSES))(head(keras, x, CLASSES, -4.0)))
    codes, logits = layers.Concatenate(axis=1)(boxes), layers.Concatenate(axis=1)(scores)
    at = np.asarray(cells(SIZE, STRIDES), np.float32)
    stride = at[None, :, 2:]
    centre = (at[None, :, :2] + 0.5) * stride
    chances = layers.Softmax(axis=-1)(layers.Reshape((len(at), 4, 16))(codes))
    reach = ops.sum(chances * np.arange(16, dtype=np.float32), axis=-1) * stride
    low, high = ops.subtract(centre, reach[..., :2]), reach[..., 2:] + centre
    span = np.asarray(SIZE, np.float32)
    sure = layers.Activation("sigmoid")(logits)
    table = layers.Concatenate(axis=-1)([(low + high) / 2 / span, (high - low) / span, sure])
    net = keras.Model(image, layers.Permute((2, 1), name="output0")(table))
    return scaled(keras, net), keras.Model(image, [codes, logits])


def converted(net, *, int8=False):
    from quantization.convert import to_float
    from quantization.freeze import freeze_keras
    from tests.quantization.stock import stock_int8

    if not int8:
        return to_float(freeze_keras(net))
    rng = np.random.default_rng(4)
    photos = [rng.uniform(0, 1, (1, SIZE[1], SIZE[0], 3)).astype(np.float32) for _ in range(3)]
    return stock_int8(net, [{"images": photo} for photo in photos])


def known(facts: Facts) -> Recognised:
    answer = recognise(facts)
    assert isinstance(answer, Recognised), answer
    assert isinstance(answer.spec, DetectSpec)
    return answer


@cache
def picture():
    return np.random.default_rng(9).uniform(0, 1, (1, SIZE[1], SIZE[0], 3)).astype(np.float32)


def outputs_of(facts: Facts):
    """Raw outputs on one picture, and their real values."""
    info = facts.inputs[0]
    raw = facts.predictor.predict({info.name: info.quantize(picture())})
    return raw, {item.name: item.dequantize(raw[item.name]) for item in facts.outputs}


def test_yolov5() -> None:
    net, raw_net = yolov5()
    facts = built(converted(net), NAMES)
    answer = known(facts)
    assert answer.name.startswith("YOLOv5") and answer.spec.box_units == SIZE
    rows = [np.asarray(m).reshape(-1, 5 + CLASSES) for m in raw_net(picture())]
    table = np.concatenate(rows)
    boxes = on_anchors(table[:, :4], SIZE, STRIDES, published.P5, squared=True)
    wanted = best_classes(boxes, squash(table[:, 4:5]) * squash(table[:, 5:]), 0.25, 0.45)
    check(decoded_from(facts, answer.spec, outputs_of(facts)[0]), wanted)


@pytest.mark.parametrize("int8", [False, True])
def test_yolov8(int8) -> None:
    net, raw_net = yolov8()
    facts = built(converted(net, int8=int8), NAMES)
    answer = known(facts)
    assert answer.name.startswith("YOLOv8") and answer.spec.transposed
    assert answer.spec.box_units == SIZE
    raw, real = outputs_of(facts)
    if int8:
        table = next(iter(real.values()))[0].T
        boxes, scores = [corners(*box) for box in (table[:, :4] * UNITS).tolist()], table[:, 4:]
        assert any("share the tensor" in warning for warning in answer.warnings)
    else:
        codes, logits = (np.asarray(part)[0] for part in raw_net(picture()))
        boxes, scores = from_distances(codes, SIZE, STRIDES, 16), squash(logits)
    check(decoded_from(facts, answer.spec, raw), best_classes(boxes, scores, 0.25, 0.7))


@pytest.mark.parametrize(
    ("kind", "strides", "anchors", "squared"),
    [
        ("v5", STRIDES, published.P5, True),
        ("v3-tiny", (16, 32), published.V3_TINY, False),
        pytest.param("v7", STRIDES, published.V7, True, marks=pytest.mark.long),
        pytest.param("v7-tiny", STRIDES, published.P5, True, marks=pytest.mark.long),
        pytest.param("v3", STRIDES, published.P5, False, marks=pytest.mark.long),
        pytest.param("v4-tiny", (16, 32), published.V4_TINY, False, marks=pytest.mark.long),
    ],
)
def test_anchors_by_the_ops(kind, strides, anchors, squared) -> None:
    facts = built(converted(with_anchors(kind, strides)), NAMES)
    answer = known(facts)
    spec = answer.spec
    assert kind in answer.name.lower()
    assert spec.coding == ("anchor-square" if squared else "anchor-exp")
    assert answer.warnings and "published" in answer.warnings[0]
    raw, real = outputs_of(facts)
    maps = sorted(real.values(), key=lambda m: -m.shape[1])
    table = np.concatenate([m.reshape(-1, 5 + CLASSES) for m in maps])
    boxes = on_anchors(table[:, :4], SIZE, strides, anchors, squared=squared)
    scores = squash(table[:, 4:5]) * squash(table[:, 5:])
    check(decoded_from(facts, spec, raw), best_classes(boxes, scores, 0.25, 0.45))
