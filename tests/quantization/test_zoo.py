from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")
table = pytest.importorskip("edgecnn.models.table")

from quantization.quantize import QuantizeRequest, quantize  # noqa: E402
from quantization.recipe import get_recipe  # noqa: E402
from tests.share import long_but_for  # noqa: E402

SIZE = {"classify": 32, "detect": 64}


@pytest.mark.parametrize("name", long_but_for(table.model_names(), "mobilenet_v3_small", "resnet8"))
def test_every_model_becomes_full_int8(name):
    info = next(info for info in table.all_models() if info.name == name)
    size = SIZE[info.task]
    shape = (size, size, info.channels)
    options = {"width": 0.25} if name.startswith("mobilenet") else {}
    model = table.build_model(name, input_shape=shape, classes=4, **options)
    nets.randomise_batch_norm(model)
    input_name = model.inputs[0].name
    items = [{input_name: s["image"]} for s in nets.samples(4, shape)]
    recipe = replace(get_recipe("int8"), samples=4)
    result = quantize(QuantizeRequest(model, nets.calibration(items), recipe))
    for data, dtype in ((result.model, DType.INT8), (result.float32, DType.FLOAT32)):
        parsed = read_model(data)
        (signature,) = parsed.signatures
        assert [n for n, _ in signature.outputs] == list(model.output_names)
        assert [n for n, _ in signature.inputs] == [input_name]
        graph = parsed.main
        assert {graph.tensors[k].dtype for k in (*graph.inputs, *graph.outputs)} == {dtype}
    codes = {op.code for op in read_model(result.model).main.operators}
    assert not codes & {"QUANTIZE", "DEQUANTIZE", "SHAPE", "PACK", "STRIDED_SLICE", "TILE"}
    assert all(np.isfinite(v).all() for v in result.golden_float32.outputs.values())
    assert result.warnings == ()
