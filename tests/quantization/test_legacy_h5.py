"""Keras 2 .h5 files against the same net built in Keras 3: equal outputs, or a clear line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import LiteRTPredictor

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")
h5py = pytest.importorskip("h5py")

from quantization import legacy_h5  # noqa: E402
from quantization.keras_file import load_keras  # noqa: E402
from quantization.load import load_float  # noqa: E402
from tests.quantization import keras2  # noqa: E402
from tests.quantization.keras2 import conv, dense, depthwise, functional, image, layer  # noqa: E402
from tests.run import shared  # noqa: E402

layers, keras = nets.layers, nets.keras


def same_outputs(path, twin, count=1):
    model = load_keras(path)
    rng = np.random.default_rng(1)
    values = [rng.uniform(-1, 1, (2, *i.shape[1:])).astype("float32") for i in twin.inputs]
    given = values if len(values) > 1 else values[0]
    want, got = twin(given, training=False), model(given, training=False)
    want = want if isinstance(want, list) else [want]
    got = got if isinstance(got, list) else [got]
    assert len(got) == len(want) == count
    for w, g in zip(want, got, strict=True):
        assert np.abs(np.asarray(w)).max() > 1e-3
        np.testing.assert_allclose(g, w, atol=2e-6)
    return model


def sequential_case():
    twin = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="c"),
            layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="d"),
            layers.BatchNormalization(name="n"),
            layers.LeakyReLU(negative_slope=0.3, name="l"),
            layers.Flatten(name="f"),
            layers.Dense(3, activation="softmax", name="s"),
        ]
    )
    first = conv("c", None, 4, activation="relu")
    first["config"]["batch_input_shape"] = [None, 8, 8, 3]
    items = [
        first,
        depthwise("d", None),
        keras2.norm("n", None, "BatchNormalizationV1"),
        layer("LeakyReLU", "l", alpha=0.30000001192092896),
        layer("Flatten", "f", data_format="channels_last"),
        dense("s", None, 3, activation="softmax"),
    ]
    for item in items:
        del item["inbound_nodes"], item["name"]
    return twin, items


@pytest.mark.parametrize("form", ["dict", "list of Keras 2.1"])
def test_sequential_with_its_shape_in_the_first_layer(tmp_path, form):
    twin, items = sequential_case()
    inner = {"name": "sequential", "layers": items} if form == "dict" else items
    config = {"class_name": "Sequential", "config": inner}
    path = keras2.write(tmp_path / "m.h5", config, keras2.weights_of(twin), optimizer=True)
    model = same_outputs(path, twin)
    assert [item.name for item in model.layers] == ["c", "d", "n", "l", "f", "s"]


def test_functional_as_mobilenet_v2_with_slashes_in_names(tmp_path):
    start = keras.Input((8, 8, 3), name="image")
    x = layers.ReLU(6.0)(layers.Conv2D(6, 3, padding="same", use_bias=False)(start))
    y = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    x = layers.Add()([x, layers.Conv2D(6, 1, padding="same")(layers.ReLU(6.0)(y))])
    x = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
    twin = keras.Model(start, x)
    items = [
        image("image", 8, 8, 3),
        conv("Conv1/conv", "image", 6, use_bias=False),
        layer("ReLU", "a", "Conv1/conv", max_value=6.0, negative_slope=0.0, threshold=0.0),
        depthwise("dw", "a"),
        keras2.norm("dw/BN", "dw"),
        layer("Activation", "b", "dw/BN", activation="relu6"),  # MobileNet of Keras 2.1
        conv("project", "b", 6, 1),
        layer("Add", "add", ["a", "project"]),
        layer("FixedDropout", "drop", "add", rate=0.2, noise_shape=[None, 1, 1, 1], seed=None),
        layer("GlobalAveragePooling2D", "mean", "drop", data_format="channels_last"),
        dense("scores", "mean", 4),
    ]
    config = functional(items, ["image"], ["scores"], kind="Model")
    path = keras2.write(tmp_path / "m.h5", config, keras2.weights_of(twin), version="2.1.6")
    model = same_outputs(path, twin)
    assert model.inputs[0].name == "image" and model.get_layer("Conv1_conv")


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
def test_nested_models_called_twice(tmp_path, kind):
    inner_in = keras.Input((6, 6, 4))
    block = layers.Conv2D(4, 3, padding="same")
    nested = keras.Model(inner_in, block(inner_in)) if kind == "Functional" else None
    nested = nested or keras.Sequential([inner_in, block])
    start = keras.Input((6, 6, 4))
    x = nested(nested(start))
    twin = keras.Model(start, [layers.Flatten()(x), x])
    if kind == "Functional":
        graph = functional([image("i", 6, 6, 4), conv("c", "i", 4)], ["i"], ["c"])
    else:
        graph = {"class_name": kind, "config": {"name": "sub", "layers": [conv("c", None, 4)]}}
        graph["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 6, 6, 4]
    # Keras 2 counts a nested model's own node: its first call is node 1.
    nodes = [[["image", 0, 0, {}]], [["sub", 1, 0, {}]]]
    graph |= {"name": "sub", "inbound_nodes": nodes}
    flat = layer("Flatten", "flat", [[["sub", 2, 0, {}]]])
    items = [image("image", 6, 6, 4), graph, flat]
    config = functional(items, ["image"], ["flat", ["sub", 2, 0]])
    weights = keras2.weights_of(twin)
    path = keras2.write(tmp_path / "m.h5", config, weights)
    same_outputs(path, twin, count=2)


def test_two_inputs_and_functions_as_layers(tmp_path):
    """x·relu6(x + 3)/6 as MobileNetV3 in TensorFlow 2.4 wrote it, and a squeeze-excite product."""
    a, b = keras.Input((6, 6, 4), name="a"), keras.Input((4,), name="b")
    x = layers.Conv2D(4, 1, padding="same")(a)
    x = x * (layers.ReLU(6.0)(x + 3.0) * (1 / 6))
    gate = keras.ops.sigmoid(layers.Dense(4)(b))
    x = x * layers.Reshape((1, 1, 4))(gate)
    x = 1.0 - x / 4.0
    twin = keras.Model([a, b], keras.ops.mean(x, axis=[1, 2]))

    def function(name, inbound, what):
        return {"class_name": "TFOpLambda", "name": name, "inbound_nodes": [inbound],
                "config": {"name": name, "function": what, "dtype": "float32"}}  # fmt: skip

    items = [
        image("a", 6, 6, 4),
        image("b", 4),
        conv("c", "a", 4, 1),
        function("plus", ["c", 0, 0, {"y": 3.0, "name": None}], "__operators__.add"),
        layer("ReLU", "relu", "plus", max_value=6.0),
        function("sixth", ["relu", 0, 0, {"y": 1 / 6, "name": None}], "math.multiply"),
        function("swish", ["c", 0, 0, {"y": ["sixth", 0, 0], "name": None}], "math.multiply"),
        dense("fc", "b", 4),
        function("gate", ["fc", 0, 0, {"name": None}], "math.sigmoid"),
        function("shape", ["gate", 0, 0, {"shape": [-1, 1, 1, 4]}], "reshape"),
        layer("Multiply", "scale", ["swish", "shape"]),
        function("quarter", ["scale", 0, 0, {"y": 4.0, "name": None}], "math.truediv"),
        function("minus", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["quarter", 0, 0]}], "math.subtract"),
        function("mean", ["minus", 0, 0, {"axis": [1, 2]}], "math.reduce_mean"),
    ]
    path = keras2.write(
        tmp_path / "m.h5", functional(items, ["a", "b"], ["mean"]), keras2.weights_of(twin)
    )
    model = same_outputs(path, twin)
    assert all(type(item).__module__.startswith("keras.") for item in model.layers)


def test_what_keras_3_computes_otherwise(tmp_path):
    """hard_sigmoid had the slope 0.2; activations may be layers; ThresholdedReLU is gone."""
    start = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same")(start)
    x = keras.ops.clip(0.2 * x + 0.5, 0, 1)
    x = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(4, 3, padding="same")(x))
    x = layers.ReLU(threshold=0.1)(x)
    x = keras.ops.clip(0.2 * x + 0.5, 0, 1)
    twin = keras.Model(start, layers.Flatten()(x))
    leaky = {"class_name": "LeakyReLU", "config": {"name": "lr", "alpha": 0.1}}
    items = [
        image("i", 6, 6, 3),
        conv("one", "i", 4, activation="hard_sigmoid"),
        conv("two", "one", 4, activation=leaky),
        layer("ThresholdedReLU", "t", "two", theta=0.1),
        layer("Activation", "h", "t", activation="hard_sigmoid"),
        layer("Flatten", "f", "h"),
    ]
    path = keras2.write(tmp_path / "m.h5", functional(items, ["i"], ["f"]), keras2.weights_of(twin))
    same_outputs(path, twin)


def test_recurrent_layers_and_policies(tmp_path):
    start = keras.Input((12, 5))
    x = layers.Bidirectional(layers.LSTM(3))(layers.GRU(4, return_sequences=True)(start))
    twin = keras.Model(start, layers.Dense(2)(x))
    cell = {"time_major": False, "implementation": 2, "recurrent_activation": "sigmoid",
            "kernel_initializer": keras2.GLOROT, "unroll": False}  # fmt: skip
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    inner = layer("LSTM", "lstm", units=3, **cell)
    items = [
        image("i", 12, 5),
        layer("GRU", "gru", "i", units=4, return_sequences=True, reset_after=True, **cell),
        layer("Bidirectional", "both", "gru", layer=inner, merge_mode="concat"),
        dense("out", "both", 2, dtype=policy),
    ]
    path = keras2.write(
        tmp_path / "m.h5", functional(items, ["i"], ["out"]), keras2.weights_of(twin)
    )
    model = same_outputs(path, twin)
    assert model.layers[-1].compute_dtype == "float32"


def test_keras_3_files(tmp_path):
    twin = nets.classifier()
    twin.save(tmp_path / "m.h5")
    model = load_keras(tmp_path / "m.h5")
    sample = nets.samples(1)[0]["image"]
    np.testing.assert_array_equal(model(sample), twin(sample))


def one_layer(kind, **config):
    items = [image("i", 6, 6, 3), layer(kind, "mine", "i", **config)]
    return functional(items, ["i"], ["mine"])


REFUSED = {
    "lambda": (one_layer("Lambda", function=["4wEAAAA=", None, None]), "a Lambda layer 'mine'"),
    "custom": (one_layer("Swoosh"), "'mine' is a 'Swoosh', which is not among Keras' own"),
    "module": (one_layer("Add", activation={"module": "os", "class_name": "system"}), "of os"),
    "groups": (
        functional([image("i", 6, 6, 3), depthwise("d", "i", groups=3)], ["i"], ["d"]),
        "groups = 3",
    ),
    "time": (one_layer("LSTM", units=2, time_major=True), "time_major = True"),
    "hard lstm": (one_layer("LSTM", units=2, recurrent_activation="hard_sigmoid"), "hard_sigmoid"),
    "axes": (one_layer("LayerNormalization", axis=[1, 2]), r"axes \[1, 2\]"),
    "function": (
        functional(
            [image("i", 6, 6, 3), {**layer("TFOpLambda", "x", "i", function="math.erfinv")}],
            ["i"], ["x"],
        ),
        "TensorFlow function 'math.erfinv'",
    ),
    "subclass": ({"class_name": "Functional", "config": {"name": "m"}}, "is a subclass"),
    "class": ({"class_name": "Resnet", "config": {}}, "class 'Resnet', which is not Keras' own"),
    "no graph": ({"class_name": "Functional", "config": {"layers": 3, "input_layers": 1,
                 "output_layers": 2}}, "damaged architecture"),
    "unknown input": (functional([image("i", 4, 4, 1)], ["i"], [["j", 0, 0]]), "damaged arch"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(tmp_path, case):
    config, expected = REFUSED[case]
    path = keras2.write(tmp_path / "m.h5", config, [("i", []), ("mine", [])])
    with pytest.raises(ModelError, match=expected) as caught:
        load_keras(path)
    assert "\n" not in caught.value.message and len(caught.value.message) < 400


def test_no_code_runs_and_unsafe_lets_it(tmp_path, monkeypatch):
    import marshal

    ran = []
    monkeypatch.setattr(marshal, "loads", lambda data: ran.append(data))
    path = keras2.write(tmp_path / "m.h5", REFUSED["lambda"][0], [("i", []), ("mine", [])])
    with pytest.raises(ModelError, match="--unsafe|Lambda"):
        load_keras(path)
    assert not ran
    monkeypatch.undo()
    model = nets.head(layers.Lambda(lambda x: x * 2, output_shape=nets.SHAPE, name="twice"))
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        with pytest.raises(ModelError, match="a Lambda layer 'twice'"):
            load_keras(tmp_path / name)
        again = load_keras(tmp_path / name, unsafe=True)
        sample = nets.samples(1)[0]["image"]
        np.testing.assert_allclose(again(sample), model(sample), atol=1e-6)


def damage(path, how):
    """Things that a hostile or broken file holds."""
    if how in ("garbage", "empty", "truncated"):
        raw = path.read_bytes()
        new = {"garbage": b"x" * 999, "empty": b"", "truncated": raw[: len(raw) // 2]}
        path.write_bytes(new[how])
        return
    with h5py.File(path, "r+") as file:
        weights = file["model_weights/c/c"]
        if how == "no architecture":
            del file.attrs["model_config"]
        elif how == "deep json":
            file.attrs["model_config"] = b"[" * 20000 + b"]" * 20000
        elif how == "no json":
            file.attrs["model_config"] = b"{"
        elif how == "external link":
            del weights["w_0:0"]
            weights["w_0:0"] = h5py.ExternalLink("/etc/passwd", "/x")
        elif how == "soft link":
            del weights["w_0:0"]
            weights["w_0:0"] = h5py.SoftLink("/model_weights/c/c/w_1:0")
        elif how == "external storage":
            del weights["w_0:0"]
            weights.create_dataset("w_0:0", (3, 3, 3, 4), "f4", external=[("/etc/passwd", 0, 432)])
        elif how == "bomb":
            del weights["w_0:0"]
            weights.create_dataset("w_0:0", (1 << 12, 1 << 12, 4), "f4", chunks=True)
        elif how == "text":
            del weights["w_0:0"]
            weights["w_0:0"] = "text"
        elif how == "missing":
            del weights["w_0:0"]
        elif how == "other shape":
            del weights["w_0:0"]
            weights["w_0:0"] = np.zeros((3, 3, 3, 5), "f4")


@pytest.mark.parametrize(
    "how",
    ["garbage", "empty", "truncated", "no architecture", "deep json", "no json", "external link",
     "soft link", "external storage", "bomb", "text", "missing", "other shape"],
)  # fmt: skip
def test_hostile_files_are_one_line(tmp_path, how):
    twin, items = sequential_case()
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": items}}
    path = keras2.write(tmp_path / "m.h5", config, keras2.weights_of(twin))
    damage(path, how)
    with pytest.raises(ModelError) as caught:
        load_keras(path)
    message = caught.value.message
    assert "\n" not in message and len(message) < 400 and str(path) in message
    if how in ("external link", "soft link"):
        assert "a link" in message
    if how == "external storage":
        assert "another file" in message


def test_a_huge_architecture_is_refused(tmp_path, monkeypatch):
    from quantization import keras_safety

    monkeypatch.setattr(keras_safety, "MAX_CONFIG_BYTES", 100)
    path = keras2.write(tmp_path / "m.h5", one_layer("Add"), [])
    with pytest.raises(ModelError, match="architecture of over"):
        load_keras(path)


def test_too_many_bytes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(legacy_h5, "MAX_BYTES", 3200)
    twin, items = sequential_case()
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": items}}
    path = keras2.write(tmp_path / "m.h5", config, keras2.weights_of(twin))
    with pytest.raises(ModelError, match="of weights"):
        load_keras(path)


def test_the_tiny_benchmarks_h5_equals_its_own_tflite():
    folder = shared() / "models" / "mlperf_tiny"
    ours = load_float(folder / "vww_96.h5")
    theirs = load_float(folder / "vww_96_float.tflite")
    assert json.dumps(ours.notes) == "[]" and ours.keras_model is not None
    rng = np.random.default_rng(0)
    for _ in range(3):
        sample = {"input_1": rng.uniform(0, 1, (1, 96, 96, 3)).astype(np.float32)}
        want = theirs.predictor().predict(sample)["Identity"]
        for predictor in (ours.predictor(), LiteRTPredictor(ours.data, threads=1)):
            (got,) = predictor.predict(sample).values()
            np.testing.assert_allclose(got, want, atol=2e-6)
