from __future__ import annotations

import numpy as np

from edgecnn.core.runtime import LiteRTPredictor, predict_stream
from edgecnn.core.tflite.writer import write_model
from quantization.parallel.executor import SerialExecutor, make_executor
from quantization.parallel.predictor import CHUNK, SpreadPredictor, file_predictor
from tests.quantization.steps.test_mixed import net


def stream(count: int):
    rng = np.random.default_rng(3)
    return ({"image": rng.normal(size=(1, 8, 8, 3)).astype(np.float32)} for _ in range(count))


def test_processes_give_what_one_process_gives_in_order():
    model = write_model(net())
    plain = list(predict_stream(file_predictor(model), stream(2 * CHUNK + 5)))
    executor = make_executor(2)
    try:
        spread = file_predictor(model, executor)
        assert isinstance(spread, SpreadPredictor)
        found = list(predict_stream(spread, stream(2 * CHUNK + 5)))
    finally:
        executor.close()
    assert len(found) == len(plain)
    for one, other in zip(plain, found, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_without_workers_it_is_the_plain_predictor():
    model = write_model(net())
    assert isinstance(file_predictor(model), LiteRTPredictor)
    assert isinstance(file_predictor(model, SerialExecutor()), LiteRTPredictor)


def test_samples_are_taken_as_they_are_needed():
    taken = []

    def endless():
        for number, sample in enumerate(stream(10**6)):
            taken.append(number)
            yield sample

    outputs = predict_stream(SpreadPredictor(write_model(net()), SerialExecutor()), endless())
    next(outputs)
    assert len(taken) == CHUNK
