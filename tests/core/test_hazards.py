"""Models that would abort the interpreter's process are refused before it sees them."""

import numpy as np
import pytest

from edgecnn.core.errors import ModelError
from edgecnn.core.reference import reference_predictor
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


def wide_softmax(scale: float, classes: int) -> bytes:
    build = ModelBuilder()
    x = build.tensor((1, classes), "int8", scale=scale, zero_point=0)
    y = build.tensor((1, classes), "int8", scale=1 / 256, zero_point=-128)
    build.op("SOFTMAX", [x], [y])
    return build.build([x], [y])


def test_an_aborting_reference_kernel_is_an_error_not_a_crash() -> None:
    predictor = reference_predictor(wide_softmax(0.0005, 600))
    name = predictor.inputs[0].name
    with pytest.raises(ModelError, match="reference kernels abort"):
        predictor.predict({name: np.zeros((1, 600), np.int8)})


def test_a_wide_softmax_that_does_not_overflow_gives_the_reference() -> None:
    model = wide_softmax(0.1, 600)
    predictor = reference_predictor(model)
    name = predictor.inputs[0].name
    x = np.full((1, 600), -128, np.int8)
    x[0, 5] = 127
    here = LiteRTPredictor(model, resolver="reference").predict({name: x})
    there = predictor.predict({name: x})
    assert list(here) == list(there)
    for key, value in here.items():
        np.testing.assert_array_equal(there[key], value)


def test_int8_state_of_svdf_is_kept_from_litert() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 8), "int8", 0.1), build.tensor((1, 4), "int8", 0.1)
    feature = build.tensor((4, 8), "int8", 0.02, data=np.ones((4, 8)))
    times = build.tensor((4, 5), "int8", 0.01, data=np.ones((4, 5)))
    state = build.tensor((1, 20), "int8", 0.1, variable=True)
    build.op("SVDF", [x, feature, times, -1, state], [y], rank=1, fused_activation_function="RELU")
    with pytest.raises(ModelError, match="state is int8, which LiteRT reads and writes as int16"):
        LiteRTPredictor(build.build([x], [y]))
