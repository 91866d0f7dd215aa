"""Published heads built in Keras with few filters, converted to float and int8."""

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.given import built
from tests.recognition.test_mediapipe import centres, check
from tests.recognition.test_mediapipe import plain as plain_faces
from tests.recognition.test_ssd import plain_boxes, plain_nms, same, tf_ssd_anchors

SIDE = 64


def pyramid(layers, image, strides):
    """A feature map at each stride, each from the one before."""
    x, at, maps = image, 1, {}
    while at < max(strides):
        x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
        at *= 2
        maps[at] = x
    return [maps[stride] for stride in strides]


def blaze_face():
    """face_detection_short_range: 2 anchors a cell at stride 8, 6 at stride 16."""
    import keras

    keras.utils.set_random_seed(2)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3), batch_size=1, name="input")
    boxes, scores = [], []
    for x, anchors in zip(pyramid(layers, image, (8, 16)), (2, 6), strict=True):
        wide = keras.initializers.RandomNormal(stddev=1.5)
        box = layers.Conv2D(16 * anchors, 1, kernel_initializer=wide, bias_initializer="ones")(x)
        boxes.append(layers.Reshape((-1, 16))(box * 8 + 6))
        score = layers.Conv2D(anchors, 1, kernel_initializer=wide)(x)
        scores.append(layers.Reshape((-1, 1))(score * 3))
    regressors = layers.Concatenate(axis=1, name="regressors")(boxes)
    classificators = layers.Concatenate(axis=1, name="classificators")(scores)
    return keras.Model(image, [classificators, regressors])


def ssd():
    """TF-OD's SSD: six maps from stride 16 on, 3 and 6 anchors, a sigmoid, a background column."""
    import keras

    keras.utils.set_random_seed(4)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3), batch_size=1, name="normalized_input_image_tensor")
    x = pyramid(layers, image, (16,))[0]
    boxes, scores = [], []
    for level in range(6):
        anchors = 6 if level else 3
        wide = keras.initializers.RandomNormal(stddev=2)
        boxes.append(layers.Reshape((-1, 4))(layers.Conv2D(anchors * 4, 1)(x)))
        score = layers.Conv2D(anchors * 6, 1, kernel_initializer=wide)(x)
        scores.append(layers.Reshape((-1, 6))(score))
        if level < 5:
            x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    encodings = layers.Concatenate(axis=1, name="box_encodings")(boxes)
    logits = layers.Concatenate(axis=1)(scores)
    predictions = layers.Activation("sigmoid", name="class_predictions")(logits)
    return keras.Model(image, [predictions, encodings])


@pytest.fixture(scope="module", params=["float32", "int8"])
def files(request):
    """Both nets as .tflite of one type."""
    from quantization.convert import to_float
    from quantization.freeze import freeze_keras
    from tests.quantization.stock import stock_int8

    rng = np.random.default_rng(0)
    found = {}
    for name, net in (("face", blaze_face()), ("ssd", ssd())):
        if request.param == "float32":
            found[name] = to_float(freeze_keras(net))
        else:
            shape = (1, SIDE, SIDE, 3)
            photos = [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(4)]
            found[name] = stock_int8(net, [{net.inputs[0].name: photo} for photo in photos])
    return found


def outputs_on_noise(facts):
    """Raw outputs, and their real values."""
    info = facts.inputs[0]
    image = np.random.default_rng(9).uniform(-1, 1, info.shape)
    raw = facts.predictor.predict({info.name: info.quantize(image)})
    return raw, {info.name: info.dequantize(raw[info.name])[0] for info in facts.outputs}


def test_blaze_face(files) -> None:
    facts = built(files["face"])
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.name == "a face detector of MediaPipe"
    raw, real = outputs_on_noise(facts)
    anchors = centres(SIDE, (8, 16, 16, 16), 2)
    logits = real["classificators"][:, 0]
    got = decode(answer.spec, raw, facts.outputs, None)
    check(got, plain_faces(real["regressors"], logits, anchors, SIDE, 0.5), SIDE)


def test_ssd(files) -> None:
    facts = built(files["ssd"], tuple("abcde"))
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.name.startswith(
        "a raw head, SSD of TensorFlow"
    )
    assert answer.spec.activation == "none" and "LOGISTIC" in " ".join(answer.evidence)
    raw, real = outputs_on_noise(facts)
    codes, scores = real["box_encodings"].astype(np.float64), real["class_predictions"][:, 1:]
    boxes = plain_boxes(codes[:, [1, 0, 3, 2]], tf_ssd_anchors(SIDE, SIDE), (10, 10, 5, 5))
    passed = np.flatnonzero(scores.max(1) >= 0.3)
    best, label = scores[passed].max(1), scores[passed].argmax(1)
    kept = plain_nms(boxes[passed], best, label, 0.6, 100)
    got = decode(answer.spec, raw, facts.outputs, None)
    same(got, boxes[passed[kept]], best[kept], label[kept])
