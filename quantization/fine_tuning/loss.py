"""How far the student's outputs are from the teacher's, in TensorFlow and in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import TfSubgraph
from quantization.graph.edit import consumers

TEMPERATURE = 2.0
_TINY = 1e-12


def is_logits(graph: TfSubgraph, tensor: int) -> bool:
    """Whether a SOFTMAX reads the tensor."""
    return any(op.code == "SOFTMAX" for op in consumers(graph).get(tensor, ()))


def loss(flow: Any, student: Sequence[Any], teacher: Sequence[Any], logits: Sequence[bool]) -> Any:
    """The sum over outputs, per sample averaged.

    Logits: the Kullback-Leibler divergence of the softened distributions, T² · KL (Hinton et al.
    2015, arXiv 1503.02531, section 2). Everything else: squared error over the teacher's power.
    """
    total = 0.0
    for left, right, soft in zip(student, teacher, logits, strict=True):
        if soft:
            share = flow.nn.softmax(right / TEMPERATURE)
            gap = flow.nn.log_softmax(right / TEMPERATURE) - flow.nn.log_softmax(left / TEMPERATURE)
            total += TEMPERATURE**2 * flow.reduce_mean(flow.reduce_sum(share * gap, -1))
        else:
            power = flow.reduce_mean(flow.square(right)) + _TINY
            total += flow.reduce_mean(flow.square(left - right)) / power
    return total


def mean_loss(
    student: Sequence[Sequence[NDArray[Any]]],
    teacher: Sequence[Sequence[NDArray[Any]]],
    logits: Sequence[bool],
) -> float:
    """The same over lists of samples, each a list of arrays (1, …)."""
    total = 0.0
    for k, soft in enumerate(logits):
        left = np.concatenate([row[k] for row in student]).astype(np.float64)
        right = np.concatenate([row[k] for row in teacher]).astype(np.float64)
        if soft:
            a, b = _log_softmax(right / TEMPERATURE), _log_softmax(left / TEMPERATURE)
            total += TEMPERATURE**2 * float((np.exp(a) * (a - b)).sum(-1).mean())
        else:
            power = float(np.square(right).mean()) + _TINY
            total += float(np.square(left - right).mean()) / power
    return total


def _log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = values - values.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))
