"""Cutting the op off a model's end: what is left computes what the op would have read."""

from __future__ import annotations

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.cut import last_custom, without_last_custom
from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder
from tests.run import shared

SSD = "TFLite_Detection_PostProcess"
OPTIONS = {
    "max_detections": 3, "max_classes_per_detection": 1, "num_classes": 2, "x_scale": 10.0,
    "y_scale": 10.0, "w_scale": 5.0, "h_scale": 5.0, "nms_score_threshold": 0.0,
    "nms_iou_threshold": 0.5, "use_regular_nms": False,
}  # fmt: skip
ANCHORS = np.random.default_rng(0).uniform(0.1, 0.9, (6, 4)).astype(np.float32)


def packed(values: dict[str, object]) -> bytes:
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in values.items():
            builder.Key(key)
            builder.Add(value)
    return bytes(builder.Finish())


def ssd(*, extra: bool = False, signature: bool = False) -> bytes:
    """Two inputs; with ``extra`` one more output that the op does not write."""
    build = ModelBuilder()
    x = build.tensor((1, 6, 4), "float32", name="x")
    y = build.tensor((1, 6, 3), "float32", name="y")
    build.tensor((3,), "float32", name="unused")
    one = build.tensor((4,), "float32", data=[1, 2, 3, 4], name="one")
    boxes = build.tensor((1, 6, 4), "float32", name="boxes")
    scores = build.tensor((1, 6, 3), "float32", name="scores")
    anchors = build.tensor((6, 4), "float32", data=ANCHORS, name="anchors")
    out = [build.tensor((1, 3, 4), "float32", name="out"),
           *(build.tensor(s, "float32", name=f"out:{k + 1}")
             for k, s in enumerate(((1, 3), (1, 3), (1,))))]  # fmt: skip
    build.op("ADD", [x, one], [boxes])
    build.op("LOGISTIC", [y], [scores])
    build.op("CUSTOM", [boxes, scores, anchors], out, custom_code=SSD,
             custom_options=packed(OPTIONS))  # fmt: skip
    outputs = [*out[:2], scores, *out[2:]] if extra else out
    if signature:
        names = {f"output_{k}": index for k, index in enumerate(outputs)}
        build.signature("serving_default", {"image": x, "other": y}, names)
    return build.build([x, y], outputs)


@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("signature", [False, True])
def test_what_is_left_computes_what_the_op_read(extra, signature):
    data = ssd(extra=extra, signature=signature)
    model = read_model(data)
    assert last_custom(model) == SSD
    left, op = without_last_custom(model, SSD)
    assert (op.code, dict(op.options)) == (SSD, OPTIONS)
    assert (op.inputs, op.outputs) == (("boxes", "scores"), ("out", "out:1", "out:2", "out:3"))
    (anchors,) = op.constants.values()
    assert op.constants.keys() == {2}
    np.testing.assert_array_equal(anchors, ANCHORS)

    rng = np.random.default_rng(1)
    values = [rng.normal(size=s).astype(np.float32) for s in ((1, 6, 4), (1, 6, 3))]
    whole = LiteRTPredictor(data, preserve_all=True)
    names = [info.name for info in whole.inputs]
    assert names == (["image", "other"] if signature else ["x", "y"])
    whole.predict(dict(zip(names, values, strict=True)))
    got = LiteRTPredictor(left, resolver="builtin").predict(dict(zip(names, values, strict=True)))
    kept = ("output_2" if signature else "scores") if extra else None
    assert list(got) == ([kept, "boxes"] if kept else ["boxes", "scores"])
    by_name = {tensor.name: tensor.index for tensor in model.main.tensors}
    np.testing.assert_array_equal(got["boxes"], whole.tensor(by_name["boxes"]))
    np.testing.assert_array_equal(got[kept or "scores"], whole.tensor(by_name["scores"]))
    assert {t.name for t in read_model(left).main.tensors} == {"x", "y", "one", "boxes", "scores"}


def test_what_cannot_be_cut():
    model = read_model(ssd())
    with pytest.raises(ModelError, match="the model has 0 ops 'Other', expected one at its end"):
        without_last_custom(model, "Other")
    build = ModelBuilder()
    x, y, z = (build.tensor((1, 4), "float32") for _ in range(3))
    build.op("CUSTOM", [x], [y], custom_code="Odd")
    build.op("RELU", [y], [z])
    model = read_model(build.build([x], [z]))
    assert last_custom(model) == ""
    with pytest.raises(ModelError, match="'Odd' cannot be cut off the model's end: op #1 RELU"):
        without_last_custom(model, "Odd")


@pytest.mark.parametrize("name", ["coral", "edgetpu/test_data"])
@pytest.mark.timeout(60)
def test_posenet_of_coral_runs_without_its_decoder(name):
    folder = shared() / "models/edgetpu_pairs" / name / "posenet"
    for path in sorted(folder.glob("*_decoder.tflite")):
        left, op = without_last_custom(read_model(path.read_bytes()), "PosenetDecoderOp")
        assert op.options["stride"] == 16
        assert op.options["nms_radius"] == 10.0
        assert op.options["score_threshold"] == pytest.approx(0.2)
        predictor = LiteRTPredictor(left)
        assert [info.shape[1:] for info in predictor.outputs] == [
            (23, 31, 17), (23, 31, 34), (23, 31, 64),
        ]  # fmt: skip
        image = np.random.default_rng(0).integers(0, 256, predictor.inputs[0].shape, np.uint8)
        got = predictor.predict({predictor.inputs[0].name: image})
        assert all(value.std() > 0 for value in got.values())
