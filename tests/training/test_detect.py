"""Targets, loss and a short training of the detector."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Sample
from edgecnn.data.augment import Augment
from edgecnn.training.detect_data import DetectBatches, move
from edgecnn.training.detect_targets import assign, cell_centres

LEVEL = GridLevel(4, 6, 8)
IMAGE = ImageInput("image", 32, 48, "gray", fit="letterbox")
SPEC = DetectSpec("scores", "boxes", ("a", "b"), (LEVEL,))


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def ids(*values) -> np.ndarray:
    return np.array(values, np.int64)


def test_targets_decode_back_to_their_boxes() -> None:
    truth, classes = boxes((3, 2, 21, 27), (26, 10, 44, 30)), ids(1, 0)
    target = assign(truth, classes, LEVEL, labels=2)
    # Read by the decoder that the device uses: target 1 becomes a sure logit, 0 a sure no.
    outputs = {
        "scores": ((target[..., :2] - 0.5) * 20)[None].astype(np.float32),
        "boxes": target[None, ..., 2:],
    }
    infos = [TensorInfo(name, value.shape, "float32") for name, value in outputs.items()]
    found = decode(SPEC, outputs, infos, None)
    order = np.argsort(found.boxes[:, 0])
    assert np.allclose(found.boxes[order], truth, atol=1e-4)
    assert found.classes[order].tolist() == [1, 0]


def test_every_box_has_a_cell_and_the_smaller_one_wins() -> None:
    tiny = boxes((9, 9, 11, 11))  # holds no cell's centre
    target = assign(tiny, ids(0), LEVEL, labels=2)
    assert target[..., 0].sum() == 1 and target[1, 1, 0] == 1
    both = assign(boxes((0, 0, 40, 32), (12, 8, 28, 24)), ids(0, 1), LEVEL, labels=2)
    near = np.abs(cell_centres(LEVEL) - (20, 16)).max(axis=-1) < 8
    assert (both[near][:, 1] == 1).all() and both[..., 1].sum() == near.sum() == 2
    assert both[..., 0].sum() == 4  # what the larger one has left of its own six
    assert not assign(boxes(), ids(), LEVEL, labels=2).any()


@dataclass
class Memory:
    """Boxes drawn as bright rectangles; ``fresh`` where it is endless."""

    samples: list
    labels: tuple[str, ...] = ("a", "b")
    task: str = "detect"
    skipped: tuple[str, ...] = ()

    @property
    def ids(self):
        return [sample.id for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def drawn(seed: int) -> Sample:
    """One bright (a) or dark (b) rectangle on gray."""
    rng = np.random.default_rng(seed)
    image = np.full((32, 48), 128, np.uint8)
    x, y = rng.integers(0, 30), rng.integers(0, 14)
    w, h = rng.integers(10, 18, 2)
    label = int(rng.integers(2))
    image[y : y + h, x : x + w] = 20 if label else 240
    return Sample(f"d/{seed}", image, boxes=boxes((x, y, x + w, y + h)), box_labels=ids(label))


def test_batches_depend_on_epoch_and_index_alone() -> None:
    data = Memory([drawn(i) for i in range(5)])
    batches = DetectBatches(data, IMAGE, SPEC, 2, 3, Augment())
    assert len(batches) == 3
    x, y = batches.batch(1, 0)
    assert x.shape == (2, 32, 48, 1) and y.shape == (2, 4, 6, 6) and x.dtype == y.dtype
    again = DetectBatches(data, IMAGE, SPEC, 2, 3, Augment()).batch(1, 0)
    assert np.array_equal(x, again[0]) and np.array_equal(y, again[1])
    assert not np.array_equal(x, batches.batch(2, 0)[0])
    assert len(batches.batch(0, 2)[0]) == 1
    with pytest.raises(DataError, match="has no boxes"):
        DetectBatches(Memory([replace(drawn(0), boxes=None)]), IMAGE, SPEC, 1, 0).batch(0, 0)


def test_endless_data_is_fresh_in_every_epoch() -> None:
    class Fresh(Memory):
        def fresh(self, number: int) -> Sample:
            return drawn(number)

    batches = DetectBatches(Fresh([drawn(i) for i in range(4)]), IMAGE, SPEC, 2, 0, Augment())
    wanted = np.stack([drawn(number).image for number in (6, 7)])[..., None] / 255
    assert np.allclose(batches.batch(1, 1)[0], wanted, atol=1e-6)


def test_moved_boxes_follow_their_pixels() -> None:
    rule = Augment(shift=0.1, scale=0.2, flip=True, brightness=0.1, contrast=0.2)
    for seed in range(60):
        box = drawn(seed).boxes[0]
        if min(*box[:2], 48 - box[2], 32 - box[3]) < 4:
            continue  # its colour would be drawn out to the edge
        item = (drawn(seed).image[..., None], drawn(seed).boxes, drawn(seed).box_labels)
        pixels, moved, classes = move(item, rule, np.random.default_rng(seed))
        border = int(np.median(pixels))
        ys, xs, _ = np.nonzero(np.abs(pixels.astype(int) - border) > 45)
        seen = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.abs(moved[0] - seen).max() <= 1.6 and classes.tolist() == item[2].tolist()


@pytest.mark.train
def test_loss_is_least_where_outputs_are_right() -> None:
    ops = pytest.importorskip("keras").ops
    from edgecnn.evaluation.detection import iou_matrix
    from edgecnn.training.detect_loss import detector_loss, ltrb_iou

    target = assign(boxes((3, 2, 21, 27)), ids(1), LEVEL, labels=2)[None]
    right = (target[..., :2] - 0.5) * 20

    def loss(scores, sides) -> dict[str, float]:
        found = detector_loss(target, ops.convert_to_tensor(scores), ops.convert_to_tensor(sides))
        return {key: float(value) for key, value in found.items()}

    best = loss(right, target[..., 2:])
    assert best["loss"] == pytest.approx(0, abs=1e-3) and best["iou"] == pytest.approx(1, abs=1e-4)
    assert loss(-right, target[..., 2:])["class_loss"] > best["class_loss"] + 1
    assert loss(right, target[..., 2:] + 1)["box_loss"] > best["box_loss"] + 0.1
    # IoU against the evaluation's own, on boxes around a common point.
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 3, (2, 50, 4))
    corners = [np.concatenate([-c[:, :2], c[:, 2:]], axis=1) for c in (a, b)]
    iou, giou = ltrb_iou(*(ops.convert_to_tensor(c.astype(np.float32)) for c in (a, b)))
    wanted = np.diag(iou_matrix(*corners))
    assert np.allclose(ops.convert_to_numpy(iou), wanted, atol=1e-5)
    assert (ops.convert_to_numpy(giou) <= ops.convert_to_numpy(iou) + 1e-6).all()


@pytest.mark.train
def test_learns_resumes_and_starts_from_another_model(tmp_path) -> None:
    pytest.importorskip("keras")
    from edgecnn.evaluation.detection import map50
    from edgecnn.models.table import model_names
    from edgecnn.training.config import TrainConfig
    from edgecnn.training.detect import DetectRequest, train_detector

    data, val = (Memory([drawn(i) for i in range(*r)]) for r in ((0, 96), (500, 516)))
    request = DetectRequest(
        model_names("detect")[0],
        data,
        val,
        PreprocessSpec((IMAGE,)),
        score=map50,
        config=TrainConfig(epochs=5, batch_size=16, learning_rate=5e-3, augment=False),
        options={"width": 0.5, "depth": 1, "expand": 2},
    )
    done = train_detector(request, work_dir=tmp_path)
    losses = [row["loss"] for row in done.run.history]
    assert losses[-1] < 0.7 * losses[0]
    assert set(done.run.history[0]) >= {"val_map50", "val_loss"}
    assert done.postprocess.labels == ("a", "b") and done.model.output_names
    again = train_detector(request, work_dir=tmp_path, resume=True)
    assert again.run.resumed_at == 5
    for one, other in zip(done.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    short = replace(
        request, initial=done.model, score=None, config=replace(request.config, epochs=1)
    )
    onward = train_detector(short)
    assert onward.copied_layers > 8 and onward.run.history[0]["loss"] < losses[0]


@pytest.mark.train
def test_unusable_data_is_refused() -> None:
    from edgecnn.models.table import model_names
    from edgecnn.training.detect import DetectRequest, train_detector

    one = Memory([drawn(0)])
    request = DetectRequest(model_names("detect")[0], one, one, PreprocessSpec((IMAGE,)))
    with pytest.raises(DataError, match="expected the same ones"):
        train_detector(replace(request, val=Memory([drawn(0)], ("a", "c"))))
    with pytest.raises(DataError, match="split is empty"):
        train_detector(replace(request, val=Memory([])))
    with pytest.raises(UsageError, match="is for classify,"):
        train_detector(replace(request, model_name=model_names("classify")[0]))
