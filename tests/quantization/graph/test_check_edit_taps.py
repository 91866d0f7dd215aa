from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.errors import QuantizationError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.graph.check import check_float
from quantization.graph.edit import (
    add_tensor,
    consumers,
    drop_unused,
    producers,
    unique_name,
    with_constants,
    with_main,
)
from quantization.graph.emit import emit
from quantization.graph.taps import calibrated_tensors, with_outputs
from quantization.recipe import get_recipe
from quantization.work import Plan
from tests.builders import ModelBuilder, tiny_classifier
from tests.quantization.graph.cases import CASES


def two_ops(signature: bool = False) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", name="x")
    unused = build.tensor((3,), "float32", data=[1, 2, 3], name="unused")
    c = build.tensor((1, 4), "float32", data=[[1, 2, 3, 4]], name="c")
    y, z = build.tensor((1, 4), "float32", name="y"), build.tensor((1, 4), "float32", name="z")
    build.op("ADD", [x, c], [y])
    build.op("MUL", [y, c], [z])
    if signature:
        build.signature("serve", {"in": x}, {"out": z})
    assert unused == 1
    return build.build([x], [z])


class TestCheck:
    def test_a_quantized_model(self):
        with pytest.raises(QuantizationError, match="quantized already.*'image' is int8") as error:
            check_float(read_model(tiny_classifier()))
        assert "float32" in error.value.hint

    def test_sparse_weights(self):
        model = read_model(two_ops())
        tensors = list(model.main.tensors)
        tensors[2] = replace(tensors[2], sparse=True)
        with pytest.raises(QuantizationError, match="'c'.*sparse"):
            check_float(with_main(model, replace(model.main, tensors=tuple(tensors))))

    @pytest.mark.parametrize("code", ["UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF", "RNN"])
    def test_recurrent_layers(self, code):
        model = read_model(two_ops())
        first = replace(model.main.operators[0], code=code)
        model = with_main(model, replace(model.main, operators=(first, *model.main.operators[1:])))
        with pytest.raises(QuantizationError, match=f"#0 {code} 'y'.*recurrent") as error:
            check_float(model)
        assert "float16 or dynamic" in error.value.hint
        for name in ("float16", "dynamic", "float32"):
            check_float(model, get_recipe(name))

    def test_control_flow_and_subgraphs(self):
        build = ModelBuilder()
        x, y = build.tensor((1,), "float32", name="x"), build.tensor((1,), "float32", name="y")
        inner = build.subgraph()
        p, q = inner.tensor((1,), "float32"), inner.tensor((1,), "float32")
        inner.op("RELU", [p], [q])
        build.add_subgraph(inner, [p], [q])
        build.op("RELU", [x], [y])
        data = build.build([x], [y])
        with pytest.raises(QuantizationError, match="2 subgraphs"):
            check_float(read_model(data))
        model = read_model(data)
        loop = replace(model.main.operators[0], code="WHILE")
        with pytest.raises(QuantizationError, match="#0 WHILE 'y': a loop"):
            check_float(with_main(model, replace(model.main, operators=(loop,))))

    def test_open_shapes(self):
        for signature, fine in (((-1, 4), True), ((1, -1), False)):
            build = ModelBuilder()
            x = build.tensor((1, 4), "float32", name="x", signature=signature)
            y = build.tensor((1, 4), "float32", signature=signature)
            build.op("RELU", [x], [y])
            model = read_model(build.build([x], [y]))
            if fine:
                check_float(model)
            else:
                with pytest.raises(QuantizationError, match=r"'x' has the dynamic shape \[1, -1\]"):
                    check_float(model)

    def test_emit_checks(self):
        with pytest.raises(QuantizationError, match="quantized already"):
            emit(read_model(tiny_classifier()), Plan(get_recipe("int8")))


class TestEdit:
    def test_drop_unused_renumbers_everything(self):
        model = read_model(two_ops(signature=True))
        done = drop_unused(model)
        assert [t.name for t in done.main.tensors] == ["x", "c", "y", "z"]
        assert [t.index for t in done.main.tensors] == [0, 1, 2, 3]
        assert done.signatures[0].outputs == (("out", 3),)
        sample = {"in": np.ones((1, 4), np.float32)}
        np.testing.assert_array_equal(
            LiteRTPredictor(write_model(done)).predict(sample)["out"], [[2, 6, 12, 20]]
        )
        assert drop_unused(done) == done

    def test_constants_and_names(self):
        model = read_model(two_ops())
        changed = with_constants(model, {2: np.zeros((1, 4), np.float32)})
        assert not changed.main.tensors[2].data.any() and model.main.tensors[2].data.any()
        assert not changed.main.tensors[2].data.flags.writeable
        with pytest.raises(ValueError, match="does not fit"):
            with_constants(model, {2: np.zeros(4, np.float32)})
        graph, index = add_tensor(model.main, model.main.tensors[0])
        assert graph.tensors[index].name == "x_1" and graph.tensors[index].index == index
        assert unique_name("a", {"a", "a_1"}) == "a_2"

    def test_who_writes_and_who_reads(self):
        graph = read_model(two_ops()).main
        assert {k: op.index for k, op in producers(graph).items()} == {3: 0, 4: 1}
        assert [op.index for op in consumers(graph)[2]] == [0, 1]


class TestTaps:
    @pytest.mark.parametrize("signature", [False, True])
    def test_other_outputs(self, signature):
        model = read_model(two_ops(signature))
        data = write_model(with_outputs(model, (3, 4, 0)))
        runner = LiteRTPredictor(data)
        name = "in" if signature else "x"
        values = list(runner.predict({name: np.ones((1, 4), np.float32)}).values())
        np.testing.assert_array_equal(values[0], [[2, 3, 4, 5]])
        np.testing.assert_array_equal(values[1], [[2, 6, 12, 20]])
        np.testing.assert_array_equal(values[2], [[1, 1, 1, 1]])
        assert read_model(data).main.tensors == model.main.tensors

    def test_what_must_be_calibrated(self):
        model = read_model(two_ops())
        assert calibrated_tensors(model) == (0, 3, 4)
        for code, needed in (("SOFTMAX", 1), ("RESHAPE", 1), ("MAXIMUM", 3), ("ARG_MAX", 1)):
            assert len(calibrated_tensors(read_model(CASES[code](code).model))) == needed
        assert all(model.main.tensors[k].dtype is DType.FLOAT32 for k in calibrated_tensors(model))
