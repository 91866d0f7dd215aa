"""Random changes to photos with boxes: whatever they are, boxes stay boxes of what is shown."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import UsageError
from edgecnn.data.augment import Augment
from edgecnn.data.augment_boxes import (
    BoxAugment,
    BoxedPixels,
    augmented,
    gentle,
    mirrored,
    place,
)

STILL = BoxAugment(1, 1, 0, 0, False, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("zoom_in", 0.5, "1 to 10"),
        ("zoom_out", 11, "1 to 10"),
        ("aspect", 1.0, "0 or more, below 1"),
        ("shift", -0.1, "0 or more, below 1"),
        ("brightness", 1.5, "below 1"),
        ("contrast", -1, "below 1"),
        ("tint", 2, "below 1"),
        ("mosaic", 1.01, "0 to 1"),
        ("zoom_in", float("nan"), "1 to 10"),
        ("mosaic", float("nan"), "0 to 1"),
    ],
)
def test_wrong_rules_are_refused(key, value, expected) -> None:
    with pytest.raises(UsageError, match=f"augment: {key} = .*, expected.*{expected}") as caught:
        BoxAugment(**{key: value})
    assert key in caught.value.hint


def test_gentle_is_what_boxes_can_follow() -> None:
    rule = Augment(scale=0.2, shift=0.1, flip=True, brightness=0.2, contrast=0.3)
    found = gentle(rule)
    assert (found.zoom_in, found.zoom_out, found.shift, found.flip) == (1.2, 1.2, 0.1, True)
    assert (found.aspect, found.mosaic, found.tint) == (0, 0, 0)


def photo(rng: np.random.Generator, boxes: int = 3, channels: int = 3) -> BoxedPixels:
    width, height = rng.integers(8, 90, 2)
    low = rng.uniform(-4, 0.9 * min(width, height), (boxes, 2))
    corners = np.concatenate([low, low + rng.uniform(0.5, 50, (boxes, 2))], axis=1)
    return BoxedPixels(
        rng.integers(0, 256, (height, width, channels)).astype(np.uint8),
        np.clip(corners, 0, [width, height, width, height]).astype(np.float32),
        rng.integers(0, 4, boxes),
        rng.random(boxes) < 0.3,
    )


def letterbox(size):
    def fit(image: BoxedPixels):
        height, width = image.pixels.shape[:2]
        scale = np.full(2, min(size[1] / width, size[0] / height))
        return scale, (np.array(size[::-1]) - scale * (width, height)) / 2

    return fit


rules = st.builds(
    BoxAugment,
    zoom_in=st.floats(1, 10),
    zoom_out=st.floats(1, 10),
    flip=st.booleans(),
    mosaic=st.sampled_from([0.0, 0.5, 1.0]),
    **{key: st.floats(0, 0.99) for key in ("aspect", "shift", "brightness", "contrast", "tint")},
)


@settings(max_examples=150)
@given(rules, st.integers(0, 10**6), st.integers(0, 4), st.sampled_from([1, 3]))
def test_boxes_stay_inside_and_ignored_ones_ignored(rule, seed, boxes, channels) -> None:
    rng = np.random.default_rng(seed)
    photos = [photo(rng, boxes, channels) for _ in range(4)]
    # Classes say where a box comes from: those of 4 or more were ignored.
    photos = [replace(x, classes=x.classes + 4 * x.ignored) for x in photos]
    before = [x.pixels.copy() for x in photos]
    size = tuple(int(side) for side in rng.integers(16, 80, 2))
    found, again = (
        augmented(photos.__getitem__, 1, 4, rule, letterbox(size), size, 128,
                  np.random.default_rng(seed))
        for _ in range(2)
    )  # fmt: skip
    assert found.pixels.shape == (*size, channels) and found.pixels.dtype == np.uint8
    count = len(found.boxes)
    assert found.boxes.shape == (count, 4) and found.boxes.dtype == np.float32
    assert len(found.classes) == len(found.ignored) == count <= 4 * boxes
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    assert (low >= 0).all() and (high > low).all() and (high <= (size[1], size[0])).all()
    assert found.ignored[found.classes >= 4].all()
    if rule.mosaic == 0:
        assert count <= boxes and set(found.classes) <= set(photos[1].classes)
    # What is asked for can be seen.
    assert ((high - low).min(axis=1, initial=9) >= 2)[~found.ignored].all()
    for key in (field.name for field in fields(BoxedPixels)):
        assert np.array_equal(getattr(found, key), getattr(again, key))
    assert all(map(np.array_equal, before, (x.pixels for x in photos)))


def test_a_rule_of_nothing_changes_nothing() -> None:
    for seed in range(20):
        image = photo(np.random.default_rng(seed))
        size = image.pixels.shape[:2]
        found = augmented(lambda _: image, 0, 1, STILL, letterbox(size), size, 0,  # noqa: B023
                          np.random.default_rng(seed))  # fmt: skip
        assert np.array_equal(found.pixels, image.pixels)
        there = (image.boxes[:, 2:] > image.boxes[:, :2]).all(axis=1)
        np.testing.assert_allclose(found.boxes, image.boxes[there], atol=1e-5)
        assert np.array_equal(found.classes, image.classes[there])


def test_a_box_that_is_cut_to_less_than_half_is_ignored() -> None:
    image = BoxedPixels(
        np.zeros((40, 40, 3), np.uint8),
        np.array([[0, 0, 20, 20], [0, 20, 20, 40], [30, 0, 40, 10]], np.float32),
        np.array([0, 1, 2]),
        np.zeros(3, bool),
    )
    moved = place(image, (np.ones(2), np.array([-9.0, 0.0])), (40, 40), 0)
    assert moved.boxes[0].tolist() == [0, 0, 11, 20] and not moved.ignored.any()
    moved = place(image, (np.ones(2), np.array([-11.0, 0.0])), (40, 40), 0)
    assert moved.ignored.tolist() == [True, True, False] and moved.boxes[0, 2] == 9
    gone = place(image, (np.ones(2), np.array([-20.0, 0.0])), (40, 40), 0)
    assert gone.classes.tolist() == [2]


def test_mirrored_twice_is_the_photo() -> None:
    image = photo(np.random.default_rng(3))
    once, twice = mirrored(image), mirrored(mirrored(image))
    assert np.array_equal(once.pixels, np.flip(image.pixels, axis=1))
    np.testing.assert_allclose(once.boxes[:, 0], image.pixels.shape[1] - image.boxes[:, 2])
    assert np.array_equal(twice.pixels, image.pixels)
    np.testing.assert_allclose(twice.boxes, image.boxes, atol=1e-4)
