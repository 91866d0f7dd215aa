"""A net that remembers, built as a convolutional GRU, over a video: each frame gets the state that
the frame before left. The judge is Keras, stepped by hand."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import pytest

from edgecnn.camera.pipeline import Pipeline, find
from edgecnn.camera.sources.open import open_source
from edgecnn.core.feedback import state_pairs
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import LiteRTPredictor
from quantization.convert import to_float
from quantization.freeze import freeze_keras
from quantization.keras_predictor import KerasPredictor
from tests.camera.doubles import looped

HEIGHT, WIDTH, FRAMES = 24, 32, 6
LABELS = ("left", "right", "none")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "moving.avi"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (WIDTH, HEIGHT))
    for k in range(FRAMES):
        frame = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
        cv2.rectangle(frame, (4 * k, 6), (4 * k + 8, 16), (40, 220, 250 - 40 * k), -1)
        out.write(frame)
    out.release()
    return path


@pytest.fixture(scope="module")
def net():
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((HEIGHT, WIDTH, 3), batch_size=1, name="image")
    h = keras.Input((12, 16, 4), batch_size=1, name="h_in")
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    both = layers.Concatenate()([x, h])
    z = layers.Conv2D(4, 3, padding="same", activation="sigmoid")(both)
    new = layers.Conv2D(4, 3, padding="same", activation="tanh")(both)
    state = layers.Add(name="h_out")([h, layers.Multiply()([z, layers.Subtract()([new, h])])])
    scores = layers.GlobalAveragePooling2D()(state)
    scores = layers.Dense(3, activation="softmax", name="scores")(scores * 20)
    model = keras.Model({"image": image, "h_in": h}, {"scores": scores, "h_out": state})
    return model, to_float(freeze_keras(model))


def test_a_video_goes_through_a_net_that_remembers(net, video):
    model, data = net
    predictor = LiteRTPredictor(data)
    assert {info.name for info in predictor.inputs} == {"image", "h_in"}
    others = [info for info in predictor.inputs if info.name != "image"]
    (pair,) = state_pairs(others, predictor.outputs)
    assert pair.sure
    before = PreprocessSpec((pair.state, ImageInput("image", HEIGHT, WIDTH)))
    before = PreprocessSpec.from_json(json.loads(json.dumps(before.to_json())))
    after = ClassifySpec("scores", LABELS, "none")
    lines = io.StringIO()
    looped(open_source(str(video)), Pipeline(predictor, before, after), jsonl=lines)
    found = [json.loads(line) for line in lines.getvalue().splitlines()][:FRAMES]

    capture = cv2.VideoCapture(str(video))
    frames = [capture.read()[1] for _ in range(FRAMES)]
    state = np.zeros((1, 12, 16, 4), np.float32)
    expected = []
    for frame in frames:
        image = frame[None, :, :, ::-1].astype(np.float32) / 255
        out = model({"image": image, "h_in": state})
        state, scores = np.array(out["h_out"]), np.array(out["scores"])[0]
        expected.append(scores)
    assert np.ptp([scores.max() for scores in expected]) > 0.01  # the state matters
    for line, scores in zip(found, expected, strict=True):
        best = line["detections"][0]
        assert best["label"] == LABELS[int(scores.argmax())]
        assert best["score"] == pytest.approx(scores.max(), abs=2e-4)

    # Another source starts anew: its first frame is seen as the first one was.
    pipeline = Pipeline(predictor, before, after)
    first = find(pipeline, frames[0], {})
    find(pipeline, frames[1], {})
    assert find(pipeline, frames[0], {}) != first
    pipeline.reset()
    assert find(pipeline, frames[0], {}) == first


def test_outputs_are_the_caller_s_whatever_runs_next(net):
    """Several cameras share a predictor: the outputs of one wait while the next one's are made."""
    model, data = net
    rng = np.random.default_rng(2)
    for predictor in (LiteRTPredictor(data), KerasPredictor(model)):
        taken = []
        for _ in range(3):
            given = {info.name: rng.random(info.shape, np.float32) for info in predictor.inputs}
            outputs = predictor.predict(given)
            taken.append((outputs, {name: value.copy() for name, value in outputs.items()}))
        for outputs, at_once in taken:
            for name, value in at_once.items():
                assert np.array_equal(outputs[name], value)
                assert not np.array_equal(value, taken[-1][1][name]) or outputs is taken[-1][0]
