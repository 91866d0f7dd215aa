"""The reader against LiteRT and the ``tflite`` package, on real models and on built ones."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tflite

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite import schema
from edgecnn.core.tflite.axes import with_valid_axes
from edgecnn.core.tflite.model import DType, TfModel
from edgecnn.core.tflite.reader import read_model, read_model_file
from tests.builders import _ENUMS as ENUMS
from tests.builders import ModelBuilder, tiny_classifier
from tests.run import shared


def models() -> list[Path]:
    folder = shared() / "models"
    return sorted(folder.rglob("*.tflite"))


def litert(data: bytes):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )


def same_as_litert(data: bytes, model: TfModel) -> None:
    interpreter = litert(data)
    details = {row["index"]: row for row in interpreter.get_tensor_details()}
    assert set(details) <= set(range(len(model.main.tensors)))
    for index, row in details.items():
        tensor = model.main.tensors[index]
        assert tensor.name == row["name"]
        assert list(tensor.shape) == row["shape"].tolist()
        assert list(tensor.shape_signature) == row["shape_signature"].tolist()
        assert np.dtype(tensor.dtype.value) == np.dtype(row["dtype"])
        params = row["quantization_parameters"]
        scales = params["scales"].tolist()
        if tensor.quantization is None:
            assert scales in ([], [0.0])
        else:
            assert list(tensor.quantization.scale) == scales
            assert list(tensor.quantization.zero_point) == params["zero_points"].tolist()
            if len(scales) > 1:
                assert tensor.quantization.axis == params["quantized_dimension"]
        if tensor.data is not None:
            assert np.array_equal(tensor.data, interpreter.get_tensor(index))
    ops = interpreter._get_ops_details()
    assert len(ops) == len(model.main.operators)
    for op, row in zip(model.main.operators, ops, strict=True):
        assert op.index == row["index"]
        assert (op.custom_code if op.code == "CUSTOM" else op.code) == row["op_name"]
        assert list(op.inputs) == row["inputs"].tolist()
        assert list(op.outputs) == row["outputs"].tolist()
    assert list(model.main.inputs) == [row["index"] for row in interpreter.get_input_details()]
    assert list(model.main.outputs) == [row["index"] for row in interpreter.get_output_details()]
    signatures = interpreter.get_signature_list()
    assert {s.key for s in model.signatures} == set(signatures)


def option_values(table: object, fields: tuple[schema.Field, ...]) -> dict[str, object]:
    values = {}
    for field in fields:
        name = "".join(part[:1].upper() + part[1:] for part in field.name.split("_"))
        if not hasattr(table, name):  # newer than the package
            continue
        if field.kind.endswith("[]"):
            count = getattr(table, f"{name}Length")()
            values[field.name] = tuple(getattr(table, name)(k) for k in range(count))
            continue
        value = getattr(table, name)()
        values[field.name] = (
            schema.ENUMS[field.kind][value] if field.kind in schema.ENUMS else value
        )
    return values


def same_as_package(data: bytes, model: TfModel) -> None:
    root = tflite.Model.GetRootAsModel(data, 0)
    graph = root.Subgraphs(0)
    assert (root.Description() or b"").decode() == model.description
    for op in model.main.operators:
        row = graph.Operators(op.index)
        code = root.OperatorCodes(row.OpcodeIndex())
        number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        assert getattr(tflite.BuiltinOperator, op.code) == number
        assert op.version == code.Version()
        if row.BuiltinOptionsType() and op.options:
            name = schema.OPTION_CLASSES[row.BuiltinOptionsType()]
            assert getattr(tflite.BuiltinOptions, name) == row.BuiltinOptionsType()
            table = getattr(tflite, name)()
            union = row.BuiltinOptions()
            table.Init(union.Bytes, union.Pos)
            expected = option_values(table, schema.OPTION_FIELDS[name])
            assert expected == {key: op.options[key] for key in expected}
        custom = row.CustomOptionsLength()
        assert len(op.custom_options) == custom
    for k in range(root.MetadataLength()):
        entry = root.Metadata(k)
        raw = root.Buffers(entry.Buffer()).DataAsNumpy()
        assert model.metadata[entry.Name().decode()] == (raw.tobytes() if len(raw) else b"")


def test_real_models_are_read_as_litert_and_the_schema_package_read_them() -> None:
    for path in models():
        data, model = read_model_file(path)
        same_as_litert(data, model)
        same_as_package(data, model)


def test_built_model_is_read_as_litert_reads_it() -> None:
    data = tiny_classifier()
    model = read_model(data)
    same_as_litert(data, model)
    same_as_package(data, model)
    assert model.main.operators[1].options["fused_activation_function"] == "RELU6"
    assert model.signatures[0].inputs == (("image", 0),)
    assert model.main.op_name(model.main.operators[1]) == "dw/Relu6"


def test_tables_of_facts_agree_with_the_schema_package() -> None:
    codes = {k: v for k, v in vars(tflite.BuiltinOperator).items() if not k.startswith("_")}
    assert {name: schema.OP_NAMES.index(name) for name in codes} == codes
    types = {k: v for k, v in vars(tflite.TensorType).items() if not k.startswith("_")}
    assert {name: [d.name for d in schema.TENSOR_TYPES].index(name) for name in types} == types
    union = {k: v for k, v in vars(tflite.BuiltinOptions).items() if not k.startswith("_")}
    assert {name: schema.OPTION_CLASSES.index(name) for name in union} == union
    for name, fields in schema.OPTION_FIELDS.items():
        adders = {n for n in dir(tflite) if n.startswith(f"{name}Add")}
        ours = {
            f"{name}Add" + "".join(p[:1].upper() + p[1:] for p in field.name.split("_"))
            for field in fields
        }
        assert adders <= ours, f"{name} lacks {adders - ours}"


def sample_value(field: schema.Field):
    if field.kind in schema.ENUMS:
        return schema.ENUMS[field.kind][1]
    return {"bool": True, "f4": 0.5, "i4[]": (3, 4)}.get(field.kind, 5)


@pytest.mark.parametrize("code", sorted(schema.OP_OPTIONS))
def test_options_of_every_op_are_read_back(code: str) -> None:
    known = {name for name in dir(tflite) if name.startswith(f"{schema.OP_OPTIONS[code]}Add")}
    options = {
        field.name: sample_value(field)
        for field in schema.OPTION_FIELDS[schema.OP_OPTIONS[code]]
        if field.kind not in ("str", "f4[]")
        and "".join(p[:1].upper() + p[1:] for p in field.name.split("_"))
        in {name.split("Add", 1)[1] for name in known}
    }
    written = {
        key: value if key in ENUMS or not isinstance(value, str) else 1
        for key, value in options.items()
    }
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "float32"), build.tensor((1, 4), "float32")
    build.op(code, [x], [y], **written)
    data = build.build([x], [y])
    if any(key.endswith("subgraph_index") or key == "subgraph" for key in options):
        with pytest.raises(ModelError, match="subgraph"):
            read_model(data)
        return
    (op,) = read_model(data).main.operators
    assert op.code == code
    assert {key: op.options[key] for key in options} == options


def test_missing_options_have_the_schemas_defaults() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "float32"), build.tensor((1, 4), "float32")
    build.op("ADD", [x, x], [y])
    data = bytearray(build.build([x], [y]))
    root = tflite.Model.GetRootAsModel(data, 0)
    tab = root.Subgraphs(0).Operators(0)._tab
    data[tab.Pos + tab.Offset(10)] = 0  # builtin_options_type: NONE
    (op,) = read_model(bytes(data)).main.operators
    assert dict(op.options) == {"fused_activation_function": "NONE", "pot_scale_int16": True}
    data[tab.Pos + tab.Offset(10)] = 1
    with pytest.raises(ModelError, match="options of kind Conv2DOptions, expected AddOptions"):
        read_model(bytes(data))


def test_constants_cannot_be_written_to() -> None:
    data = read_model(tiny_classifier()).main.tensors[1].data
    assert data is not None
    with pytest.raises(ValueError, match="read-only"):
        data[0] = 1


def one_op(**changes) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4), "int8", **({"scale": 0.5} | changes))
    y = build.tensor((1, 4), "int8", 1.0)
    build.op("RELU", [x], [y])
    return build.build([x], [y])


def test_scale_zero_is_no_quantization_and_a_short_zero_point_is_filled() -> None:
    assert read_model(one_op(scale=0.0)).main.tensors[0].quantization is None
    build = ModelBuilder()
    x = build.tensor((1, 3), "int8", [0.1, 0.0, 0.2], [0, 0, 0], axis=1)
    build.tensors[x].zero_point = [5]
    y = build.tensor((1, 3), "int8", 1.0)
    build.op("RELU", [x], [y])
    quant = read_model(build.build([x], [y])).main.tensors[0].quantization
    assert quant is not None
    assert quant.zero_point == (5, 0, 0)
    assert quant.scale[1] == 0.0


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf"), [0.1, 0.2]])
def test_bad_scales_are_refused(scale) -> None:
    with pytest.raises(ModelError, match="scale"):
        read_model(one_op(scale=scale))


def test_dynamic_dimensions_and_missing_names() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", signature=(-1, 4), name="")
    y = build.tensor((1, 4), "float32")
    build.op("RELU", [x], [y])
    tensor = read_model(build.build([x], [y])).main.tensors[0]
    assert (tensor.shape, tensor.shape_signature) == ((1, 4), (-1, 4))
    assert tensor.name == "tensor_0"


def broken(kind: str) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4), "int8", 0.5)
    y = build.tensor((1, 4), "int8", 0.5)
    z = build.tensor((1, 4), "int8", 0.5)
    w = build.tensor((2, 4), "int8", 0.5, data=b"\0" * (7 if kind == "short" else 8))
    if kind == "order":
        build.op("RELU", [y], [z])
        build.op("RELU", [x], [y])
    elif kind == "twice":
        build.op("RELU", [x], [y])
        build.op("RELU", [x], [y])
    elif kind == "cycle":
        build.op("ADD", [x, z], [y])
        build.op("RELU", [y], [z])
    elif kind == "constant":
        build.op("RELU", [x], [w])
    elif kind == "input":
        build.op("RELU", [99], [y])
    elif kind == "output":
        build.op("RELU", [x], [-1])
    elif kind == "huge":
        build.tensors[y].shape = (1 << 30, 1 << 30, 1 << 30)
        build.op("RELU", [x], [y])
    elif kind == "negative":
        build.tensors[y].shape = (1, -4)
        build.op("RELU", [x], [y])
    else:
        build.op("RELU", [x], [y])
        build.op("RELU", [x], [z])
    return build.build([x], [z if kind != "output index" else 77])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("order", "out of order"),
        ("twice", "already has a value"),
        ("cycle", "reads tensor 2, which is only written later"),
        ("constant", "already has a value"),
        ("input", "an input of op 0"),
        ("output", "an output of op 0"),
        ("output index", "subgraph 0: an output"),
        ("huge", "larger than 2 GiB"),
        ("negative", "negative dimension"),
        ("short", "needs 8 bytes of constant data, the file has 7"),
    ],
)
def test_broken_graphs_are_refused(kind: str, text: str) -> None:
    with pytest.raises(ModelError, match=text) as caught:
        read_model(broken(kind), source="m.tflite")
    assert "'m.tflite'" in caught.value.message
    assert caught.value.hint
    # Only what lies outside of the tables or of the file looks cut short.
    outside = kind in ("input", "output", "output index")
    assert ("cut short" in caught.value.hint) == (outside or kind == "short")


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "JPEG"),
        (b"PK\x03\x04" + bytes(40), ".keras"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
        (b"\x7fELF" + bytes(40), "ELF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"cat\ndog\nbird\n", "text"),
        (zipped("config.json", "metadata.json", "model.weights.h5"), "a .keras model"),
        (zipped("face.tflite", "labels.txt"), "holds 'face.tflite'"),
        (zipped("net/data.pkl", "net/version"), "PyTorch"),
        (zipped("saved/saved_model.pb"), "SavedModel"),
        (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0" + bytes(40), "ONNX"),
        (b"\x08\x01\x12\xa0\x01" + bytes(40), "saved_model.pb"),
        (b"\x0a\x20\x0a\x05input\x12\x0bPlaceholder" + bytes(40), "frozen TensorFlow graph"),
        (b"\x0c\x00\x00\x00ET12" + bytes(40), "ExecuTorch"),
        (b"GGUF\x03\x00\x00\x00" + bytes(40), "GGUF"),
        ((40).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}' + bytes(40), "safetensors"),
        (b'{"format": "layers-model", "modelTopology": {}}', "TensorFlow.js"),
        (b'<?xml version="1.0"?>\n<net name="x" version="10">', "OpenVINO"),
        (b"alignas(8) const unsigned char g_model[] = {0x1c, 0x00, 0x00", "C source"),
        (b"\x01\x02", "only 2 bytes"),
        (bytes(range(128, 192)), "identifier"),
        (tiny_classifier()[:200], "200 bytes"),
    ],
)
def test_other_files_are_named(data: bytes, text: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_model(data, source="thing")
    assert text in caught.value.message
    assert "{" not in caught.value.message + caught.value.hint


def test_unreadable_paths_are_model_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        read_model_file(tmp_path)
    with pytest.raises(ModelError, match="cannot read"):
        read_model_file(tmp_path / "missing.tflite")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ModelError, match="cannot read"):
        read_model_file(tmp_path / "file" / "below.tflite")
    with pytest.raises(ModelError, match="cannot read"):
        read_model_file(Path("a\0b"))


def test_sizes_of_types() -> None:
    for dtype in DType:
        if dtype.bits >= 8 and dtype is not DType.BFLOAT16:
            assert np.dtype(dtype.value).itemsize * 8 == dtype.bits


def with_axes(axis: int, *, scales: int = 4) -> bytes:
    """A convolution as person detectors of TensorFlow Lite Micro's days have it: bias axis 3."""
    rng = np.random.default_rng(3)
    build = ModelBuilder()
    x = build.tensor((1, 6, 6, 3), "int8", 0.05, 3)
    w = build.tensor((4, 3, 3, 3), "int8", [0.1] * 4, data=rng.integers(-127, 128, (4, 3, 3, 3)))
    bias = rng.integers(-500, 500, 4)
    b = build.tensor((4,), "int32", [0.005] * scales, data=bias, axis=axis)
    y = build.tensor((1, 6, 6, 4), "int8", 0.5, -5)
    build.op("CONV_2D", [x, w, b], [y], padding="SAME")
    return build.build([x], [y])


@pytest.mark.parametrize("scales", [4, 1])
def test_a_bias_axis_that_the_shape_lacks_is_read_as_0_with_a_note(scales: int) -> None:
    read, plain = read_model(with_axes(3, scales=scales)), read_model(with_axes(0, scales=scales))
    assert read.main == plain.main
    assert plain.notes == ()
    assert len(read.notes) == 1
    assert "quantized_dimension (3)" in read.notes[0]
    assert with_valid_axes(with_axes(0), read_model(with_axes(0))) == with_axes(0)


def test_litert_runs_a_file_with_such_an_axis() -> None:
    values = np.random.default_rng(4).integers(-128, 128, (1, 6, 6, 3)).astype(np.int8)
    outputs = []
    for axis in (0, 3):
        predictor = LiteRTPredictor(with_axes(axis), resolver="reference")
        outputs.append(predictor.predict({predictor.inputs[0].name: values}))
    (right,), (got,) = (list(output.values()) for output in outputs)
    assert np.array_equal(right, got)


def test_filters_with_a_wrong_axis_are_still_refused() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "float32"), build.tensor((1, 8), "float32")
    w = build.tensor((8, 4), "int8", [0.1] * 8, data=np.ones((8, 4)), axis=3)
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    with pytest.raises(ModelError, match="8 scales along axis 3") as caught:
        read_model(build.build([x], [y]))
    assert "cut short" not in caught.value.hint


def test_what_vela_wrote_is_named() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "int8", 0.5), build.tensor((1, 4), "int8", 0.5)
    scratch = build.tensor((64,), "uint8")  # nothing writes it: it is the driver's
    build.op("CUSTOM", [x, scratch], [y], custom_code="ethos-u")
    with pytest.raises(ModelError, match="compiled for an Arm Ethos-U by Vela") as caught:
        read_model(build.build([x], [y]))
    assert "that Vela was given" in caught.value.hint
