from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("keras")
from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.sample import Sample
from edgecnn.training import pixels as pixels_module
from edgecnn.training.classify import (
    ClassifyRequest,
    default_preprocess,
    train_classifier,
    validation_figures,
)
from edgecnn.training.config import TrainConfig
from edgecnn.training.pixels import Pixels, labels_of
from tests.training.nets import Told

pytestmark = pytest.mark.train


@dataclass(frozen=True)
class Bars:
    """Bright bar on the left (class 0), in the middle (1) or on the right (2) of noise."""

    ids: tuple[str, ...]
    labels: tuple[str, ...] = ("left", "middle", "right")
    task: str = "classify"
    skipped: tuple[str, ...] = ()

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        row = int(self.ids[index])
        image = np.random.default_rng(row).integers(0, 120, (9, 12, 3), dtype=np.uint8)
        label = row % 3
        image[:, 1 + 4 * label : 3 + 4 * label] = 250
        return Sample(self.ids[index], image, label)


def bars(first, count):
    return Bars(tuple(map(str, range(first, first + count))))


def request(**changes):
    given = {
        "model_name": "resnet8", "train": bars(0, 96), "val": bars(1000, 33),
        "preprocess": default_preprocess((9, 12, 3)), "options": {"width": 0.5},
        "config": TrainConfig(epochs=3, batch_size=16),
    }  # fmt: skip
    # Bars must not change sides.
    from edgecnn.data.augment import Augment

    return ClassifyRequest(**{**given, "augment": Augment(shift=0.02), **changes})


@pytest.fixture(scope="module")
def trained():
    told = Told()
    return train_classifier(request(), progress=told), told


def test_it_learns(trained):
    result, told = trained
    assert result.run.history[-1]["loss"] < result.run.history[0]["loss"]
    assert result.run.best_value > 0.6
    assert told.stages == [("read images", 96), ("read images", 33), ("train", 18)]
    assert {"val_accuracy", "val_loss"} <= set(result.run.history[0])


def test_the_figures_are_scikit_learns(trained):
    metrics = pytest.importorskip("sklearn.metrics")
    model, val = trained[0].model, bars(1000, 33)
    pixels = Pixels(val, default_preprocess((9, 12, 3)).image, Told())
    figures = validation_figures(model, pixels, labels_of(val))
    images = np.stack([val[i].image[..., ::-1] for i in range(33)]).astype("float32")
    scores = np.asarray(model.predict_on_batch(images / 127.5 - 1))
    wanted = labels_of(val)
    assert figures["val_accuracy"] == metrics.accuracy_score(wanted, scores.argmax(axis=1))
    assert figures["val_loss"] == pytest.approx(metrics.log_loss(wanted, scores), rel=1e-3)


def test_a_large_set_is_decoded_per_batch(monkeypatch):
    spec = default_preprocess((9, 12, 3)).image
    held = Pixels(bars(0, 5), spec, Told())
    monkeypatch.setattr(pixels_module, "MAX_CACHE_BYTES", 10)
    read = Pixels(bars(0, 5), spec, Told())
    np.testing.assert_array_equal(held.bytes([3, 1]), read.bytes([3, 1]))
    assert held.scale(held.bytes([0])).dtype == np.float32


def test_channels_have_their_own_scale():
    from edgecnn.core.preprocess import ImageInput

    spec = ImageInput("image", 9, 12, "rgb", scale=(0.1, 0.2, 0.3), offset=(1.0, 2.0, 3.0))
    pixels = Pixels(bars(0, 2), spec, Told())
    raw = pixels.bytes([0, 1])
    np.testing.assert_allclose(
        pixels.scale(raw), raw * np.array([0.1, 0.2, 0.3]) + [1, 2, 3], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model_name": "detector"}, UsageError, "is for detect,"),
        ({"val": Bars(("1",), labels=("a", "b"))}, DataError, "expected the same ones"),
        ({"val": bars(0, 0)}, DataError, "a split is empty"),
        ({"options": {"depth": 3}}, UsageError, "no option 'depth'"),
    ],
)
def test_what_cannot_be_trained_is_said(changes, error, message):
    with pytest.raises(error) as caught:
        train_classifier(request(**changes))
    assert message in caught.value.message


def test_gray_and_colour_only():
    assert default_preprocess((8, 8, 1)).image.colour == "gray"
    with pytest.raises(UsageError, match="4 channels"):
        default_preprocess((8, 8, 4))
