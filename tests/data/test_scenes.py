"""Scenes: repeatable, tight boxes, and nothing shared between the splits."""

from __future__ import annotations

import json
from itertools import combinations

import cv2
import numpy as np
import pytest

from edgecnn.core.errors import UnknownNameError
from edgecnn.core.sample import Dataset
from edgecnn.data import scenes
from edgecnn.data.scenes import open_scenes
from edgecnn.data.scenes_draw import SceneStyle, draw_glyph, smooth_glyph
from edgecnn.data.scenes_video import VideoStyle, write_video

datasets = pytest.importorskip("sklearn.datasets")


def test_scene_is_a_function_of_split_seed_and_index() -> None:
    one, again = open_scenes("test", 3), open_scenes("test", 3)
    other_seed, other_split = open_scenes("test", 4), open_scenes("val", 3)
    a, b = one[7], again[7]
    assert np.array_equal(a.image, b.image) and np.array_equal(a.boxes, b.boxes)
    assert a.id == "scenes/test/3/7" == one.ids[7]
    assert not np.array_equal(a.image, other_seed[7].image)
    assert other_split[7].id != a.id


def test_is_a_dataset_with_a_fixed_length() -> None:
    data: Dataset = open_scenes("val", 1, count=5)
    assert (data.task, data.labels, len(data), len(data.ids)) == ("detect", scenes.LABELS, 5, 5)
    assert not data.skipped
    with pytest.raises(IndexError):
        data[5]
    with pytest.raises(UnknownNameError, match="split 'all'"):
        open_scenes("all", 1)


def test_goes_on_past_its_end_with_fresh_scenes() -> None:
    data = open_scenes("train", 1, count=4)
    assert np.array_equal(data.fresh(2).image, data[2].image)
    assert not np.array_equal(data.fresh(4).image, data.fresh(0).image)


@pytest.mark.parametrize("split", scenes.SPLITS)
def test_samples_hold_what_the_contract_says(split: str) -> None:
    shapes = set()
    for sample in map(open_scenes(split, 5).fresh, range(40)):
        height, width = sample.image.shape[:2]
        shapes.add((height, width))
        assert sample.image.dtype == np.uint8 and sample.image.shape[2] == 3
        assert sample.boxes.dtype == np.float32 and sample.box_labels.dtype == np.int64
        assert 1 <= len(sample.boxes) == len(sample.box_labels) <= 6
        assert (sample.boxes[:, :2] >= 0).all()
        assert (sample.boxes[:, 2:] <= (width, height)).all()
        assert (sample.boxes[:, 2:] - sample.boxes[:, :2] >= 4).all()
        for a, b in combinations(sample.boxes, 2):
            low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
            least = min(np.prod(box[2:] - box[:2]) for box in (a, b))
            assert np.prod(np.clip(high - low, 0, None)) <= 0.1 * least + 1e-3
    assert shapes == {(96, 96), (72, 96)}


def test_no_digit_and_no_photo_pixel_is_in_two_splits() -> None:
    parts = {split: scenes.material(split) for split in scenes.SPLITS}
    ids = [set(parts[split].digit_ids.tolist()) for split in scenes.SPLITS]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 1797
    # A photo whose pixels are their own coordinates shows which ones each split is given.
    coordinates = np.stack(np.mgrid[:427, :640], axis=-1)
    areas = [
        {tuple(p) for p in scenes._region(coordinates, split).reshape(-1, 2).tolist()}
        for split in scenes.SPLITS
    ]
    assert sum(map(len, areas)) == len(set.union(*areas)) == 427 * 640
    truth = datasets.load_digits().target
    for part in parts.values():
        assert np.array_equal(part.classes, truth[part.digit_ids])
        assert set(part.classes.tolist()) == set(range(10))


def test_boxes_are_tight_around_the_ink() -> None:
    glyph = smooth_glyph(datasets.load_digits().images[3])
    assert glyph.shape == (40, 40) and glyph.min() >= 0 and glyph.max() <= 1
    for seed in range(10):
        patch = draw_glyph(np.random.default_rng(seed), glyph, SceneStyle())
        ink = patch > 0.15
        assert ink[0].any() and ink[-1].any() and ink[:, 0].any() and ink[:, -1].any()


def test_digits_can_be_read_with_the_boxes_alone() -> None:
    """An independent reader (nearest neighbour on 8×8 crops) mostly agrees with the labels."""
    known = datasets.load_digits()
    train = scenes.material("train").digit_ids
    bank = known.images[train].reshape(-1, 64)
    bank = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    right = total = 0
    for sample in map(open_scenes("test", 1).fresh, range(40)):
        gray = cv2.cvtColor(sample.image, cv2.COLOR_BGR2GRAY).astype(np.float32)
        for box, label in zip(sample.boxes.astype(int), sample.box_labels, strict=True):
            crop = gray[box[1] : box[3], box[0] : box[2]]
            spread = [crop - crop.min(), crop.max() - crop]
            tries = []
            for ink in spread:  # light on dark or dark on light
                small = cv2.resize(ink, (6, 8), interpolation=cv2.INTER_AREA)
                flat = np.pad(small, ((0, 0), (1, 1))).reshape(64)
                tries.append(bank @ (flat / (np.linalg.norm(flat) + 1e-6)))
            best = tries[int(max(tries[1]) > max(tries[0]))].argmax()
            right += int(known.target[train][best] == label)
            total += 1
    assert right / total > 0.5


def test_video_plays_back_with_its_truth(tmp_path) -> None:
    style = VideoStyle(seconds=1.0, fps=8.0, size=(160, 120))
    path, truth = tmp_path / "a" / "v.mp4", tmp_path / "v.jsonl"
    assert write_video(path, seed=2, style=style, truth=truth) == 8
    capture = cv2.VideoCapture(str(path))
    shapes = []
    while (read := capture.read())[0]:
        shapes.append(read[1].shape)
    assert shapes == [(120, 160, 3)] * 8
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(8))
    assert len({json.dumps(row["boxes"]) for row in rows}) > 1
    for row in rows:
        boxes = np.array(row["boxes"])
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (160, 120)).all()
    assert sorted(p.name for p in path.parent.iterdir()) == ["v.mp4"]
