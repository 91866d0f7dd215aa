"""Targets are judged against LiteRT's reference kernels and the golden vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.bundle import Bundle, Golden, Manifest
from edgecnn.core.detections import Detections
from edgecnn.core.errors import BundleError, ModelError, TargetError
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.runtime import LiteRTPredictor
from targets.base import ModelFile
from targets.golden import judge, lcg_reference, same_detections
from targets.host.target import make
from targets.litert import LiteRTSettings
from targets.model_file import from_bundle, load_model_file
from targets.settings import load_settings
from tests.builders import ModelBuilder, tiny_classifier

LABELS = ("a", "b", "c", "d")


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    """The tiny classifier with two golden samples from the reference kernels."""
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_classifier())
    bare = load_model_file(path)
    reference = LiteRTPredictor(bare.data, resolver="reference")
    images = np.random.default_rng(1).integers(-128, 128, (2, 16, 16, 3), dtype=np.int8)
    scores = [reference.predict({"image": image[None]})["scores"] for image in images]
    golden = Golden({"image": images}, {"scores": np.concatenate(scores)})
    spec = ClassifySpec("scores", LABELS)
    return replace(bare, golden=golden, postprocess=spec)


def reference_run(model: ModelFile, change: Callable | None = None) -> Callable:
    predictor = LiteRTPredictor(model.data, resolver="reference")

    def run(inputs):
        outputs = predictor.predict(inputs)
        return {name: change(value) if change else value for name, value in outputs.items()}

    return run


def shift(amount: int) -> Callable:
    return lambda value: np.clip(value.astype(int) + amount, -128, 127).astype(np.int8)


def test_the_reference_itself_is_bit_exact(model: ModelFile) -> None:
    verdict = judge(reference_run(model), model, 0)
    assert verdict.bit_exact and verdict.max_diff_lsb == 0
    assert verdict.replayed and verdict.decoded_equal and verdict.reasons == ()
    inputs, outputs = lcg_reference(model)
    assert list(inputs) == ["image"] and list(outputs) == ["scores"]


def test_the_host_is_within_8_lsb(model: ModelFile) -> None:
    verdict = judge(LiteRTPredictor(model.data).predict, model, 8)
    assert verdict.replayed and verdict.decoded_equal


def test_a_small_difference_is_reported_and_allowed_only_where_it_may_be(model: ModelFile) -> None:
    run = reference_run(model, shift(2))
    verdict = judge(run, model, 8)
    assert not verdict.bit_exact and verdict.max_diff_lsb == 2 and verdict.replayed
    strict = judge(run, model, 0)
    assert not strict.replayed
    assert strict.reasons == (
        "outputs differ from the reference kernels by up to 2 LSB (allowed: 0)",
    )


def test_another_best_class_is_no_agreement(model: ModelFile) -> None:
    verdict = judge(reference_run(model, lambda value: value[:, ::-1]), model, 300)
    assert verdict.decoded_equal is False and not verdict.replayed
    assert "decoded results" in verdict.reasons[0]


def test_without_golden_only_lcg_is_judged(model: ModelFile) -> None:
    bare = replace(model, golden=None)
    verdict = judge(reference_run(bare), bare, 0)
    assert verdict.replayed and verdict.decoded_equal is None


@pytest.mark.parametrize(
    "inputs",
    [{"other": np.zeros((1, 4), np.int8)}, {"image": np.zeros((1, 8, 8, 3), np.int8)}],
)
def test_a_foreign_golden_vector(model: ModelFile, inputs: dict) -> None:
    foreign = replace(model, golden=Golden(inputs, {}))
    with pytest.raises(BundleError, match="golden vector does not fit .*'image' is int8"):
        judge(reference_run(model), foreign, 0)


def detections(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.asarray(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def test_same_detections() -> None:
    one = detections((0, 0, 10, 10, 0.9, 1), (20, 20, 30, 30, 0.5, 0))
    moved = detections((20, 20, 30, 30.2, 0.9, 0), (0, 0, 10, 10, 0.5, 1))
    assert same_detections(one, moved)
    assert not same_detections(one, detections((0, 0, 10, 10, 0.9, 1)))
    assert not same_detections(one, detections((0, 0, 10, 10, 0.9, 1), (20, 20, 30, 34, 0.5, 0)))
    assert not same_detections(one, detections((0, 0, 10, 10, 0.9, 2), (20, 20, 30, 30, 0.5, 0)))
    # At the score threshold one LSB decides whether a box is there.
    faint = detections((0, 0, 10, 10, 0.9, 1), (20, 20, 30, 30, 0.5, 0), (50, 50, 60, 60, 0.31, 0))
    assert same_detections(one, faint, 0.35) and same_detections(faint, one, 0.35)
    assert not same_detections(one, faint, 0.3)
    assert same_detections(detections(), detections())


def test_from_bundle(tmp_path: Path, model: ModelFile) -> None:
    bundle = Bundle.create(tmp_path / "bundle", Manifest("tiny", "classify", LABELS, 0, "int8"))
    with bundle.edit() as edit:
        edit.write("variants/int8/model.tflite", model.data)
        edit.write("variants/int8/golden.npz", model.golden.to_bytes())
    loaded = from_bundle(bundle.reload())
    assert loaded.recipe == "int8" and loaded.sha256 == model.sha256
    assert loaded.golden is not None and loaded.golden.samples == 2
    with pytest.raises(BundleError, match="no variant 'mixed'"):
        from_bundle(bundle.reload(), "mixed")


def test_bare_file(tmp_path: Path, model: ModelFile) -> None:
    bare = load_model_file(model.path)
    assert bare.recipe == "file" and bare.golden is None and bare.postprocess is None
    with pytest.raises(ModelError):
        load_model_file(tmp_path / "missing.tflite")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\nsummary = "y"\n', "missing key 'threads'"),
        ('name = "x"\nsummary = "y"\nthreads = 1\ncolour = 2\n', "unknown key 'colour'"),
        ('name = "x"\nsummary = "y"\nthreads = "4"\n', "threads = '4', expected int"),
        ("name = ", "cannot be read"),
    ],
)
def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    monkeypatch.setattr("targets.settings.files", lambda package: tmp_path)
    with pytest.raises(TargetError) as caught:
        load_settings(LiteRTSettings, "pkg", "x.toml")
    assert words in caught.value.message
    assert "'pkg/x.toml'" in caught.value.message


def test_settings_file_of_each_kind() -> None:
    assert make("host").settings.threads == 4


def test_float_outputs_say_how_far_they_are(tmp_path: Path) -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 64), "float32", name="x"), build.tensor((1, 64), "float32", name="y")
    build.op("LOGISTIC", [x], [y])
    path = tmp_path / "float.tflite"
    path.write_bytes(build.build([x], [y]))
    model = load_model_file(path)
    same = judge(reference_run(model), model, 0)
    assert same.bit_exact and (same.max_abs_diff, same.max_rel_diff) == (0.0, 0.0)
    assert same.max_diff_lsb is None and same.golden_samples == 0
    off = judge(reference_run(model, lambda value: value + np.float32(2**-12)), model, 0)
    assert not off.bit_exact and off.replayed
    assert off.max_abs_diff == pytest.approx(2**-12, rel=1e-3)
    largest = float(lcg_reference(model)[1]["y"].max())
    assert off.max_rel_diff == pytest.approx(2**-12 / largest, rel=1e-3)
    broken = judge(reference_run(model, lambda value: value * np.float32(np.nan)), model, 0)
    assert broken.max_abs_diff is None and not broken.replayed
    assert "inf of their range" in broken.reasons[0]


def test_the_golden_vector_beside_a_file_is_replayed(model: ModelFile) -> None:
    assert load_model_file(model.path).golden is None
    model.path.with_suffix(".golden.npz").write_bytes(model.golden.to_bytes())
    found = load_model_file(model.path)
    verdict = judge(reference_run(found), found, 0)
    assert verdict.golden_samples == 2 and verdict.replayed
