"""What a user reads when a model cannot be compiled: every problem, by op, layer and index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.errors import UnknownNameError, UnsupportedModelError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import check_ops, compile_model, sanitize_name
from firmware_glue.compiler.ops.table import OPS
from tests.builders import ModelBuilder, tiny_classifier


def _two_problems() -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 2), "int8", 0.1, 0)
    a = build.tensor((1, 4, 4, 2), "int8", 0.1, 0, name="block/lookup")
    build.op("HASHTABLE_LOOKUP", [x], [a])
    w = build.tensor((3, 1, 1, 2), "float32", data=np.ones((3, 1, 1, 2)))
    b = build.tensor((1, 4, 4, 3), "int8", 0.1, 0, name="head/conv")
    build.op("CONV_2D", [a, w, -1], [b])
    y = build.tensor((1, 4, 4, 3), "int8", 0.1, 0, name="relu")
    build.op("RELU", [b], [y])
    return build.build([x], [y])


def test_all_problems_are_listed() -> None:
    model = read_model(_two_problems())
    first, second = check_ops(model)
    assert (first.index, first.op, first.name) == (0, "HASHTABLE_LOOKUP", "block/lookup")
    assert (second.index, second.op, second.name) == (1, "CONV_2D", "head/conv")
    assert (second.got, second.allowed) == ("float32", "int8")
    with pytest.raises(UnsupportedModelError) as caught:
        compile_model(model, name="m")
    error = caught.value
    assert error.message == "2 of 3 ops cannot be compiled to C"
    assert error.details[0].startswith(
        "#0 HASHTABLE_LOOKUP 'block/lookup': This op is not supported."
    )
    assert error.details[1] == (
        "#1 CONV_2D 'head/conv': Input 1 must be int8. got float32; allowed: int8"
    )
    assert "quantize" in error.hint
    assert "{" not in str(error) + error.hint + "".join(error.details)


def test_custom_ops_are_named() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "int8", 0.1), build.tensor((1, 4), "int8", 0.1)
    build.op("CUSTOM", [x], [y], custom_code="MyOp")
    (problem,) = check_ops(read_model(build.build([x], [y])))
    assert problem.op == "CUSTOM:MyOp"


def test_what_the_edge_tpu_compiler_wrote_is_named() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "int8", 0.1), build.tensor((1, 4), "int8", 0.1)
    build.op("CUSTOM", [x], [y], custom_code="edgetpu-custom-op")
    (problem,) = check_ops(read_model(build.build([x], [y])))
    assert "compiled for the Edge TPU" in problem.rule
    assert problem.rewrite == "give the .tflite that the Edge TPU compiler was given"


def test_a_dynamic_range_dense_layer_is_named() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "float32"), build.tensor((1, 8), "float32")
    w = build.tensor((8, 4), "int8", 0.1, data=np.ones((8, 4)))
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    (problem,) = check_ops(read_model(build.build([x], [y])))
    assert "dynamic-range quantization" in problem.rule
    assert "edgecnn quantize" in (problem.rewrite or "")


def test_odd_dtypes_do_not_raise() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float64")
    y = build.tensor((1, 4), "float64")
    build.op("LOGISTIC", [x], [y])
    one, two, three = check_ops(read_model(build.build([x], [y])))
    assert [(p.index, p.op, p.got) for p in (one, two)] == [
        (-1, "INPUT", "float64"),
        (-1, "OUTPUT", "float64"),
    ]
    assert (three.index, three.got) == (0, "float64") and "int8" in three.allowed
    assert check_ops(read_model(tiny_classifier())) == ()


def test_wrong_shapes_are_reported() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 2), "int8", 0.1)
    y = build.tensor((1, 3, 3, 2), "int8", 0.1)
    build.op("MAX_POOL_2D", [x], [y], padding="SAME", filter_width=2, filter_height=2)
    (problem,) = check_ops(read_model(build.build([x], [y])))
    assert problem.rule == "Output shapes must follow from the inputs."
    assert "[1, 4, 4, 2]" in problem.got


def test_ops_out_of_order_are_reported() -> None:
    build = ModelBuilder()
    x, a, y = (build.tensor((1, 4), "int8", 0.1) for _ in range(3))
    build.op("RELU", [x], [a])
    build.op("RELU", [a], [y])
    model = read_model(build.build([x], [y]))
    # The reader refuses such files already; a graph made otherwise is refused here.
    swapped = replace(model.main, operators=model.main.operators[::-1])
    (problem,) = check_ops(replace(model, subgraphs=(swapped,)))
    assert problem.index == -1 and "before it is written" in problem.got


def test_every_rule_has_a_sentence() -> None:
    for code, spec in OPS.items():
        of_dtypes = [limit for variant in spec.variants.values() for limit in variant.rules]
        for limit in (*spec.rules, *of_dtypes):
            assert limit.message.endswith("."), (code, limit)
            assert limit.allowed and "{" not in limit.message


def test_names() -> None:
    assert sanitize_name("vww-96.int8") == "vww_96_int8"
    assert sanitize_name("96") == "model_96"
    assert sanitize_name("class") == "model_class"
    assert sanitize_name("edgecnn") == "model_edgecnn"
    assert sanitize_name("edgecnn-model") == "model_edgecnn_model"
    assert sanitize_name("…") == "model"
    with pytest.raises(UnknownNameError, match="numerics"):
        compile_model(read_model(tiny_classifier()), name="m", numerics="fast")
