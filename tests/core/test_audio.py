"""Audio windows and resampling; scipy is the judge of the filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.audio import AudioPreprocessor, Recording, resample, window_of
from edgecnn.core.errors import BundleError, DataError
from edgecnn.core.preprocess import AudioInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo

RATES = (8000, 11025, 16000, 22050, 44100, 48000)


def sound(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0, 6000, count), -32768, 32767).astype(np.int16)


@given(st.sampled_from(RATES), st.sampled_from(RATES), st.integers(1, 3000))
def test_resampling_equals_scipy(source, target, count):
    signal = pytest.importorskip("scipy.signal")
    samples = sound(count, seed=count)
    divisor = np.gcd(source, target)
    want = signal.resample_poly(samples.astype(float), target // divisor, source // divisor)
    got = resample(samples, source, target)
    assert got.dtype == np.int16 and len(got) == len(want)
    assert np.abs(got - np.clip(np.rint(want), -32768, 32767)).max() <= 1


def test_resampling_keeps_a_tone_and_drops_what_would_alias():
    time = np.arange(48000) / 48000
    low = (10000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    high = (10000 * np.sin(2 * np.pi * 7000 * time)).astype(np.int16)
    middle = slice(500, -500)
    want = 10000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    assert np.abs(resample(low, 48000, 8000)[middle] - want[middle]).max() < 100
    assert np.abs(resample(high, 48000, 8000)[middle]).max() < 100


def test_rates_without_a_small_ratio_are_refused():
    with pytest.raises(DataError, match="44101 Hz cannot be resampled to 8000 Hz"):
        resample(sound(10), 44101, 8000)


@pytest.mark.parametrize(
    ("align", "count", "want"),
    [
        ("start", 3, [1, 2, 3, 0, 0]),
        ("start", 8, [1, 2, 3, 4, 5]),
        ("center", 3, [0, 1, 2, 3, 0]),
        ("center", 2, [0, 1, 2, 0, 0]),
        ("center", 8, [2, 3, 4, 5, 6]),
        ("center", 5, [1, 2, 3, 4, 5]),
    ],
)
def test_windows(align, count, want):
    spec = AudioInput("audio", 8000, 5, align, scale=1.0)
    audio = Recording(np.arange(1, count + 1, dtype=np.int16), 8000)
    assert window_of(spec, audio).tolist() == want


def test_level_scale_and_offset():
    spec = AudioInput("audio", 8000, 4, level="peak", scale=2 / 32767, offset=-1.0)
    audio = Recording(np.array([100, -50], np.int16), 8000)
    np.testing.assert_allclose(window_of(spec, audio), [1, -2, -1, -1])
    silence = Recording(np.zeros(2, np.int16), 8000)
    np.testing.assert_allclose(window_of(spec, silence), -1.0)


def test_the_tensor_has_the_models_shape_and_quantization():
    spec = AudioInput("audio", 8000, 4)
    audio = Recording(np.array([-32768, 0, 16384, 32767], np.int16), 8000)
    info = TensorInfo("audio", (1, 4, 1), "int8", 1 / 128, 0)
    got = AudioPreprocessor(spec, info)(audio)
    assert got.dtype == np.int8 and got.shape == (1, 4, 1)
    assert got.ravel().tolist() == [-128, 0, 64, 127]
    with pytest.raises(BundleError, match="makes 4 samples"):
        AudioPreprocessor(spec, TensorInfo("audio", (1, 5, 1), "float32"))
    with pytest.raises(DataError, match="the audio is float64"):
        window_of(spec, Recording(np.zeros(3), 8000))  # type: ignore[arg-type]


def test_the_spec_survives_json_and_refuses_nonsense():
    spec = PreprocessSpec((AudioInput("a", 16000, 16000, "center", "peak", 0.5, 0.25),))
    assert PreprocessSpec.from_json(spec.to_json()) == spec
    for key, value in (
        ("sample_rate_hz", 0), ("samples", 0), ("samples", 1.5), ("align", "end"), ("level", "x"),
        ("scale", float("nan")), ("offset", "x"), ("name", 3),
    ):  # fmt: skip
        data = spec.to_json()
        data["inputs"][0][key] = value
        with pytest.raises(BundleError, match=key):
            PreprocessSpec.from_json(data)
