from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from quantization.calibration.probe import SAMPLES, Probe, answers, probe, range_of
from quantization.calibration.sanity import (
    diagnose_inputs,
    input_statistics,
    sample_warnings,
)
from tests.run import shared

IMAGE = (TensorInfo("image", (1, 8, 8, 3), "float32"),)
Transform = Callable[[np.ndarray], np.ndarray]


class ColourClassifier:
    """Softmax over how near the mean colour (0 … 1) is to four colours that no swap maps on each
    other; sure of pure ones. ``low`` and ``high`` are the range that it takes."""

    inputs = IMAGE
    outputs = (TensorInfo("scores", (1, 4), "float32"),)
    colours = np.array([[1, 0.2, 0], [0.8, 0.8, 0.1], [0.1, 0.6, 0.2], [0.7, 0.5, 0.5]])

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        self.low, self.high = low, high

    def predict(self, inputs):
        mean = inputs["image"].mean(axis=(0, 1, 2), dtype=np.float64)
        unit = (mean - self.low) / (self.high - self.low)
        logits = 40 * (self.colours @ unit - np.sum(self.colours**2, axis=1) / 2)
        scores = np.exp(logits - logits.max())
        return {"scores": (scores / scores.sum())[None].astype(np.float32)}


def pictures(count: int = SAMPLES, seed: int = 0, kinds: int = 4) -> Iterator[np.ndarray]:
    """(1, 8, 8, 3) in 0 … 1, around the classes' colours."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        colour = ColourClassifier.colours[number % kinds] + rng.normal(0, 0.05, 3)
        yield np.clip(colour + rng.normal(0, 0.4, (1, 8, 8, 3)), 0, 1).astype(np.float32)


def stream(change: Transform = lambda image: image, **kind) -> list[dict[str, np.ndarray]]:
    return [{"image": np.float32(change(image))} for image in pictures(**kind)]


RANGED = {
    "0 … 1": lambda image: image,
    "−1 … 1": lambda image: image * 2 - 1,
    "0 … 255": lambda image: image * 255,
}
ENDS = {"0 … 1": (0, 1), "−1 … 1": (-1, 1), "0 … 255": (0, 255)}


def statistics(samples):
    (found,) = input_statistics(samples, IMAGE)
    return found


def rules(*args, **kwargs) -> list[str]:
    return [finding.rule for finding in diagnose_inputs(*args, **kwargs)]


def test_statistics_are_numpys():
    samples = stream(count=30)
    found = statistics(iter(samples))
    pixels = np.concatenate([sample["image"] for sample in samples])
    assert (found.samples, found.low, found.high) == (30, pixels.min(), pixels.max())
    np.testing.assert_allclose(found.means, pixels.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(
        found.channel_ranges,
        np.transpose([pixels.min(axis=(0, 1, 2)), pixels.max(axis=(0, 1, 2))]),
    )
    red_blue = (pixels[..., 0] - pixels[..., 2]).mean(axis=(1, 2))
    expected = red_blue.mean(), red_blue.std() / np.sqrt(30)
    np.testing.assert_allclose(found.contrast, expected, rtol=1e-5)


def test_statistics_of_other_inputs():
    infos = (TensorInfo("audio", (1, 100, 1), "float32"), TensorInfo("ids", (1, 4), "int32"))
    samples = [{"audio": np.ones((1, 100, 1), np.float32), "ids": np.zeros((1, 4), np.int32)}]
    (found,) = input_statistics(samples, infos)
    assert (found.name, found.means, found.contrast) == ("audio", (1.0,), (0.0, 0.0))


def test_too_few():
    (finding,) = diagnose_inputs([statistics(stream(count=5))], wanted=200)
    text = "only 5 calibration samples, the recipe asks for 200: ranges may be too narrow"
    assert str(finding).startswith(text)
    assert rules([statistics(stream(count=5))], wanted=5) == []


def test_constant_inputs_and_channels():
    flat = statistics([{"image": np.full((1, 8, 8, 3), 0.5, np.float32)}] * 9)
    (finding,) = diagnose_inputs([flat], expected={"image": (0, 1)})
    assert finding.rule == "constant-input"
    assert "every calibration value of input 'image' is 0.5" in str(finding)
    dead = statistics(stream(lambda image: image * [1, 0, 1]))
    (finding,) = diagnose_inputs([dead])
    assert (finding.rule, finding.got) == (
        "constant-channel",
        "channel 1 of input 'image' is always 0",
    )


@pytest.mark.parametrize("given", RANGED)
@pytest.mark.parametrize("expected", RANGED)
def test_a_range_beside_the_expected_one_is_named(given, expected):
    seen = statistics(stream(RANGED[given]))
    findings = diagnose_inputs([seen], expected={"image": ENDS[expected]})
    if given == expected:
        assert findings == ()
        return
    (finding,) = findings
    assert (finding.rule, finding.input) == ("input-range", "image")
    low, high = ENDS[expected]
    assert finding.expected == f"the model takes {low} … {high}"
    assert f"{seen.low:.4g} … {seen.high:.4g}" in finding.got
    assert "samples" in finding.cure and finding.cure != "preprocess the samples as in training"


@pytest.mark.parametrize(
    ("low", "high", "expected", "odd"),
    [
        (-1.05, 1.05, (-1, 1), False),  # a little resize overshoot
        (-3.0, 3.0, (-1, 1), True),
        (-0.02, 0.02, (-1, 1), True),
        (0.3, 0.7, (0, 1), False),
    ],
)
def test_arrays_may_be_quiet_but_not_silent(low, high, expected, odd):
    info = TensorInfo("audio", (1, 50), "float32")
    samples = [{"audio": np.linspace(low, high, 50, dtype=np.float32)[None]}] * 20
    found = diagnose_inputs(input_statistics(samples, [info]), expected={"audio": expected})
    assert [finding.rule for finding in found] == (["input-range"] if odd else [])


def test_channels_against_reference_data():
    right = statistics(stream(count=200, seed=1))
    swapped = statistics(stream(lambda image: image[..., ::-1], count=200))
    (finding,) = diagnose_inputs([swapped], reference={"image": right})
    assert finding.rule == "swapped-channels"
    assert f"{swapped.means[0]:.3g}" in finding.got
    assert "RGB" in finding.cure
    assert rules([statistics(stream(count=200))], reference={"image": right}) == []
    gray = statistics(stream(lambda image: image.mean(axis=-1, keepdims=True) + np.zeros(3)))
    assert rules([gray], reference={"image": right}) == []
    # A few samples of one colour prove nothing.
    assert rules([statistics(stream(count=3))], reference={"image": swapped}) == []


@pytest.mark.parametrize("takes", RANGED)
@pytest.mark.parametrize("given", RANGED)
def test_the_model_tells_which_range_it_takes(takes, given):
    predictor = ColourClassifier(*ENDS[takes])
    found = probe(predictor, stream(RANGED[given]), "image")
    if takes == given:
        assert found.verdict in ("fits", "undecided")
    elif "0 … 255" in (given, takes):
        assert (found.verdict, found.better) == ("range", takes)
    (statistic,) = input_statistics(stream(RANGED[given]), IMAGE)
    assert (rules([statistic], probes={"image": found}) == ["input-range"]) == (
        found.verdict == "range"
    )


@pytest.mark.parametrize("name", RANGED)
def test_the_model_tells_swapped_channels(name):
    predictor = ColourClassifier(*ENDS[name])
    right = probe(predictor, stream(RANGED[name]), "image")
    found = probe(predictor, stream(lambda x: RANGED[name](x[..., ::-1])), "image")
    assert (right.verdict, found.verdict) == ("fits", "swapped")
    assert found.confidence[1] > found.confidence[0]
    seen = statistics(stream(lambda x: RANGED[name](x[..., ::-1])))
    (finding,) = diagnose_inputs([seen], probes={"image": found})
    assert (finding.rule, finding.input) == ("swapped-channels", "image")
    assert "look swapped: mean top score" in str(finding)


def test_undecided():
    gray = stream(lambda image: image.mean(axis=-1, keepdims=True) + np.zeros(3))
    assert probe(ColourClassifier(), gray, "image").verdict == "undecided"
    few = probe(ColourClassifier(), stream(count=8), "image")
    assert (few.verdict, few.reason) == ("undecided", "8 images, 16 are needed")

    class Logits(ColourClassifier):
        def predict(self, inputs):
            return {"scores": super().predict(inputs)["scores"] * 9 - 3}

    class TwoHeads(ColourClassifier):
        def predict(self, inputs):
            return {"a": super().predict(inputs)["scores"], "b": np.zeros((1, 3), np.float32)}

    for model in (Logits(), TwoHeads()):
        assert probe(model, stream(), "image").reason == "the model gives no class scores"


def test_one_score_is_two_classes():
    class Sigmoid(ColourClassifier):
        def predict(self, inputs):
            return {"score": super().predict(inputs)["scores"][:, :1]}

    scores = answers(Sigmoid(), stream(), "image", lambda image: image)
    assert scores.shape == (SAMPLES, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


@pytest.mark.parametrize("kinds", [1, 2, 4])
@pytest.mark.parametrize("name", RANGED)
def test_no_false_alarm_on_right_data_of_few_classes(kinds, name):
    for seed in range(5):
        found = probe(
            ColourClassifier(*ENDS[name]), stream(RANGED[name], seed=seed, kinds=kinds), "image"
        )
        assert found.verdict in ("fits", "undecided")


@pytest.mark.parametrize(
    ("values", "name"),
    [([0, 1], "0 … 1"), ([-1, 0.2], "−1 … 1"), ([0, 255], "0 … 255"), ([-2, 2], ""), ([0, 9], "")],
)
def test_range_names(values, name):
    assert range_of([np.array(values, np.float32)]) == name


def test_a_verdict_of_the_model_counts_where_the_spec_is_a_guess():
    seen = statistics(stream())
    verdict = Probe("range", "−1 … 1", (0.5, 0.9))
    (finding,) = diagnose_inputs([seen], expected={"image": (0, 1)}, probes={"image": verdict})
    assert finding.cure == "multiply the samples by 2 and subtract 1"
    assert diagnose_inputs([seen], expected={"image": (0, 1)}) == ()


def crops(count: int, size: int = 96) -> list[np.ndarray]:
    """Random parts of the photos at hand, (size, size, 3) RGB bytes as float32."""
    rng = np.random.default_rng(3)
    paths = sorted((shared() / "data" / "images").iterdir())
    photos = [cv2.imread(str(p)) for p in paths if p.suffix in (".jpg", ".bmp")]
    photos = [
        photo for photo in photos if photo is not None and photo.std() > 20 and photo.size > 9999
    ]
    found = []
    for _ in range(count):
        photo = photos[rng.integers(len(photos))]
        side = int(min(photo.shape[:2]) * rng.uniform(0.5, 1))
        top, left = (rng.integers(n - side + 1) for n in photo.shape[:2])
        part = photo[top : top + side, left : left + side, ::-1]
        found.append(
            cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
        )
    return found


def vww() -> bytes:
    return (shared() / "models" / "mlperf_tiny" / "vww_96_float.tflite").read_bytes()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda image: image / 255, ""),
        (lambda image: image[..., ::-1] / 255, "channels of input 'input_1' look swapped"),
        (lambda image: image, "divide the samples by 255"),
        (lambda image: image / 127.5 - 1, "add 1 to the samples and halve them"),
    ],
    ids=["right", "swapped", "0-255", "minus-1-to-1"],
)
def test_visual_wake_words_of_another_project(change, text):
    data = vww()
    samples = [{"input_1": np.float32(change(image)[None])} for image in crops(128)]
    found = sample_warnings(data, samples, 128)
    assert [text in line for line in found] == ([True] if text else []), found
    expected = sample_warnings(data, samples, 128, expected={"input_1": (0.0, 1.0)})
    assert len(expected) == len(found), expected


def test_keyword_spotting_is_left_alone():
    data = (shared() / "models" / "mlperf_tiny" / "kws_ref_model_float32.tflite").read_bytes()
    (info,) = LiteRTPredictor(data).inputs
    rng = np.random.default_rng(0)
    samples = [{info.name: rng.normal(0, 9, info.shape).astype(np.float32)} for _ in range(20)]
    assert sample_warnings(data, iter(samples), 20) == ()
    assert "only 20" in sample_warnings(data, iter(samples), 30)[0]


WEIGHTS = Path(__file__).parents[3] / "benchmarks" / "weights"
OTHER_DATA = ("audio", "detector")
CLASSIFIERS = [path for path in sorted(WEIGHTS.glob("*.keras")) if path.stem not in OTHER_DATA]


def cifar(count: int) -> list[np.ndarray]:
    """RGB bytes (32, 32, 3) as float32, as many of each class."""
    found: dict[str, list[np.ndarray]] = {}
    with tarfile.open(shared() / "data" / "cifar10" / "cifar10_jpeg.tar.xz") as archive:
        for member in archive:
            name = Path(member.name)
            group = found.setdefault("/".join(name.parts[-3:-1]), [])
            if member.isfile() and name.suffix == ".jpg" and len(group) < count // 10:
                raw = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                group.append(cv2.imdecode(raw, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32))
    return [image for name in sorted(found) if "test/" in name for image in found[name]]


@pytest.mark.long
@pytest.mark.train
@pytest.mark.parametrize("path", CLASSIFIERS, ids=lambda path: path.stem)
def test_trained_networks_tell_what_they_want(path):
    from quantization.load import load_float

    model = load_float(path)
    (info,) = model.inputs
    images = cifar(200)
    np.random.default_rng(0).shuffle(images)

    def verdict(change: Transform) -> tuple[str, str]:
        samples = [{info.name: np.float32(change(image)[None])} for image in images[:SAMPLES]]
        found = probe(LiteRTPredictor(model.data), samples, info.name)
        return found.verdict, found.better

    assert verdict(lambda image: image / 127.5 - 1)[0] in ("fits", "undecided")
    assert verdict(lambda image: image[..., ::-1] / 127.5 - 1)[0] in ("swapped", "undecided")
    assert verdict(lambda image: image) == ("range", "−1 … 1")
    assert verdict(lambda image: image / 255)[0] in ("range", "undecided")
