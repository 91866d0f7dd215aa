"""Recordings: the reader against the standard library's, and what names and folders tell."""

from __future__ import annotations

import contextlib
import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.errors import DataError, UnknownNameError
from edgecnn.data.table import evaluation_split, load_dataset, load_unlabelled, split_record
from edgecnn.data.wav import read_wav
from tests.data.pictures import write_tar
from tests.data.sounds import wav
from tests.run import shared

RAMP = np.arange(-1000, 1000, 7, dtype=np.int16)


@pytest.mark.parametrize("channels", [1, 2])
def test_equals_the_standard_library(channels):
    stream = io.BytesIO()
    frames = np.stack([RAMP] * channels, axis=1)
    with wave.open(stream, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(22050)
        out.writeframes(frames.astype("<i2").tobytes())
    got = read_wav(stream.getvalue(), "x.wav")
    assert got.rate_hz == 22050 and got.samples.dtype == np.int16
    np.testing.assert_array_equal(got.samples, RAMP)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ((RAMP >> 8) + 128, {"bits": 8}),
        (RAMP.astype(np.int64) << 8, {"bits": 24}),
        (RAMP.astype(np.int64) << 16, {"bits": 32}),
        (RAMP / 32767, {"bits": 32, "code": 3}),
        (RAMP / 32767, {"bits": 64, "code": 3}),
        (RAMP, {"extensible": True}),
        (RAMP, {"before": b"LIST" + struct.pack("<I", 3) + b"abc\0"}),
    ],
)
def test_every_coding_is_the_same_sound(values, options):
    got = read_wav(wav(np.asarray(values), **options), "x.wav").samples
    want = (RAMP >> 8) << 8 if options.get("bits") == 8 else RAMP
    np.testing.assert_array_equal(got, want)


def test_channels_are_averaged_and_peaks_clipped():
    both = np.stack([RAMP, -RAMP], axis=1)
    assert not read_wav(wav(both), "x.wav").samples.any()
    loud = read_wav(wav(np.array([3.0, -3.0]), bits=32, code=3), "x.wav").samples
    assert loud.tolist() == [32767, -32768]


BROKEN = {
    "no wav": (b"hello", "is no WAV"),
    "no data": (wav(RAMP)[:36], "has no samples"),
    "empty": (wav(RAMP[:0]), "holds no samples"),
    "mp3 in wav": (wav(RAMP, code=1)[:20] + b"\x55\0" + wav(RAMP)[22:], "format 85 with 16 bits"),
    "no channels": (wav(RAMP)[:22] + b"\0\0" + wav(RAMP)[24:], "0 channels"),
    "nan": (wav(np.array([0.0, np.nan]), bits=32, code=3), "NaN"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_one_line(case):
    data, expected = BROKEN[case]
    with pytest.raises(DataError, match=expected) as caught:
        read_wav(data, "x.wav")
    assert "'x.wav'" in caught.value.message


@given(st.integers(0, 400), st.integers(0, 255), st.integers(4, 404))
def test_damage_never_escapes(place, value, end):
    data = bytearray(wav(RAMP))
    data[min(place, len(data) - 1)] = value
    with contextlib.suppress(DataError):
        read_wav(bytes(data[:end]), "x.wav")


def clips(names):
    return {name: wav(np.full(900, k + 1)) for k, name in enumerate(names)}


def test_labels_and_splits_from_names(tmp_path):
    names = [f"{d}_{who}_{i}.wav" for d in (1, 10, 2) for who in ("ann", "bo") for i in range(12)]
    write_tar(tmp_path / "r.tar.xz", clips([f"recordings/{n}" for n in names]), "w:xz")
    source = str(tmp_path / "r.tar.xz")
    test = load_dataset(source, "classify", "test", seed=1)
    assert test.labels == ("1", "2", "10") and len(test) == 3 * 2 * 5
    assert all(int(name.split("_")[-1].split(".")[0]) < 5 for name in test.ids)
    sample = test[0]
    assert sample.image.size == 0 and len(sample.audio.samples) == 900 and sample.label == 0
    val, train = (load_dataset(source, "classify", part, seed=1) for part in ("val", "train"))
    assert len(val) + len(train) == 3 * 2 * 7 and set(val.targets) == {0, 1, 2}
    assert evaluation_split(source, "classify", 1) == "test"
    assert split_record(source, "classify", 1)["splits"]["test"]["count"] == 30


def test_labels_from_folders_and_damaged_files(tmp_path):
    for name, data in clips([f"{c}/{k}.wav" for c in ("no", "yes") for k in range(8)]).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "no" / "bad.wav").write_bytes(b"RIFF")
    data = load_dataset(str(tmp_path), "classify", "all", seed=1)
    assert data.labels == ("no", "yes") and len(data) == 16 and data.skipped == ("no/bad.wav",)
    assert len(load_unlabelled(str(tmp_path))) == 16
    assert load_unlabelled(str(tmp_path))[0].label is None


def test_no_sound_to_be_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    with pytest.raises(DataError, match="holds no readable recording"):
        load_unlabelled(str(tmp_path))
    with pytest.raises(DataError, match="has recordings, but no class folders"):
        load_dataset(str(tmp_path), "classify", "train", seed=1)


def test_the_spoken_digits():
    source = str(shared() / "data" / "spoken_digits" / "recordings.tar.xz")
    sizes = {p: len(load_dataset(source, "classify", p, seed=1)) for p in ("train", "val", "test")}
    assert sizes == {"train": 2430, "val": 270, "test": 300}
    with pytest.raises(UnknownNameError):
        load_dataset(source, "classify", "half", seed=1)
