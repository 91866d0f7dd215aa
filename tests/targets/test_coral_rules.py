"""Each Edge TPU limit rejects what it should and accepts the valid twin."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from targets.coral.constraints import REWRITES, SUPPORTED
from targets.coral.docs import coral_ops_markdown
from targets.coral.predict import predict
from tests.targets.coral_cases import (
    binary,
    concat,
    conv,
    dense,
    pack,
    pad,
    pool,
    reduce,
    resize,
    single,
    squeeze,
    strided,
)

SHAPE = (1, 4, 4, 2)

REJECTED = {
    # name: (model, the limit that is missed, a part of the compiler's words)
    "leaky relu": (single("LEAKY_RELU", SHAPE, SHAPE, alpha=0.1), "supported_op", "not supported"),
    "hard swish": (single("HARD_SWISH", SHAPE, SHAPE), "supported_op", "not supported"),
    "elu": (single("ELU", SHAPE, SHAPE), "supported_op", "not supported"),
    "gather": (
        single("GATHER", SHAPE, (1, 4, 4, 1), constants=(("int32", [0]),), axis=3),
        "supported_op",
        "not supported",
    ),
    "div": (binary("DIV", np.ones(SHAPE)), "supported_op", "not supported"),
    "depth to space": (
        single("DEPTH_TO_SPACE", (1, 4, 4, 4), (1, 8, 8, 1), block_size=2),
        "supported_op",
        "not supported",
    ),
    "arg max": (
        single("ARG_MAX", (1, 10), (1,), constants=(("int32", 1),), output_dtype="int64"),
        "eight_bit_activations",
        "Operation not supported",
    ),
    "float conv": (conv(dtype="float32"), "eight_bit_activations", "unsupported data type"),
    "int32 add": (
        single("ADD", SHAPE, SHAPE, dtype="int32", constants=(("int32", np.ones(SHAPE)),)),
        "eight_bit_activations",
        "unsupported data type",
    ),
    "int16 relu": (
        single("RELU", SHAPE, SHAPE, dtype="int16"),
        "eight_bit_activations",
        "unsupported data type",
    ),
    "dequantize": (
        single("DEQUANTIZE", SHAPE, SHAPE, output_dtype="float32"),
        "eight_bit_activations",
        "unsupported data type",
    ),
    "cast": (
        single("CAST", SHAPE, SHAPE, output_dtype="int32"),
        "eight_bit_activations",
        "unsupported data type",
    ),
    "quantize from int16": (
        single("QUANTIZE", SHAPE, SHAPE, dtype="int16", output_dtype="int8"),
        "eight_bit_activations",
        "unsupported data type",
    ),
    "batch of 2": (conv(batch=2), "three_inner_dimensions", "unspecified limitation"),
    "computed weights": (conv(constant=False), "constant_parameters", "unspecified limitation"),
    "dilation 2x1": (conv(dilation_h_factor=2), "same_dilation", "unspecified limitation"),
    "depthwise dilation 1x3": (
        conv(code="DEPTHWISE_CONV_2D", dilation_w_factor=3),
        "same_dilation",
        "unspecified limitation",
    ),
    "dense batch": (dense(4), "one_dimensional_output", "unspecified limitation"),
    "dense shuffled": (
        dense(weights_format="SHUFFLED4x16INT8"),
        "default_weight_format",
        "unspecified limitation",
    ),
    "average pool relu": (
        pool("AVERAGE_POOL_2D", fused_activation_function="RELU"),
        "no_fused_activation",
        "unspecified limitation",
    ),
    "max pool relu6": (
        pool("MAX_POOL_2D", fused_activation_function="RELU6"),
        "no_fused_activation",
        "unspecified limitation",
    ),
    "concat relu": (
        concat(fused_activation_function="RELU"),
        "no_fused_activation",
        "unspecified limitation",
    ),
    "concat ones": (concat(constant=4), "zero_constant", "unspecified limitation"),
    "concat 3 with zeros": (
        concat(constant=3, parts=3),
        "zero_constant",
        "unspecified limitation",
    ),
    "mean over batch": (reduce([0]), "reduction_outside_batch", "unspecified limitation"),
    "mean over -4": (
        single("MEAN", SHAPE, SHAPE, constants=(("int32", [-4]),), keep_dims=True),
        "reduction_outside_batch",
        "unspecified limitation",
    ),
    "mean over 6 channels": (
        reduce([3], shape=(1, 4, 4, 6)),
        "channels_multiple_of_four",
        "unspecified limitation",
    ),
    "mean over 256x128": (
        reduce([1, 2], shape=(1, 256, 128, 4)),
        "moderate_mean",
        "unspecified limitation",
    ),
    "max over batch": (
        reduce([0], code="REDUCE_MAX"),
        "reduction_outside_batch",
        "unspecified limitation",
    ),
    "min over batch": (
        reduce([0], code="REDUCE_MIN"),
        "reduction_outside_batch",
        "unspecified limitation",
    ),
    "pack batch": (pack(0, (2, 1, 4, 2)), "pack_outside_batch", "unspecified limitation"),
    "pad batch": (
        pad([[1, 0], [0, 0], [0, 0], [0, 0]]),
        "pad_outside_batch",
        "unspecified limitation",
    ),
    "prelu 3-d alpha": (
        binary("PRELU", np.ones((4, 4, 2))),
        "one_dimensional_alpha",
        "unspecified limitation",
    ),
    "softmax rows": (
        single("SOFTMAX", (1, 4, 10), (1, 4, 10)),
        "one_dimensional_input",
        "unspecified limitation",
    ),
    "softmax 16385": (
        single("SOFTMAX", (1, 16385), (1, 16385)),
        "short_softmax",
        "unspecified limitation",
    ),
    "squeeze 5x1x10": (squeeze((5, 1, 10), [1]), "leading_squeeze", "unspecified limitation"),
    "stride 2": (strided([1, 2, 2, 1]), "unit_strides", "unitary strides"),
    "ellipsis": (
        strided([1, 1, 1, 1], ellipsis_mask=1),
        "no_ellipsis_mask",
        "unspecified limitation",
    ),
    "new axis": (
        strided([1, 1, 1, 1], new_axis_mask=1),
        "no_new_axis_mask",
        "unspecified limitation",
    ),
    "resize 1x1 to 33x33": (
        resize((1, 1), (33, 33)),
        "interpolation_precision",
        "unspecified limitation",
    ),
    "resize 33x33 to 513x513, 19 channels": (
        resize((33, 33), (513, 513), channels=19),
        "interpolation_precision",
        "unspecified limitation",
    ),
    "resize to 512x512x32": (
        resize((256, 256), (512, 512), channels=32),
        "interpolated_size",
        "unspecified limitation",
    ),
    "resize nearest to 512x512x32": (
        resize((256, 256), (512, 512), channels=32, code="RESIZE_NEAREST_NEIGHBOR"),
        "resized_fits_on_chip",
        "unspecified limitation",
    ),
}

ACCEPTED = {
    "relu": single("RELU", SHAPE, SHAPE),
    "relu uint8": single("RELU6", SHAPE, SHAPE, dtype="uint8"),
    "logistic": single("LOGISTIC", SHAPE, SHAPE),
    "tanh": single("TANH", SHAPE, SHAPE),
    "add": binary("ADD", np.ones((1, 1, 1, 2)), fused_activation_function="RELU"),
    "mul": binary("MUL", np.ones(SHAPE)),
    "maximum": binary("MAXIMUM", np.ones(SHAPE)),
    "quantize to uint8": single("QUANTIZE", SHAPE, SHAPE, output_dtype="uint8"),
    "conv": conv(fused_activation_function="RELU6"),
    "conv dilation 2x2": conv(dilation_h_factor=2, dilation_w_factor=2),
    "conv 3x1 dilation 2x1": conv((3, 1), dilation_h_factor=2),
    "conv 1x3 dilation 1x2": conv((1, 3), dilation_w_factor=2),
    "depthwise": conv(code="DEPTHWISE_CONV_2D"),
    "dense": dense(fused_activation_function="RELU"),
    "average pool": pool("AVERAGE_POOL_2D"),
    "max pool": pool("MAX_POOL_2D"),
    "concat": concat(parts=3),
    "concat zeros": concat(constant=3),
    "mean": reduce([1, 2]),
    "mean 64x128": reduce([1, 2], shape=(1, 64, 128, 3)),
    "mean 8 channels": reduce([3]),
    "max": reduce([1, 2], code="REDUCE_MAX"),
    "sum": reduce([1, 2], code="SUM"),
    "pack channels": pack(3, (1, 4, 2, 2)),
    "pad": pad([[0, 0], [1, 1], [1, 1], [0, 0]]),
    "pad channels": pad([[0, 0], [0, 0], [0, 0], [0, 1]]),
    "prelu": binary("PRELU", np.ones((1, 1, 2))),
    "softmax": single("SOFTMAX", (1, 16384), (1, 16384)),
    "squeeze 1x1x10": squeeze((1, 1, 10), [0, 1]),
    "squeeze 1x5x10": squeeze((1, 5, 10), [0]),
    "strided slice": strided([1, 1, 1, 1], begin_mask=1),
    "slice": single(
        "SLICE",
        SHAPE,
        (1, 2, 2, 2),
        constants=(("int32", [0, 0, 0, 0]), ("int32", [1, 2, 2, 2])),
    ),
    "resize": resize((33, 33), (65, 65)),
    "resize 64x64 to 128x128, 32 channels": resize((64, 64), (128, 128), channels=32),
    "resize nearest": resize((8, 8), (16, 16), code="RESIZE_NEAREST_NEIGHBOR"),
    "reshape": single("RESHAPE", SHAPE, (1, 32), constants=(("int32", [1, 32]),)),
    "expand dims": single("EXPAND_DIMS", (1, 8), (1, 1, 8), constants=(("int32", 1),)),
    "transpose": single(
        "TRANSPOSE", (1, 4, 2, 3), (1, 2, 4, 3), constants=(("int32", [0, 2, 1, 3]),)
    ),
    "tile": single("TILE", (1, 1, 1, 4), (1, 3, 3, 4), constants=(("int32", [1, 3, 3, 1]),)),
    "space to depth": single("SPACE_TO_DEPTH", (1, 4, 4, 2), (1, 2, 2, 8), block_size=2),
    "l2 norm": single("L2_NORMALIZATION", (1, 8), (1, 8)),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejects(name: str) -> None:
    data, rule, words = REJECTED[name]
    prediction = predict(read_model(data))
    finding = prediction.ops[0]
    assert not finding.mapped
    assert finding.rule == rule
    assert finding.reason is not None and words in finding.reason
    assert finding.got and finding.got in finding.reason
    assert finding.allowed and finding.rewrite
    assert "{" not in finding.reason + finding.rewrite
    assert prediction.refused is None


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts(name: str) -> None:
    findings = predict(read_model(ACCEPTED[name])).ops
    assert [(op.mapped, op.reason) for op in findings] == [(True, None)] * len(findings)


def test_message_text() -> None:
    finding = predict(read_model(REJECTED["leaky relu"][0])).ops[0]
    assert finding.reason == (
        "Operation not supported: The op must be in the compiler's table of operations"
        " (got LEAKY_RELU)"
    )
    assert finding.rewrite == "use ReLU, ReLU6 or PReLU(shared_axes=[1, 2]) and train again"


def test_every_limit_is_tried_and_on_the_page() -> None:
    page = coral_ops_markdown()
    tried = {rule for _, rule, _ in REJECTED.values()}
    for code, rules in SUPPORTED.items():
        assert f"`{code}`" in page
        for rule in rules:
            assert rule.check.__name__ in tried
            assert rule.message in page
            assert rule.message.endswith((".", ")."))
    assert not set(SUPPORTED) & set(REWRITES)
