"""The stage with a frozen backbone: where a model is cut, what is kept, what stands still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras")
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.progress import SilentProgress
from edgecnn.models import blocks
from edgecnn.models.detection_heads import BoxHead, join_levels
from edgecnn.training import frozen_body
from edgecnn.training import request as request_module
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect import DetectRequest, train_detector
from edgecnn.training.frozen_body import (
    FeatureBatches,
    body_rates,
    freeze_first,
    keep_features,
    split_at_body,
)
from edgecnn.training.request import start_model
from tests.training.test_detect import Memory, drawn

pytestmark = pytest.mark.train
SIZE = (16, 24, 1)


def two_levels():
    """A backbone of three blocks, of which two feed the heads."""
    image = blocks.image_input(SIZE)
    x = blocks.conv(image, 8, 3, name="stem", stride=2)
    near = blocks.inverted_residual(x, 8, expand=2, name="block1")
    far = blocks.inverted_residual(near, 8, expand=2, name="block2", stride=2)
    far = blocks.inverted_residual(far, 8, expand=2, name="block10")
    up = blocks.conv(far, 8, 1, name="lateral")
    head = BoxHead(2, 8, 1)
    model = blocks.finish(image, join_levels([head(near, "level2"), head(up, "level4")]), "two")
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.uniform(0.05, 0.2, w.shape) for w in model.get_weights()])
    return model


class Numbered:
    """Batches that say which images they hold."""

    def __init__(self, batches: int = 3, size: int = 4) -> None:
        self.batches, self.size, self.asked = batches, size, []

    def __len__(self) -> int:
        return self.batches

    def batch(self, epoch: int, index: int):
        self.asked.append((epoch, index))
        first = (epoch * self.batches + index) * self.size
        numbers = np.arange(first, first + self.size, dtype=np.float32)
        images = np.random.default_rng(first).uniform(-1, 1, (self.size, *SIZE))
        return images.astype(np.float32), numbers[:, None]


def test_head_on_the_bodys_features_is_the_whole_model() -> None:
    model = two_levels()
    parts = split_at_body(model)
    images = np.random.default_rng(1).uniform(-1, 1, (3, *SIZE)).astype(np.float32)
    features = parts.body.predict_on_batch(images)
    assert sorted(item.shape for item in features) == [(3, 4, 6, 8), (3, 8, 12, 8)]
    found, whole = parts.head.predict_on_batch(features), model.predict_on_batch(images)
    for name in ("scores", "boxes"):
        np.testing.assert_allclose(found[name], whole[name], atol=1e-5)
    # The weights are shared, and none is in both halves.
    own = [{variable.path for variable in part.variables} for part in (parts.body, parts.head)]
    assert own[0] | own[1] == {variable.path for variable in model.variables}
    assert not own[0] & own[1]
    variable = parts.head.get_layer("lateral").kernel
    variable.assign(variable * 0)
    assert not np.allclose(model.predict_on_batch(images)["scores"], whole["scores"])


def test_features_are_kept_for_every_copy_in_an_order_of_their_own() -> None:
    source = Numbered()
    body = split_at_body(two_levels()).body
    kept = keep_features(body, source, 5, 3, SilentProgress())
    assert source.asked == [(copy, index) for copy in range(8) for index in range(3)]
    assert len(kept.targets) == 96 and len(kept) == 20
    assert {item.dtype for item in kept.features} == {np.dtype(np.float16)}
    seen = [kept.batch(0, index) for index in range(len(kept))]
    order = np.concatenate([targets[:, 0] for _, targets in seen])
    assert sorted(order) == list(range(96)) and list(order) != list(range(96))
    # A feature stays with its image's target.
    images = np.concatenate([source.batch(copy, i)[0] for copy in range(8) for i in range(3)])
    maps, targets = seen[7]
    wanted = body.predict_on_batch(images[targets[:, 0].astype(int)])
    for one, other in zip(maps, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=0.02)
    again = FeatureBatches(kept.features, kept.targets, 5, 3).batch(0, 7)
    assert np.array_equal(again[0][0], maps[0]) and np.array_equal(again[1], targets)
    assert not np.array_equal(kept.batch(1, 7)[1], targets)
    assert not np.array_equal(replace(kept, seed=4).batch(0, 7)[1], targets)


def test_fewer_copies_are_kept_where_memory_is_short(monkeypatch) -> None:
    source = Numbered()
    monkeypatch.setattr(frozen_body, "_MOST_BYTES", 2 * 12 * (4 * 6 + 8 * 12) * 8 * 2 + 200)
    kept = keep_features(split_at_body(two_levels()).body, source, 5, 3, SilentProgress())
    assert len(kept.targets) == 24


@pytest.mark.parametrize(
    ("blocks_frozen", "frozen"),
    [(0, ()), (1, ("stem", "block1_")), (2, ("stem", "block1_", "block2_"))],
)
def test_the_stem_and_the_first_blocks_are_frozen(blocks_frozen, frozen) -> None:
    model = two_levels()
    freeze_first(model, blocks_frozen)
    still = {layer.name for layer in model.layers if not layer.trainable}
    assert still == {
        layer.name for layer in model.layers if layer.name.startswith(frozen or ("?",))
    }
    assert model.get_layer("block10_dw").trainable and model.get_layer("lateral").trainable


def test_the_backbones_variables_have_the_rate() -> None:
    model = two_levels()
    freeze_first(model, 1)
    rates = body_rates(model, 0.1)
    assert set(rates.values()) == {0.1} and body_rates(model, 1.0) == {}
    named = {path.split("/")[0] for path in rates}
    assert named == {
        layer.name for layer in model.layers
        if layer.name.startswith(("block2_", "block10_")) and layer.trainable_variables
    }  # fmt: skip


@pytest.mark.long
def test_a_training_in_two_stages_resumes_where_it_was_interrupted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(request_module, "build_model", lambda name, **options: two_levels())
    data = Memory([drawn(i) for i in range(12)])
    image = ImageInput("image", *SIZE[:2], "gray", fit="letterbox")
    request = DetectRequest(
        "nano",
        data,
        None,
        PreprocessSpec((image,)),
        config=TrainConfig(epochs=2, batch_size=6, body_rate=0.1, ema=0.9, clip_norm=10.0),
        head_epochs=1,
        frozen_blocks=1,
    )
    start = start_model(request, "detect")
    told = Interrupts(after=1)
    with pytest.raises(KeyboardInterrupt):
        train_detector(request, progress=told, work_dir=tmp_path)
    assert told.stages == ["features", "train", "train"]
    onward = Interrupts(after=99)
    done = train_detector(request, progress=onward, work_dir=tmp_path, resume=True)
    # The head's stage is over: its result is in the checkpoint.
    assert onward.stages == ["train"]
    assert done.run.resumed_at == 1 and [row["epoch"] for row in done.run.history] == [1, 2]
    assert done.run.best_epoch == 2  # without a validation split the last one is kept
    assert all(layer.trainable for layer in done.model.layers)
    stem = [x.get_layer("stem").kernel.numpy() for x in (start.model, done.model)]
    head = [x.get_layer("level2_scores").kernel.numpy() for x in (start.model, done.model)]
    assert np.array_equal(*stem) and not np.array_equal(*head)


class Interrupts(SilentProgress):
    """Ctrl-C in the batch after so many epochs of the main stage."""

    def __init__(self, after: int) -> None:
        self.after, self.stages, self.lines = after, [], 0

    def stage(self, name: str, total: int) -> None:
        self.stages.append(name)
        self.lines = 0

    def say(self, line: str) -> None:
        self.lines += line.startswith("epoch")

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self.stages == ["features", "train", "train"] and self.lines == self.after:
            raise KeyboardInterrupt
