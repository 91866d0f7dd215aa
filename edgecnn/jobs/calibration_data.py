"""Calibration and test data for any model: images, arrays or audio, whatever the source holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset
from quantization.types import Calibration, SampleDict


@dataclass(frozen=True)
class CalibrationData:
    """What quantization and its verdict are fed.

    Attributes:
        calibration: starts a pass over at most ``samples`` real-valued samples; class-balanced
            where labels are known, else evenly spread; the same order each time.
        preprocess: the given spec, else the one guessed from inputs and data.
        train: what calibration draws from.
        tune: labelled data that is neither calibration nor test, for ``--auto`` and ``mixed``;
            None where there are no labels.
        test: labelled data for the verdict; None where there are no labels that fit the model.
        skipped: files that could not be read.
    """

    calibration: Calibration
    preprocess: PreprocessSpec
    train: Dataset
    tune: Dataset | None
    test: Dataset | None
    skipped: tuple[str, ...] = ()

    def golden(self, count: int) -> list[SampleDict]:
        """Evenly spread samples of the test data (else the calibration data)."""
        raise NotImplementedError


def open_data(
    source: str,
    inputs: Sequence[TensorInfo],
    *,
    preprocess: PreprocessSpec | None = None,
    input_range: str | None = None,
    classes: int | None = None,
    samples: int = 200,
    seed: int = 42,
) -> CalibrationData:
    """Opens a data source for a model.

    Args:
        source: a built-in name, a folder or archive of images or .wav, a .npy or .npz.
        inputs: of the float model.
        preprocess: how raw data becomes tensors; None: guessed (arrays are real values; images
            by ``input_range``, else −1..1; audio −1..1).
        input_range: what a byte means, a key of ``edgecnn.jobs.bare_model.INPUT_RANGES``.
        classes: size of the model's score output; labels of another number are ignored.
        samples: calibration samples wanted.
        seed: of splits and choices.

    Raises:
        DataError: nothing usable is there, or it does not fit the model's inputs.
        UnknownNameError: no such source or input range.
    """
    raise NotImplementedError
