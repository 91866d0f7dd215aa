"""Float .tflite files as other converters write them; the judge is LiteRT on the file as it was."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import ModelError, QuantizationError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from quantization.load import load_float
from tests.builders import ModelBuilder
from tests.run import python, shared

RNG = np.random.default_rng(3)


def same_outputs(path, atol=5e-6, source="tflite"):
    """Loads; the result computes what LiteRT computes of the file itself."""
    loaded = load_float(path)
    assert loaded.source == source and loaded.keras_model is None
    before, after = LiteRTPredictor(path.read_bytes(), resolver="builtin"), loaded.predictor()
    assert [i.shape for i in after.inputs] == [i.shape for i in loaded.inputs]
    for _ in range(3):
        values = [RNG.uniform(-1, 1, i.shape).astype(i.dtype) for i in before.inputs]
        want = before.predict({i.name: v for i, v in zip(before.inputs, values, strict=True)})
        got = after.predict({i.name: v for i, v in zip(after.inputs, values, strict=True)})
        for w, g in zip(want.values(), got.values(), strict=True):
            assert w.shape == g.shape and np.abs(w).max() > 0
            np.testing.assert_allclose(g, w, atol=atol)
    return loaded


def plain(loaded):
    """Nothing open, nothing but float32 and integers, each tensor by a name of its own."""
    graph = loaded.model.main
    names = [t.name for t in graph.tensors]
    for tensor in graph.tensors:
        assert -1 not in tensor.shape_signature and tensor.shape == tensor.shape_signature
        assert tensor.dtype not in (DType.FLOAT16, DType.INT8)
    written = [i for op in graph.operators for i in op.outputs]
    assert all(names[i] and names.count(names[i]) == 1 for i in (*graph.inputs, *written))
    return [op.code for op in graph.operators]


def dense_file(path, *, dtype="float32", data_name="", names=("x", "y"), signature=None):
    build = ModelBuilder()
    x = build.tensor((1, 4), dtype, name=names[0], signature=signature)
    w = build.tensor((3, 4), dtype, data=RNG.normal(size=(3, 4)), name=data_name)
    y = build.tensor((1, 3), dtype, name=names[1], signature=signature and (-1, 3))
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    path.write_bytes(build.build([x], [y]))
    return path


def test_a_plain_file_is_taken_byte_for_byte(tmp_path):
    path = dense_file(tmp_path / "m.tflite", data_name="w")
    loaded = same_outputs(path)
    assert loaded.data == path.read_bytes() and loaded.notes == ()
    assert load_float(loaded) is loaded


def test_neither_tensorflow_nor_keras_is_needed(tmp_path):
    path = dense_file(tmp_path / "m.tflite", signature=(-1, 4))
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('tensorflow', 'keras', 'h5py')));"
        "from quantization.load import load_float;"
        f"print(load_float({str(path)!r}).inputs[0].shape)"
    )
    done = python("-c", code)
    assert done.stdout.strip() == "(1, 4)", done.stderr


def test_no_names_at_all(tmp_path):
    """Old converters: no signature, no names, tensors that nothing uses."""
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", name="")
    unused = build.tensor((7,), "float32", name="")
    w = build.tensor((3, 4), "float32", data=RNG.normal(size=(3, 4)), name="")
    y, z = (build.tensor((1, 3), "float32", name="") for _ in range(2))
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    build.op("TANH", [y], [z])
    (tmp_path / "m.tflite").write_bytes(build.build([x], [z]))
    loaded = same_outputs(tmp_path / "m.tflite")
    assert plain(loaded) == ["FULLY_CONNECTED", "TANH"] and unused
    assert loaded.inputs[0].name and loaded.inputs[0].name != loaded.outputs[0].name


def test_duplicate_names(tmp_path):
    build = ModelBuilder()
    x, y, z = (build.tensor((1, 4), "float32", name="same") for _ in range(3))
    build.op("TANH", [x], [y])
    build.op("ABS", [y], [z])
    (tmp_path / "m.tflite").write_bytes(build.build([x], [z]))
    loaded = same_outputs(tmp_path / "m.tflite")
    plain(loaded)


def test_an_open_batch_becomes_one(tmp_path):
    """(?, 2, 2, 3) → SHAPE, STRIDED_SLICE, PACK, RESHAPE: shapes are inferred, the sums gone."""
    build = ModelBuilder()
    x = build.tensor((1, 2, 2, 3), "float32", name="x", signature=(-1, 2, 2, 3))
    shape = build.tensor((4,), "int32", name="shape")
    begin, end, step = (build.tensor((1,), "int32", data=[k], name=f"c{k}") for k in (0, 1, 1))
    batch = build.tensor((), "int32", name="batch")
    rest = build.tensor((), "int32", data=12, name="rest")
    sizes = build.tensor((2,), "int32", name="sizes")
    y = build.tensor((1, 1), "float32", name="y", signature=(-1, -1))
    w = build.tensor((3, 12), "float32", data=RNG.normal(size=(3, 12)), name="w")
    z = build.tensor((1, 3), "float32", name="z", signature=(-1, 3))
    build.op("SHAPE", [x], [shape], out_type="INT32")
    build.op("STRIDED_SLICE", [shape, begin, end, step], [batch], shrink_axis_mask=1)
    build.op("PACK", [batch, rest], [sizes], values_count=2, axis=0)
    build.op("RESHAPE", [x, sizes], [y])
    build.op("FULLY_CONNECTED", [y, w, -1], [z])
    build.signature("serving_default", {"image": x}, {"scores": z})
    (tmp_path / "m.tflite").write_bytes(build.build([x], [z]))
    loaded = same_outputs(tmp_path / "m.tflite")
    assert plain(loaded) == ["RESHAPE", "FULLY_CONNECTED"]
    assert loaded.inputs[0].name == "image" and loaded.outputs[0].name == "scores"
    assert loaded.model.main.tensors[loaded.model.main.operators[0].outputs[0]].shape == (1, 12)
    assert loaded.notes == ()


def test_transposes_as_pytorch_converters_leave_them(tmp_path):
    """NCHW in and out, weights that a TRANSPOSE of a constant turns at run time."""
    build = ModelBuilder()
    x = build.tensor((1, 3, 6, 6), "float32", name="args_0")
    to_last = build.tensor((4,), "int32", data=[0, 2, 3, 1], name="p0")
    to_first = build.tensor((4,), "int32", data=[0, 3, 1, 2], name="p1")
    nhwc = build.tensor((1, 6, 6, 3), "float32", name="t0")
    oihw = build.tensor((4, 3, 3, 3), "float32", data=RNG.normal(size=(4, 3, 3, 3)), name="w")
    ohwi = build.tensor((4, 3, 3, 3), "float32", name="w1")
    bias = build.tensor((4,), "float32", data=RNG.normal(size=4), name="b")
    y = build.tensor((1, 6, 6, 4), "float32", name="t1")
    z = build.tensor((1, 4, 6, 6), "float32", name="out")
    build.op("TRANSPOSE", [x, to_last], [nhwc])
    build.op("TRANSPOSE", [oihw, to_last], [ohwi])
    build.op("CONV_2D", [nhwc, ohwi, bias], [y], padding="SAME")
    build.op("TRANSPOSE", [y, to_first], [z])
    (tmp_path / "m.tflite").write_bytes(build.build([x], [z]))
    loaded = same_outputs(tmp_path / "m.tflite")
    assert plain(loaded) == ["TRANSPOSE", "CONV_2D", "TRANSPOSE"]
    graph = loaded.model.main
    weights = graph.tensors[graph.operators[1].inputs[1]].data
    np.testing.assert_array_equal(weights.shape, (4, 3, 3, 3))


def test_float16_weights_are_widened(tmp_path):
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", name="x")
    half = build.tensor((3, 4), "float16", data=RNG.normal(size=(3, 4)), name="w")
    wide = build.tensor((3, 4), "float32", name="w/wide")
    y = build.tensor((1, 3), "float32", name="y")
    build.op("DEQUANTIZE", [half], [wide], version=3)
    build.op("FULLY_CONNECTED", [x, wide, -1], [y])
    (tmp_path / "m.tflite").write_bytes(build.build([x], [y]))
    loaded = same_outputs(tmp_path / "m.tflite", atol=1e-6)
    assert plain(loaded) == ["FULLY_CONNECTED"]
    assert "1 weight tensors were stored narrower" in loaded.notes[0]


def test_dynamic_range_weights_are_widened(tmp_path):
    """Hybrid kernels quantize activations on the fly: outputs agree to their step only."""
    codes = RNG.integers(-127, 128, (3, 3, 3, 2))
    build = ModelBuilder()
    x = build.tensor((1, 8, 8, 2), "float32", name="x")
    w = build.tensor((3, 3, 3, 2), "int8", scale=[0.01, 0.02, 0.03], data=codes, name="w")
    b = build.tensor((3,), "float32", data=RNG.normal(size=3), name="b")
    y = build.tensor((1, 8, 8, 3), "float32", name="y")
    build.op("CONV_2D", [x, w, b], [y], padding="SAME", version=5)
    (tmp_path / "m.tflite").write_bytes(build.build([x], [y]))
    loaded = same_outputs(tmp_path / "m.tflite", atol=0.1)
    plain(loaded)
    want = codes * np.array([0.01, 0.02, 0.03]).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(loaded.model.main.tensors[1].data, want, rtol=1e-6)
    assert "1 weight tensors were int8 (dynamic range)" in loaded.notes[0]


def test_the_tiny_benchmarks_files():
    folder = shared() / "models" / "mlperf_tiny"
    plain(same_outputs(folder / "vww_96_float.tflite", atol=1e-6))
    loaded = same_outputs(folder / "kws_ref_model_float32.tflite", atol=0.05)
    plain(loaded)
    assert "5 weight tensors were int8" in loaded.notes[0]
    for name in ("vww_96_int8", "kws_ref_model"):
        with pytest.raises(QuantizationError, match="quantized already"):
            load_float(folder / f"{name}.tflite")


def test_models_of_other_projects_are_refused_by_what_they_are():
    pairs = shared() / "models" / "edgetpu_pairs"
    with pytest.raises(QuantizationError, match="PosenetDecoderOp") as caught:
        load_float(next(pairs.glob("coral/posenet/*_decoder.tflite")))
    assert caught.value.details[0].startswith("#37 CUSTOM:PosenetDecoderOp")
    with pytest.raises(QuantizationError, match="custom ops") as caught:
        load_float(pairs / "LibrEdgeTPU" / "dense_256_edgetpu.tflite")
    assert "Edge TPU" in caught.value.hint


def one_op(code="TANH", dtype="float32", shape=(1, 4), **more):
    def write(path):
        build = ModelBuilder()
        x = build.tensor(shape, dtype, name="x", **more.get("tensor", {}))
        y = build.tensor(shape, dtype, name="y", **more.get("tensor", {}))
        build.op(code, [x], [y], custom_code=more.get("custom", ""))
        path.write_bytes(build.build([x], [y]))

    return write


def float_with(dtype, **more):
    """A float op beside a CAST from an input of this type."""

    def write(path):
        build = ModelBuilder()
        x = build.tensor((1, 4), dtype, name="ids", **more)
        y, z = (build.tensor((1, 4), "float32", name=name) for name in ("y", "z"))
        build.op("CAST", [x], [y], in_data_type=dtype.upper(), out_data_type="FLOAT32")
        build.op("TANH", [y], [z])
        path.write_bytes(build.build([x], [z]))

    return write


REFUSED = {
    "custom": (one_op("CUSTOM", custom="Mine"), r"custom ops \(1 × Mine\)"),
    "flex": (one_op("CUSTOM", custom="FlexErf"), "custom ops"),
    "open height": (
        one_op(shape=(1, 1, 4, 3), tensor={"signature": (-1, -1, 4, 3)}),
        r"the input 'x' has the dynamic shape \(\?, \?, 4, 3\)",
    ),
    "int8": (one_op(dtype="int8", tensor={"scale": 0.1}), "quantized already: 'x' is int8"),
    "int16": (one_op(dtype="int16", tensor={"scale": 0.1}), "quantized already"),
    "float16": (one_op("ABS", dtype="float16"), "computes with float16 "),
    "integers": (one_op("ABS", dtype="int32"), "computes nothing in float32"),
    "text": (float_with("string"), "string"),
    "double": (float_with("float64"), "computes with float64"),
    "quantized input": (float_with("uint8", scale=0.1), "quantized already"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(tmp_path, case):
    write, expected = REFUSED[case]
    write(tmp_path / "m.tflite")
    with pytest.raises(QuantizationError, match=expected) as caught:
        load_float(tmp_path / "m.tflite")
    assert "\n" not in caught.value.message and caught.value.hint
    assert str(tmp_path / "m.tflite") in caught.value.message
    if case == "flex":
        assert "SELECT_TF_OPS" in caught.value.hint


def test_whole_number_inputs_are_taken(tmp_path):
    float_with("int32")(tmp_path / "m.tflite")
    loaded = load_float(tmp_path / "m.tflite")
    assert loaded.inputs[0].dtype == "int32"


def test_control_flow_is_left_to_the_recipe(tmp_path):
    """float16 and dynamic can be made of such files; integer recipes say no by themselves."""
    from quantization.graph.check import check_float
    from quantization.recipe import get_recipe

    build = ModelBuilder()
    x, y = (build.tensor((1, 4), "float32", name=name) for name in "xy")
    choice = build.tensor((1,), "bool", name="choice")
    inner = build.subgraph()
    a, b = (inner.tensor((1, 4), "float32", name=name) for name in "ab")
    inner.op("TANH", [a], [b])
    branch = build.add_subgraph(inner, [a], [b])
    build.op("IF", [choice, x], [y], then_subgraph_index=branch, else_subgraph_index=branch)
    (tmp_path / "m.tflite").write_bytes(build.build([choice, x], [y]))
    loaded = load_float(tmp_path / "m.tflite")
    check_float(loaded.model, get_recipe("float16"))
    with pytest.raises(QuantizationError, match="IF 'y': a branch"):
        check_float(loaded.model, get_recipe("int8"))


@pytest.mark.parametrize("name", ["no.tflite", "folder", "text.tflite"])
def test_paths_that_hold_no_model(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.tflite").write_text("hello")
    with pytest.raises(ModelError, match="there is no|no SavedModel|no .tflite model"):
        load_float(tmp_path / name)
