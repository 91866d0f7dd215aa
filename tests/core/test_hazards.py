"""Models that would abort the interpreter's process are refused before it sees them."""

import numpy as np
import pytest

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import LiteRTPredictor
from tests.builders import ModelBuilder


def softmax_model(scale: float, beta: float) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, 4), "int8", scale=scale, zero_point=0)
    y = build.tensor((1, 4), "int8", scale=1 / 256, zero_point=-128)
    build.op("SOFTMAX", [x], [y], beta=beta)
    return build.build([x], [y])


@pytest.mark.parametrize(("scale", "beta"), [(2.0**-27, 1.0), (0.1, 0.0), (0.1, -1.0)])
def test_softmax_with_a_dead_scale_is_refused(scale: float, beta: float) -> None:
    with pytest.raises(ModelError, match="op #0 SOFTMAX"):
        LiteRTPredictor(softmax_model(scale, beta))


def test_an_ordinary_softmax_runs() -> None:
    predictor = LiteRTPredictor(softmax_model(0.1, 1.0))
    name = predictor.inputs[0].name
    outputs = predictor.predict({name: np.zeros((1, 4), np.int8)})
    assert next(iter(outputs.values())).tolist() == [[-64] * 4]
