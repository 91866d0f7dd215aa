"""Calibration: the float model over a stream of samples, and the range of each activation.

The stream is cut into chunks of a fixed number of samples, whatever the number of workers. A
worker gives the :class:`~quantization.calibration.observers.Observation` of its chunk, and they
are merged here in the stream's order: the ranges are the same bit for bit on one process, on many
and on a cluster (of machines with one instruction set: LiteRT's float kernels differ between
those), and memory does not grow with the stream.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError, QuantizationError
from edgecnn.core.progress import Progress
from edgecnn.core.runtime import LiteRTPredictor, tensor_infos
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.writer import write_model
from quantization.calibration import observers
from quantization.calibration.observers import Observation
from quantization.calibration.ranges import COUNTING, tensor_ranges
from quantization.calibration.samples import no_samples
from quantization.graph.taps import calibrated_tensors, with_outputs
from quantization.parallel.executor import Executor
from quantization.recipe import Recipe
from quantization.types import SampleDict
from quantization.work import Ranges

CHUNK = 16
"""Samples per piece of work."""

_MAX_THREADS = 4


@dataclass(frozen=True)
class _Watch:
    """What a worker runs and looks at; plain data.

    Attributes:
        model: .tflite bytes whose outputs are the tensors to watch; None: only inputs are.
        inputs: the sample's names of the model's inputs, in order.
        watched: those among them that are watched; their columns come first.
        counted: whether histograms are wanted.
        threads: of the interpreter.
    """

    model: bytes | None
    inputs: tuple[str, ...]
    watched: tuple[str, ...]
    outputs: int
    counted: bool
    threads: int


def calibrate(
    model: TfModel,
    samples: Iterable[SampleDict],
    recipe: Recipe,
    executor: Executor,
    progress: Progress,
) -> Ranges:
    """The range of each activation that :func:`quantization.graph.emit.emit` needs.

    Args:
        model: the float model.
        samples: {input name: float32 (1, …)} by the names of ``tensor_infos(model)``; as many as
            there are, taken a few at a time.
        recipe: ``calibrator``, ``percentile`` and ``activations`` are obeyed.
        executor: where chunks of samples run; the ranges do not depend on it.
        progress: advances by samples.

    Returns:
        Tensor index → range, read-only, in the order in which the tensors are computed.

    Raises:
        DataError: no samples, or a sample is not finite or does not fit the inputs.
        QuantizationError: a layer computes NaN or infinity (it is named), or a worker died.
        ModelError: LiteRT cannot run the model.
    """
    graph = model.main
    wanted = calibrated_tensors(model)
    fed = tuple(index for index in wanted if index in graph.inputs)
    columns = fed + tuple(index for index in wanted if index not in graph.inputs)
    watch = _watch(model, fed, columns[len(fed) :], recipe, executor.workers)
    progress.stage(f"calibrate ({recipe.calibrator})", recipe.samples)
    summary = observers.start(len(columns))
    for seen in executor.map(partial(_observe, watch), chunks(samples, CHUNK)):
        if seen.broken is not None:
            sample, column = seen.broken
            raise _not_finite(model, columns[column], summary.samples + sample)
        summary = observers.merged(summary, seen)
        progress.advance(len(seen.low))
    if not summary.samples:
        raise no_samples()
    ends = frozenset((*graph.inputs, *graph.outputs))
    kept = [index in ends for index in columns]
    found = dict(zip(columns, tensor_ranges(summary, kept, recipe, executor), strict=True))
    return MappingProxyType({index: found[index] for index in wanted})


def chunks(samples: Iterable[SampleDict], size: int) -> Iterator[list[SampleDict]]:
    """Lists of ``size`` neighbouring samples, the last one shorter."""
    stream = iter(samples)
    while chunk := list(islice(stream, size)):
        yield chunk


def _watch(
    model: TfModel, fed: Sequence[int], run: Sequence[int], recipe: Recipe, workers: int
) -> _Watch:
    infos, _ = tensor_infos(model)
    names = dict(zip(model.main.inputs, (info.name for info in infos), strict=True))
    cores = os.cpu_count() or 1
    return _Watch(
        model=write_model(with_outputs(model, run)) if run else None,
        inputs=tuple(info.name for info in infos),
        watched=tuple(names[index] for index in fed),
        outputs=len(run),
        counted=recipe.calibrator in COUNTING,
        threads=min(_MAX_THREADS, cores) if workers == 1 else 1,
    )


def _observe(watch: _Watch, samples: Sequence[SampleDict]) -> Observation:
    tensors = len(watch.watched) + watch.outputs
    return observers.observed((_values(watch, s) for s in samples), tensors, watch.counted)


def _values(watch: _Watch, sample: SampleDict) -> list[NDArray[np.float32]]:
    values = [sample[name] for name in watch.watched]
    if watch.model is None:
        return values
    predictor = _predictor(watch.model, watch.threads)
    # The rewritten file may name its inputs otherwise; their order is the same.
    pairs = zip(predictor.inputs, watch.inputs, strict=True)
    outputs = predictor.predict({info.name: sample[name] for info, name in pairs})
    return values + [outputs[info.name] for info in predictor.outputs]


@lru_cache(maxsize=1)
def _predictor(model: bytes, threads: int) -> LiteRTPredictor:
    return LiteRTPredictor(model, threads=threads)


def _not_finite(model: TfModel, index: int, sample: int) -> QuantizationError | DataError:
    graph = model.main
    if index in graph.inputs:
        name = tensor_infos(model)[0][graph.inputs.index(index)].name
        return DataError(
            f"calibration sample {sample}: input '{name}' holds NaN or infinity",
            hint="remove the sample or fix its preprocessing",
        )
    op = next(op for op in graph.operators if index in op.outputs)
    return QuantizationError(
        f"the float model itself overflows: layer '{graph.op_name(op)}' (#{op.index}"
        f" {op.display_code}) gives NaN or infinity for calibration sample {sample}",
        hint="check that layer's weights and the range of the input data, then train again",
    )
