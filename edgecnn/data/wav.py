"""RIFF WAVE bytes to 16-bit mono samples; the bytes are never trusted.

The standard library's ``wave`` refuses float and, before Python 3.12, WAVE_FORMAT_EXTENSIBLE.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.audio import Recording
from edgecnn.core.errors import DataError

EXTENSIONS = (".wav",)
MAX_CHANNELS = 64
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FULL = 32767.0


@dataclass(frozen=True)
class _Format:
    """Of the ``fmt`` chunk: code 1 is PCM, 3 is float."""

    code: int
    channels: int
    rate_hz: int
    bits: int


def read_wav(data: bytes, name: str) -> Recording:
    """Decodes PCM of 8, 16, 24 or 32 bits and float of 32 or 64; channels are averaged.

    Narrower and wider samples are scaled to 16 bits and rounded; float ±1.0 is ±32767.

    Args:
        data: the file's bytes.
        name: for messages.

    Raises:
        DataError: no WAV, damaged, empty, or of another coding.
    """
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        _bad(name, "is no WAV file")
    form, body = _chunks(data, name)
    width = form.channels * form.bits // 8
    frames = len(body) // width
    if not frames:
        _bad(name, "holds no samples")
    values = _samples(form, body[: frames * width], name).reshape(frames, form.channels)
    if not np.isfinite(values).all():
        _bad(name, "holds NaN or infinity")
    mono = values.mean(axis=1)
    return Recording(np.clip(np.rint(mono), -32768, 32767).astype(np.int16), form.rate_hz)


def _chunks(data: bytes, name: str) -> tuple[_Format, bytes]:
    """The format and the samples' bytes; a chunk that is cut short counts as far as it goes."""
    form, place = None, 12
    while place + 8 <= len(data):
        key, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        start = place + 8
        if key == b"fmt ":
            form = _format(data[start : start + size], name)
        elif key == b"data":
            if form is None:
                _bad(name, "has its samples before their format")
            # Streams are written with a size of 0 or 0xFFFFFFFF, before it is known.
            end = len(data) if size in (0, 0xFFFFFFFF) else start + size
            return form, data[start:end]
        place = start + size + size % 2
    _bad(name, "has no samples in it")


def _format(chunk: bytes, name: str) -> _Format:
    if len(chunk) < 16:
        _bad(name, "has a damaged format chunk")
    code, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if code == _EXTENSIBLE and len(chunk) >= 26:
        (code,) = struct.unpack_from("<H", chunk, 24)
    if (code, bits) not in ((1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)):
        _bad(name, f"is coded as format {code} with {bits} bits")
    if not (1 <= channels <= MAX_CHANNELS and 1 <= rate_hz <= 768_000):
        _bad(name, f"has {channels} channels at {rate_hz} Hz")
    return _Format(code, channels, rate_hz, bits)


def _samples(form: _Format, body: bytes, name: str) -> NDArray[np.float64]:
    """Real values on the 16-bit scale, float64, interleaved."""
    if form.code == _FLOAT:
        kind = "<f4" if form.bits == 32 else "<f8"
        return np.frombuffer(body, kind).astype(np.float64) * _FULL
    if form.bits == 8:
        return (np.frombuffer(body, np.uint8).astype(np.float64) - 128.0) * 256.0
    if form.bits == 24:
        planes = np.frombuffer(body, np.uint8).reshape(-1, 3).astype(np.int32)
        whole = planes[:, 0] | planes[:, 1] << 8 | planes[:, 2] << 16
        return ((whole ^ 0x800000) - 0x800000) / 256.0
    values = np.frombuffer(body, "<i2" if form.bits == 16 else "<i4").astype(np.float64)
    return values if form.bits == 16 else values / 65536.0


def _bad(name: str, what: str) -> NoReturn:
    raise DataError(
        f"'{name}' {what}",
        hint="save it as WAV, PCM of 8, 16, 24 or 32 bits or float, without compression",
    )
