from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import UsageError
from edgecnn.data.augment import Augment, augment_batch, augment_image, default_augment

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 20, 16, 3), dtype=np.uint8)
NONE = Augment(shift=0, scale=0, rotate_deg=0, brightness=0, contrast=0)


def change(rule, *, epoch=0, seed=1, images=IMAGES, indices=range(6)):
    return augment_batch(images, list(indices), rule, seed=seed, epoch=epoch)


def test_seed_epoch_and_index_fix_the_change():
    whole = change(Augment(flip=True, cutout=0.3))
    np.testing.assert_array_equal(whole, change(Augment(flip=True, cutout=0.3)))
    np.testing.assert_array_equal(
        whole[4:], change(Augment(flip=True, cutout=0.3), images=IMAGES[4:], indices=(4, 5))
    )
    assert (whole != change(Augment(flip=True, cutout=0.3), epoch=1)).any()
    assert (whole != change(Augment(flip=True, cutout=0.3), seed=2)).any()


def test_everything_off_changes_nothing_and_never_writes_to_its_input():
    before = IMAGES.copy()
    np.testing.assert_array_equal(change(NONE), IMAGES)
    change(Augment(flip=True, cutout=0.5))
    np.testing.assert_array_equal(IMAGES, before)


def test_flip_mirrors_about_half():
    many = np.repeat(IMAGES[:1], 200, axis=0)
    rule = Augment(0, 0, 0, flip=True, brightness=0, contrast=0)
    out = change(rule, images=many, indices=range(200))
    mirrored = [bool((image == IMAGES[0][:, ::-1]).all()) for image in out]
    plain = [bool((image == IMAGES[0]).all()) for image in out]
    assert all(a != b for a, b in zip(mirrored, plain, strict=True))
    assert 70 < sum(mirrored) < 130


def test_shift_moves_a_dot_by_no_more_than_it_may():
    image = np.zeros((41, 41, 1), np.uint8)
    image[20, 20] = 255
    rule = Augment(shift=0.1, scale=0, rotate_deg=0, brightness=0, contrast=0)
    for seed in range(50):
        out = augment_image(image, rule, np.random.default_rng(seed))
        assert out.shape == image.shape
        y, x = np.unravel_index(out[..., 0].argmax(), (41, 41))
        assert abs(y - 20) <= 5 and abs(x - 20) <= 5


def test_cutout_has_its_size():
    rule = Augment(0, 0, 0, brightness=0, contrast=0, cutout=0.5)
    out = augment_image(np.zeros((20, 16, 3), np.uint8), rule, np.random.default_rng(3))
    assert (out == 128).all(axis=-1).sum() == 10 * 8


def test_signs_are_not_mirrored():
    assert not default_augment(list("0123456789")).flip
    assert default_augment(["ship", "truck"]).flip


@pytest.mark.parametrize(("key", "value"), [("shift", 1.0), ("cutout", -0.1), ("rotate_deg", 181)])
def test_bad_values_are_named(key, value):
    with pytest.raises(UsageError, match=key):
        Augment(**{key: value})
