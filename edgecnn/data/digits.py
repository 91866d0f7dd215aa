"""scikit-learn's handwritten digits (UCI, 1797 gray images, 8×8): real data that needs no network.

Garris, Alpaydin, Kaynak: the UCI "Optical Recognition of Handwritten Digits" test set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import MissingExtraError
from edgecnn.core.sample import Sample
from edgecnn.data.images import split_facts
from edgecnn.data.splits import PARTS, check_split, cut, drop_duplicates

LABELS = tuple("0123456789")
_TEST, _VAL = 0.28, 0.10  # 503 test images, so that one image is 0.2 points


@dataclass(frozen=True)
class DigitSet:
    """One split of the digits; see :class:`edgecnn.core.sample.Dataset`.

    Samples are uint8 (8, 8) gray, 0 (paper) to 255 (ink).
    """

    ids: tuple[str, ...]
    duplicates: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    labels: tuple[str, ...] = LABELS
    task: str = "classify"
    images: NDArray[np.uint8] = field(repr=False, kw_only=True)
    classes: NDArray[np.int64] = field(repr=False, kw_only=True)

    def __len__(self) -> int:
        """How many images."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """The digit at ``index``; IndexError past the end."""
        name = self.ids[index]
        row = int(name.split("/")[1])
        return Sample(name, self.images[row].copy(), int(self.classes[row]))

    @property
    def targets(self) -> list[int]:
        """The class of every image."""
        return [int(self.classes[int(name.split("/")[1])]) for name in self.ids]


def open_digits(split: str, seed: int) -> DigitSet:
    """The digits of one split (train, val, test or all), stratified by class and seeded.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        UnknownNameError: there is no such split.
    """
    check_split(split)
    images, classes = _load()
    names = [f"digits/{i}" for i in range(len(images))]
    if split == "all":
        return DigitSet(tuple(names), images=images, classes=classes)
    parts = _parts(names, classes, seed)
    content = {
        name: hashlib.sha256(image.tobytes()).hexdigest()
        for name, image in zip(names, images, strict=True)
    }
    kept, dropped = drop_duplicates(parts, content)
    duplicates = tuple(name for name in dropped if name in set(parts[split]))
    return DigitSet(kept[split], duplicates, images=images, classes=classes)


def digits_record(seed: int) -> dict[str, Any]:
    """The manifest's facts about the three splits."""
    return {part: split_facts(open_digits(part, seed)) for part in PARTS}


def _parts(names: list[str], classes: NDArray[np.int64], seed: int) -> Mapping[str, list[str]]:
    by_class: dict[str, list[str]] = {label: [] for label in LABELS}
    for name, label in zip(names, classes, strict=True):
        by_class[LABELS[int(label)]].append(name)
    test = cut(by_class, _TEST, seed)
    rest = {label: [n for n in ids if n not in test] for label, ids in by_class.items()}
    val = cut(rest, _VAL / (1 - _TEST), seed)
    return {
        "test": [name for name in names if name in test],
        "val": [name for name in names if name in val],
        "train": [name for name in names if name not in test and name not in val],
    }


@lru_cache(maxsize=1)
def _load() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("the digits data set", "scikit-learn", "train") from error
    data = load_digits()
    # 0..16 to 0..255, rounded: 16 → 255.
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    images.setflags(write=False)
    return images, data.target.astype(np.int64)
