from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="needs the [train] extra")

from quantization.fine_tuning.kernels import KERNELS  # noqa: E402
from quantization.fine_tuning.net import Forward, unknown_ops  # noqa: E402
from quantization.tensorflow_import import import_tensorflow  # noqa: E402
from tests.firmware_glue.compiler.cases import CASES  # noqa: E402
from tests.quantization.steps.graphs import Net  # noqa: E402

flow = import_tensorflow()
REFUSALS = (ValueError, TypeError, NotImplementedError, RuntimeError, flow.errors.OpError)


def values_for(model, seed):
    rng = np.random.default_rng(seed)
    positive = {op.code for op in model.main.operators} & {"LOG", "SQRT", "RSQRT", "POW"}
    low = 0.1 if positive else -4
    shapes = [model.main.tensors[index].shape for index in model.main.inputs]
    return [rng.uniform(low, 4, shape).astype(np.float32) for shape in shapes]


def litert(model, arrays):
    elu = any(op.code == "ELU" for op in model.main.operators)  # has no reference kernel
    predictor = LiteRTPredictor(write_model(model), resolver="builtin" if elu else "reference")
    pairs = zip(predictor.inputs, arrays, strict=True)
    outputs = predictor.predict({info.name: array for info, array in pairs})
    return [outputs[info.name] for info in predictor.outputs]


def computed(model, arrays):
    forward = Forward(model.main, model.main.outputs)
    return [np.asarray(v) for v in forward([flow.constant(a) for a in arrays], {})]


@pytest.mark.parametrize("code", sorted(code for code in KERNELS if f"{code}:float32" in CASES))
def test_each_op_computes_what_litert_computes(code):
    done = 0
    for seed in range(30):
        model = read_model(CASES[f"{code}:float32"](np.random.default_rng(seed)))
        graph = model.main
        floats = {graph.tensors[index].dtype.value for index in graph.inputs} == {"float32"}
        # LiteRT takes a shrunk axis whose begin is masked for its given index, TensorFlow for 0.
        odd = any(
            op.options.get("shrink_axis_mask", 0) & op.options.get("begin_mask", 0)
            for op in graph.operators
        )
        if not floats or odd or unknown_ops(graph):
            continue
        arrays = values_for(model, seed)
        want = litert(model, arrays)
        try:
            got = computed(model, arrays)
        except REFUSALS:
            continue
        done += 1
        for left, right in zip(got, want, strict=True):
            assert left.shape == right.shape
            np.testing.assert_allclose(
                left, right, rtol=2e-4, atol=2e-5 * (1 + np.abs(right).max())
            )
        if done == 6:
            break
    assert done >= 2


def batchable():
    net = Net()
    net.layer("CONV_2D")
    net.same("RELU")
    n, h, w, c = net.shape
    net.op("STRIDED_SLICE", [net.last, net.ints([0, 1, 0, 0]), net.ints([1, h, w, c]),
                             net.ints([1, 2, 1, 1])], (1, 4, w, c))  # fmt: skip
    net.op("SLICE", [net.last, net.ints([0, 0, 0, 0]), net.ints([1, 4, 4, c])], (1, 4, 4, c))
    net.layer("DEPTHWISE_CONV_2D")
    net.layer("TRANSPOSE_CONV")
    net.layer("GROUPED") if net.shape[3] % 2 == 0 else net.layer("CONV_2D")
    n, h, w, c = net.shape
    net.op("RESHAPE", [net.last, net.ints([1, h * w, c])], (1, h * w, c), new_shape=[1, h * w, c])
    net.op("MEAN", [net.last, net.ints([1])], (1, c))
    net.layer("FULLY_CONNECTED")
    net.same("SOFTMAX", beta=1.0)
    return read_model(net.data())


def test_a_batch_is_its_samples_one_by_one():
    model = batchable()
    rows = [values_for(model, seed) for seed in range(3)]
    got = computed(model, [np.concatenate([row[0] for row in rows])])
    want = np.concatenate([litert(model, row)[0] for row in rows])
    np.testing.assert_allclose(got[0], want, rtol=1e-4, atol=1e-6)


def test_unknown_ops_are_named():
    net = Net()
    net.same("CEIL")
    assert unknown_ops(read_model(net.data()).main) == ("CEIL 'ceil_0'",)
