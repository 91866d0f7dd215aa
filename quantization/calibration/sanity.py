"""Does the calibration set fit the model? Findings with numbers, from statistics and from a probe.

Nothing here stops a quantization: a set may be odd for a reason. Each finding says what was seen,
what the model expects, and what to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from quantization.calibration.probe import RANGES, SAMPLES, Probe, probe, range_of
from quantization.types import SampleDict

Interval = tuple[float, float]

_BEYOND = 0.1
_UNUSED = 0.4
_TINY = 0.05
_ENOUGH = 8
_SIGMAS = 4.0
_LEAST_SIDE = 8


@dataclass(frozen=True)
class InputStatistics:
    """What one input was given.

    Attributes:
        name: of the input.
        samples: how many.
        low, high: extremes.
        means: per channel (the last axis of images; else one value for all).
        channel_ranges: (low, high) per channel.
        contrast: mean over samples of (first channel's mean − last channel's), and its standard
            error; zeros unless there are three channels.
    """

    name: str
    samples: int
    low: float
    high: float
    means: tuple[float, ...]
    channel_ranges: tuple[Interval, ...]
    contrast: Interval = (0.0, 0.0)


@dataclass(frozen=True)
class InputFinding:
    """One way in which the samples do not fit.

    Attributes:
        rule: short stable key: ``too-few``, ``constant-input``, ``constant-channel``,
            ``input-range``, ``swapped-channels``.
        input: name of the input; "" for the set as a whole.
        got: what was seen, with numbers.
        expected: what the model expects.
        cure: what to change.
    """

    rule: str
    input: str
    got: str
    expected: str
    cure: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.got}, {self.expected}: {self.cure}"


def input_statistics(
    samples: Iterable[SampleDict], inputs: Sequence[TensorInfo]
) -> tuple[InputStatistics, ...]:
    """Statistics of each float input over a stream, in constant memory.

    Args:
        samples: checked ones.
        inputs: of the float model; inputs of other dtypes are left out.
    """
    gathered = [_Gathered(info) for info in inputs if info.dtype == "float32"]
    for sample in samples:
        for item in gathered:
            item.add(sample[item.name])
    return tuple(item.statistics() for item in gathered if item.samples)


def diagnose_inputs(
    statistics: Sequence[InputStatistics],
    *,
    wanted: int = 0,
    expected: Mapping[str, Interval] = MappingProxyType({}),
    reference: Mapping[str, InputStatistics] = MappingProxyType({}),
    probes: Mapping[str, Probe] = MappingProxyType({}),
) -> tuple[InputFinding, ...]:
    """What is odd about the samples.

    Args:
        statistics: of the samples.
        wanted: samples that the recipe asks for.
        expected: input → (low, high) that the preprocess spec or the training data give.
        reference: input → statistics of data known to be right, such as training data.
        probes: input → what the model made of its images.

    Returns:
        Findings, at most one per rule and input.
    """
    findings = []
    seen = max((item.samples for item in statistics), default=0)
    if seen < wanted:
        findings.append(
            InputFinding(
                "too-few",
                "",
                f"only {seen} calibration samples",
                f"the recipe asks for {wanted}",
                "ranges may be too narrow, give more typical samples",
            )
        )
    for item in statistics:
        constant = _constant(item)
        asked = probes.get(item.name, Probe("undecided"))
        findings += constant or [
            *_range(item, expected.get(item.name), asked),
            *_channels(item, reference.get(item.name), asked),
        ]
    return tuple(findings)


def sample_warnings(
    model: bytes,
    samples: Iterable[SampleDict],
    wanted: int,
    images: Sequence[str] = (),
    expected: Mapping[str, Interval] = MappingProxyType({}),
) -> tuple[str, ...]:
    """One line for each finding of a pass over the samples.

    Args:
        model: the float .tflite.
        samples: a pass over checked samples.
        wanted: how many the recipe asks for.
        images: inputs that hold images; with three channels they are shown to the model. Others
            are if they look like it: (1, 8 or more, 8 or more, 3).
        expected: input → (low, high), where a preprocess spec says so.

    Raises:
        DataError: a sample does not fit the model.
        ModelError: the model does not run.
    """
    predictor = LiteRTPredictor(model)
    shown = [info.name for info in predictor.inputs if _is_colour(info, images)]
    kept: list[SampleDict] = []
    stride = max(1, wanted // SAMPLES)

    def passing() -> Iterable[SampleDict]:
        for number, sample in enumerate(samples):
            if shown and number % stride == 0 and len(kept) < SAMPLES:
                kept.append(sample)
            yield sample

    statistics = input_statistics(passing(), predictor.inputs)
    probes = {name: probe(predictor, kept, name) for name in shown if kept}
    found = diagnose_inputs(statistics, wanted=wanted, expected=expected, probes=probes)
    return tuple(map(str, found))


class _Gathered:
    """Sums over the samples of one input."""

    def __init__(self, info: TensorInfo) -> None:
        self.name = info.name
        self.samples = 0
        self._channels = info.shape[-1] if len(info.shape) == 4 and info.shape[-1] <= 4 else 1
        self._low = np.full(self._channels, np.inf)
        self._high = np.full(self._channels, -np.inf)
        self._means = np.zeros(self._channels)
        self._contrast = np.zeros(2)

    def add(self, values: NDArray[np.float32]) -> None:
        rows = np.asarray(values).reshape(-1, self._channels)
        if not rows.size:
            return
        means = rows.mean(axis=0, dtype=np.float64)
        self.samples += 1
        self._low = np.minimum(self._low, rows.min(axis=0))
        self._high = np.maximum(self._high, rows.max(axis=0))
        self._means += means
        difference = means[0] - means[-1]
        self._contrast += difference, difference**2

    def statistics(self) -> InputStatistics:
        count = self.samples
        mean, square = self._contrast / count
        error = np.sqrt(max(square - mean**2, 0.0) / count)
        return InputStatistics(
            name=self.name,
            samples=count,
            low=float(self._low.min()),
            high=float(self._high.max()),
            means=tuple((self._means / count).tolist()),
            channel_ranges=tuple(zip(self._low.tolist(), self._high.tolist(), strict=True)),
            contrast=(float(mean), float(error)) if self._channels == 3 else (0.0, 0.0),
        )


def _is_colour(info: TensorInfo, images: Sequence[str]) -> bool:
    if info.dtype != "float32" or len(info.shape) != 4 or info.shape[-1] != 3:
        return False
    return info.name in images or min(info.shape[1:3]) >= _LEAST_SIDE


def _constant(item: InputStatistics) -> list[InputFinding]:
    if item.low == item.high:
        got = f"every calibration value of input '{item.name}' is {item.low:g}"
        cure = "ranges mean nothing, give real samples"
        return [InputFinding("constant-input", item.name, got, "samples differ", cure)]
    flat = [k for k, (low, high) in enumerate(item.channel_ranges) if low == high]
    if not flat:
        return []
    got = f"channel {flat[0]} of input '{item.name}' is always {item.channel_ranges[flat[0]][0]:g}"
    cure = "check how the samples are read"
    return [InputFinding("constant-channel", item.name, got, "the others differ", cure)]


def _range(item: InputStatistics, expected: Interval | None, asked: Probe) -> list[InputFinding]:
    got = f"input '{item.name}' holds {_interval((item.low, item.high))}"
    present = range_of([np.array([item.low, item.high], np.float32)])
    if expected is not None and not _within(item, expected):
        wanted = next((name for name, ends in RANGES.items() if ends == expected), "")
        text = f"the model takes {_interval(expected)}"
        return [InputFinding("input-range", item.name, got, text, _rescale(present, wanted))]
    if asked.verdict == "range" and present:
        text = f"the model tells more images apart as {asked.better}"
        return [InputFinding("input-range", item.name, got, text, _rescale(present, asked.better))]
    return []


def _within(item: InputStatistics, expected: Interval) -> bool:
    """Inside the expected range, and not in a corner of it."""
    low, high = expected
    span = high - low
    if item.low < low - _BEYOND * span or item.high > high + _BEYOND * span:
        return False
    # Among several photos some are nearly black and nearly white; recordings may all be quiet.
    unused = max(item.low - low, high - item.high)
    photos = len(item.channel_ranges) == 3 and item.samples >= _ENOUGH
    return item.high - item.low >= _TINY * span and not (photos and unused > _UNUSED * span)


def _channels(
    item: InputStatistics, reference: InputStatistics | None, asked: Probe
) -> list[InputFinding]:
    if asked.verdict == "swapped":
        before, after = (f"{100 * share:.0f} %" for share in asked.confidence)
        got = f"the channels of input '{item.name}' look swapped: mean top score {before}"
        text = f"{after} in reverse order"
    elif reference is not None and _opposed(item.contrast, reference.contrast):
        got = f"channel means of input '{item.name}' are {_numbers(item.means)}"
        text = f"in the reference data {_numbers(reference.means)}, the other way round"
    else:
        return []
    cure = "swap red and blue where the samples are read (OpenCV reads BGR, most models take RGB)"
    return [InputFinding("swapped-channels", item.name, got, text, cure)]


def _opposed(one: Interval, other: Interval) -> bool:
    """Whether both contrasts are certain, of opposite sign, and mirror each other."""
    certain = all(abs(mean) > _SIGMAS * error for mean, error in (one, other))
    mirrored = abs(one[0] + other[0]) < abs(one[0] - other[0]) / 2
    return certain and one[0] * other[0] < 0 and mirrored


def _rescale(present: str, wanted: str) -> str:
    rules = {
        ("0 … 255", "0 … 1"): "divide the samples by 255",
        ("0 … 255", "−1 … 1"): "divide the samples by 127.5 and subtract 1",
        ("0 … 1", "−1 … 1"): "multiply the samples by 2 and subtract 1",
        ("0 … 1", "0 … 255"): "multiply the samples by 255",
        ("−1 … 1", "0 … 1"): "add 1 to the samples and halve them",
        ("−1 … 1", "0 … 255"): "add 1 to the samples and multiply them by 127.5",
    }
    return rules.get((present, wanted), "preprocess the samples as in training")


def _interval(ends: Interval) -> str:
    return f"{ends[0]:.4g} … {ends[1]:.4g}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
