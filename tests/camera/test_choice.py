import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.choice import ClassChoice, chosen_labels
from edgecnn.camera.pipeline import Pipeline, find
from edgecnn.core.errors import UsageError
from edgecnn.core.postprocess import (
    CentroidSpec,
    ClassifySpec,
    DetectSpec,
    GridLevel,
    ListedSpec,
    PointsSpec,
    SegmentSpec,
    Skeleton,
)
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo

LABELS = ("ant", "bee", "cow")
PREPROCESS = PreprocessSpec((ImageInput("x", 32, 32, "rgb", "stretch"),))
LEVEL = GridLevel(4, 4, 8)
IMAGE = np.zeros((32, 32, 3), np.uint8)


class Outputs:
    """A model that gives these outputs, whatever it sees."""

    def __init__(self, **outputs: np.ndarray) -> None:
        self.inputs = (TensorInfo("x", (1, 32, 32, 3), "float32"),)
        self.given = outputs
        self.outputs = tuple(TensorInfo(k, v.shape, str(v.dtype)) for k, v in outputs.items())

    def predict(self, inputs):
        return self.given


def found(spec, outputs: Outputs, threshold=None, classes=(), **thresholds: float) -> set[tuple]:
    choice = ClassChoice(tuple(classes), thresholds)
    items = find(Pipeline(outputs, PREPROCESS, spec, threshold, choice), IMAGE, {})
    return {(item.label, round(item.score, 4), item.box_xyxy) for item in items}


def scored(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 21, (1, 16, 3)).astype(np.float32) / 20


def spec_of(kind: str, seed: int):
    scores = scored(seed)
    if kind == "detect":
        boxes = np.full((1, 16, 4), 0.4, np.float32)
        spec = DetectSpec("s", "b", LABELS, (LEVEL,), activation="none", score_threshold=0.5)
        return spec, Outputs(s=scores, b=boxes)
    if kind == "listed":
        rng = np.random.default_rng(seed)
        spec = ListedSpec("s", "b", LABELS, 16, "c", score_threshold=0.5)
        kinds = rng.integers(0, 3, (1, 16)).astype(np.float32)
        corner = rng.uniform(0, 0.5, (1, 16, 2))
        boxes = np.concatenate([corner, corner + 0.3], axis=2).astype(np.float32)
        return spec, Outputs(s=scores[..., 0], b=boxes, c=kinds)
    spec = CentroidSpec("s", LABELS, LEVEL, activation="none", score_threshold=0.5)
    return spec, Outputs(s=scores.reshape(1, 4, 4, 3))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["detect", "listed"]),
    st.integers(0, 10_000),
    st.sets(st.sampled_from(LABELS)),
    st.dictionaries(st.sampled_from(LABELS), st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])),
    st.sampled_from([None, 0.3, 0.7]),
)
def test_what_counts_is_what_a_sieve_over_everything_leaves(
    kind, seed, classes, thresholds, least
) -> None:
    spec, outputs = spec_of(kind, seed)
    everything = found(spec, outputs, 0.0)
    limits = {name: thresholds.get(name, 0.5 if least is None else least) for name in LABELS}
    left = {
        (label, score, box)
        for label, score, box in everything
        if score >= limits[label] and (not classes or label in classes)
    }
    assert found(spec, outputs, least, sorted(classes), **thresholds) == left


def test_points_of_single_classes() -> None:
    spec, outputs = spec_of("centroids", 5)
    names = {label for label, _, _ in found(spec, outputs)}
    assert names == set(LABELS)
    assert {label for label, _, _ in found(spec, outputs, classes=["cow,ant"])} == {"ant", "cow"}
    strong = found(spec, outputs, bee=0.9)
    assert min(score for label, score, _ in strong if label == "bee") >= 0.9


def test_a_classifier_shows_its_best_class_where_that_counts() -> None:
    spec = ClassifySpec("s", LABELS)
    outputs = Outputs(s=np.float32([[0.1, 0.6, 0.3]]))

    def label(*arguments, **more) -> list[str]:
        return [label for label, _, _ in found(spec, outputs, *arguments, **more)]

    assert label() == label(0.5) == label(0.9, bee=0.6) == label(classes=["bee"]) == ["bee"]
    assert label(bee=0.7) == label(0.9, ant=0.1) == label(classes=["ant", "cow"]) == []


def test_pixels_of_a_class_are_judged_by_their_mean() -> None:
    spec = SegmentSpec("s", LABELS, 4, 4, (8, 8), activation="none")
    scores = np.zeros((1, 4, 4, 3), np.float32)
    scores[:, :2, :, 0], scores[:, 2:, :, 1], scores[:, 3:, :, 1] = 0.7, 0.4, 0.6
    outputs = Outputs(s=scores)
    means = {label: score for label, score, _ in found(spec, outputs)}
    assert means == {"ant": pytest.approx(0.65, abs=0.03), "bee": pytest.approx(0.5, abs=0.03)}
    assert {label for label, _, _ in found(spec, outputs, bee=0.6)} == {"ant"}
    assert {label for label, _, _ in found(spec, outputs, bee=0.4, ant=0.8)} == {"bee"}


@pytest.mark.parametrize(("given", "count"), [(0.2, 1), (0.5, 0)])
def test_the_only_class_s_threshold_is_the_model_s(given: float, count: int) -> None:
    points = np.float32([[[[0.2, 0.3, 0.45], [0.6, 0.7, 0.45]]]])
    spec = PointsSpec("s", ("person",), Skeleton(("a", "b")), score_threshold=0.9)
    assert len(found(spec, Outputs(s=points), person=given)) == count


def test_names_with_commas_and_in_other_spellings() -> None:
    labels = ("tench, Tinca tinca", "cock", "crane", "Crane", "cock, hen")
    assert chosen_labels(("tench, Tinca tinca",), labels) == labels[:1]
    assert chosen_labels(("cock, hen,COCK", " crane "), labels) == ("cock, hen", "cock", "crane")
    assert chosen_labels(("cock,tench, tinca tinca,",), labels) == ("cock", labels[0])
    with pytest.raises(UsageError, match="the class 'CRANE'"):
        chosen_labels(("CRANE",), labels)
    for nothing in ("", ",,"):
        with pytest.raises(UsageError, match="names no class"):
            chosen_labels((nothing,), labels)
    with pytest.raises(UsageError) as refused:
        chosen_labels(("class 71",), tuple(f"class {k}" for k in range(70)))
    assert "its 70 classes: class 0" in refused.value.hint and refused.value.hint.endswith("…")
