from __future__ import annotations

import io

import numpy as np
import pytest

from edgecnn.core.errors import DataError, QuantizationError
from edgecnn.core.tflite.reader import read_model

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")
litert = pytest.importorskip("ai_edge_litert.interpreter")

from quantization.convert import to_float  # noqa: E402
from quantization.freeze import load_and_freeze  # noqa: E402
from quantization.golden import make_golden  # noqa: E402
from quantization.inspection.layers import inspect_layers, match_layers, sqnr_db  # noqa: E402
from tests.quantization.stock import stock_int8  # noqa: E402


@pytest.fixture(scope="module")
def files():
    model = nets.detector()
    return to_float(load_and_freeze(model)), stock_int8(model, nets.samples(8))


def interpreter(model: bytes, kind: str, keep: bool = False):
    made = litert.Interpreter(
        model_content=model,
        experimental_op_resolver_type=getattr(litert.OpResolverType, kind),
        experimental_preserve_all_tensors=keep,
    )
    made.allocate_tensors()
    return made


def test_golden_equals_litert_reference(files):
    batch = nets.samples(3, seed=5)
    golden, warnings = make_golden(files[1], batch)
    assert warnings == ()
    assert golden.samples == 3
    runner = interpreter(files[1], "BUILTIN_REF")
    detail = runner.get_input_details()[0]
    scale, zero = detail["quantization"]
    signature = runner.get_signature_runner("serving_default")
    for k, sample in enumerate(batch):
        raw = np.clip(np.rint(sample["image"].astype(np.float64) / scale) + zero, -128, 127)
        np.testing.assert_array_equal(golden.inputs["image"][k], raw[0].astype(np.int8))
        want = signature(image=raw.astype(np.int8))
        assert list(golden.outputs) == ["scores", "boxes"]
        for name, value in want.items():
            np.testing.assert_array_equal(golden.outputs[name][k], value[0])


def test_golden_survives_npz(files):
    golden, _ = make_golden(files[1], nets.samples(2))
    again = type(golden).from_bytes(golden.to_bytes())
    assert list(again.outputs) == list(golden.outputs)
    with np.load(io.BytesIO(golden.to_bytes())) as archive:
        assert archive["i0:image.npy".removesuffix(".npy")].dtype == np.int8


def test_golden_refuses(files):
    with pytest.raises(QuantizationError, match="at least one sample"):
        make_golden(files[1], [])
    with pytest.raises(DataError, match="expected float32"):
        make_golden(files[1], [{"image": np.zeros((1, *nets.SHAPE), np.int8)}])


def test_layer_errors_equal_an_independent_computation(files):
    batch = nets.samples(2, seed=6)
    errors = {error.index: error for error in inspect_layers(*files, batch)}
    left, right = (interpreter(f, "BUILTIN_WITHOUT_DEFAULT_DELEGATES", True) for f in files)
    parsed = read_model(files[1]).main
    by_name = {d["name"]: d["index"] for d in left.get_tensor_details()}
    details = {d["index"]: d for d in right.get_tensor_details()}
    values: dict[int, tuple[list, list]] = {op.index: ([], []) for op in parsed.operators}
    for sample in batch:
        info = right.get_input_details()[0]
        scale, zero = info["quantization"]
        left.set_tensor(left.get_input_details()[0]["index"], sample["image"])
        raw = np.clip(np.rint(sample["image"] / np.float64(scale)) + zero, -128, 127)
        right.set_tensor(info["index"], raw.astype(np.int8))
        left.invoke()
        right.invoke()
        for op in parsed.operators:
            detail = details[op.outputs[0]]
            scale, zero = detail["quantization"]
            q = right.get_tensor(detail["index"]).astype(np.float64)
            values[op.index][0].append(left.get_tensor(by_name[detail["name"]]).ravel())
            values[op.index][1].append(((q - zero) * scale).ravel())
    assert len(errors) == len(parsed.operators)
    for index, (a, b) in values.items():
        real, restored = np.concatenate(a).astype(np.float64), np.concatenate(b)
        noise = np.mean((real - restored) ** 2)
        assert errors[index].sqnr_db == pytest.approx(10 * np.log10(np.mean(real**2) / noise))
        cosine = real @ restored / np.linalg.norm(real) / np.linalg.norm(restored)
        assert errors[index].cosine == pytest.approx(cosine)
        assert errors[index].op == parsed.operators[index].code


def test_worst_layer_comes_first_and_every_layer_is_matched(files):
    errors = inspect_layers(*files, nets.samples(1))
    assert [e.sqnr_db for e in errors] == sorted(e.sqnr_db for e in errors)
    assert all(10 < e.sqnr_db < 120 for e in errors)
    pairs = match_layers(read_model(files[0]), read_model(files[1]))
    assert [pair.op.index for pair in pairs] == list(range(len(pairs)))


def test_layers_refuse(files):
    with pytest.raises(QuantizationError, match="no samples"):
        inspect_layers(*files, [])


def test_sqnr_at_the_edges():
    assert sqnr_db(0, 0) == 120
    assert sqnr_db(0, 1) == -120
    assert sqnr_db(1, 1) == 0
    assert sqnr_db(1e30, 1e-30) == 120
