"""A .tflite as a predictor whose samples run wherever the executor has room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from edgecnn.core.runtime import Array, LiteRTPredictor, Predictor, TensorInfo, tensor_infos
from edgecnn.core.tflite.reader import read_model
from quantization.parallel.executor import Executor

CHUNK = 32


class SpreadPredictor:
    """Implements :class:`edgecnn.core.runtime.Predictor`, and ``predict_many`` over an executor.

    Args:
        model: the file's bytes.
        executor: where chunks of samples run; their number does not depend on it.
    """

    def __init__(self, model: bytes, executor: Executor) -> None:
        self._model = model
        self._executor = executor
        self._inputs, self._outputs = tensor_infos(read_model(model))

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""
        return self._outputs

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs one sample here; see :class:`edgecnn.core.runtime.LiteRTPredictor`."""
        return _predictor(self._model).predict(inputs)

    def predict_many(self, stream: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
        """Runs a stream of samples, a few chunks ahead; results in the stream's order."""
        rows = self._executor.map(partial(_run, self._model), _chunks(stream))
        return (outputs for row in rows for outputs in row)


def file_predictor(model: bytes, executor: Executor | None = None) -> Predictor:
    """The predictor that stands for a .tflite in the verdict: LiteRT's default kernels."""
    if executor is None or executor.workers <= 1:
        return LiteRTPredictor(model)
    return SpreadPredictor(model, executor)


def _run(model: bytes, samples: list[Mapping[str, Array]]) -> list[dict[str, Array]]:
    predictor = _predictor(model)
    return [predictor.predict(sample) for sample in samples]


@lru_cache(maxsize=2)
def _predictor(model: bytes) -> LiteRTPredictor:
    """Kept per process: preparing an interpreter takes longer than running a sample."""
    return LiteRTPredictor(model)


def _chunks(stream: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(stream)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
