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
from edgecnn.data.augment_boxes import BoxAugment, BoxedPixels, augmented
from edgecnn.evaluation.matching import iou_matrix
from edgecnn.training.detect_data import DetectBatches, Photos
from edgecnn.training.detect_targets import Assigner, candidates, class_weights

LEVEL = GridLevel(4, 6, 8)
IMAGE = ImageInput("image", 32, 48, "gray", fit="letterbox")
SPEC = DetectSpec("scores", "boxes", ("a", "b"), (LEVEL,))
CENTRES = np.array([(x + 0.5, y + 0.5) for y in range(4) for x in range(6)]) * 8
assign = Assigner(SPEC, radius=1.0)
# Two levels of 8 and 16 pixels; a box of up to 20 belongs to the first.
LEVELS = replace(SPEC, levels=(LEVEL, GridLevel(2, 3, 16)))
ANCHORS = replace(
    SPEC,
    levels=(GridLevel(4, 6, 8, ((12.0, 12.0), (20.0, 24.0))), GridLevel(1, 1, 32, ((40.0, 30.0),))),
    coding="center-size",
)


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def ids(*values) -> np.ndarray:
    return np.array(values, np.int64)


def answered(spec: DetectSpec, target: np.ndarray):
    """What the device's decoder reads where the outputs are what the targets ask for."""
    target = target[None]
    labels = len(spec.labels)
    outputs = {
        "scores": ((target[..., :labels] - 0.5) * 20).astype(np.float32),
        "boxes": codes(spec, target[0, :, labels : labels + 4])[None],
    }
    infos = [TensorInfo(name, value.shape, "float32") for name, value in outputs.items()]
    return decode(spec, outputs, infos, None)


def codes(spec: DetectSpec, corners: np.ndarray) -> np.ndarray:
    """Corners → box codes, written down from the formats' definitions."""
    out, start = np.zeros_like(corners), 0
    for level in spec.levels:
        each = level.anchors or ((0.0, 0.0),)
        for row in range(level.rows):
            for col in range(level.cols):
                x, y = (col + 0.5) * level.stride, (row + 0.5) * level.stride
                for w, h in each:
                    x1, y1, x2, y2 = corners[start]
                    if spec.coding == "ltrb":
                        sides = np.array([x - x1, y - y1, x2 - x, y2 - y])
                        out[start] = sides / level.stride
                    elif x2 > x1:
                        middle = ((y1 + y2) / 2 - y) / h, ((x1 + x2) / 2 - x) / w
                        size = np.log((y2 - y1) / h), np.log((x2 - x1) / w)
                        out[start] = np.array([*middle, *size]) / spec.variances
                    start += 1
    return out


@pytest.mark.parametrize("spec", [SPEC, LEVELS, ANCHORS], ids=["grid", "levels", "anchors"])
def test_targets_decode_back_to_their_boxes(spec) -> None:
    truth, classes = boxes((3, 2, 21, 27), (26, 10, 44, 30)), ids(1, 0)
    found = answered(spec, Assigner(spec)(truth, classes))
    order = np.argsort(found.boxes[:, 0])
    assert np.allclose(found.boxes[order], truth, atol=1e-3)
    assert found.classes[order].tolist() == [1, 0]


def test_every_box_has_a_cell_and_the_smaller_one_wins() -> None:
    def grid(*given) -> np.ndarray:
        return assign(*given).reshape(4, 6, 7)

    tiny = boxes((9, 9, 11, 11))  # holds no cell's centre
    target = grid(tiny, ids(0))
    assert target[..., 0].sum() == 1 and target[1, 1, 0] == 1
    both = grid(boxes((0, 0, 40, 32), (12, 8, 28, 24)), ids(0, 1))
    near = (np.abs(CENTRES - (20, 16)).max(axis=-1) < 8).reshape(4, 6)
    assert (both[near][:, 1] == 1).all() and both[..., 1].sum() == near.sum() == 2
    assert both[..., 0].sum() == 4  # what the larger one has left of its own six
    assert not grid(boxes(), ids())[..., :6].any()


def test_a_box_is_answered_for_on_the_level_of_its_size() -> None:
    rule = Assigner(LEVELS, reach=2.5)
    small, large = rule(boxes((3, 2, 15, 20)), ids(0)), rule(boxes((3, 2, 35, 30)), ids(0))
    assert small[:24, 0].any() and not small[24:, 0].any()
    assert large[24:, 0].any() and not large[:24, 0].any()


def test_ignored_boxes_are_neither_asked_for_nor_background() -> None:
    target = assign(boxes((0, 0, 24, 32), (26, 2, 46, 30)), ids(0, 1), np.array([True, False]))
    inside = (CENTRES < (24, 32)).all(axis=-1)
    assert not target[:, 0].any() and (target[inside, -1] == 0).all()
    assert (target[~inside, -1] == 1).all() and target[:, 1].any()


def test_rare_classes_weigh_more() -> None:
    weights = class_weights([400, 100, 0])
    assert weights == (1.0, 2.0, 4.0)
    target = Assigner(SPEC, weights=weights[:2])(boxes((3, 2, 21, 27)), ids(1))
    assert set(target[target[:, 1] == 1, -1]) == {2.0} and set(target[:, -1]) == {1.0, 2.0}


def test_anchors_between_sure_and_background_are_not_judged() -> None:
    laid = candidates(ANCHORS.levels)
    anchors = np.concatenate([laid.centres - laid.anchors / 2, laid.centres + laid.anchors / 2], 1)
    rng, neutral = np.random.default_rng(0), 0
    for _ in range(50):
        corner, size = rng.uniform(0, 20, 2), rng.uniform(8, 30, 2)
        box = boxes((*corner, *(corner + size)))
        target, iou = Assigner(ANCHORS)(box, ids(1)), iou_matrix(anchors, box)[:, 0]
        sure = iou >= 0.5
        mine = target[:, 1] == 1
        assert mine[sure].all() and iou[mine & ~sure].tolist() in ([], [pytest.approx(iou.max())])
        assert ((target[:, -1] == 0) == (~mine & (iou >= 0.4))).all()
        neutral += int((target[:, -1] == 0).sum())
    assert neutral > 20


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
    batches = DetectBatches(data, IMAGE, assign, 2, 3, BoxAugment())
    assert len(batches) == 3
    x, y = batches.batch(1, 0)
    assert x.shape == (2, 32, 48, 1) and y.shape == (2, 24, 7) and x.dtype == y.dtype
    again = DetectBatches(data, IMAGE, assign, 2, 3, BoxAugment()).batch(1, 0)
    assert np.array_equal(x, again[0]) and np.array_equal(y, again[1])
    assert not np.array_equal(x, batches.batch(2, 0)[0])
    assert len(batches.batch(0, 2)[0]) == 1
    with pytest.raises(DataError, match="has no boxes"):
        DetectBatches(Memory([replace(drawn(0), boxes=None)]), IMAGE, assign, 1, 0).batch(0, 0)


def test_endless_data_is_fresh_in_every_epoch() -> None:
    class Fresh(Memory):
        def fresh(self, number: int) -> Sample:
            return drawn(number)

    batches = DetectBatches(Fresh([drawn(i) for i in range(4)]), IMAGE, assign, 2, 0, BoxAugment())
    wanted = np.stack([drawn(number).image for number in (6, 7)])[..., None] / 255
    assert np.allclose(batches.batch(1, 1)[0], wanted, atol=1e-6)


def changed(seed: int, rule: BoxAugment, size: tuple[int, int]) -> BoxedPixels:
    data = Memory([drawn(seed), drawn(seed + 1)])
    height, width = size
    photos = Photos(data, replace(IMAGE, height=height, width=width))
    rng = np.random.default_rng(seed)
    return augmented(photos, 0, len(data), rule, photos.fit, size, 128, rng)


@pytest.mark.parametrize("size", [(32, 48), (64, 48), (40, 80)])
def test_changed_boxes_follow_their_pixels(size) -> None:
    rule = BoxAugment(mosaic=0.0, aspect=0.2, shift=0.2, tint=0.0)
    seen = 0
    for seed in range(60):
        item = changed(seed, rule, size)
        if not len(item.boxes) or item.ignored[0]:
            continue
        ys, xs, _ = np.nonzero(np.abs(item.pixels.astype(int) - np.median(item.pixels)) > 45)
        shown = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.abs(item.boxes[0] - shown).max() <= 2, seed
        assert item.pixels.shape == (*size, 1)
        seen += 1
    assert seen > 30


def test_a_mosaic_shows_four_photos_with_their_boxes() -> None:
    counts = []
    for seed in range(20):
        item = changed(seed, BoxAugment(mosaic=1.0, brightness=0, contrast=0), (64, 96))
        for box, hidden in zip(item.boxes, item.ignored, strict=True):
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            assert hidden or abs(int(item.pixels[y, x, 0]) - 128) > 50
        counts.append(len(item.boxes))
    assert max(counts) == 4 and min(counts) >= 1


@pytest.mark.train
def test_loss_is_least_where_outputs_are_right() -> None:
    ops = pytest.importorskip("keras").ops
    from edgecnn.training.detect_loss import DetectorLoss, box_iou

    for spec in (SPEC, LEVELS, ANCHORS):
        target = Assigner(spec)(boxes((3, 2, 21, 27)), ids(1))[None]
        right = (target[..., :2] - 0.5) * 20
        sides = codes(spec, target[0, :, 2:6])[None].astype(np.float32)
        judge = DetectorLoss(spec)

        def loss(scores, given, judge=judge, target=target) -> dict[str, float]:
            found = judge(target, ops.convert_to_tensor(scores), ops.convert_to_tensor(given))
            return {key: float(value) for key, value in found.items()}

        best = loss(right, sides)
        assert best["loss"] == pytest.approx(0, abs=2e-3) and best["iou"] > 0.999
        assert loss(-right, sides)["class_loss"] > best["class_loss"] + 1
        assert loss(right, sides + 1)["box_loss"] > best["box_loss"] + 0.1
    # IoU against the evaluation's own.
    rng = np.random.default_rng(0)
    a, b = np.sort(rng.uniform(0, 9, (2, 50, 2, 2)), axis=2).reshape(2, 50, 4).astype(np.float32)
    iou, giou = box_iou(ops.convert_to_tensor(a), ops.convert_to_tensor(b))
    assert np.allclose(ops.convert_to_numpy(iou), np.diag(iou_matrix(a, b)), atol=1e-5)
    assert (ops.convert_to_numpy(giou) <= ops.convert_to_numpy(iou) + 1e-6).all()


@pytest.mark.train
def test_learns_resumes_and_starts_from_another_model(tmp_path) -> None:
    pytest.importorskip("keras")
    from edgecnn.jobs.detect_plan import score_of
    from edgecnn.models.io import save_keras
    from edgecnn.models.table import model_names
    from edgecnn.training.config import TrainConfig
    from edgecnn.training.detect import DetectRequest, train_detector
    from edgecnn.training.weights.source import read_source

    data, val = (Memory([drawn(i) for i in range(*r)]) for r in ((0, 96), (500, 516)))
    request = DetectRequest(
        model_names("detect")[0],
        data,
        val,
        PreprocessSpec((IMAGE,)),
        score=score_of("val_map50"),
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
    save_keras(tmp_path / "first.keras", done.model)
    source = read_source(str(tmp_path / "first.keras"))
    short = replace(request, initial=source, score=None, config=replace(request.config, epochs=1))
    onward = train_detector(short)
    assert onward.taken.way == "name" and len(onward.taken.taken) > 8
    assert onward.run.history[0]["loss"] < losses[0]


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
