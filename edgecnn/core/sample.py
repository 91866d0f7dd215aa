"""One labelled sample and an ordered set of them: plain data between data, training, evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.audio import Recording


def _no_image() -> NDArray[np.uint8]:
    return np.zeros((0, 0), np.uint8)


@dataclass(frozen=True)
class Sample:
    """One labelled image, recording, or set of arrays.

    Attributes:
        id: stable name (relative path, or ``digits/17``); splits are recorded by it.
        image: uint8 (height, width, 3), BGR, or (height, width) gray; (0, 0) where it is none.
        label: class index (classification), else None.
        boxes: float32 (n, 4) x1, y1, x2, y2 in pixels of ``image`` (detection), else None.
        box_labels: int64 (n,) class indices, else None.
        ignored: bool (n,) boxes that are neither counted nor trained on (VOC's ``difficult``,
            COCO's ``iscrowd``); None: none.
        crowd: bool (n,) of the ignored boxes those that stand for a group, in which any number of
            detections may lie; None: none.
        audio: a recording, else None.
        arrays: real values by input name (any name where the model has one input), float32 of the
            input's shape, sizes of 1 left out or not, else None.
    """

    id: str
    image: NDArray[np.uint8] = field(default_factory=_no_image)
    label: int | None = None
    boxes: NDArray[np.float32] | None = None
    box_labels: NDArray[np.int64] | None = None
    ignored: NDArray[np.bool_] | None = None
    crowd: NDArray[np.bool_] | None = None
    audio: Recording | None = None
    arrays: Mapping[str, NDArray[np.float32]] | None = None


def spread(length: int, count: int) -> tuple[int, ...]:
    """Spreads at most ``count`` positions evenly: of a sorted folder they meet every class.

    >>> spread(10, 4), spread(2, 4)
    ((0, 3, 6, 9), (0, 1))
    """
    places = np.linspace(0, length - 1, min(count, length)).round()
    return tuple(int(place) for place in np.unique(places))


class Dataset(Protocol):
    """A fixed, ordered set of samples; reading one is lazy and repeatable."""

    @property
    def task(self) -> str:
        """``classify`` or ``detect``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; the index is the class."""

    @property
    def ids(self) -> Sequence[str]:
        """Every sample's id, in order."""

    @property
    def skipped(self) -> Sequence[str]:
        """Files that could not be read, named; found when the set was opened or read."""

    def __len__(self) -> int:
        """How many samples."""

    def __getitem__(self, index: int) -> Sample:
        """The sample at ``index``; IndexError past the end."""
