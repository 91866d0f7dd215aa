"""Labelled images → batches for a detector: fitted, changed at random, with targets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError
from edgecnn.core.imaging import resize_to_spec
from edgecnn.core.preprocess import ImageInput, table
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset, Sample
from edgecnn.data.augment_boxes import Affine, BoxAugment, BoxedPixels, augmented

_KEPT_BYTES = 1 << 30  # decoded photos that are kept in memory
_KEPT_SCALE = 2.0  # photos are kept at no more than so many times the model's size


@runtime_checkable
class Endless(Protocol):
    """A data set that can make as many samples as wanted."""

    def fresh(self, number: int) -> Sample:
        """Sample ``number`` ≥ 0 of an endless series; the same number gives the same one."""


class Assign(Protocol):
    """Boxes of an image → targets of a model's candidates or cells."""

    def __call__(
        self,
        boxes: NDArray[np.float32],
        classes: NDArray[np.int64],
        ignored: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """(candidates, values per candidate) of one image."""


class Photos:
    """The photos of a data set at a workable size; those read once are kept as memory allows.

    Args:
        dataset: of task ``detect``.
        image: the model's input.
    """

    def __init__(self, dataset: Dataset, image: ImageInput) -> None:
        self._dataset, self._image = dataset, image
        self._kept: dict[int, BoxedPixels] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """How many photos."""
        return len(self._dataset)

    def __call__(self, index: int) -> BoxedPixels:
        """Photo ``index`` in the input's colours, not yet fitted."""
        found = self._kept.get(index)
        if found is None:
            found = self._read(index)
            if self._bytes + found.pixels.nbytes <= _KEPT_BYTES:
                self._bytes += found.pixels.nbytes
                self._kept[index] = found
        return found

    def fit(self, photo: BoxedPixels) -> Affine:
        """How a photo comes to the model's size: scale and offset, as inference does it."""
        image = self._image
        height, width = photo.pixels.shape[:2]
        scale = np.array([image.width / width, image.height / height])
        if image.fit == "letterbox":
            scale[:] = scale.min()
        elif image.fit == "crop":
            scale[:] = scale.max()
        return scale, (np.array([image.width, image.height]) - scale * (width, height)) / 2

    def _read(self, index: int) -> BoxedPixels:
        sample = self._dataset[index]
        boxes, labels, ignored = checked_boxes(sample)
        height, width = sample.image.shape[:2]
        limit = _KEPT_SCALE * max(self._image.width / width, self._image.height / height)
        scale = min(1.0, limit)
        small = replace(
            self._image,
            width=max(1, round(width * scale)),
            height=max(1, round(height * scale)),
            fit="stretch",
        )
        pixels, frame_map = resize_to_spec(small, sample.image)
        return BoxedPixels(pixels, frame_map.to_tensor(boxes), labels, ignored)


@dataclass(frozen=True)
class DetectBatches:
    """Training batches, a pure function of epoch and index.

    A data set that is :class:`Endless` gives new samples in every epoch and is not augmented;
    another one is shuffled anew and augmented.

    Attributes:
        dataset: of task ``detect``.
        image: the input's spec.
        assign: boxes → targets.
        batch_size: images per step.
        seed: of order and augmentation.
        augment: None: as they are.
    """

    dataset: Dataset
    image: ImageInput
    assign: Assign
    batch_size: int
    seed: int
    augment: BoxAugment | None = None
    photos: Photos = field(init=False)

    def __post_init__(self) -> None:
        """Makes the store of decoded photos."""
        object.__setattr__(self, "photos", Photos(self.dataset, self.image))

    def __len__(self) -> int:
        """Batches per epoch."""
        return math.ceil(len(self.dataset) / self.batch_size)

    def batch(self, epoch: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Images (n, h, w, c) and targets (n, candidates, labels + 5), both float32."""
        start, count = index * self.batch_size, len(self.dataset)
        numbers = range(start, min(start + self.batch_size, count))
        if isinstance(self.dataset, Endless):
            samples = [self.dataset.fresh(epoch * count + number) for number in numbers]
            fitted = [fit_sample(sample, self.image) for sample in samples]
        else:
            order = np.random.default_rng((self.seed, epoch)).permutation(count)[numbers]
            fitted = [self.moved(epoch, int(place)) for place in order]
        images = np.stack([item.pixels for item in fitted])
        return scale_pixels(images, self.image), np.stack([self.target(item) for item in fitted])

    def moved(self, epoch: int, place: int) -> BoxedPixels:
        """Photo ``place`` at the model's size, as epoch ``epoch`` sees it."""
        if self.augment is None:
            return fit_sample(self.dataset[place], self.image)
        return augmented(
            self.photos,
            place,
            len(self.dataset),
            self.augment,
            self.photos.fit,
            (self.image.height, self.image.width),
            self.image.pad_value,
            np.random.default_rng((self.seed, epoch, place)),
        )

    def target(self, item: BoxedPixels) -> NDArray[np.float32]:
        """(candidates, labels + 5) of one image."""
        return self.assign(item.boxes, item.classes, item.ignored)


def checked_boxes(
    sample: Sample,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Boxes, classes and which are ignored.

    Raises:
        DataError: the sample has no boxes.
    """
    if sample.boxes is None or sample.box_labels is None:
        raise DataError(f"'{sample.id}' has no boxes", hint="detection needs boxes per image")
    ignored = sample.ignored if sample.ignored is not None else np.zeros(len(sample.boxes), bool)
    return sample.boxes, sample.box_labels, ignored


def fit_sample(sample: Sample, image: ImageInput) -> BoxedPixels:
    """Pixels and boxes of a sample as the model's input has them.

    Raises:
        DataError: the sample has no boxes.
    """
    boxes, labels, ignored = checked_boxes(sample)
    pixels, frame_map = resize_to_spec(image, sample.image)
    return BoxedPixels(pixels, frame_map.to_tensor(boxes), labels, ignored)


def scale_pixels(images: NDArray[np.uint8], image: ImageInput) -> NDArray[np.float32]:
    """Bytes (n, h, w, c) → the real values that the model takes."""
    info = TensorInfo(image.name, (1, *images.shape[1:]), "float32")
    values: Any = table(image, info).astype(np.float32)
    if (values == values[:, :1]).all():
        return values[:, 0][images]
    return np.stack([values[:, c][images[..., c]] for c in range(image.channels)], axis=-1)
