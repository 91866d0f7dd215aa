"""A bare model file: which specs it wants and which data can judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecnn.core import postprocess as post
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.tflite.metadata import specs as embedded_specs
from edgecnn.core.tflite.model import TfModel
from edgecnn.jobs.calibration_data import BYTES, CalibrationData, layers_take_bytes, open_data
from edgecnn.jobs.specs import read_spec
from quantization.load import FloatModel, load_float

# A first op that scales by less or shifts by more than this takes bytes as they are.
_SMALL_SCALE, _LARGE_SHIFT = 1 / 32, 32.0


@dataclass(frozen=True)
class BareModel:
    """A model with what is needed to quantize it; ``postprocess`` may be unknown."""

    model: FloatModel
    postprocess: PostprocessSpec | None
    data: CalibrationData

    @property
    def preprocess(self) -> PreprocessSpec:
        """How raw data becomes the model's inputs."""
        return self.data.preprocess


@dataclass(frozen=True)
class SpecChoice:
    """What the user said about the model's specs.

    Attributes:
        preprocess, postprocess: spec files; None: embedded ones, else guessed.
        input_range: key of :data:`edgecnn.jobs.calibration_data.INPUT_RANGES`.
    """

    preprocess: Path | None = None
    postprocess: Path | None = None
    input_range: str | None = None


def open_bare(
    path: Path,
    calibration: str,
    *,
    choice: SpecChoice,
    samples: int,
    seed: int,
    unsafe: bool = False,
) -> BareModel:
    """Loads the model (.keras, .h5, SavedModel, .tflite) and decides on specs and data.

    Specs come from the given files, else from the .tflite's metadata, else they are guessed.
    Samples come with labels where the source has one class per class of the model.

    Raises:
        ModelError: it cannot be read, or no spec can be guessed.
        QuantizationError: it is not a float model that can be converted.
        UnknownNameError: no such input range or source.
        DataError: no usable data.
    """
    model = load_float(path, unsafe=unsafe)
    before, after = embedded_specs(model.model)
    if choice.preprocess is not None:
        before = PreprocessSpec.from_json(read_spec(choice.preprocess))
    elif choice.input_range is not None:
        before = None
    if choice.postprocess is not None:
        after = post.from_json(read_spec(choice.postprocess))
    data = open_data(
        calibration,
        model.inputs,
        preprocess=before,
        input_range=choice.input_range or (BYTES if takes_bytes(model) else None),
        classes=_classes(model) if after is None else len(after.labels),
        samples=samples,
        seed=seed,
    )
    test = data.test
    if after is None and test is not None and test.task == "classify":
        after = ClassifySpec(model.outputs[0].name, tuple(test.labels))
    if after is None:
        data = replace(data, tune=None, test=None)
    return BareModel(model, after, data)


def takes_bytes(model: FloatModel) -> bool:
    """Whether the model begins by scaling bytes itself: a Rescaling, or a first op like one."""
    return layers_take_bytes(getattr(model.keras_model, "layers", ())) or _scales_first(model.model)


def _scales_first(model: TfModel) -> bool:
    graph = model.main
    for op in graph.operators:
        if not set(op.inputs) & set(graph.inputs) or op.code not in ("MUL", "DIV", "SUB", "ADD"):
            continue
        constants = [graph.tensors[k].data for k in op.inputs if k >= 0]
        values = [np.abs(data).max() for data in constants if data is not None and data.size]
        if not values:
            return False
        largest = float(max(values))
        return {
            "MUL": 0 < largest <= _SMALL_SCALE,
            "DIV": largest >= 1 / _SMALL_SCALE,
        }.get(op.code, largest >= _LARGE_SHIFT)
    return False


def _classes(model: FloatModel) -> int | None:
    """How many classes a single output of scores tells; −1 where it tells none."""
    if len(model.outputs) != 1:
        return -1
    shape = model.outputs[0].shape
    plain = len(shape) >= 2 and all(size == 1 for size in shape[:-1])
    return shape[-1] if plain else -1
