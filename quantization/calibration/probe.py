"""Asking the float model itself whether images reach it as they should.

A classifier that is fed another channel order or another range than it was trained with is less
sure of each image, and tells fewer of them apart. So the same images are shown to it as they are
and changed, and two figures are compared: the mean entropy of the answers (how sure it is), and
their mutual information with the image, the entropy of the mean answer less that mean (how many
images it tells apart). Confidence alone misleads: values 100 times too large make any network sure
of one and the same class. Where neither way is clearly better, or there are no class scores, the
answer is ``undecided``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import Predictor
from quantization.types import SampleDict

Array = NDArray[np.float64]
Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]

SAMPLES = 96
"""Images that that are shown at most."""

_LEAST_SAMPLES = 16
_RESAMPLES = 400
_SURE = 0.975
_GAIN = 1.1
_APART = 0.1
_CONSTANT = 0.01

RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"0 … 1": (0.0, 1.0), "−1 … 1": (-1.0, 1.0), "0 … 255": (0.0, 255.0)}
)
"""Ranges in which images are commonly given."""


@dataclass(frozen=True)
class Probe:
    """What the model made of its images.

    Attributes:
        verdict: ``fits``, ``swapped`` (channels), ``range`` or ``undecided``.
        better: the range of :data:`RANGES` that the model would rather have; "" unless ``range``.
        confidence: mean score of the first class, for the images as they are and as they should be.
        reason: why it is undecided.
    """

    verdict: Literal["fits", "swapped", "range", "undecided"]
    better: str = ""
    confidence: tuple[float, float] = (0.0, 0.0)
    reason: str = ""


def probe(predictor: Predictor, samples: Sequence[SampleDict], image: str) -> Probe:
    """Shows the model its images as they are, with swapped channels, and in other ranges.

    Args:
        predictor: the float model.
        samples: spread over the set; :data:`SAMPLES` are enough.
        image: name of an input (1, height, width, 3).

    Raises:
        DataError: a sample does not fit the model.
        ModelError: the model does not run.
    """
    if len(samples) < _LEAST_SAMPLES:
        return Probe("undecided", reason=f"{len(samples)} images, {_LEAST_SAMPLES} are needed")
    given = answers(predictor, samples, image, _as_it_is)
    if given is None:
        return Probe("undecided", reason="the model gives no class scores")
    swapped = answers(predictor, samples, image, _swapped)
    better: dict[tuple[Literal["swapped", "range"], str], Array] = {}
    if swapped is not None and _dominates(swapped, given):
        better["swapped", ""] = swapped
    present = range_of([sample[image] for sample in samples])
    for name in RANGES if present else ():
        if name == present:
            continue
        changed = answers(predictor, samples, image, _rescaled(RANGES[present], RANGES[name]))
        if changed is not None and _fits_better(present, name, given, changed):
            better["range", name] = changed
    if better:
        # The range first: what a model says of the channels means little in a wrong one.
        found = max(better, key=lambda key: (key[0] == "range", _told_apart(better[key])))
        return Probe(*found, confidence=(_confidence(given), _confidence(better[found])))
    if swapped is not None and _dominates(given, swapped):
        return Probe("fits", confidence=(_confidence(given), _confidence(given)))
    return Probe("undecided", reason="the model is as sure of the images with swapped channels")


def range_of(images: Sequence[NDArray[np.float32]]) -> str:
    """The name in :data:`RANGES` of the range that images are in; "" for none of them.

    >>> range_of([np.array([0.0, 1.0], np.float32)]), range_of([np.array([-3.0], np.float32)])
    ('0 … 1', '')
    """
    low = min(float(image.min()) for image in images)
    high = max(float(image.max()) for image in images)
    if low >= 0.0 and high <= 1.001:
        return "0 … 1"
    if low >= -1.001 and high <= 1.001:
        return "−1 … 1"
    if low >= 0.0 and 16.0 < high <= 255.5:
        return "0 … 255"
    return ""


def answers(
    predictor: Predictor, samples: Sequence[SampleDict], image: str, change: Change
) -> Array | None:
    """Class scores of changed images, (samples, classes), or None where the model gives none.

    One output (1, classes) that is never negative and adds up to 1, or one score between 0 and 1
    that is taken as one of two classes.
    """
    rows = []
    for sample in samples:
        changed = np.ascontiguousarray(change(np.asarray(sample[image])), np.float32)
        outputs = list(predictor.predict({**sample, image: changed}).values())
        if len(outputs) != 1 or outputs[0].ndim != 2:
            return None
        rows.append(np.asarray(outputs[0][0], np.float64))
    scores = np.array(rows)
    if not np.isfinite(scores).all() or scores.min() < 0.0 or scores.max() > 1.0 + 1e-3:
        return None
    if scores.shape[1] == 1:
        return np.concatenate([scores, 1.0 - scores], axis=1)
    return scores if np.abs(scores.sum(axis=1) - 1.0).max() < 1e-2 else None


def _as_it_is(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return image


def _swapped(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return image[..., ::-1]


def _rescaled(present: tuple[float, float], wanted: tuple[float, float]) -> Change:
    scale = np.float32((wanted[1] - wanted[0]) / (present[1] - present[0]))
    offset = np.float32(wanted[0] - present[0] * float(scale))
    return lambda image: image * scale + offset


def _confidence(scores: Array) -> float:
    return float(scores.max(axis=1).mean())


def _told_apart(scores: Array) -> float:
    return float(_figures(scores, np.full((1, len(scores)), 1 / len(scores)))[1][0])


def _figures(scores: Array, weights: Array) -> tuple[Array, Array]:
    """Mean entropy and mutual information, nats, for each row of weights over the samples."""
    entropies = _entropy(scores)
    mean = weights @ entropies
    return mean, _entropy(weights @ scores) - mean


def _entropy(scores: Array) -> Array:
    return -np.sum(scores * np.log(np.maximum(scores, 1e-12)), axis=-1)


def _weights(count: int) -> Array:
    """Rows that average over all samples (the first), and over resamples with replacement."""
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    return np.concatenate([np.full((1, count), 1 / count), drawn / count])


def _dominates(better: Array, worse: Array) -> bool:
    """Surer of each image and telling more of them apart, by a margin and in every resample."""
    weights = _weights(len(better))
    sure, apart = _figures(better, weights)
    other_sure, other_apart = _figures(worse, weights)
    wins = (sure < other_sure) & (apart > other_apart)
    return bool(
        np.mean(wins) >= _SURE
        and sure[0] * _GAIN < other_sure[0]
        and apart[0] > other_apart[0] * _GAIN
    )


def _fits_better(present: str, name: str, given: Array, changed: Array) -> bool:
    """Whether another range fits better; what is compared depends on which way it scales.

    Between 0 … 1 and −1 … 1 the factor is 2 and the figures decide. Values that are 100 times too
    large make any model sure, so sureness says nothing there. But a model made for 0 … 255 cannot
    tell images apart that differ by less than one, and one made for less can.
    """
    apart = _told_apart(changed) > _APART * np.log(changed.shape[1])
    if present == "0 … 255":
        return bool(apart)
    if name == "0 … 255":
        return bool(apart and _spread(given) < _CONSTANT)
    return _dominates(changed, given)


def _spread(scores: Array) -> float:
    """How much the answers differ: mean total variation from the mean answer, 0 to 1."""
    return float(np.abs(scores - scores.mean(axis=0)).sum(axis=1).mean() / 2)
