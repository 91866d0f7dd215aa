"""Inputs whose size the file leaves open, outputs whose size a run decides, and files of kinds that
LiteRT runs: half-precision, sparse and dynamic-range weights, several signatures."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import DataError
from edgecnn.core.preprocess import ImageInput, table
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo, open_shapes
from edgecnn.core.tflite.open_inputs import with_input_shapes
from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder
from tests.core.tflite.tables import Scalar, flatbuffer


def doubling(dtype: str = "float32") -> bytes:
    """y = 2·x for [1, -1, -1, 3], cast to float32 first."""
    build = ModelBuilder()
    x = build.tensor((1, 1, 1, 3), dtype, signature=(1, -1, -1, 3), name="x")
    at = x
    if dtype != "float32":
        at = build.tensor((1, 1, 1, 3), "float32", signature=(1, -1, -1, 3), name="real")
        build.op("CAST", [x], [at], in_data_type=dtype.upper(), out_data_type="FLOAT32")
    y = build.tensor((1, 1, 1, 3), "float32", signature=(1, -1, -1, 3), name="y")
    build.op("ADD", [at, at], [y])
    return build.build([x], [y])


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8"])
def test_an_open_input_takes_the_size_asked_for(dtype):
    data = doubling(dtype)
    assert open_shapes(read_model(data)) == {"x": (1, -1, -1, 3)}
    sized, read = with_input_shapes(data, read_model(data), {"x": (1, 4, 6, 3)})
    assert open_shapes(read) == {} and len(sized) == len(data)
    predictor = LiteRTPredictor(sized)
    assert predictor.inputs == (TensorInfo("x", (1, 4, 6, 3), dtype),)
    assert predictor.outputs == (TensorInfo("y", (1, 4, 6, 3), "float32"),)
    value = np.arange(72).reshape(1, 4, 6, 3).astype(dtype)
    for _ in range(2):
        np.testing.assert_array_equal(predictor.predict({"x": value})["y"], 2.0 * value)


def test_what_is_not_open_stays():
    data = doubling()
    for shape in ((1, 4, 6, 4), (2, 4, 6, 3), (1, 4, 6), (1, 0, 6, 3)):
        with pytest.raises(DataError, match=r"it is \[1, -1, -1, 3\] \(-1 is open\)"):
            with_input_shapes(data, read_model(data), {"x": shape})
    with pytest.raises(DataError, match="'z' cannot take the shape .* it is not open"):
        with_input_shapes(data, read_model(data), {"z": (1,)})
    assert LiteRTPredictor(data).inputs[0].shape == (1, 1, 1, 3)


def test_an_open_batch_is_one():
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", signature=(-1, 4), name="x")
    y = build.tensor((1, 4), "float32", signature=(-1, 4), name="y")
    build.op("ADD", [x, x], [y])
    data = build.build([x], [y])
    assert open_shapes(read_model(data)) == {}
    assert LiteRTPredictor(data).outputs[0].shape == (1, 4)


def test_a_size_that_the_values_decide_is_that_of_the_last_run():
    build = ModelBuilder()
    x = build.tensor((1, 5), "bool", name="x")
    y = build.tensor((1, 2), "int64", signature=(-1, 2), name="y")
    build.op("WHERE", [x], [y])
    predictor = LiteRTPredictor(build.build([x], [y]))
    for count in (3, 0, 5):
        got = predictor.predict({"x": np.arange(5)[None] < count})["y"]
        assert got.shape == predictor.outputs[0].shape == (count, 2)


def test_an_int32_image_holds_the_bytes():
    info = TensorInfo("x", (1, 8, 8, 3), "int32")
    spec = ImageInput("x", 8, 8, scale=(1.0,), offset=(0.0,))
    np.testing.assert_array_equal(table(spec, info)[:, 2], np.arange(256))
    assert table(spec, info).dtype == np.int32
    # Whole numbers are the nearest ones: a factor of nearly 1 loses nothing.
    spec = ImageInput("x", 8, 8, scale=(0.99999999,), offset=(-1e-7,))
    np.testing.assert_array_equal(table(spec, info)[:, 0], np.arange(256))
    assert TensorInfo("x", (2,), "uint8").quantize(np.array([-3.0, 300])).tolist() == [0, 255]
    big = np.array([2**53 + 1])
    assert TensorInfo("x", (1,), "int64").quantize(big).tolist() == big.tolist()


WEIGHTS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float16)


def test_weights_of_half_precision():
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", name="x")
    half = build.tensor((3, 4), "float16", data=WEIGHTS)
    full = build.tensor((3, 4), "float32")
    y = build.tensor((1, 3), "float32", name="y")
    build.op("DEQUANTIZE", [half], [full])
    build.op("FULLY_CONNECTED", [x, full, -1], [y])
    value = np.ones((1, 4), np.float32)
    got = LiteRTPredictor(build.build([x], [y])).predict({"x": value})["y"]
    np.testing.assert_allclose(got[0], WEIGHTS.astype(np.float32).sum(1), rtol=1e-6)


def test_weights_of_eight_bits_and_float_values():
    codes = np.round(WEIGHTS.astype(np.float32) / 0.02).clip(-127, 127)
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", name="x")
    w = build.tensor((3, 4), "int8", scale=0.02, data=codes)
    y = build.tensor((1, 3), "float32", name="y")
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    value = np.full((1, 4), 0.5, np.float32)
    got = LiteRTPredictor(build.build([x], [y])).predict({"x": value})["y"]
    np.testing.assert_allclose(got[0], 0.01 * codes.sum(1), atol=1e-3)


def test_several_signatures_keep_the_tensors_names():
    build = ModelBuilder()
    x, y = (build.tensor((1, 4), "float32", name=name) for name in ("in:0", "out:0"))
    build.op("RELU", [x], [y])
    build.signature("a", {"image": x}, {"found": y})
    build.signature("b", {"picture": x}, {"result": y})
    predictor = LiteRTPredictor(build.build([x], [y]))
    assert list(predictor.predict({"in:0": np.ones((1, 4), np.float32)})) == ["out:0"]


def test_sparse_weights():
    """A 3 × 4 matrix with compressed rows, by the schema's SparsityParameters."""
    dense = np.zeros((3, 4), np.float32)
    dense[0, 1], dense[0, 3], dense[2, 0] = 1, 2, 3
    segments, columns = {0: np.array([0, 2, 2, 3], np.int32)}, {0: np.array([1, 3, 0], np.int32)}
    one, sparse_axis = Scalar("Uint8", 1), Scalar("Int8", 1)
    sparsity = {
        0: np.array([0, 1], np.int32),
        2: [{1: Scalar("Int32", 3)},
            {0: sparse_axis, 1: Scalar("Int32", 4), 2: one, 3: segments, 4: one, 5: columns}],
    }  # fmt: skip

    def tensor(name: str, *shape: int, **more: object) -> dict[int, object]:
        fields = {0: np.array(shape, np.int32), 3: name}
        return {**fields, **{int(key[1:]): value for key, value in more.items()}}

    def op(code: int, inputs: list[int], output: int) -> dict[int, object]:
        return {0: Scalar("Uint32", code), 1: np.array(inputs, np.int32),
                2: np.array([output], np.int32)}  # fmt: skip

    tensors = [
        tensor("x", 1, 4), tensor("w", 3, 4, s2=Scalar("Uint32", 1), s6=sparsity),
        tensor("dense", 3, 4), tensor("y", 1, 3),
    ]  # fmt: skip
    connected = {**op(1, [0, 2, -1], 3), 3: Scalar("Uint8", 8), 4: {}}  # FullyConnectedOptions
    graph = {0: tensors, 1: np.array([0], np.int32), 2: np.array([3], np.int32),
             3: [op(0, [1], 2), connected]}  # fmt: skip
    codes = [{0: Scalar("Int8", n), 2: Scalar("Int32", 1), 3: Scalar("Int32", n)} for n in (124, 9)]
    values = np.array([1, 2, 3], np.float32).tobytes()
    data = flatbuffer({0: Scalar("Uint32", 3), 1: codes, 2: [graph], 4: [{}, {0: values}]}, b"TFL3")
    value = np.array([[1, 10, 100, 1000]], np.float32)
    got = LiteRTPredictor(data).predict({"x": value})["y"]
    np.testing.assert_array_equal(got, value @ dense.T)
