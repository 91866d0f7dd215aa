"""Spoken digits as the MFCC features of the keyword spotting model of MLPerf Tiny."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.spoken_digits import Clips
from quantization.tensorflow_import import import_tensorflow

RATE = 16_000
FRAME, STEP = 480, 320
MEL_BINS, COEFFICIENTS = 40, 10
LOWEST_HZ, HIGHEST_HZ = 20.0, 4000.0


def features(clips: Clips) -> NDArray[np.float32]:
    """(n, 8000, 1) at 8 kHz → (n, 49, 10, 1), as that model was trained on.

    One second at 16 kHz (interpolated: nothing above 4 kHz is used), windows of 30 ms every 20 ms,
    40 mel bands, the first ten cepstral coefficients.
    """
    signal = import_tensorflow().signal
    source = np.arange(clips.audio.shape[1]) * 2
    wide = np.stack([np.interp(np.arange(RATE), source, row[:, 0]) for row in clips.audio])
    spectrum = abs(signal.stft(wide.astype(np.float32), FRAME, STEP).numpy())
    bands = signal.linear_to_mel_weight_matrix(
        MEL_BINS, spectrum.shape[-1], RATE, LOWEST_HZ, HIGHEST_HZ
    ).numpy()
    mel = np.log(spectrum @ bands + 1e-6)
    coefficients = signal.mfccs_from_log_mel_spectrograms(mel).numpy()[..., :COEFFICIENTS]
    return coefficients[..., None].astype(np.float32)
