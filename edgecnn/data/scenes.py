"""Detection scenes made on demand: real handwritten digits pasted on real photographs.

Digits: scikit-learn's copy of the UCI optical digits (8×8, 1797). Photographs: the two that
scikit-learn ships (china.jpg, flower.jpg). Nothing is downloaded. Each scene is a pure function of
``(seed, split, index)``, so a set needs no storage and training can have fresh scenes for ever.

No digit and no photo pixel is in two splits: test has the odd digits and the right half of both
photos; train and val share the even digits (val every tenth of them) and the left half (val the
bottom third of it).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError, MissingExtraError, UnknownNameError
from edgecnn.core.sample import Sample
from edgecnn.data.scenes_draw import Material, SceneStyle, compose, smooth_glyph

SPLITS: tuple[str, ...] = ("train", "val", "test")
LABELS = tuple("0123456789")
SIZE = 96
DEFAULT_COUNTS = {"train": 3200, "val": 200, "test": 500}
_WIDE_SHARE = 0.3  # of the scenes that are 4:3 like a camera's frame, the rest square
_PHOTOS = ("china.jpg", "flower.jpg")


class SceneSet:
    """A fixed set of scenes (see :class:`edgecnn.core.sample.Dataset`); nothing is stored."""

    task = "detect"
    labels = LABELS
    skipped: Sequence[str] = ()

    def __init__(self, split: str, seed: int, count: int, style: SceneStyle, size: int) -> None:
        self.split = split
        self.seed = seed
        self.style = style
        self.size = size
        self._count = count
        self._material = material(split)

    @property
    def ids(self) -> Sequence[str]:
        """``scenes/<split>/<seed>/<index>``."""
        return [self._id(index) for index in range(self._count)]

    def __len__(self) -> int:
        """How many scenes."""
        return self._count

    def __getitem__(self, index: int) -> Sample:
        """Scene ``index``: uint8 BGR (height, width, 3) with its boxes; IndexError past the end."""
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self.fresh(index)

    def fresh(self, number: int) -> Sample:
        """Scene ``number`` ≥ 0 of the endless series that the set is the start of."""
        rng = np.random.default_rng((self.seed, SPLITS.index(self.split), number))
        width, height = self.size, self.size
        if rng.random() < _WIDE_SHARE:
            height = self.size * 3 // 4
        image, boxes, classes = compose(rng, self._material, self.style, (width, height))
        return Sample(self._id(number), image, boxes=boxes, box_labels=classes)

    def _id(self, index: int) -> str:
        return f"scenes/{self.split}/{self.seed}/{index}"


def open_scenes(
    split: str,
    seed: int,
    *,
    count: int | None = None,
    style: SceneStyle | None = None,
    size: int = SIZE,
) -> SceneSet:
    """Opens a split of the generated scenes.

    Args:
        split: ``train``, ``val`` or ``test``.
        seed: another seed gives other scenes from the same material.
        count: how many; default 3200 train (training goes on past them with fresh ones), 200 val,
            500 test.
        style: what they look like.
        size: width in pixels; scenes are square or 4:3.

    Raises:
        UnknownNameError: no such split.
        MissingExtraError: scikit-learn is not installed.
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    return SceneSet(split, seed, count or DEFAULT_COUNTS[split], style or SceneStyle(), size)


@lru_cache(maxsize=3)
def material(split: str) -> Material:
    """The digits and photo regions of ``split``.

    Raises:
        DataError: scikit-learn lacks its photographs.
        MissingExtraError: scikit-learn is not installed.
    """
    import cv2

    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError("the data source 'scenes'", "scikit-learn", "train") from error
    digits = datasets.load_digits()
    index = np.flatnonzero(_in_split(np.arange(len(digits.target)), split))
    glyphs = np.stack([smooth_glyph(digits.images[i]) for i in index])
    photos = []
    for name in _PHOTOS:
        path = Path(datasets.__file__).parent / "images" / name
        photo = cv2.imread(str(path))
        if photo is None:
            raise DataError(f"cannot read {path}", hint="reinstall scikit-learn, which ships it")
        photos.append(_region(photo, split))
    noise = np.random.default_rng(7).standard_normal((512, 512), dtype=np.float32)
    classes = digits.target[index].astype(np.int64)
    return Material(glyphs, classes, index, tuple(photos), noise)


def _in_split(index: NDArray[np.int64], split: str) -> NDArray[np.bool_]:
    if split == "test":
        return index % 2 == 1
    return (index % 2 == 0) & ((index % 20 == 0) == (split == "val"))


def _region(photo: NDArray[np.uint8], split: str) -> NDArray[np.uint8]:
    half, third = photo.shape[1] // 2, photo.shape[0] * 2 // 3
    if split == "test":
        return photo[:, half:]
    return photo[:third, :half] if split == "train" else photo[third:, :half]
