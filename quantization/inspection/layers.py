"""Where the error comes from: each int8 op's output against the float model's, on real samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import QuantizationError
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType, TfModel, TfOperator, TfTensor
from edgecnn.core.tflite.reader import read_model
from quantization.types import LayerError, SampleDict

LIMIT_DB = 120.0
_QUANTIZED = frozenset({DType.INT8, DType.UINT8, DType.INT16})
_CROSSINGS = frozenset({"QUANTIZE", "DEQUANTIZE"})


@dataclass(frozen=True)
class LayerPair:
    """An int8 op and the float tensor that its output stands for."""

    op: TfOperator
    name: str
    quantized: TfTensor
    reference: TfTensor


def inspect_layers(
    float_model: bytes,
    int8_model: bytes,
    samples: Sequence[SampleDict],
    progress: Progress | None = None,
) -> tuple[LayerError, ...]:
    """Per-op error of the int8 file against the float file, worst signal-to-noise ratio first.

    Both run on LiteRT's optimised kernels without delegates, which keep every tensor; they differ
    from the reference kernels by 1 LSB in places, far below the errors that matter here. Each
    model gets its own inputs from the same real values, so errors add up along the network.

    Args:
        float_model: the float .tflite.
        int8_model: the quantized .tflite of the same model.
        samples: real values, {input name: float32 (1, …)}.
        progress: one step per sample.

    Raises:
        QuantizationError: no samples, or the two files have no op in common.
        ModelError: a file does not run.
    """
    progress = progress or SilentProgress()
    pairs = match_layers(read_model(float_model), read_model(int8_model))
    if not samples or not pairs:
        what = "samples" if not samples else "ops that are in both files"
        raise QuantizationError(
            f"layers cannot be compared: there are no {what}",
            hint="give the float and the int8 file of one model, and at least one sample",
        )
    left = LiteRTPredictor(float_model, resolver="builtin", preserve_all=True)
    right = LiteRTPredictor(int8_model, resolver="builtin", preserve_all=True)
    sums = np.zeros((len(pairs), 4))
    progress.stage("compare layers", len(samples))
    for sample in samples:
        left.predict({i.name: i.quantize(sample[i.name]) for i in left.inputs})
        right.predict({i.name: i.quantize(sample[i.name]) for i in right.inputs})
        for row, pair in enumerate(pairs):
            real = left.tensor(pair.reference.index).astype(np.float64)
            sums[row] += _sums(real, _real(pair.quantized, right.tensor(pair.quantized.index)))
        progress.advance()
    errors = [_error(pair, row) for pair, row in zip(pairs, sums, strict=True)]
    return tuple(sorted(errors, key=lambda error: (error.sqnr_db, error.index)))


def match_layers(float_model: TfModel, int8_model: TfModel) -> tuple[LayerPair, ...]:
    """Pairs each int8 op with the float op it came from.

    By the name of the output tensor; where the quantizer gave it a new name, by being the next op
    of that kind and shape which no name claimed. Ops that only one file has (QUANTIZE) stay out.
    """
    float_graph, int8_graph = float_model.main, int8_model.main
    by_name = {float_graph.op_name(op): op for op in float_graph.operators if op.outputs}
    names = {int8_graph.op_name(op) for op in int8_graph.operators}
    spare = [op for op in float_graph.operators if float_graph.op_name(op) not in names]
    pairs = []
    for op in int8_graph.operators:
        if not op.outputs or op.code in _CROSSINGS:
            continue
        name = int8_graph.op_name(op)
        quantized = int8_graph.tensors[op.outputs[0]]
        if quantized.dtype not in _QUANTIZED or quantized.quantization is None:
            continue
        found = by_name.get(name)
        if found is None:
            same = (o for o in spare if _alike(float_graph.tensors, o, op.code, quantized))
            found = next(same, None)
            if found is not None:
                spare.remove(found)
        if found is None:
            continue
        reference = float_graph.tensors[found.outputs[0]]
        if reference.shape == quantized.shape:
            pairs.append(LayerPair(op, name, quantized, reference))
    return tuple(pairs)


def sqnr_db(signal: float, noise: float) -> float:
    """10·log10(signal / noise), both sums of squares, clipped to ±120 dB (no noise: 120).

    >>> sqnr_db(100.0, 1.0), sqnr_db(1.0, 0.0)
    (20.0, 120.0)
    """
    if noise <= 0:
        return LIMIT_DB
    if signal <= 0:
        return -LIMIT_DB
    return max(-LIMIT_DB, min(LIMIT_DB, 10 * math.log10(signal / noise)))


def _alike(tensors: Sequence[TfTensor], candidate: TfOperator, code: str, output: TfTensor) -> bool:
    return candidate.code == code and tensors[candidate.outputs[0]].shape == output.shape


def _real(tensor: TfTensor, raw: NDArray[Any]) -> NDArray[np.float64]:
    quantization = tensor.quantization
    if quantization is None:
        return raw.astype(np.float64)
    return (raw.astype(np.float64) - quantization.zero_point[0]) * quantization.scale[0]


def _sums(real: NDArray[np.float64], restored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ float², Σ (float − int8)², Σ float·int8, Σ int8²."""
    a, b = real.ravel(), restored.ravel()
    noise = a - b
    return np.array([a @ a, noise @ noise, a @ b, b @ b])


def _error(pair: LayerPair, sums: NDArray[np.float64]) -> LayerError:
    signal, noise, dot, power = (float(value) for value in sums)
    if not math.isfinite(signal + noise):  # the float model gave NaN or infinity
        return LayerError(pair.op.index, pair.op.display_code, pair.name, -LIMIT_DB, 0.0)
    norm = math.sqrt(signal * power)
    if norm > 0:
        cosine = max(-1.0, min(1.0, dot / norm))
    else:  # one of them is zero everywhere: alike only if both are
        cosine = 1.0 if signal == power else 0.0
    return LayerError(
        pair.op.index, pair.op.display_code, pair.name, sqnr_db(signal, noise), cosine
    )
