"""Calibration and test data for any model: images, arrays or audio, whatever the source holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from edgecnn.core.audio import Recording
from edgecnn.core.errors import DataError, ModelError
from edgecnn.core.prepare import Preparer, SampleKindError
from edgecnn.core.preprocess import ArrayInput, AudioInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset, Sample, spread
from edgecnn.data.table import SOURCES, load_dataset, load_unlabelled
from edgecnn.jobs.input_range import SAY_RANGE, ImageFinder, InputRange, image_input
from quantization.calibration.samples import balanced
from quantization.types import SampleDict


@dataclass(frozen=True)
class CalibrationData:
    """What quantization and its verdict are fed.

    Attributes:
        inputs: the float model's.
        preprocess: the given spec, else the one guessed from inputs and data.
        train: what calibration draws from.
        tune: labelled data that is neither calibration nor test, for ``--auto`` and ``mixed``;
            None where there are no labels.
        test: labelled data for the verdict; None where there are no labels that fit the model.
        samples: how many calibration samples are wanted.
        seed: of the choice.
        skipped: files that could not be read.
        input_range: how the meaning of a byte was found; None: it was not in question.
    """

    inputs: tuple[TensorInfo, ...]
    preprocess: PreprocessSpec
    train: Dataset
    tune: Dataset | None
    test: Dataset | None
    samples: int
    seed: int
    skipped: tuple[str, ...] = ()
    input_range: InputRange | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the source was left out or taken without labels, and why."""
        return tuple(getattr(self.train, "notes", ()))

    def calibration(self) -> Iterator[SampleDict]:
        """Starts a pass over at most :attr:`samples` real-valued samples, float32 (1, …) by name.

        Class-balanced where labels are known, else evenly spread over the source; the same order
        each time. Of long recordings further windows follow once each recording had its turn.

        Raises:
            DataError: a sample cannot be used; while iterating.
        """
        prepare = Preparer(self.preprocess, self.inputs)
        samples = _windows(self.train, self._picks(), self.preprocess)
        for sample in islice(samples, self.samples):
            yield prepare(sample)[0]

    def golden(self, count: int) -> list[SampleDict]:
        """Evenly spread samples of the test data, else of the calibration data.

        Raises:
            DataError: a sample cannot be used.
        """
        data = self.test or self.train
        prepare = Preparer(self.preprocess, self.inputs)
        return [prepare(data[index])[0] for index in spread(len(data), count)]

    @property
    def is_image(self) -> bool:
        """Whether the samples come from images."""
        return len(self.train) > 0 and self.train[0].image.size > 0

    def _picks(self) -> Sequence[int]:
        targets = list(getattr(self.train, "targets", ()))
        if targets:
            return balanced(targets, self.samples, self.seed)
        return spread(len(self.train), self.samples)


def open_data(
    source: str,
    inputs: Sequence[TensorInfo],
    *,
    preprocess: PreprocessSpec | None = None,
    find: ImageFinder | None = None,
    classes: int | None = None,
    task: str | None = None,
    samples: int = 200,
    seed: int = 42,
) -> CalibrationData:
    """Opens a data source for a model.

    Args:
        source: a built-in name, a folder or archive of images, with boxes or in class folders or
            neither, or of .wav, a .npy or .npz.
        inputs: of the float model.
        preprocess: how raw data becomes tensors; None: arrays are real values, audio becomes −1..1
            at the recordings' rate, and of images ``find`` finds out what a byte means.
        find: is given the training, tuning and test part that there are.
        classes: size of the model's score output; labels of another number are no test data.
            None: any number will do.
        task: the model's; None: the source's, and class folders where that says nothing.
        samples: calibration samples wanted.
        seed: of splits and choices.

    Raises:
        DataError: nothing usable is there, or it does not fit the model's inputs; or what a byte
            means is not clear.
        ModelError: images or recordings, and the model does not take one of them.
        UnknownNameError: no such source.
    """
    parts = _labelled(source, seed, classes, task)
    train, tune, test = parts if parts is not None else (load_unlabelled(source), None, None)
    first = _first(train, source)
    found = None
    spec = preprocess or _spec_of(inputs, first)
    if spec is None:
        found = _found(inputs, find, [part for part in (train, tune, test) if part is not None])
        spec = PreprocessSpec((found.image(inputs[0]),))
    skipped = sorted({name for part in (train, tune, test) if part for name in part.skipped})
    data = CalibrationData(
        tuple(inputs), spec, train, tune, test, samples, seed, tuple(skipped), found
    )
    # What does not fit at all is said before anything long begins.
    try:
        Preparer(spec, inputs)(first)
    except SampleKindError as error:
        raise DataError(f"'{source}': {error.message}", hint=error.hint) from error
    return data


def _spec_of(inputs: Sequence[TensorInfo], sample: Sample) -> PreprocessSpec | None:
    """The spec for arrays or a recording; None: it is an image."""
    if sample.arrays is not None:
        return PreprocessSpec(tuple(ArrayInput(info.name, info.shape[1:]) for info in inputs))
    if sample.audio is not None:
        return PreprocessSpec((_audio(inputs, sample.audio),))
    return None


def _found(
    inputs: Sequence[TensorInfo], find: ImageFinder | None, parts: Sequence[Dataset]
) -> InputRange:
    image_input(inputs)
    if find is None:
        raise DataError(
            "the model does not say what a byte of an image means to it", hint=SAY_RANGE
        )
    return find(parts)


def _audio(inputs: Sequence[TensorInfo], recording: Recording) -> AudioInput:
    """Raw audio at the recording's rate, −1..1."""
    shape = inputs[0].shape
    length = int(np.prod(shape[1:], dtype=np.int64))
    if len(inputs) != 1 or max(shape[1:], default=0) != length:
        raise _not_one(inputs, "one window of raw audio, such as (batch, samples, 1)")
    return AudioInput(inputs[0].name, recording.rate_hz, length)


def _not_one(inputs: Sequence[TensorInfo], expected: str) -> ModelError:
    return ModelError(
        f"the model takes {[list(info.shape) for info in inputs]}, expected {expected}",
        hint="give --preprocess FILE.json that describes the input, or its inputs as .npz",
    )


def _labelled(
    source: str, seed: int, classes: int | None, task: str | None
) -> tuple[Dataset, Dataset | None, Dataset | None] | None:
    """Train, tuning and test data; all as train where the classes are not the model's."""
    task = SOURCES.get(source) or task or "classify"
    try:
        train = load_dataset(source, task, "train", seed=seed)
        own = source not in SOURCES or task == "classify"
        if own and classes is not None and len(train.labels) != classes:
            return load_dataset(source, task, "all", seed=seed), None, None
        test = load_dataset(source, task, "test", seed=seed)
    except DataError:
        return None
    try:
        return train, load_dataset(source, task, "val", seed=seed), test
    except DataError:
        return train, None, test


def _first(data: Dataset, source: str) -> Sample:
    if not len(data):
        raise DataError(f"'{source}' holds no samples", hint="give at least one; 100 are better")
    return data[0]


def _windows(data: Dataset, picks: Sequence[int], spec: PreprocessSpec) -> Iterator[Sample]:
    """The picked samples; of recordings the windows behind the first one too, after all first."""
    first = spec.inputs[0]
    if not isinstance(first, AudioInput):
        for index in picks:
            yield data[index]
        return
    left, round_ = list(picks), 0
    while left:
        longer = []
        for index in left:
            sample = data[index]
            if sample.audio is None or not round_:
                yield sample
            if sample.audio is None:
                continue
            whole = sample.audio.at(first.sample_rate_hz)
            start = round_ * first.samples
            if round_:
                part = whole.samples[start : start + first.samples]
                yield replace(sample, audio=Recording(part, whole.rate_hz))
            # A rest of less than half a window is mostly silence.
            if len(whole.samples) >= start + first.samples + first.samples // 2:
                longer.append(index)
        left, round_ = longer, round_ + 1
