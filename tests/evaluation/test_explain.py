"""Explanations point at what a model looks at."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.postprocess import ClassifySpec, DetectSpec, GridLevel
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.evaluation.explain import Explainer

PRE = PreprocessSpec((ImageInput("image", 32, 32, "gray"),))


class Corner:
    """Class 1 is how bright the upper left quarter is; nothing else counts."""

    inputs = (TensorInfo("image", (1, 32, 32, 1), "float32"),)
    outputs = (TensorInfo("scores", (1, 2), "float32"),)

    def predict(self, inputs):
        bright = float(inputs["image"][0, :16, :16].mean())
        return {"scores": np.array([[1 - bright, bright]], np.float32)}


def test_classifier_rests_on_the_corner_that_it_reads() -> None:
    image = np.zeros((64, 96), np.uint8)
    image[:32, :48] = 255
    found = Explainer(Corner(), PRE, ClassifySpec("scores", ("a", "b")), steps=9).explain(image)
    assert (found.which, found.box) == (1, None) and found.score == pytest.approx(1.0)
    assert found.heat.shape == (64, 96)
    assert found.heat[:32, :48].mean() > 10 * abs(found.heat[45:, 60:]).max()
    colour = np.repeat(image[:, :, None], 3, axis=2)
    again = Explainer(Corner(), PRE, ClassifySpec("scores", ("a", "b")), steps=9).explain(colour)
    assert np.allclose(again.heat, found.heat, atol=0.02)


class Spots:
    """A box on every bright 8×8 cell."""

    inputs = (TensorInfo("image", (1, 32, 32, 1), "float32"),)
    outputs = (
        TensorInfo("scores", (1, 4, 4, 1), "float32"),
        TensorInfo("boxes", (1, 4, 4, 4), "float32"),
    )

    def predict(self, inputs):
        cells = inputs["image"][0, :, :, 0].reshape(4, 8, 4, 8).mean(axis=(1, 3))
        scores = (cells * 12 - 6).astype(np.float32)[None, :, :, None]
        return {"scores": scores, "boxes": np.full((1, 4, 4, 4), 0.5, np.float32)}


def test_detection_rests_on_its_own_box() -> None:
    image = np.zeros((32, 32), np.uint8)
    image[8:16, 16:24] = 255
    image[24:, :8] = 230
    spec = DetectSpec("scores", "boxes", ("spot",), (GridLevel(4, 4, 8),))
    explainer = Explainer(Spots(), PRE, spec)
    for rank, (y, x) in enumerate(((8, 16), (24, 0))):
        found = explainer.explain(image, rank=rank)
        assert found.box.tolist() == [x, y, x + 8, y + 8]
        top = np.unravel_index(found.heat.argmax(), found.heat.shape)
        assert y <= top[0] < y + 8 and x <= top[1] < x + 8
    with pytest.raises(DataError, match="rank 2, the model gave 2"):
        explainer.explain(image, rank=2)


def test_options_out_of_range_are_refused() -> None:
    for options in ({"patch": 0.0}, {"patch": 1.0}, {"steps": 1}):
        with pytest.raises(UsageError):
            Explainer(Corner(), PRE, ClassifySpec("scores", ("a", "b")), **options)
