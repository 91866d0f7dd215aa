"""Calibration samples: checked one by one as they go by, and chosen evenly over the classes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError
from edgecnn.core.runtime import TensorInfo
from quantization.types import Calibration

_HINT = "calibration must give {input name: float32 array (1, …)} of preprocessed real values"


def check_sample(sample: Any, inputs: Sequence[TensorInfo], number: int) -> list[NDArray[Any]]:
    """The sample's arrays in the order of ``inputs``.

    Args:
        sample: {input name: float32 (1, …)}.
        inputs: what the float model takes.
        number: for messages, counted from 0.

    Raises:
        DataError: missing or unknown inputs, wrong shape or dtype, NaN or infinity.
    """
    where = f"calibration sample {number}"
    if not isinstance(sample, Mapping):
        raise DataError(f"{where} is a {type(sample).__name__}, expected a dict", hint=_HINT)
    names = [info.name for info in inputs]
    if sorted(sample) != sorted(names):
        raise DataError(
            f"{where} has inputs {sorted(sample)}, the model takes {sorted(names)}", hint=_HINT
        )
    arrays = []
    for info in inputs:
        array = np.asarray(sample[info.name])
        if array.dtype != np.dtype(info.dtype):
            raise DataError(
                f"{where}: input '{info.name}' has dtype {array.dtype}, expected {info.dtype}",
                hint=_HINT,
            )
        if array.shape != info.shape:
            raise DataError(
                f"{where}: input '{info.name}' has shape {array.shape}, expected {info.shape}",
                hint=_HINT,
            )
        if not np.isfinite(array).all():
            raise DataError(
                f"{where}: input '{info.name}' holds NaN or infinity",
                hint="remove the sample or fix its preprocessing",
            )
        arrays.append(np.ascontiguousarray(array))
    return arrays


def checked(
    calibration: Calibration, inputs: Sequence[TensorInfo], limit: int
) -> Iterator[dict[str, NDArray[Any]]]:
    """One pass over at most ``limit`` samples, each checked when it is taken.

    Args:
        calibration: starts the pass.
        inputs: what the float model takes.
        limit: samples at most.

    Yields:
        {input name: float32 (1, …), contiguous}, in the model's order.

    Raises:
        DataError: a sample cannot be used, or there is none; while iterating.
    """
    number = -1
    for number, sample in enumerate(islice(calibration(), limit)):
        arrays = check_sample(sample, inputs, number)
        yield {info.name: array for info, array in zip(inputs, arrays, strict=True)}
    if number < 0:
        raise no_samples()


def first_samples(
    calibration: Calibration, inputs: Sequence[TensorInfo], count: int
) -> list[dict[str, NDArray[Any]]]:
    """The first ``count`` samples, checked.

    Raises:
        DataError: a sample cannot be used, or there is none.
    """
    return list(checked(calibration, inputs, count))


def balanced(labels: Sequence[Hashable], count: int, seed: int) -> tuple[int, ...]:
    """Positions of ``count`` samples spread evenly over the classes.

    The classes take turns, each giving its samples in an order drawn by ``seed``; a class that
    has no more is passed over. So the counts of two classes differ by more than one only where
    the smaller one has run out, and a prefix of the result is balanced as well.

    Args:
        labels: of all samples; any values that compare equal within a class.
        count: how many are wanted; all samples where there are not more.
        seed: of the order.

    >>> balanced(["cat", "cat", "cat", "cat", "owl"], 3, seed=1)
    (0, 4, 1)
    """
    members: dict[Hashable, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    rng = np.random.default_rng(seed)
    queues = [[rows[k] for k in rng.permutation(len(rows))] for rows in members.values()]
    longest = max((len(queue) for queue in queues), default=0)
    turns = (queue[turn] for turn in range(longest) for queue in queues if turn < len(queue))
    return tuple(islice(turns, max(count, 0)))


def no_samples() -> DataError:
    """The error of an empty set."""
    return DataError(
        "calibration gave no samples", hint="give at least one; 100 to 500 typical ones are best"
    )
