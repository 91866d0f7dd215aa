"""Labelled images → batches for the detector: fitted, moved a little, with targets per cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError
from edgecnn.core.imaging import resize_to_spec
from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.preprocess import ImageInput, table
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset, Sample
from edgecnn.data.augment import Augment
from edgecnn.training.detect_targets import assign

_LEAST_VISIBLE = 0.5  # a box that augmentation pushes out further is no longer asked for
Fitted = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]


@runtime_checkable
class Endless(Protocol):
    """A data set that can make as many samples as wanted."""

    def fresh(self, number: int) -> Sample:
        """Sample ``number`` ≥ 0 of an endless series; the same number gives the same one."""


@dataclass(frozen=True)
class DetectBatches:
    """Training batches, a pure function of epoch and index.

    A data set that is :class:`Endless` gives new samples in every epoch and is not augmented;
    another one is shuffled anew and augmented.

    Attributes:
        dataset: of task ``detect``.
        image: the input's spec.
        spec: how the outputs are decoded; its one level is the grid.
        batch_size: images per step.
        seed: of order and augmentation.
        augment: None: as they are.
    """

    dataset: Dataset
    image: ImageInput
    spec: DetectSpec
    batch_size: int
    seed: int
    augment: Augment | None = None

    def __len__(self) -> int:
        """Batches per epoch."""
        return math.ceil(len(self.dataset) / self.batch_size)

    def batch(self, epoch: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Images (n, h, w, c) and targets (n, rows, cols, labels + 4), both float32."""
        start, count = index * self.batch_size, len(self.dataset)
        numbers = range(start, min(start + self.batch_size, count))
        if isinstance(self.dataset, Endless):
            samples = [self.dataset.fresh(epoch * count + number) for number in numbers]
            fitted = [fit_sample(sample, self.image) for sample in samples]
        else:
            order = np.random.default_rng((self.seed, epoch)).permutation(count)[numbers]
            fitted = [self._moved(epoch, int(place)) for place in order]
        images = np.stack([item[0] for item in fitted])
        return scale_pixels(images, self.image), np.stack([self.target(item) for item in fitted])

    def _moved(self, epoch: int, place: int) -> Fitted:
        item = fit_sample(self.dataset[place], self.image)
        if self.augment is None:
            return item
        return move(item, self.augment, np.random.default_rng((self.seed, epoch, place)))

    def target(self, item: Fitted) -> NDArray[np.float32]:
        """(rows, cols, labels + 4) of one image."""
        spec = self.spec
        return assign(
            item[1], item[2], spec.levels[0], labels=len(spec.labels), box_scale=spec.box_scale
        )


def fit_sample(sample: Sample, image: ImageInput) -> Fitted:
    """Pixels and boxes of a sample as the model's input has them.

    Raises:
        DataError: the sample has no boxes.
    """
    if sample.boxes is None or sample.box_labels is None:
        raise DataError(f"'{sample.id}' has no boxes", hint="detection needs boxes per image")
    pixels, frame_map = resize_to_spec(image, sample.image)
    return pixels, frame_map.to_tensor(sample.boxes), sample.box_labels


def scale_pixels(images: NDArray[np.uint8], image: ImageInput) -> NDArray[np.float32]:
    """Bytes (n, h, w, c) → the real values that the model takes."""
    info = TensorInfo(image.name, (1, *images.shape[1:]), "float32")
    values: Any = table(image, info).astype(np.float32)
    if (values == values[:, :1]).all():
        return values[:, 0][images]
    return np.stack([values[:, c][images[..., c]] for c in range(image.channels)], axis=-1)


def move(item: Fitted, rule: Augment, rng: np.random.Generator) -> Fitted:
    """Shifts, scales, mirrors and re-lights an image with its boxes; new arrays.

    Rotation and cutout of ``rule`` are not used: boxes would no longer be tight.
    """
    import cv2

    pixels, boxes, classes = item
    height, width = pixels.shape[:2]
    scale = 1.0 + rng.uniform(-rule.scale, rule.scale)
    shift = rng.uniform(-rule.shift, rule.shift, 2) * (width, height)
    offset = shift + (1.0 - scale) * np.array([width, height]) / 2
    # Pixel centres lie at + 0.5, so the matrix for pixel indices is moved by half of the scaling.
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = offset + (scale - 1.0) / 2
    out = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    contrast = 1.0 + rng.uniform(-rule.contrast, rule.contrast)
    light = rng.uniform(-rule.brightness, rule.brightness) * 255 + 127.5 * (1 - contrast)
    out = np.clip(out.reshape(pixels.shape) * contrast + light, 0, 255).astype(np.uint8)
    moved = boxes * scale + np.tile(offset, 2)
    if rule.flip and rng.random() < 0.5:
        out, moved = out[:, ::-1], moved[:, [2, 1, 0, 3]]
        moved[:, [0, 2]] = width - moved[:, [0, 2]]
    inside = np.clip(moved, 0, [width, height, width, height]).astype(np.float32)
    seen = _area(inside) >= _LEAST_VISIBLE * _area(moved)
    return np.ascontiguousarray(out), inside[seen], classes[seen]


def _area(boxes: NDArray[Any]) -> NDArray[Any]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
