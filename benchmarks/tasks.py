"""What each net is calibrated with and judged by: the same arrays for every tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluator import Outputs
from benchmarks.nets import Net
from benchmarks.retrain import source_of
from benchmarks.scoring import score_classes, score_clips, score_scenes
from benchmarks.spoken_digits import load, windows
from edgecnn.core.imaging import Preprocessor
from edgecnn.core.metric import Metric
from edgecnn.core.preprocess import ImageInput
from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset
from edgecnn.data.scenes import open_scenes
from edgecnn.data.table import load_dataset
from edgecnn.models.detector_spec import detect_spec
from edgecnn.models.io import load_keras
from edgecnn.training.classify import default_preprocess
from edgecnn.training.pixels import Pixels, labels_of

CALIBRATION = 500
SCENES = 2000
TUNING_SCENES = 500
PLACES = 9
SEED = 1
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """Data and judge of one net.

    Attributes:
        input: name of the Keras model's only input.
        calibration: float32 (500, …) of the training split, as many of each class.
        test: float32 (n, …).
        score: outputs over ``test`` (or its first part) → quality.
        tuning: labelled samples of the validation split, for what decides by measuring:
            {input: float32 (n, …), ``labels``: int64 (n,)}, or ``scenes:COUNT``; None: none.
    """

    input: str
    calibration: Floats
    test: Floats
    score: Callable[[Outputs], Metric]
    tuning: dict[str, NDArray[Any]] | str | None = None

    def save(self, folder: Path) -> tuple[Path, Path, str]:
        """Writes the arrays as .npz under the input's name.

        Returns:
            Paths of calibration and test, and what tells our scripts of ``tuning``.
        """
        paths = folder / "calibration.npz", folder / "test.npz"
        for path, array in zip(paths, (self.calibration, self.test), strict=True):
            np.savez(path, allow_pickle=False, **{self.input: array})
        if not isinstance(self.tuning, dict):
            return (*paths, self.tuning or "")
        np.savez(folder / "tuning.npz", allow_pickle=False, **self.tuning)
        return (*paths, str(folder / "tuning.npz"))


def task_of(row: Net, cache: Path) -> Task:
    """The task of a net.

    Args:
        row: the net.
        cache: folder that keeps decoded images between runs.
    """
    if row.model == "audio":
        return _audio(row)
    return _scenes(row) if row.model == "detector" else _images(row, cache)


def balanced(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Indices of ``count`` samples, as many of each class as can be, drawn with a fixed seed.

    >>> balanced(np.array([0, 0, 0, 1, 1, 1]), 4).size
    4
    """
    rng = np.random.default_rng(SEED)
    classes = np.unique(labels)
    each = -(-count // len(classes))
    picked = [rng.permutation(np.flatnonzero(labels == which))[:each] for which in classes]
    # In turn, so that any first part is balanced too.
    width = max(len(part) for part in picked)
    table = np.full((width, len(classes)), -1, np.int64)
    for column, part in enumerate(picked):
        table[: len(part), column] = part
    flat = table.reshape(-1)
    return flat[flat >= 0][:count]


def _images(row: Net, cache: Path) -> Task:
    source, spec = source_of(row), default_preprocess(row.size).image
    stem = Path(source).name.partition(".")[0]
    kept = cache / f"{stem}-{row.size[0]}-{CALIBRATION}-{row.seed}.npz"
    if not kept.exists():
        train, val, test = (
            load_dataset(source, "classify", part, seed=row.seed)
            for part in ("train", "val", "test")
        )
        chosen = balanced(labels_of(train), CALIBRATION)
        np.savez(
            kept,
            calibration=np.concatenate([_tensor(train, spec, int(index)) for index in chosen]),
            test=_all(test, spec),
            labels=labels_of(test),
            tuning=_all(val, spec),
            tuning_labels=labels_of(val),
        )
    with np.load(kept) as file:
        labels = file["labels"]
        return Task(
            spec.name,
            file["calibration"],
            file["test"],
            lambda outputs: score_classes(outputs, labels, int(labels.max()) + 1),
            {spec.name: file["tuning"], "labels": file["tuning_labels"]},
        )


def _audio(row: Net) -> Task:
    parts = load(source_of(row))
    train, val, test = parts["train"], parts["val"], parts["test"]
    return Task(
        "audio",
        train.audio[balanced(train.labels, CALIBRATION)],
        windows(test, PLACES),
        lambda outputs: score_clips(outputs, test.labels, PLACES),
        {"audio": windows(val, PLACES), "labels": np.repeat(val.labels, PLACES)},
    )


def _scenes(row: Net) -> Task:
    spec = default_preprocess(row.size).image
    train = open_scenes("train", row.seed, count=CALIBRATION)
    test = open_scenes("test", row.seed, count=SCENES)
    info = TensorInfo(spec.name, (1, *row.size), "float32")
    prepare = Preprocessor(spec, info)
    samples = [test[index] for index in range(len(test))]
    pairs = [prepare(sample.image) for sample in samples]
    after = detect_spec(load_keras(row.file), test.labels)
    return Task(
        spec.name,
        np.concatenate([_tensor(train, spec, index) for index in range(len(train))]),
        np.concatenate([array for array, _ in pairs]),
        lambda outputs: score_scenes(outputs, samples, [item for _, item in pairs], after),
        f"scenes:{TUNING_SCENES}",
    )


def _tensor(data: Dataset, spec: ImageInput, index: int) -> Floats:
    info = TensorInfo(spec.name, (1, spec.height, spec.width, spec.channels), "float32")
    return Preprocessor(spec, info)(data[index].image)[0]


def _all(data: Dataset, spec: ImageInput) -> Floats:
    pixels = Pixels(data, spec, SilentProgress())
    rows: Sequence[int] = range(len(data))
    return pixels.scale(pixels.bytes(rows)).astype(np.float32)
