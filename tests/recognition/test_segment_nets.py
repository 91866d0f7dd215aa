"""Published segmentation nets and FOMO, built small in Keras, against their published decoding.

Heads: DeepLab's and MediaPipe's as in edgecnn/recognition/segment.py; U-Net of TensorFlow's
tutorial (transposed convolution, three logits); Edge Impulse's FOMO (MobileNetV2 cut at a stride of
8, ``head``, ``logits``, softmax). Decoding: the tensor is interpolated to the frame, the highest
column counts, of a single one what is over a half.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Centroids, Segmentation
from edgecnn.core.imaging import FrameMap, read_image
from edgecnn.core.postprocess import CentroidSpec, SegmentSpec
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.given import built
from tests.run import shared

pytestmark = pytest.mark.train
FRAME = (64, 64)


def deeplab(k: Any, x: Any, size: int) -> Any:
    x = k.layers.Conv2D(21, 1, name="logits")(x)
    return k.layers.Resizing(size, size, interpolation="bilinear", name="ResizeBilinear")(x)


def deeplab_numbers(k: Any, x: Any, size: int) -> Any:
    tensorflow = pytest.importorskip("tensorflow")
    return k.layers.Lambda(lambda v: tensorflow.argmax(v, axis=-1))(deeplab(k, x, size))


def coarse(k: Any, x: Any, size: int) -> Any:
    up = k.layers.UpSampling2D(2)(k.layers.AveragePooling2D(2)(x))
    return k.layers.Conv2D(19, 1)(k.layers.Concatenate()([x, up]))


def unet(k: Any, x: Any, size: int) -> Any:
    for _ in range(2):
        x = k.layers.Conv2DTranspose(8, 3, 2, padding="same", activation="relu")(x)
    return k.layers.Conv2DTranspose(3, 3, 2, padding="same")(x)


def selfie(k: Any, x: Any, size: int) -> Any:
    x = k.layers.UpSampling2D(8, interpolation="bilinear")(x)
    return k.layers.Conv2D(1, 1, activation="sigmoid")(x)


def multiclass(k: Any, x: Any, size: int) -> Any:
    x = k.layers.UpSampling2D(8, interpolation="bilinear")(x)
    return k.layers.Softmax()(k.layers.Conv2D(6, 1)(x))


def portrait(k: Any, x: Any, size: int) -> Any:
    x = k.layers.UpSampling2D(4, interpolation="bilinear")(x)
    return k.layers.Softmax()(k.layers.Conv2DTranspose(2, 2, 2)(x))


def fomo(k: Any, x: Any, size: int) -> Any:
    x = k.layers.Conv2D(32, 1, activation="relu", name="head")(x)
    return k.layers.Softmax()(k.layers.Conv2D(3, 1, name="logits")(x))


def net(head: Callable[..., Any], *, int8: bool, size: int = 64) -> bytes:
    """A few convolutions down to a stride of 8 and the head, random weights, as a .tflite."""
    keras = pytest.importorskip("keras")
    tensorflow = pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(4)
    image = keras.Input((size, size, 3), name="image")
    x = image
    for filters in (8, 12, 16):
        x = keras.layers.Conv2D(filters, 3, 2, padding="same", activation="relu")(x)
    model = keras.Model(image, head(keras, x, size))
    # Logits as far apart as those of a trained net.
    last = [layer for layer in model.layers if layer.weights][-1]
    last.set_weights([value * 60 for value in last.get_weights()])
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    if int8:
        rng = np.random.default_rng(2)
        photos = [rng.random((1, size, size, 3), np.float32) for _ in range(8)]
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: iter([[photo] for photo in photos])
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tensorflow.int8
        if "numbers" not in head.__name__:
            converter.inference_output_type = tensorflow.int8
    return bytes(converter.convert())


def outputs_of(data: bytes) -> tuple[LiteRTPredictor, dict[str, np.ndarray], np.ndarray]:
    """The net run on a smooth random picture: raw outputs, and real ones (rows, cols, columns)."""
    predictor = LiteRTPredictor(data)
    (source,) = predictor.inputs
    rng = np.random.default_rng(6)
    picture = cv2.resize(rng.random((5, 5, 3), np.float32), source.shape[1:3])
    raw = predictor.predict({source.name: source.quantize(picture[None])})
    (info,) = predictor.outputs
    return predictor, raw, info.dequantize(raw[info.name])[0]


def published(real: np.ndarray) -> np.ndarray:
    """Numbers of classes on the frame; of one column 0, and −1 where it is no more than a half."""
    size = FRAME[::-1]
    if real.ndim == 2:
        return cv2.resize(real, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(int)
    planes = [cv2.resize(np.ascontiguousarray(real[..., k]), size) for k in range(real.shape[2])]
    if len(planes) == 1:
        return np.where(planes[0] > 0.5, 0, -1)
    return np.stack(planes, axis=-1).argmax(axis=-1)


def on_frame(found: Segmentation, classes: int) -> np.ndarray:
    """Numbers of classes on the frame; −1: none."""
    result = np.full(FRAME, -1)
    for number in range(classes):
        result[found.mask(number).pixels(*FRAME)] = number
    return result


NETS = {
    deeplab: {"background": 0, "activation": "softmax", "rows": 64},
    deeplab_numbers: {"background": 0, "class_numbers": True},
    coarse: {"background": -1, "rows": 8, "stride": (8.0, 8.0)},
    unet: {"background": -1, "activation": "softmax"},
    selfie: {"labels": ("foreground",), "score_threshold": 0.5},
    multiclass: {"background": -1, "activation": "none"},
    portrait: {"background": 0, "activation": "none"},
}


def check_net(head: Callable[..., Any], *, int8: bool) -> None:
    data = net(head, int8=int8)
    answer = recognise(built(data))
    assert isinstance(answer, Recognised), answer
    spec = answer.spec
    assert isinstance(spec, SegmentSpec)
    expected = NETS[head]
    assert {key: getattr(spec, key) for key in expected} == expected
    assert answer.habit.convention == ("-1..1" if "deeplab" in head.__name__ else "0..1")
    predictor, raw, real = outputs_of(data)
    frame = FrameMap(FRAME[1] / 64, FRAME[0] / 64, 0, 0, FRAME[1], FRAME[0])
    found = decode(spec, raw, predictor.outputs, frame)
    assert isinstance(found, Segmentation)
    theirs, ours = published(real), on_frame(found, len(spec.labels))
    theirs[theirs == spec.background] = -1
    present = [number for number in np.unique(theirs) if (theirs == number).mean() > 0.01]
    assert len(present) > 1
    for number in present:
        a, b = theirs == number, ours == number
        assert (a & b).sum() / (a | b).sum() >= 0.9, f"{number}: {a.mean()}"


@pytest.mark.parametrize("head", NETS, ids=lambda head: head.__name__)
def test_float_nets_as_published(head: Callable[..., Any]) -> None:
    check_net(head, int8=False)


@pytest.mark.parametrize("head", [unet, selfie])
def test_int8_nets_as_published(head: Callable[..., Any]) -> None:
    check_net(head, int8=True)


@pytest.mark.long
@pytest.mark.parametrize(
    "head", [deeplab, deeplab_numbers, coarse, multiclass, portrait], ids=lambda head: head.__name__
)
def test_more_int8_nets_as_published(head: Callable[..., Any]) -> None:
    check_net(head, int8=True)


@pytest.mark.parametrize("int8", [False, True])
def test_fomo_as_edge_impulse_reads_it(int8: bool) -> None:
    data = net(fomo, int8=int8, size=96)
    answer = recognise(built(data))
    assert isinstance(answer, Recognised), answer
    spec = answer.spec
    assert isinstance(spec, CentroidSpec) and spec.background and spec.labels == ("0", "1")
    assert (spec.level.rows, spec.level.stride) == (12, 8)
    predictor, raw, real = outputs_of(data)
    found = decode(spec, raw, predictor.outputs, None)
    assert isinstance(found, Centroids)
    # Column 0 is skipped; every cell of 0.5 and more belongs to an object of its class.
    for number in range(2):
        seen = np.zeros((12, 12), bool)
        for x1, y1, x2, y2 in (found.cells[found.classes == number] / 8).astype(int):
            seen[y1:y2, x1:x2] = True
        assert seen[real[..., number + 1] >= 0.5].all()
    assert (real[..., 1:] >= 0.5).any() and len(found)


def test_deeplab_on_photos_as_coral_reads_it() -> None:
    folder = shared()
    models = folder / "models/edgetpu_pairs"
    if not models.is_dir():
        pytest.skip("EDGECNN_SHARED holds no models/edgetpu_pairs")
    data = (models / "coral/deeplabv3_mnv2_dm05_pascal_quant.tflite").read_bytes()
    voc = (folder / "models/coral/pascal_voc_segmentation_labels.txt").read_text()
    labels = tuple(voc.rstrip().splitlines())
    facts = built(data, labels)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.sure
    spec = answer.spec
    assert isinstance(spec, SegmentSpec) and spec.class_numbers and spec.background == 0
    assert spec.labels == labels[:21] and spec.labels[3] == "bird" and len(labels) == 24
    (source,) = facts.inputs
    for name, sure in (("bird_segmentation.bmp", "bird"), ("cat_720p.jpg", "cat")):
        photo = read_image(folder / "data/images" / name)
        height, width = photo.shape[:2]
        tensor = cv2.resize(photo, (513, 513))[None, :, :, ::-1]
        raw = facts.predictor.predict({source.name: np.ascontiguousarray(tensor)})
        numbers = next(iter(raw.values()))[0]
        theirs = cv2.resize(
            numbers.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
        )
        frame = FrameMap(width / 513, height / 513, 0, 0, width, height)
        found = decode(spec, raw, facts.outputs, frame)
        assert isinstance(found, Segmentation)
        kind = spec.labels.index(sure)
        ours = found.mask(kind).pixels(height, width)
        assert ours.mean() > 0.05
        assert (ours & (theirs == kind)).sum() / (ours | (theirs == kind)).sum() >= 0.98
        if name.startswith("bird"):
            truth = cv2.imread(str(folder / "data/images/bird_segmentation_mask.bmp"))[..., 0] > 0
            assert (ours & truth).sum() / (ours | truth).sum() >= 0.75
