"""A bare .keras file: which preprocessing it wants and which data can judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.errors import DataError, ModelError, UnknownNameError
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.sample import Dataset
from edgecnn.data.table import SOURCES, load_dataset, load_images
from edgecnn.jobs.specs import read_spec
from edgecnn.models.io import load_keras

#: name → (scale, offset): what a byte means to the model.
INPUT_RANGES = {
    "-1..1": (1 / 127.5, -1.0),
    "0..1": (1 / 255, 0.0),
    "0..255": (1.0, 0.0),
}
_RESCALING = ("Rescaling", "Normalization")


@dataclass(frozen=True)
class BareKeras:
    """A model with what is needed to quantize it; ``test`` and ``postprocess`` may be unknown."""

    model: Any
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec | None
    train: Dataset
    test: Dataset | None


def open_bare(
    path: Path,
    calibration: str,
    *,
    seed: int,
    spec_file: Path | None,
    postprocess_file: Path | None,
    input_range: str | None,
) -> BareKeras:
    """Loads the model and decides on specs and data.

    Images come with labels where the folder has one sub-folder per class of the model.

    Raises:
        ModelError: not one image input.
        UnknownNameError: no such input range.
        DataError: no images.
    """
    model = load_keras(path)
    preprocess = (
        PreprocessSpec.from_json(read_spec(spec_file))
        if spec_file is not None
        else guess_preprocess(model, input_range)
    )
    after = post.from_json(read_spec(postprocess_file)) if postprocess_file else None
    labelled = _labelled(model, calibration, seed)
    if labelled is None:
        return BareKeras(model, preprocess, after, load_images(calibration), None)
    train, test = labelled
    if after is None and test.task == "classify":
        after = ClassifySpec(model.outputs[0].name, tuple(train.labels))
        after = _named_after_layer(model, after)
    return BareKeras(model, preprocess, after, train, test if after else None)


def guess_preprocess(model: Any, input_range: str | None) -> PreprocessSpec:
    """RGB or gray of the model's size, stretched; bytes become −1..1 unless told otherwise.

    A model that begins with a Rescaling or Normalization layer wants bytes as they are.
    """
    if input_range is not None and input_range not in INPUT_RANGES:
        raise UnknownNameError("input range", input_range, tuple(INPUT_RANGES))
    shape = tuple(model.inputs[0].shape)
    if len(model.inputs) != 1 or len(shape) != 4 or shape[3] not in (1, 3) or None in shape[1:]:
        shapes = [list(item.shape) for item in model.inputs]
        raise ModelError(
            f"the model takes {shapes}, expected one image (batch, height, width, 1 or 3)",
            hint="give --preprocess FILE.json that describes the input",
        )
    early = [type(layer).__name__ for layer in model.layers[:3]]
    default = "0..255" if any(name in _RESCALING for name in early) else "-1..1"
    scale, offset = INPUT_RANGES[input_range or default]
    return PreprocessSpec(
        (
            ImageInput(
                input_name(model),
                int(shape[1]),
                int(shape[2]),
                "gray" if shape[3] == 1 else "rgb",
                scale=(scale,),
                offset=(offset,),
            ),
        )
    )


def input_name(model: Any) -> str:
    """The name under which the first input goes in predictors and .tflite signatures."""
    names = getattr(model, "input_names", None)
    return str(names[0]) if names else str(model.inputs[0].name)


def _named_after_layer(model: Any, spec: ClassifySpec) -> ClassifySpec:
    names = getattr(model, "output_names", None)
    return replace(spec, scores=str(names[0])) if names else spec


def _labelled(model: Any, source: str, seed: int) -> tuple[Dataset, Dataset] | None:
    task = SOURCES.get(source, "classify")
    try:
        train = load_dataset(source, task, "train", seed=seed)
        test = load_dataset(source, task, "test", seed=seed)
    except DataError:
        return None
    outputs = model.outputs
    fits = len(outputs) == 1 and outputs[0].shape[-1] == len(train.labels)
    return (train, test) if fits or task == "detect" else None
