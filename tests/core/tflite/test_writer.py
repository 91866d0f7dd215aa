from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import ModelError
from edgecnn.core.lcg import lcg_inputs, outputs_fnv1a
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite import writer
from edgecnn.core.tflite.model import (
    DType,
    Quantization,
    Signature,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
    frozen_array,
)
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from tests.builders import ModelBuilder, tiny_classifier
from tests.run import shared


def models():
    return sorted(p.relative_to(shared()).as_posix() for p in shared().glob("models/**/*.tflite"))


def same(one: TfModel, other: TfModel) -> None:
    """Equal in everything, constants too; the writer may add min_runtime_version."""
    extra = {"min_runtime_version"} - set(one.metadata)
    kept = {key: value for key, value in other.metadata.items() if key not in extra}
    assert one == replace(other, metadata=MappingProxyType(kept))
    assert dict(one.metadata) == kept
    for a, b in zip(one.subgraphs, other.subgraphs, strict=True):
        for x, y in zip(a.tensors, b.tensors, strict=True):
            assert (x.data is None) == (y.data is None), x.name
            if x.data is not None:
                assert x.data.dtype == y.data.dtype
                np.testing.assert_array_equal(x.data, y.data)


def test_every_shared_model_survives():
    names = models()
    if not names:
        pytest.skip("no shared models")
    for name in names:
        model = read_model((shared() / name).read_bytes(), source=name)
        data = write_model(model)
        same(model, read_model(data, source=name))
        assert write_model(read_model(data)) == data


RUNNABLE = (
    "models/mlperf_tiny/kws_ref_model.tflite",
    "models/mlperf_tiny/kws_ref_model_float32.tflite",
    "models/mlperf_tiny/vww_96_int8.tflite",
    "models/coral/tf2_mobilenet_v2_1.0_224_ptq.tflite",
    "models/edgetpu_pairs/coral/keras_lstm_mnist_ptq.tflite",
    "models/edgetpu_pairs/LibrEdgeTPU/optical_flow/gabor_64x64_7k_4o_2s.tflite",
    "models/edgetpu_pairs/LibrEdgeTPU/tracker/bright_16x16.tflite",
    "models/edgetpu_pairs/coral/tools/split_concat.tflite",
)


@pytest.mark.parametrize("name", RUNNABLE)
def test_what_was_written_computes_the_same(name):
    path = shared() / name
    if not path.exists():
        pytest.skip(f"no {name}")
    runs_alike(path.read_bytes())


def test_every_shared_model_computes_the_same():
    for name in models():
        if "edgetpu.tflite" not in name and "posenet" not in name and "_edgetpu" not in name:
            runs_alike((shared() / name).read_bytes())


def runs_alike(data: bytes) -> None:
    one = LiteRTPredictor(data, resolver="builtin")
    other = LiteRTPredictor(write_model(read_model(data)), resolver="builtin")
    assert one.inputs == other.inputs and one.outputs == other.outputs
    inputs = lcg_inputs(one.inputs)
    sums = [outputs_fnv1a(item.predict(inputs).values()) for item in (one, other)]
    assert sums[0] == sums[1]


def test_against_the_tflite_packages_view():
    """Every field, as the public schema package reads it."""
    import tflite

    model = read_model(tiny_classifier())
    raw = tflite.Model.GetRootAsModel(write_model(model), 0)
    assert raw.Version() == 3 and raw.Description() == b"tiny classifier"
    graph = raw.Subgraphs(0)
    assert graph.InputsAsNumpy().tolist() == list(model.main.inputs)
    conv = graph.Operators(0)
    options = tflite.Conv2DOptions()
    options.Init(conv.BuiltinOptions().Bytes, conv.BuiltinOptions().Pos)
    assert (options.StrideW(), options.StrideH(), options.Padding()) == (2, 2, 0)
    assert options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU6
    assert raw.OperatorCodes(conv.OpcodeIndex()).BuiltinCode() == tflite.BuiltinOperator.CONV_2D
    for tensor in model.main.tensors:
        stored = graph.Tensors(tensor.index)
        assert stored.Name().decode() == tensor.name
        assert stored.ShapeAsNumpy().tolist() == list(tensor.shape)
        if tensor.quantization:
            params = stored.Quantization()
            np.testing.assert_array_equal(params.ScaleAsNumpy(), tensor.quantization.scale)
            np.testing.assert_array_equal(params.ZeroPointAsNumpy(), tensor.quantization.zero_point)
            assert params.QuantizedDimension() == tensor.quantization.axis
    signature = raw.SignatureDefs(0)
    assert signature.SignatureKey() == b"serving_default"
    assert signature.Inputs(0).Name() == b"image"


def test_buffers_are_shared_and_aligned():
    build = ModelBuilder()
    values = np.arange(24, dtype=np.float32)
    x, y = build.tensor((24,), "float32"), build.tensor((24,), "float32")
    z = build.tensor((24,), "float32")
    a, b = (build.tensor((24,), "float32", data=values, name=name) for name in "ab")
    build.op("ADD", [x, a], [y])
    build.op("MUL", [y, b], [z])
    data = write_model(read_model(build.build([x], [z])))
    assert data.count(values.tobytes()) == 1
    assert data.index(values.tobytes()) % 16 == 0


def names(least: int) -> st.SearchStrategy[str]:
    """What the reader leaves as it is: text that prints."""
    return st.text(min_size=least, max_size=6).filter(str.isprintable)


def operators() -> st.SearchStrategy[TfOperator]:
    """Any op of the schema with its options."""
    from edgecnn.core.tflite import schema

    def value(row: schema.Field) -> st.SearchStrategy:
        if row.kind in schema.ENUMS:
            return st.sampled_from(schema.ENUMS[row.kind])
        return {
            "i4": st.integers(-(2**31), 2**31 - 1),
            "u4": st.just(0),
            "i8": st.integers(-(2**63), 2**63 - 1),
            "f4": st.floats(width=32, allow_nan=False),
            "bool": st.booleans(),
            "str": names(0),
            "i4[]": st.lists(st.integers(-9, 9), max_size=3).map(tuple),
            "u1[]": st.lists(st.integers(0, 255), max_size=3).map(tuple),
            "f4[]": st.lists(st.floats(width=32, allow_nan=False), max_size=3).map(tuple),
        }[row.kind]

    def op(code: str) -> st.SearchStrategy[TfOperator]:
        kind = schema.OP_OPTIONS.get(code)
        rows = [
            row
            for row in (schema.OPTION_FIELDS[kind] if kind else ())
            if row.name != "subgraph" and not row.name.endswith("_subgraph_index")
        ]
        options = st.fixed_dictionaries({row.name: value(row) for row in rows})
        return st.builds(
            lambda options, version: TfOperator(
                0, code, (0,), (1,), version, options=MappingProxyType(options)
            ),
            options,
            st.integers(1, 20),
        )

    calls = {"WHILE", "IF", "CALL", "CALL_ONCE", "CUSTOM"}
    codes = [code for code in schema.OP_NAMES if code not in calls]
    return st.sampled_from(codes).flatmap(op)


def tensors(index: int) -> st.SearchStrategy[TfTensor]:
    plain = [d for d in DType if d.bits >= 8 and d not in (DType.BFLOAT16,)]
    shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)
    scales = st.floats(2.0**-40, 2.0**20, width=32)
    params = st.none() | st.builds(
        lambda scale, zero: Quantization((scale,), (zero,)), scales, st.integers(0, 127)
    )
    return st.builds(
        lambda shape, dtype, params, name, state: TfTensor(
            index, name, shape, shape, dtype, params, None, state
        ),
        shapes,
        st.sampled_from(plain),
        params,
        names(1),
        st.booleans(),
    )


@settings(max_examples=150, deadline=None)
@given(operators(), tensors(0), tensors(1), st.data())
def test_any_op_and_tensor_survives(op, x, y, data):
    dtype = data.draw(st.sampled_from(["int8", "float32", "int64", "bool", "float16"]))
    shape = data.draw(st.lists(st.integers(1, 5), max_size=3).map(tuple))
    values = frozen_array(np.ones(shape, dtype))
    constant = TfTensor(2, "c", shape, shape, DType(dtype), data=values)
    op = replace(op, inputs=(0, 2, -1))
    graph = TfSubgraph("main", (x, replace(y, is_variable=False), constant), (op,), (0,), (1,))
    signature = Signature("äöü", (("in", 0),), (("out", 1),))
    model = TfModel(3, "text", (graph,), (signature,), MappingProxyType({"note": b"\0\1"}))
    written = write_model(model)
    same(model, read_model(written))
    assert write_model(model) == written


def test_subgraphs_custom_ops_and_states():
    build = ModelBuilder()
    x, y = build.tensor((2,), "float32"), build.tensor((2,), "float32")
    state = build.tensor((2,), "float32", variable=True)
    build.op("CUSTOM", [x, state], [y], custom_code="mine", custom_options=b"\1\2\3")
    other = build.subgraph()
    p, q = other.tensor((2,), "float32"), other.tensor((2,), "float32")
    other.op("RELU", [p], [q])
    build.add_subgraph(other, [p], [q])
    model = read_model(build.build([x], [y]))
    again = read_model(write_model(model))
    same(model, again)
    assert again.main.operators[0].custom_options == b"\1\2\3"


def test_open_dimensions_and_scalars_stay():
    build = ModelBuilder()
    x = build.tensor((1, 3), "float32", signature=(-1, 3))
    y = build.tensor((1, 3), "float32", signature=(-1, 3))
    c = build.tensor((), "float32", data=2.0)
    build.op("MUL", [x, c], [y])
    model = read_model(build.build([x], [y]))
    again = read_model(write_model(model))
    same(model, again)
    assert again.main.tensors[0].shape_signature == (-1, 3)
    assert again.main.tensors[2].shape == ()


def test_big_endian_and_strided_constants_are_written_plain():
    model = read_model(tiny_classifier())
    tensors = list(model.main.tensors)
    index = next(t.index for t in tensors if t.data is not None and t.dtype is DType.INT32)
    odd = np.repeat(tensors[index].data.astype(">i4"), 2)[::2]
    tensors[index] = replace(tensors[index], data=odd)
    graph = replace(model.main, tensors=tuple(tensors))
    assert write_model(replace(model, subgraphs=(graph,))) == write_model(model)


def test_errors(monkeypatch):
    model = read_model(tiny_classifier())
    first = replace(model.main.tensors[0], sparse=True)
    sparse = replace(model.main, tensors=(first, *model.main.tensors[1:]))
    with pytest.raises(ModelError, match="is sparse"):
        write_model(replace(model, subgraphs=(sparse,)))
    strange = replace(model.main.operators[0], code="NO_SUCH_OP")
    unknown = replace(model.main, operators=(strange, *model.main.operators[1:]))
    with pytest.raises(ModelError, match="NO_SUCH_OP"):
        write_model(replace(model, subgraphs=(unknown,)))
    monkeypatch.setattr(writer, "_MAX_BYTES", 10)
    with pytest.raises(ModelError, match="bytes of constants"):
        write_model(model)


def test_codes_newer_than_the_table_survive():
    model = read_model(tiny_classifier())
    op = replace(model.main.operators[-1], code="BUILTIN_5000", options=MappingProxyType({}))
    graph = replace(model.main, operators=(*model.main.operators[:-1], op))
    newer = replace(model, subgraphs=(graph,))
    assert read_model(write_model(newer)).main.operators[-1].code == "BUILTIN_5000"
