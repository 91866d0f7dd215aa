"""Calibration from images, arrays and recordings: what is fed, and in which order."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edgecnn.core.errors import DataError, ModelError, UnknownNameError
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import AudioInput, ImageInput, PreprocessSpec
from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import TensorInfo
from edgecnn.evaluation.evaluate import evaluate
from edgecnn.jobs.calibration_data import open_data
from edgecnn.jobs.find_range import Subject, range_finder
from edgecnn.jobs.input_range import RangeOptions
from tests.data.pictures import write_folder
from tests.data.sounds import wav
from tests.data.test_kind import BOXES, MASKS

IMAGE = (TensorInfo("image", (1, 8, 8, 3), "float32"),)
AUDIO = (TensorInfo("audio", (1, 100, 1), "float32"),)


def as_said(name):
    """A finder that takes what the user says."""
    options = RangeOptions(name)
    subject = Subject(SimpleNamespace(inputs=IMAGE))
    return range_finder(lambda _: subject, options, SilentProgress())


def folders(root, counts):
    rng = np.random.default_rng(1)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for k in range(count):
            picture = rng.integers(0, 256, (10, 10, 3), np.uint8)
            cv2.imwrite(str(root / name / f"{k}.png"), picture)
    return str(root)


def test_labelled_images_are_balanced_and_split(tmp_path):
    source = folders(tmp_path / "d", {"a": 40, "b": 12})
    data = open_data(source, IMAGE, find=as_said("-1..1"), classes=2, samples=16, seed=3)
    fed = list(data.calibration())
    assert len(fed) == 16 and fed[0]["image"].shape == (1, 8, 8, 3)
    assert fed[0]["image"].dtype == np.float32 and data.is_image
    assert -1 <= min(s["image"].min() for s in fed) < -0.5
    chosen = Counter(data.train[k].label for k in data._picks())
    assert chosen[0] == chosen[1] == 8
    again = open_data(source, IMAGE, find=as_said("-1..1"), classes=2, samples=16, seed=3)
    for one, other in zip(fed, again.calibration(), strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
    assert {*data.train.ids} & {*data.test.ids, *data.tune.ids} == set()
    assert len(data.golden(3)) == 3 and data.preprocess.image.offset == (-1.0,)


def test_other_classes_than_the_models_only_calibrate(tmp_path):
    source = folders(tmp_path / "d", {"a": 10, "b": 10})
    data = open_data(source, IMAGE, find=as_said("-1..1"), classes=1000, samples=50)
    assert data.test is None and data.tune is None
    assert len(list(data.calibration())) == len(data.train) == 20


def test_unlabelled_images_are_spread_evenly(tmp_path):
    root = tmp_path / "d"
    root.mkdir()
    for k in range(30):
        cv2.imwrite(str(root / f"{k:02}.png"), np.full((8, 8, 3), 8 * k, np.uint8))
    data = open_data(str(root), IMAGE, find=as_said("0..255"), samples=4)
    means = [float(s["image"].mean()) for s in data.calibration()]
    assert means == [0.0, 80.0, 152.0, 232.0]


def test_masks_and_boxes_are_not_calibrated_on(tmp_path):
    spec = PreprocessSpec((ImageInput("image", 8, 8, scale=(1 / 255,), offset=(0.0,)),))
    for name in ("image and label", "Pascal VOC"):
        source = str(write_folder(tmp_path / name, {**MASKS, **BOXES}[name]))
        data = open_data(source, IMAGE, preprocess=spec, samples=50)
        assert data.test is None and data.train.ids and len(data.train) == 6
        assert all(path.startswith(("image/", "JPEGImages/")) for path in data.train.ids)
        assert "taken without labels" in data.notes[0]
    assert open_data(folders(tmp_path / "d", {"a": 9, "b": 9}), IMAGE, preprocess=spec).notes == ()


def test_given_specs_win(tmp_path):
    source = folders(tmp_path / "d", {"a": 3})
    spec = PreprocessSpec((ImageInput("image", 8, 8, scale=(0.0,), offset=(0.25,)),))
    data = open_data(source, IMAGE, preprocess=spec, samples=2)
    assert all(np.all(s["image"] == 0.25) for s in data.calibration())


def test_arrays_of_several_inputs_stream_in_constant_memory(tmp_path):
    infos = [TensorInfo("a", (1, 64, 64, 3), "float32"), TensorInfo("b", (1, 2), "float32")]
    np.savez(tmp_path / "d.npz", a=np.ones((40, 64, 64, 3), np.uint8), b=np.zeros((40, 2)))
    data = open_data(str(tmp_path / "d.npz"), infos, samples=500)
    assert len(list(data.calibration())) == 40 and not data.is_image
    assert [item.kind for item in data.preprocess.inputs] == ["array", "array"]
    np.save(tmp_path / "d.npy", np.zeros((600, 64, 64, 3), np.float32))  # 29 MiB
    data = open_data(str(tmp_path / "d.npy"), infos[:1], samples=600)
    tracemalloc.start()
    assert sum(1 for _ in data.calibration()) == 600
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_recordings_are_cut_into_windows(tmp_path):
    """Each gives its first window first; long ones fill up what is missing."""
    (tmp_path / "1.wav").write_bytes(wav(np.full(40, 1)))
    (tmp_path / "2.wav").write_bytes(wav(np.concatenate([np.full(100, k) for k in (2, 3, 4)])))
    (tmp_path / "3.wav").write_bytes(wav(np.full(230, 5)))  # rests below half a window are left
    data = open_data(str(tmp_path), AUDIO, samples=9)
    spec = data.preprocess.inputs[0]
    assert isinstance(spec, AudioInput) and (spec.sample_rate_hz, spec.samples) == (8000, 100)
    levels = [float(s["audio"].max()) * 32768 for s in data.calibration()]
    np.testing.assert_allclose(levels, [1, 2, 5, 3, 5, 4])
    for count in (2, 5):
        data = open_data(str(tmp_path), AUDIO, samples=count)
        assert len(list(data.calibration())) == count


def test_recordings_of_another_rate_are_resampled(tmp_path):
    (tmp_path / "1.wav").write_bytes(wav(np.full(4000, 1000), rate=16000))
    spec = PreprocessSpec((AudioInput("audio", 8000, 100, scale=1.0),))
    (fed,) = open_data(str(tmp_path), AUDIO, preprocess=spec, samples=1).calibration()
    assert abs(float(fed["audio"][0, 50, 0]) - 1000) < 2


class Loudest:
    """Class 1 where the mean is above 0."""

    outputs = (TensorInfo("scores", (1, 2), "float32"),)

    def __init__(self, *inputs):
        self.inputs = inputs

    def predict(self, given):
        mean = sum(float(value.mean()) for value in given.values())
        return {"scores": np.array([[0.0, mean]], np.float32)}


def test_arrays_and_recordings_are_evaluated(tmp_path):
    classes = np.arange(40) % 2
    np.savez(tmp_path / "d.npz", x=np.where(classes, 1.0, -1.0)[:, None] * np.ones((40, 4)),
             labels=classes)  # fmt: skip
    info = TensorInfo("x", (1, 4), "float32")
    data = open_data(str(tmp_path / "d.npz"), [info], classes=2)
    spec = ClassifySpec("scores", data.test.labels)
    metric = evaluate(Loudest(info), data.test, data.preprocess, spec)
    assert metric.value == 1.0 and metric.n == len(data.test)
    for name, level in (("no", -500), ("yes", 500)):
        (tmp_path / "s" / name).mkdir(parents=True)
        for k in range(10):
            (tmp_path / "s" / name / f"{k}.wav").write_bytes(wav(np.full(100, level - k)))
    data = open_data(str(tmp_path / "s"), AUDIO, classes=2)
    metric = evaluate(Loudest(*AUDIO), data.test, data.preprocess, spec)
    assert metric.value == 1.0
    with pytest.raises(DataError, match="is a recording, which"):
        pre = PreprocessSpec((ImageInput("image", 8, 8),))
        evaluate(Loudest(*IMAGE), data.test, pre, spec)


def array_file(tmp_path, values):
    np.save(tmp_path / "d.npy", values)
    return str(tmp_path / "d.npy")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros((5, 9, 8, 3)), r"the shape \[9, 8, 3\], the input 'image' takes \[8, 8, 3\]"),
        (np.zeros((0, 8, 8, 3)), "is empty"),
        (np.full((2, 8, 8, 3), np.nan), r"'d.npy\[0\]' holds NaN"),
        (np.array(["a"]), "expected numbers"),
    ],
)
def test_bad_arrays_are_said_before_anything_long_begins(tmp_path, values, expected):
    with pytest.raises(DataError, match=expected) as caught:
        open_data(array_file(tmp_path, values), IMAGE)
    assert "d.npy" in caught.value.message


def test_sources_that_do_not_fit(tmp_path):
    pictures = folders(tmp_path / "d", {"a": 3})
    with pytest.raises(ModelError, match="expected one image"):
        open_data(pictures, AUDIO)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "1.wav").write_bytes(wav(np.full(100, 1)))
    with pytest.raises(ModelError, match="expected one window of raw audio"):
        open_data(str(tmp_path / "s"), IMAGE)
    with pytest.raises(DataError, match="is a recording, which"):
        spec = PreprocessSpec((ImageInput("image", 8, 8),))
        open_data(str(tmp_path / "s"), IMAGE, preprocess=spec)
    with pytest.raises(DataError, match="does not say what a byte"):
        open_data(pictures, IMAGE)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        open_data(str(tmp_path / "nothing"), IMAGE)
    with pytest.raises(UnknownNameError, match="data source 'digitz'"):
        open_data("digitz", IMAGE)
