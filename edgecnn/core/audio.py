"""Recordings to tensors: what :mod:`edgecnn.core.preprocess`'s audio spec says, done.

The order is fixed, on 16-bit samples, which is what microphones give: mono, resample, cut, level,
pad with silence (zeros), scale. With ``center``, (n − samples)//2 samples are cut from the left of
a long recording and (samples − n)//2 zeros stand left of a short one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import BundleError, DataError
from edgecnn.core.preprocess import AudioInput
from edgecnn.core.runtime import TensorInfo

MAX_FACTOR = 4096
_TAPS = 10  # zero crossings of the filter on each side, at the lower rate
_BETA = 5.0
_FULL = 32767

Audio = NDArray[np.int16]


@dataclass(frozen=True)
class Recording:
    """Mono audio.

    Attributes:
        samples: int16 (n,).
        rate_hz: samples per second.
    """

    samples: Audio
    rate_hz: int

    def at(self, rate_hz: int) -> Recording:
        """The same sound at another rate.

        Raises:
            DataError: the two rates have no ratio of small numbers.
        """
        if rate_hz == self.rate_hz:
            return self
        return Recording(resample(self.samples, self.rate_hz, rate_hz), rate_hz)


class AudioPreprocessor:
    """Recordings → the model's input.

    Args:
        spec: the input's audio spec.
        tensor: the model's input; its quantization is applied.

    Raises:
        BundleError: the tensor does not hold the spec's number of samples.
    """

    def __init__(self, spec: AudioInput, tensor: TensorInfo) -> None:
        size = int(np.prod(tensor.shape, dtype=np.int64))
        if size != spec.samples or tensor.shape[:1] != (1,):
            raise BundleError(
                f"the preprocess spec of '{spec.name}' makes {spec.samples} samples,"
                f" the model's input '{tensor.name}' is {list(tensor.shape)}",
                hint="use the preprocess spec that was made for this model",
            )
        self._spec = spec
        self._tensor = tensor

    def __call__(self, recording: Recording) -> NDArray[Any]:
        """One window as a tensor of the model's shape and dtype.

        Raises:
            DataError: not int16 mono, or of a rate that cannot be resampled.
        """
        real = window_of(self._spec, recording)
        return self._tensor.quantize(real).reshape(self._tensor.shape)


def window_of(spec: AudioInput, recording: Recording) -> NDArray[np.float64]:
    """The spec's window of a recording as real values, float64 (samples,).

    Raises:
        DataError: not int16 mono, or of a rate that cannot be resampled.
    """
    if recording.samples.ndim != 1 or recording.samples.dtype != np.int16:
        raise DataError(
            f"the audio is {recording.samples.dtype} {list(recording.samples.shape)}",
            hint="pass int16 (n,) mono samples",
        )
    audio = recording.at(spec.sample_rate_hz).samples
    spare = spec.samples - len(audio)
    centered = spec.align == "center"
    first = -spare // 2 if centered and spare < 0 else 0
    place = spare // 2 if centered and spare > 0 else 0
    part = audio[first : first + spec.samples].astype(np.float64)
    if spec.level == "peak":
        part *= _FULL / max(float(np.abs(part).max(initial=0.0)), 1.0)
    window = np.zeros(spec.samples, np.float64)
    window[place : place + len(part)] = part
    return window * spec.scale + spec.offset


def resample(samples: Audio, from_hz: int, to_hz: int) -> Audio:
    """Audio at another rate, by a polyphase windowed-sinc filter.

    The low-pass is a sinc of 10 zero crossings a side under a Kaiser window (β = 5), at the lower
    of both Nyquist rates: Crochiere and Rabiner, Multirate Digital Signal Processing, 1983.

    Args:
        samples: int16 (n,).
        from_hz: their rate.
        to_hz: the rate wanted.

    Returns:
        int16 (⌈n · to / from⌉,), rounded and clipped.

    Raises:
        DataError: the ratio's numbers are above 4096, so that the filter would be huge.
    """
    divisor = gcd(from_hz, to_hz)
    up, down = to_hz // divisor, from_hz // divisor
    if max(up, down) > MAX_FACTOR:
        raise DataError(
            f"audio of {from_hz} Hz cannot be resampled to {to_hz} Hz",
            hint="convert the recordings to the model's rate first",
        )
    length = -(-len(samples) * up // down)
    if not len(samples):
        return np.zeros(0, np.int16)
    taps = _filter(up, down)
    half = (len(taps) - 1) // 2
    # Output m lies at m·down on the upsampled grid; of that only every up-th value is not zero.
    # The zeros on both sides are what the filter meets beyond the ends.
    reach = len(taps) // up + 1
    padded = np.pad(samples.astype(np.float64), (reach, reach))
    out = np.empty(length, np.float64)
    for phase in range(min(up, length)):
        places = np.arange(phase, length, up, dtype=np.int64) * down + half
        row = taps[places[0] % up :: up]
        newest = places // up + reach
        total = np.zeros(len(places), np.float64)
        for age, tap in enumerate(row):
            total += tap * padded[newest - age]
        out[phase::up] = total
    return np.clip(np.rint(out), -_FULL - 1, _FULL).astype(np.int16)


@lru_cache(maxsize=8)
def _filter(up: int, down: int) -> NDArray[np.float64]:
    """Low-pass taps, float64 (2·10·max(up, down) + 1,); their sum is ``up``."""
    widest = max(up, down)
    half = _TAPS * widest
    time = np.arange(-half, half + 1) / widest
    taps = np.sinc(time) * np.kaiser(2 * half + 1, _BETA)
    return np.asarray(taps * (up / taps.sum()))
