"""What each channel of an activation holds, over the calibration samples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import LiteRTPredictor, tensor_infos
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.writer import write_model
from quantization.calibration.run import chunks
from quantization.calibration.samples import no_samples
from quantization.graph.taps import with_outputs
from quantization.types import SampleDict
from quantization.work import StepContext

CHUNK = 16
_MAX_THREADS = 4


@dataclass(frozen=True)
class ChannelStatistics:
    """Of one tensor, per channel (its last axis), over all samples and positions.

    Attributes:
        low, high: float64 (channels,), the extremes.
        power: float64 (channels,), the mean square.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    power: NDArray[np.float64]


@dataclass(frozen=True)
class _Watch:
    """What a worker runs.

    Attributes:
        model: .tflite bytes; its outputs are watched.
        inputs: the samples' names of its inputs, in order.
        fed: those that are watched themselves, before the outputs.
        threads: of the interpreter.
    """

    model: bytes
    inputs: tuple[str, ...]
    fed: tuple[str, ...]
    threads: int


# Extremes of channels hardly move beyond that, and the pass over them is the dearest part.
MAX_SAMPLES = 200
_Sums = tuple[list[ChannelStatistics], int]


def channel_statistics(
    model: TfModel, tensors: Sequence[int], context: StepContext
) -> Mapping[int, ChannelStatistics]:
    """Runs the calibration samples through the float model.

    The samples go in chunks of fixed size to the executor and are summed in order, so that the
    result does not depend on it.

    Args:
        model: the float model.
        tensors: float32 activations, some of them computed.
        context: its samples, executor and progress.

    Raises:
        DataError: there are no samples.
        ModelError: LiteRT cannot run the model.
    """
    names = tuple(info.name for info in tensor_infos(model)[0])
    threads = min(_MAX_THREADS, os.cpu_count() or 1) if context.executor.workers == 1 else 1
    named = dict(zip(model.main.inputs, names, strict=True))
    fed = [index for index in tensors if index in named]
    run = [index for index in tensors if index not in named]
    data = write_model(with_outputs(model, run))
    watch = _Watch(data, names, tuple(named[index] for index in fed), threads)
    limit = min(context.recipe.samples, MAX_SAMPLES)
    context.progress.stage("measure channels", limit)
    total: list[ChannelStatistics] = []
    count = 0
    samples = islice(context.calibration(), limit)
    for part, seen in context.executor.map(partial(_observe, watch), chunks(samples, CHUNK)):
        total = [_joined(a, b) for a, b in zip(total, part, strict=True)] if total else part
        count += seen
        context.progress.advance(seen)
    if not count:
        raise no_samples()
    found = (ChannelStatistics(s.low, s.high, s.power / count) for s in total)
    return MappingProxyType(dict(zip([*fed, *run], found, strict=True)))


def _joined(a: ChannelStatistics, b: ChannelStatistics) -> ChannelStatistics:
    return ChannelStatistics(
        np.minimum(a.low, b.low), np.maximum(a.high, b.high), a.power + b.power
    )


def _observe(watch: _Watch, samples: Iterable[SampleDict]) -> _Sums:
    """The extremes of some samples, and the sums of their mean squares."""
    predictor = _predictor(watch.model, watch.threads)
    total: list[ChannelStatistics] = []
    count = 0
    for sample in samples:
        pairs = zip(predictor.inputs, watch.inputs, strict=True)
        outputs = predictor.predict({info.name: sample[name] for info, name in pairs})
        values = [sample[name] for name in watch.fed]
        values += [outputs[info.name] for info in predictor.outputs]
        part = [_of(value) for value in values]
        total = [_joined(a, b) for a, b in zip(total, part, strict=True)] if total else part
        count += 1
    return total, count


def _of(values: NDArray[np.float32]) -> ChannelStatistics:
    rows = values.reshape(-1, values.shape[-1] if values.ndim else 1)
    return ChannelStatistics(
        rows.min(0).astype(np.float64),
        rows.max(0).astype(np.float64),
        np.einsum("ij,ij->j", rows, rows).astype(np.float64) / len(rows),
    )


@lru_cache(maxsize=1)
def _predictor(model: bytes, threads: int) -> LiteRTPredictor:
    return LiteRTPredictor(model, threads=threads)
