"""The predictor against the interpreter called directly."""

import os
import sys

import numpy as np
import pytest

from edgecnn.core import runtime
from edgecnn.core.errors import DataError, MissingExtraError, ModelError, TargetError
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo, runtime_name
from tests.builders import ModelBuilder, tiny_classifier
from tests.run import python, shared


def two_inputs() -> bytes:
    build = ModelBuilder()
    a = build.tensor((1, 4), "float32", name="first")
    b = build.tensor((1, 4), "float32", name="second")
    total = build.tensor((1, 4), "float32", name="total")
    diff = build.tensor((1, 4), "float32", name="difference")
    build.op("ADD", [a, b], [total])
    build.op("SUB", [a, b], [diff])
    return build.build([b, a], [diff, total])


def custom_op(name: str) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32")
    y = build.tensor((1, 4), "float32")
    build.op("CUSTOM", [x], [y], custom_code=name)
    return build.build([x], [y])


@pytest.mark.parametrize("resolver", ["auto", "reference", "builtin"])
def test_predict_equals_the_interpreter(resolver) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kinds = {
        "auto": OpResolverType.AUTO,
        "reference": OpResolverType.BUILTIN_REF,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }
    data = tiny_classifier()
    predictor = LiteRTPredictor(data, resolver=resolver, threads=1)
    inputs = lcg_inputs(predictor.inputs)
    direct = Interpreter(model_content=data, experimental_op_resolver_type=kinds[resolver])
    direct.allocate_tensors()
    direct.set_tensor(0, inputs["image"])
    direct.invoke()
    expected = direct.get_tensor(direct.get_output_details()[0]["index"])
    assert np.array_equal(predictor.predict(inputs)["scores"], expected)


def test_names_come_from_the_single_signature() -> None:
    predictor = LiteRTPredictor(tiny_classifier())
    assert predictor.inputs == (TensorInfo("image", (1, 16, 16, 3), "int8", 1 / 255, -128),) or (
        predictor.inputs[0].scale == pytest.approx(1 / 255)
    )
    assert [info.name for info in predictor.outputs] == ["scores"]


def test_without_a_signature_names_are_the_tensors_in_the_graphs_order() -> None:
    predictor = LiteRTPredictor(two_inputs())
    assert [info.name for info in predictor.inputs] == ["second", "first"]
    result = predictor.predict(
        {"first": np.full((1, 4), 3, np.float32), "second": np.ones((1, 4), np.float32)}
    )
    assert list(result) == ["difference", "total"]
    assert result["difference"].tolist() == [[2.0] * 4]
    assert result["total"].tolist() == [[4.0] * 4]


def test_outputs_are_copies() -> None:
    predictor = LiteRTPredictor(two_inputs())
    first = predictor.predict({name: np.ones((1, 4), np.float32) for name in ("first", "second")})
    predictor.predict({name: np.zeros((1, 4), np.float32) for name in ("first", "second")})
    assert first["total"].tolist() == [[2.0] * 4]


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "the model takes"),
        ({"first": np.ones((1, 4), np.float32)}, "the model takes"),
        (
            {"first": np.ones((4,), np.float32), "second": np.ones((1, 4), np.float32)},
            r"'first' is float32 \[4\], expected float32 \[1, 4\]",
        ),
        (
            {"first": np.ones((1, 4)), "second": np.ones((1, 4), np.float32)},
            "float64",
        ),
    ],
)
def test_wrong_inputs_are_data_errors(inputs, text: str) -> None:
    with pytest.raises(DataError, match=text):
        LiteRTPredictor(two_inputs()).predict(inputs)


def test_intermediate_tensors() -> None:
    predictor = LiteRTPredictor(tiny_classifier(), resolver="reference", preserve_all=True)
    predictor.predict(lcg_inputs(predictor.inputs))
    assert predictor.tensor(3).shape == (1, 8, 8, 8)
    assert predictor.tensor(3).any()
    with pytest.raises(ModelError, match="not kept"):
        LiteRTPredictor(tiny_classifier()).tensor(3)
    with pytest.raises(ModelError, match="tensor 999"):
        predictor.tensor(999)


def test_custom_ops_are_named() -> None:
    with pytest.raises(ModelError, match="edgetpu-custom-op") as caught:
        LiteRTPredictor(custom_op("edgetpu-custom-op"))
    assert "detect, eval and bench run this one on a Coral with -t coral-usb" in caught.value.hint
    assert "\n" not in caught.value.message
    with pytest.raises(ModelError) as caught:
        LiteRTPredictor(custom_op("Fancy"))
    assert "'Fancy'" in caught.value.hint


def test_a_model_that_the_default_delegate_refuses_runs_without() -> None:
    path = "models/edgetpu_pairs/edgetpu/test_data/deeplabv3_mnv2_dm05_pascal_quant.tflite"
    predictor = LiteRTPredictor((shared() / path).read_bytes())
    assert predictor.resolver == "builtin"


def test_a_missing_delegate_is_a_target_error() -> None:
    with pytest.raises(TargetError, match="libnone"):
        LiteRTPredictor(tiny_classifier(), delegate="libnone.so.1")


def test_no_interpreter_names_the_package(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(MissingExtraError, match="ai-edge-litert"):
        LiteRTPredictor(tiny_classifier())


def test_tflite_runtime_is_the_fallback(monkeypatch) -> None:
    import ai_edge_litert.interpreter as real

    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", real)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", real)
    predictor = LiteRTPredictor(tiny_classifier())
    assert predictor.predict(lcg_inputs(predictor.inputs))["scores"].shape == (1, 4)


def test_runtime_name_has_a_version() -> None:
    package, version = runtime_name().split()
    assert package == "ai-edge-litert"
    assert version[0].isdigit()


def test_the_interpreters_chatter_stays_away_from_stderr() -> None:
    code = (
        "from tests.builders import tiny_classifier;"
        "from edgecnn.core.runtime import LiteRTPredictor;"
        "import os; LiteRTPredictor(tiny_classifier()); os.write(2, b'real')"
    )
    result = python("-c", code)
    assert result.returncode == 0
    assert result.stderr == "real"


def test_real_lines_of_native_code_are_passed_on(capfd) -> None:
    from edgecnn.core.quiet import held_stderr

    with held_stderr():
        os.write(2, b"INFO: chatter\nERROR: trouble\n")
    assert capfd.readouterr().err == "ERROR: trouble\n"


def test_quantize_rounds_half_to_even_and_clips() -> None:
    info = TensorInfo("x", (1,), "int8", 1.0, 0)
    assert info.quantize(np.array([0.5, 1.5, -200, 200])).tolist() == [0, 2, -128, 127]
    assert info.dequantize(np.int8([3])).tolist() == [3.0]
    assert runtime.TensorInfo("x", (1,), "float32").quantize(np.array([1.25])).dtype == np.float32
