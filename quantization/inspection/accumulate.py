"""Running sums over one tensor's values, and the figures that they give."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import TfTensor
from quantization.calibration.histogram import Accumulator, Scratch
from quantization.inspection.distributions import Bins, shown
from quantization.inspection.pairing import is_coded

LIMIT_DB = 120.0
_CODE_BINS = 256
# Share of the values that ``bulk`` leaves out.
_TAIL = 0.001


@dataclass(frozen=True)
class Values:
    """Real values of a tensor over all samples; channels are the last axis.

    Attributes:
        low, high: the smallest and the largest.
        channel_low, channel_high: float64 (channels,).
        mean_square: float64 (channels,).
        per_channel: values per channel and sample.
        bulk: largest absolute value without the outer 0.1 %.
        real: how the float model's values are spread; None without one.
        own: how what the inspected model makes is spread.
    """

    low: float
    high: float
    channel_low: NDArray[np.float64]
    channel_high: NDArray[np.float64]
    mean_square: NDArray[np.float64]
    per_channel: int
    bulk: float
    real: Bins | None
    own: Bins | None

    @property
    def channel_ranges(self) -> NDArray[np.float64]:
        """float64 (channels,): the largest absolute value."""
        return np.maximum(np.abs(self.channel_low), np.abs(self.channel_high))


@dataclass(frozen=True)
class Coding:
    """How a quantized tensor's codes were used.

    Attributes:
        scale, zero_point: real = scale · (code − zero_point).
        low, high: the real values that the codes reach.
        levels: how many codes there are.
        used: how many of them came (int16: from the smallest to the largest that came).
        at_low, at_high: share of values at the smallest and the largest code.
        clipped: share of the float values that lie more than one step outside; None without them.
        clip_db: SQNR that the clipping alone leaves; None without float values.
    """

    scale: float
    zero_point: int
    low: float
    high: float
    levels: int
    used: int
    at_low: float
    at_high: float
    clipped: float | None
    clip_db: float | None


@dataclass(frozen=True)
class Errors:
    """Difference of two tensors over all samples.

    Attributes:
        sqnr_db: 10·log10(Σ want² / Σ (want − got)²), clipped to ±120 dB.
        cosine: of both, in [−1, 1].
        channel_db: float64 (channels,); NaN where a channel has no signal.
        shift: mean of got − want, over the root of the mean of want².
        bias_share: share of the noise that is a constant shift of whole channels, 0 to 1.
        noise: Σ (want − got)² / number of values.
    """

    sqnr_db: float
    cosine: float
    channel_db: NDArray[np.float64] = field(compare=False)
    shift: float = 0.0
    bias_share: float = 0.0
    noise: float = 0.0


def sqnr_db(signal: float, noise: float) -> float:
    """10·log10(signal / noise), both sums of squares, clipped to ±120 dB (no noise: 120).

    >>> sqnr_db(100.0, 1.0), sqnr_db(1.0, 0.0)
    (20.0, 120.0)
    """
    if not math.isfinite(signal + noise):
        return -LIMIT_DB
    if noise <= 0:
        return LIMIT_DB
    if signal <= 0:
        return -LIMIT_DB
    return max(-LIMIT_DB, min(LIMIT_DB, 10 * math.log10(signal / noise)))


class Sums:
    """Sums per channel that :class:`Errors` needs."""

    def __init__(self, channels: int) -> None:
        self.channels = max(1, channels)
        self._rows = np.zeros((5, self.channels))
        self._count = 0

    def add(self, want: NDArray[np.float64], got: NDArray[np.float64]) -> None:
        """Adds (values, channels) arrays."""
        noise = got - want
        for row, (a, b) in enumerate(
            ((want, want), (noise, noise), (want, got), (got, got))
        ):  # fmt: skip
            self._rows[row] += np.einsum("ij,ij->j", a, b)
        self._rows[4] += noise.sum(axis=0)
        self._count += len(want)

    def result(self) -> Errors | None:
        """None where nothing was added."""
        if not self._count:
            return None
        signal, noise, dot, power, shift = self._rows
        total, lost = float(signal.sum()), float(noise.sum())
        norm = math.sqrt(total * float(power.sum()))
        if not math.isfinite(total + lost):  # NaN or infinity in a model
            return Errors(-LIMIT_DB, 0.0, np.full(len(signal), np.nan))
        if norm > 0:
            cosine = max(-1.0, min(1.0, float(dot.sum()) / norm))
        else:  # one of them is zero everywhere: alike only if both are
            cosine = 1.0 if total == float(power.sum()) else 0.0
        values = self._count * len(signal)
        root = math.sqrt(total / values)
        bias = float((shift * shift).sum()) / self._count
        return Errors(
            sqnr_db(total, lost),
            cosine,
            decibels(signal, noise),
            float(shift.sum()) / values / root if root else 0.0,
            min(1.0, bias / lost) if lost > 0 else 0.0,
            lost / values,
        )


def decibels(
    signal: NDArray[np.float64], noise: NDArray[np.float64], limit: float = LIMIT_DB
) -> NDArray[np.float64]:
    """10·log10(signal / noise), clipped to ±``limit``; NaN where there is no signal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 10 * np.log10(signal / noise)
    found = np.where(noise <= 0, limit, found)
    return np.where(signal <= 0, np.nan, np.clip(found, -limit, limit))


class Layer:
    """Everything that is counted about one tensor.

    Args:
        tensor: of the inspected model.
        scratch: buffers for counting, shared by all layers.
    """

    def __init__(self, tensor: TfTensor, scratch: Scratch) -> None:
        self._quantization = tensor.quantization if is_coded(tensor) else None
        self._limits = np.iinfo(tensor.dtype.value) if self._quantization else None
        self._channels = tensor.shape[-1] if tensor.shape else 1
        self._total, self._added = Sums(self._channels), Sums(self._channels)
        self._spread = Accumulator(scratch)  # of the float model, or of float values
        self._spread_own = Accumulator(scratch)
        self._has_real = False
        self._low = np.full(self._channels, np.inf)
        self._high = np.full(self._channels, -np.inf)
        self._squares = np.zeros(self._channels)
        self._codes = np.zeros(_CODE_BINS, np.int64)
        self._span = [2**31, -(2**31)]
        self._ends = np.zeros(2, np.int64)
        self._clip = np.zeros(3)  # values outside, Σ of their squared excess, Σ of all squares
        self._count = self._per_channel = 0

    def add(
        self, real: NDArray[Any] | None, raw: NDArray[Any], expected: NDArray[Any] | None
    ) -> None:
        """Counts one sample.

        Args:
            real: the float model's value; None without one.
            raw: the inspected model's value, as stored.
            expected: what the layer alone should have given; None where unknown.
        """
        got = self._rows(self._decoded(raw))
        want = got if real is None else self._rows(real)
        if not want.size:
            return
        self._count += got.size
        self._per_channel = len(got)
        self._low = np.minimum(self._low, want.min(axis=0))
        self._high = np.maximum(self._high, want.max(axis=0))
        self._squares += np.einsum("ij,ij->j", want, want)
        if self._quantization is None:
            _count(self._spread_own, got)
        else:
            self._count_codes(raw)
        if real is not None:
            self._has_real = True
            _count(self._spread, want)
            self._total.add(want, got)
            self._count_clipped(want)
        if expected is not None:
            self._added.add(self._rows(expected), got)

    def values(self) -> Values:
        """The real values."""
        each = max(1, self._count // max(1, self._channels))
        own = self._own_bins()
        return Values(
            float(self._low.min(initial=math.inf)),
            float(self._high.max(initial=-math.inf)),
            self._low,
            self._high,
            self._squares / each,
            self._per_channel,
            self._bulk(own),
            shown(self._spread.histogram()) if self._has_real else None,
            own,
        )

    def coding(self) -> Coding | None:
        """The codes; None for float tensors."""
        found, limits = self._quantization, self._limits
        if found is None or limits is None or not self._count:
            return None
        scale, zero = found.scale[0], found.zero_point[0]
        levels = int(limits.max) - int(limits.min) + 1
        wide = levels > _CODE_BINS
        outside, excess, squares = (float(value) for value in self._clip)
        known = squares > 0 or outside > 0
        return Coding(
            scale,
            zero,
            (int(limits.min) - zero) * scale,
            (int(limits.max) - zero) * scale,
            levels,
            self._span[1] - self._span[0] + 1 if wide else int(np.count_nonzero(self._codes)),
            float(self._ends[0]) / self._count,
            float(self._ends[1]) / self._count,
            outside / self._count if known else None,
            sqnr_db(squares, excess) if known else None,
        )

    def total(self) -> Errors | None:
        """Against the float model."""
        return self._total.result()

    def added(self) -> Errors | None:
        """Against the float layer on the same inputs."""
        return self._added.result()

    def _rows(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(values, np.float64).reshape(-1, max(1, self._channels))

    def _decoded(self, raw: NDArray[Any]) -> NDArray[Any]:
        found = self._quantization
        if found is None:
            return raw
        return (raw.astype(np.float64) - found.zero_point[0]) * found.scale[0]

    def _count_codes(self, raw: NDArray[Any]) -> None:
        limits = self._limits
        if limits is None:
            return
        codes = raw.ravel().astype(np.int64) - int(limits.min)
        last = int(limits.max) - int(limits.min)
        self._span = [
            min(self._span[0], int(codes.min())),
            max(self._span[1], int(codes.max())),
        ]
        self._ends += [int((codes == 0).sum()), int((codes == last).sum())]
        width = (last + 1) // _CODE_BINS
        self._codes += np.bincount(codes // width, minlength=_CODE_BINS)

    def _count_clipped(self, want: NDArray[np.float64]) -> None:
        found, limits = self._quantization, self._limits
        if found is None or limits is None:
            return
        scale, zero = found.scale[0], found.zero_point[0]
        low, high = (int(limits.min) - zero) * scale, (int(limits.max) - zero) * scale
        excess = np.maximum(low - want, 0) + np.maximum(want - high, 0)
        # Up to one step is what rounding costs too; sigmoid's 1.0 lies one step above its codes.
        outside = excess > scale * (1 + 1e-9)
        self._clip += [
            float(outside.sum()),
            float((excess[outside] ** 2).sum()),
            float(np.einsum("ij,ij->", want, want)),
        ]

    def _bulk(self, own: Bins | None) -> float:
        spread = self._spread if self._has_real else self._spread_own
        found = spread.histogram() if self._has_real or self._quantization is None else own
        if found is None or not found.total:
            return 0.0
        return max(abs(found.quantile(_TAIL / 2)), abs(found.quantile(1 - _TAIL / 2)))

    def _own_bins(self) -> Bins | None:
        found, limits = self._quantization, self._limits
        if found is None or limits is None:
            return shown(self._spread_own.histogram())
        width = (int(limits.max) - int(limits.min) + 1) // _CODE_BINS
        # A code stands for the real values half a step around it.
        low = (int(limits.min) - 0.5 - found.zero_point[0]) * found.scale[0]
        high = low + width * _CODE_BINS * found.scale[0]
        return Bins(low, high, tuple(int(count) for count in self._codes))


def _count(spread: Accumulator, values: NDArray[np.float64]) -> None:
    flat = np.ascontiguousarray(values, np.float32).ravel()
    low, high = float(flat.min()), float(flat.max())
    if math.isfinite(low) and math.isfinite(high):
        spread.add(flat, low, high)
