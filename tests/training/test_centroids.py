"""Targets, loss and a short training of the model that finds points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edgecnn.core.decode import centroids
from edgecnn.core.errors import ModelError, UsageError
from edgecnn.core.postprocess import CentroidSpec, GridLevel
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Sample
from edgecnn.jobs.centroid_plan import CENTROIDS, centroid_request, point_score
from edgecnn.models.centroids import centroid_spec
from edgecnn.models.table import build_model
from edgecnn.training.centroid_targets import CentroidAssigner
from edgecnn.training.centroids import CentroidRequest, centroid_loss, train_centroids
from edgecnn.training.config import TrainConfig

SPEC = CentroidSpec("scores", ("a", "b"), GridLevel(4, 6, 8))
IMAGE = ImageInput("image", 32, 48, "gray", scale=(1 / 127.5,), offset=(-1.0,))


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def ids(*values) -> np.ndarray:
    return np.array(values, np.int64)


def sure(target: np.ndarray) -> np.ndarray:
    """Logits that say what the target asks for."""
    return np.where(target[..., :-1] >= 1.0, 10.0, -10.0).astype(np.float32)


def test_targets_decode_back_to_the_centres() -> None:
    truth, classes = boxes((3, 2, 21, 27), (26, 10, 44, 30), (40, 0, 47, 5)), ids(1, 0, 1)
    target = CentroidAssigner(SPEC, (1.0, 3.0))(truth, classes)
    found = centroids(SPEC, sure(target), TensorInfo("scores", (1, 24, 2), "float32"), None)
    order = np.argsort(found.points[:, 0])
    assert (np.abs(found.points[order] - [[12, 14.5], [35, 20], [43.5, 2.5]]) <= 4).all()
    assert found.classes[order].tolist() == [1, 0, 1]
    asked = target[..., :2].max(axis=1) >= 1
    assert sorted(target[asked, 2].tolist()) == [1.0, 3.0, 3.0]


def test_cells_around_the_centre_count_less_and_ignored_ones_not() -> None:
    target = CentroidAssigner(SPEC)(boxes((4, 4, 44, 28)), ids(0))
    heat = target[:, 0].reshape(4, 6)
    assert heat[2, 3] == 1.0 and (heat < 1).sum() == 23
    # The centre lies on a corner of four cells: three of them are nearly asked for.
    assert 0.5 < heat[1, 2] < 0.96 and heat[0, 0] < 0.2
    hidden = CentroidAssigner(SPEC)(boxes((0, 0, 16, 16)), ids(0), np.array([True]))
    assert hidden[:, :2].max() == 0 and (hidden[:, 2] == 0).sum() == 4
    outside = CentroidAssigner(SPEC)(boxes((40, 20, 70, 50)), ids(1))
    assert outside[23, 1] == 1.0


def test_the_loss_is_least_where_the_target_is_met() -> None:
    target = CentroidAssigner(SPEC)(boxes((3, 2, 21, 27)), ids(1))[None]
    right = float(centroid_loss(target, sure(target)))
    assert right < 1e-3 < float(centroid_loss(target, np.zeros((1, 24, 2), np.float32)))
    elsewhere = np.roll(sure(target), 3, axis=1)
    assert float(centroid_loss(target, elsewhere)) > 5
    ignored = target.copy()
    ignored[..., 2] = 0
    assert float(centroid_loss(ignored, elsewhere)) == 0


@dataclass
class Squares:
    """One bright or dark square on gray noise."""

    count: int
    seed: int
    task = "detect"
    labels = ("dark", "bright")
    skipped = ()

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"{self.seed}/{index}" for index in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        image = rng.normal(128, 8, (32, 48, 3)).clip(0, 255).astype(np.uint8)
        x, y = int(rng.integers(0, 38)), int(rng.integers(0, 22))
        label = int(rng.integers(2))
        image[y : y + 10, x : x + 10] = 250 if label else 5
        box = boxes((x, y, x + 10, y + 10))
        return Sample(self.ids[index], image, boxes=box, box_labels=ids(label))


def test_a_short_training_finds_the_squares() -> None:
    request = CentroidRequest(
        CENTROIDS, Squares(64, 1), Squares(24, 2), PreprocessSpec((IMAGE,)), point_score(2),
        TrainConfig(epochs=10, learning_rate=0.02, batch_size=16),
        {"width": 0.5, "depth": 1},
    )  # fmt: skip
    result = train_centroids(request)
    assert max(row["val_f1"] for row in result.run.history) > 0.8
    assert len(result.postprocess.thresholds) == 2 and result.postprocess.level.stride == 8
    assert set(result.model.output) == {"scores"}


def test_points_need_validation_images() -> None:
    with pytest.raises(UsageError, match="chosen on the validation images"):
        centroid_request({}, None)


def test_models_of_other_outputs_are_refused() -> None:
    model = build_model("centroids", input_shape=(16, 32, 3), classes=3)
    assert centroid_spec(model, "abc").level == GridLevel(2, 4, 8)
    with pytest.raises(ModelError, match="3 classes, the data 2"):
        centroid_spec(model, "ab")
    with pytest.raises(ModelError, match="expected 'scores' alone"):
        centroid_spec(build_model("detector", input_shape=(16, 32, 3), classes=3), "abc")
