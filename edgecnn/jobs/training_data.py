"""Which data can be trained on: the one decision of ``new``, ``train`` and its dry run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.sample import Dataset, Sample
from edgecnn.data.arrays import is_arrays
from edgecnn.data.table import load_dataset, load_unlabelled, source_kind


@dataclass(frozen=True)
class TrainingData:
    """The three splits, each with images of the same classes."""

    train: Dataset
    val: Dataset
    test: Dataset


def training_data(source: str, task: str, seed: int) -> TrainingData:
    """Opens what a model is trained, chosen and judged on.

    Raises:
        UsageError: the source is for another task, or holds no images.
        UnknownNameError: no such task or source.
        DataError: the data cannot be read, are no folder per class, or are too few.
    """
    kind = source_kind(source, task)
    path = Path(source).expanduser()
    if kind == "files" and path.is_file() and is_arrays(path):
        arrays = load_unlabelled(source, seed)
        raise _no_images(source, arrays, len(arrays))
    splits = [load_dataset(source, task, part, seed=seed) for part in ("train", "val", "test")]
    for part, split in zip(("train", "val", "test"), splits, strict=True):
        if not len(split):
            raise DataError(
                f"'{source}' has no images for the split '{part}'",
                hint="give each class 3 images or more (100 or more to learn something)",
            )
    if not splits[0][0].image.size:
        raise _no_images(source, splits[0], sum(len(split) for split in splits))
    return TrainingData(*splits)


def _no_images(source: str, data: Dataset, count: int) -> UsageError:
    classes = f" of {len(data.labels)} classes" if data.labels else ""
    return UsageError(
        f"'{source}' holds {_described(data[0], count)}{classes}, training takes images",
        hint="train that model in Keras, then: edgecnn quantize MODEL.keras --calibration"
        f" {shlex.quote(source)} -o OUT",
    )


def _described(sample: Sample, count: int) -> str:
    if sample.arrays is not None:
        shapes = (f"{name or 'values'} {list(a.shape)}" for name, a in sample.arrays.items())
        return f"{count:,} samples of arrays ({', '.join(shapes)})"
    rate = sample.audio.rate_hz if sample.audio is not None else 0
    return f"{count:,} recordings (.wav, {rate:,} Hz)"
