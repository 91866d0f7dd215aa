"""Published pose and centre heads built in Keras with few filters, converted to float and int8."""

import math

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.table import recognise
from tests.core.slow_poses import slow_centers
from tests.recognition.given import built
from tests.recognition.test_pose import check_poses


def body(layers, image, halvings: int):
    """A convolution for each halving."""
    x = image
    for _ in range(halvings):
        x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    return x


def spread(deviation: float):
    import keras

    return keras.initializers.RandomNormal(stddev=deviation)


def posenet():
    """The multi-person head of posenet_mobilenet_v1_*_multi_kpt_stripped, stride 16."""
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((129, 161, 3), batch_size=1, name="sub_2")
    x = body(layers, image, 4)
    heat = layers.Conv2D(17, 1, kernel_initializer=spread(6), name="float_heatmaps")(x)
    short = layers.Conv2D(34, 1, kernel_initializer=spread(4), name="float_short_offsets")(x)
    ways = [layers.Conv2D(32, 1, kernel_initializer=spread(8), name=f"displacement_{way}_2")(x)
            for way in ("fwd", "bwd")]  # fmt: skip
    mid = layers.Concatenate(name="float_mid_offsets")(ways)
    segments = layers.Conv2D(1, 1, name="float_segments")(x)
    return keras.Model(image, [mid, segments, heat, short])


def center_net():
    """CenterNet's three heads at stride 4, as its own code names them."""
    import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    image = keras.Input((64, 96, 3), batch_size=1, name="image")
    x = body(layers, image, 2)
    heads = {}
    for name, channels, bias in (("hm", 3, -2.0), ("wh", 2, 5.0), ("reg", 2, 0.5)):
        inner = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        start = keras.initializers.Constant(bias)
        wide = spread(4.0 if name == "hm" else 0.3)
        layer = layers.Conv2D(channels, 1, kernel_initializer=wide, bias_initializer=start,
                              name=name)  # fmt: skip
        heads[name] = layer(inner)
    return keras.Model(image, [heads["reg"], heads["hm"], heads["wh"]])


def hand():
    """hand_landmark_full: landmarks in pixels and in metres, presence, handedness."""
    import keras

    keras.utils.set_random_seed(6)
    layers = keras.layers
    image = keras.Input((64, 64, 3), batch_size=1, name="input_1")
    x = layers.GlobalAveragePooling2D()(body(layers, image, 3))
    middle = keras.initializers.Constant(30)
    outputs = [
        layers.Dense(1, activation="sigmoid", name="conv_handedness")(x),
        layers.Dense(63, name="conv_world_landmarks", kernel_initializer=spread(0.05))(x),
        layers.Dense(1, activation="sigmoid", name="conv_handflag", bias_initializer="ones")(x),
        layers.Dense(63, name="conv_landmarks", kernel_initializer=spread(9),
                     bias_initializer=middle)(x),
    ]  # fmt: skip
    return keras.Model(image, outputs)


@pytest.fixture(scope="module", params=["float32", "int8"])
def files(request):
    """The nets as .tflite of one type."""
    from quantization.convert import to_float
    from quantization.freeze import freeze_keras
    from tests.quantization.stock import stock_int8

    rng = np.random.default_rng(0)
    found = {}
    for net in (posenet, center_net, hand):
        model = net()
        shape = tuple(model.inputs[0].shape)
        photos = [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(4)]
        found[net.__name__] = (
            to_float(freeze_keras(model))
            if request.param == "float32"
            else stock_int8(model, [{model.inputs[0].name: photo} for photo in photos])
        )
    return found


def known(data: bytes, name: str):
    """The answer, its result on noise, and the real outputs by their channels or layer."""
    facts = built(data)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.name == name
    info = facts.inputs[0]
    noise = np.random.default_rng(1).uniform(-1, 1, info.shape)
    outputs = facts.predictor.predict({info.name: info.quantize(noise.astype(np.float32))})
    real = {item.name: item.dequantize(outputs[item.name]) for item in facts.outputs}
    return answer, decode(answer.spec, outputs, facts.outputs, None), real


def test_posenet(files) -> None:
    answer, found, real = known(files["posenet"], "PoseNet")
    spec = answer.spec
    assert spec.stride == (16.0, 16.0) and spec.activation == "sigmoid"
    maps = {value.shape[3]: value for value in real.values()}
    assert {spec.heatmaps, spec.offsets, spec.forward} < set(real)
    check_poses(found, maps[17], maps[34], maps[64], 16, nearest=True, refinements=2, radius=20,
                point=0.5, most=20)  # fmt: skip


def test_centernet(files) -> None:
    answer, found, real = known(files["center_net"], "centre heat maps (CenterNet)")
    heat, size = real[answer.spec.scores], real[answer.spec.sizes]
    moved = real[answer.spec.offsets]
    assert heat.shape[3] == 3 and size.mean() > 3 > 1 > moved.mean()
    expected = slow_centers(heat[0], math.log(0.3 / 0.7), 3)[:100]
    assert len(found) == len(expected) > 5
    for box, (_, y, x, _) in zip(found.boxes, expected, strict=True):
        w, h = size[0, y, x] * 4
        cx, cy = (x + moved[0, y, x, 0]) * 4, (y + moved[0, y, x, 1]) * 4
        sides = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        np.testing.assert_allclose(box, sides, rtol=1e-4, atol=1e-2)


def test_hand_landmarks(files) -> None:
    answer, found, real = known(files["hand"], "MediaPipe hand landmarks")
    points = real[answer.spec.points].reshape(21, 3)
    assert points.mean() > 10, "those in metres are small"
    flags = [value.item() for value in real.values() if value.size == 1]
    assert real[answer.spec.score].item() == max(flags)  # its bias is 1
    assert answer.spec.activation == "none" and "name" in answer.evidence[2]
    np.testing.assert_allclose(found.keypoints[0, :, :2], points[:, :2], rtol=1e-5)
