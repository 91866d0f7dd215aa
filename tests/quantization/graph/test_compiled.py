"""Files of ours through the C compiler: what it makes of them is what LiteRT computes."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor
from quantization.recipe import LayerOverride
from tests.firmware_glue.compiler.harness import Library
from tests.quantization.graph.helpers import Net, quantized, recipe, uniform


@pytest.fixture(scope="module")
def net() -> bytes:
    """Convolutions, a sum, a gate that needs rescaling, a concatenation, softmax."""
    net = Net()
    x = skip = net.conv(net.image, "stem", activation="RELU6")
    x = net.op("ADD", [net.conv(x, "middle"), skip], "sum")
    gate = net.op("LOGISTIC", [x], "gate")
    x = net.op("CONCATENATION", [gate, x], "both", (1, 8, 8, 8), axis=3)
    x = net.op("RESHAPE", [x], "flat", (1, 512), new_shape=[1, 512])
    weights = net.rng.normal(0, 0.1, (5, 512))
    w = net.build.tensor((5, 512), "float32", data=weights, name="dense/w")
    x = net.op("FULLY_CONNECTED", [x, w, -1], "dense", (1, 5))
    return net.finish(net.op("SOFTMAX", [x], "scores", (1, 5), beta=1.0))


@pytest.mark.parametrize(
    "chosen",
    [
        recipe("int8"),
        recipe("int8-per-tensor", io="uint8"),
        recipe("int16x8"),
        recipe("int8", overrides=(LayerOverride("middle", "int16"),)),
    ],
    ids=["int8", "per-tensor", "int16x8", "mixed"],
)
def test_c_equals_the_reference_kernels(net, chosen, tmp_path):
    samples = uniform(net)
    done, _ = quantized(net, samples, chosen)
    library = Library(tmp_path)
    library.add(done, "m")
    library.build()
    run = library.runner("m")
    reference = LiteRTPredictor(done, resolver="reference")
    (info,) = reference.inputs
    for sample in samples:
        raw = info.quantize(sample[info.name])
        (wanted,) = reference.predict({info.name: raw}).values()
        np.testing.assert_array_equal(run([raw])[0], wanted)
