from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import DataError, ModelError, QuantizationError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")

from quantization.audit import audit  # noqa: E402
from quantization.convert import to_float  # noqa: E402
from quantization.freeze import load_and_freeze  # noqa: E402
from quantization.keras_predictor import KerasPredictor  # noqa: E402
from quantization.load import load_float  # noqa: E402
from quantization.recipe import get_recipe  # noqa: E402
from quantization.tensorflow_import import quiet  # noqa: E402
from tests.quantization.stock import stock_int8  # noqa: E402

layers = nets.layers
BATCH_OPS = {"SHAPE", "STRIDED_SLICE", "PACK", "READ_VARIABLE", "VAR_HANDLE"}


def int8_of(model, items=None):
    shape = model.inputs[0].shape[1:]
    return stock_int8(model, items or nets.samples(16, shape))


CASES = {
    "classifier": nets.classifier,
    "detector": nets.detector,
    "dilated": lambda: nets.head(layers.Conv2D(4, 3, dilation_rate=2, padding="same")),
    "batch norm first": lambda: nets.head(layers.BatchNormalization(), layers.Conv2D(4, 3)),
    "hard swish": lambda: nets.head(layers.Conv2D(4, 3), layers.Activation("hard_silu")),
    "padding, pools": lambda: nets.head(
        layers.ZeroPadding2D(((0, 1), (0, 1))),
        layers.Conv2D(4, 3, strides=2),
        layers.AveragePooling2D(2),
        layers.LeakyReLU(negative_slope=0.1),
    ),
    "separable, multiplier": lambda: nets.head(
        layers.SeparableConv2D(6, 3), layers.DepthwiseConv2D(3, depth_multiplier=2)
    ),
    "nested": lambda: nets.head(nets.keras.Sequential([layers.Conv2D(4, 3, name="in")], name="n")),
}


@pytest.mark.parametrize("name", CASES)
def test_float_equals_keras_and_int8_is_int8(name):
    model = CASES[name]()
    keras_predictor = KerasPredictor(model)
    float_bytes, int8_bytes = to_float(load_and_freeze(model)), int8_of(model)
    float_predictor = LiteRTPredictor(float_bytes, resolver="reference")
    int8_predictor = LiteRTPredictor(int8_bytes, resolver="reference")
    sample = nets.samples(1, seed=9)[0]
    want = keras_predictor.predict(sample)
    got = float_predictor.predict(sample)
    raw = int8_predictor.predict({"image": int8_predictor.inputs[0].quantize(sample["image"])})
    assert list(got) == list(want) == list(raw)  # names, in Keras' order
    for info in int8_predictor.outputs:
        np.testing.assert_allclose(got[info.name], want[info.name], atol=1e-4)
        restored = info.dequantize(raw[info.name])
        span = float(np.ptp(want[info.name])) or 1.0
        assert np.abs(restored - want[info.name]).max() < 0.15 * span + 4 * (info.scale or 0)
    for data in (float_bytes, int8_bytes):
        parsed = read_model(data)
        assert not BATCH_OPS & {op.code for op in parsed.main.operators}
        assert [s.key for s in parsed.signatures] == ["serving_default"]
    assert audit(read_model(int8_bytes), get_recipe("int8")) == ()


def test_layer_names_and_fixed_batch():
    model = read_model(int8_of(nets.classifier()))
    names = [model.main.op_name(op) for op in model.main.operators]
    blocks = ["stem", "block_1_dw", "block_1_pw", "block_1_add"]
    assert names == [*blocks, "pool", "mean", "scores/MatMul", "scores"]
    assert model.main.tensors[model.main.inputs[0]].shape == (1, 16, 16, 3)


def test_filters_per_channel_and_dense_per_tensor():
    model = read_model(int8_of(nets.classifier()))
    scales = {}
    for op in model.main.operators:
        if op.code in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weights = model.main.tensors[op.inputs[1]]
            assert weights.dtype is DType.INT8
            assert set(weights.quantization.zero_point) == {0}
            scales[op.code] = len(weights.quantization.scale)
    assert scales == {"CONV_2D": 8, "DEPTHWISE_CONV_2D": 8, "FULLY_CONNECTED": 1}


def test_same_quantization_as_the_plain_keras_road():
    flow, model, items = nets.tensorflow, nets.classifier(), nets.samples(8)
    converter = flow.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [flow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([item["image"]] for item in items)
    converter.target_spec.supported_ops = [flow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = flow.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    with quiet():
        plain = read_model(converter.convert()).main
    ours = read_model(int8_of(model, items)).main
    assert [op.code for op in plain.operators] == [op.code for op in ours.operators]
    for theirs, mine in zip(plain.operators, ours.operators, strict=True):
        for left, right in zip(theirs.outputs, mine.outputs, strict=True):
            assert plain.tensors[left].quantization == ours.tensors[right].quantization


def test_upsampling_becomes_a_resize_and_leaves_the_model_alone():
    model = nets.detector()
    before = [type(layer).__name__ for layer in model.layers]
    codes = [op.code for op in read_model(int8_of(model)).main.operators]
    assert "RESIZE_NEAREST_NEIGHBOR" in codes
    assert "TILE" not in codes
    assert [type(layer).__name__ for layer in model.layers] == before


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_models_convert_in_float32(policy):
    nets.keras.config.set_dtype_policy(policy)
    try:
        model = nets.head(layers.Conv2D(4, 3, name="first"), layers.ReLU())
    finally:
        nets.keras.config.set_dtype_policy("float32")
    frozen = load_and_freeze(model)
    parsed = read_model(to_float(frozen)).main
    assert [op.code for op in parsed.operators] == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    sample = nets.samples(1)[0]
    want = KerasPredictor(model).predict(sample)["scores"]
    assert want.dtype == np.float32
    got = LiteRTPredictor(to_float(frozen)).predict(sample)["scores"]
    np.testing.assert_allclose(got, want, atol=0.05)
    assert audit(read_model(int8_of(model)), get_recipe("int8")) == ()


def test_same_bytes_again():
    model, items = nets.classifier(), nets.samples(8)
    assert int8_of(model, items) == int8_of(model, items)


def test_keras_file_and_saved_model(tmp_path):
    model = nets.detector()
    path, folder = tmp_path / "model.keras", tmp_path / "exported"
    model.save(path)
    model.export(folder, verbose=False)
    assert to_float(load_and_freeze(path)) == to_float(load_and_freeze(model))
    frozen = load_and_freeze(folder)
    data = to_float(frozen)
    sample = nets.samples(1)[0]
    want = list(KerasPredictor(model).predict(sample).values())
    predictor = LiteRTPredictor(data)
    assert predictor.inputs[0].shape == (1, 16, 16, 3)
    got = list(predictor.predict({predictor.inputs[0].name: sample["image"]}).values())
    for w in want:
        assert any(g.shape == w.shape and np.allclose(g, w, atol=1e-4) for g in got)
    assert not BATCH_OPS & {op.code for op in read_model(data).main.operators}


def test_paths_that_cannot_be_quantized(tmp_path):
    for name in ("missing.keras", "missing.h5"):
        with pytest.raises(ModelError, match="is not there"):
            load_and_freeze(tmp_path / name)
    with pytest.raises(ModelError, match="is not a .keras or .h5 file"):
        load_and_freeze(tmp_path / "model.onnx")
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(ModelError, match="cannot be loaded: it is damaged") as caught:
        load_and_freeze(tmp_path / "broken.keras")
    assert "\n" not in caught.value.message


def test_lambda_and_unknown_classes_are_refused(tmp_path):
    nets.head(layers.Lambda(lambda x: x * 2)).save(tmp_path / "lambda.keras")
    with pytest.raises(ModelError, match="Lambda layer"):
        load_and_freeze(tmp_path / "lambda.keras")

    class Own(layers.Layer):
        def call(self, x):
            return x

    nets.head(Own(name="mine")).save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match=r"Own of .* \(layer 'mine'\)") as caught:
        load_and_freeze(tmp_path / "own.keras")
    assert "\n" not in caught.value.message


def test_a_class_that_the_caller_registered_is_the_callers_own(tmp_path):
    @nets.keras.saving.register_keras_serializable("tests")
    class Registered(layers.Layer):
        def call(self, x):
            return x + 1.0

    for name in ("own.keras", "own.h5"):
        nets.head(Registered()).save(tmp_path / name)
        assert load_and_freeze(tmp_path / name).layers


def test_load_float_keeps_what_it_came_from(tmp_path):
    model = nets.classifier()
    model.export(tmp_path / "folder", verbose=False)
    sample = nets.samples(1)[0]
    want = KerasPredictor(model).predict(sample)["scores"]
    for given, source in ((model, "keras"), (tmp_path / "folder", "saved-model")):
        loaded = load_float(given)
        assert loaded.source == source and (loaded.keras_model is model) == (source == "keras")
        for predictor in (loaded.predictor(), LiteRTPredictor(loaded.data, threads=1)):
            assert [i.name for i in predictor.inputs] == [i.name for i in loaded.inputs]
            values = {loaded.inputs[0].name: sample["image"]}
            (got,) = predictor.predict(values).values()
            np.testing.assert_allclose(got, want, atol=1e-5)
    assert read_model(loaded.data).main.operators == loaded.model.main.operators


def test_open_sizes_are_refused():
    image = nets.keras.Input((None, None, 3), name="image")
    model = nets.keras.Model(image, layers.Conv2D(2, 3)(image))
    with pytest.raises(QuantizationError, match="needs fixed sizes"):
        load_and_freeze(model)


def test_bad_calibration_comes_through_the_converter():
    bad = [{"image": np.full((1, *nets.SHAPE), np.nan, np.float32)}]
    with pytest.raises(DataError, match="NaN"):
        int8_of(nets.head(layers.Conv2D(2, 3)), bad)


def test_converter_errors_are_one_line():
    class Bessel(layers.Layer):
        def call(self, x):
            return nets.tensorflow.math.special.bessel_j0(x)

    with pytest.raises(QuantizationError, match="converter does not take this model") as caught:
        to_float(load_and_freeze(nets.head(Bessel())))
    assert "\n" not in caught.value.message


def test_nothing_is_printed(capfd):
    int8_of(nets.head(layers.Conv2D(2, 3)))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
