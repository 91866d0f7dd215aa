"""A bare model file: which specs it wants and which data can judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgecnn.core import postprocess as post
from edgecnn.core.errors import DataError, ModelError
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.sample import Dataset
from edgecnn.core.tflite.file_metadata import FileMetadata, read_file_metadata
from edgecnn.core.tflite.metadata import specs as embedded_specs
from edgecnn.core.tflite.reader import read_model_file
from edgecnn.jobs.assumed_input import fitted, published_range
from edgecnn.jobs.bare_specs import read_spec
from edgecnn.jobs.calibration_data import CalibrationData, open_data
from edgecnn.jobs.find_range import Subject, range_finder
from edgecnn.jobs.input_range import (
    ImageFinder,
    InputRange,
    RangeOptions,
    from_spec,
    with_options,
)
from edgecnn.jobs.photo import drawn_picture
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.table import recognise
from quantization.load import FloatModel, load_float


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
        input: what a byte of an image means to the model.
    """

    preprocess: Path | None = None
    postprocess: Path | None = None
    input: RangeOptions = field(default_factory=RangeOptions)


def open_bare(
    path: Path,
    calibration: str,
    *,
    choice: SpecChoice,
    samples: int,
    seed: int,
    unsafe: bool = False,
    progress: Progress | None = None,
) -> BareModel:
    """Loads the model (.keras, .h5, SavedModel, .tflite) and decides on specs and data.

    Specs come from the given files, else from the .tflite's metadata; else what a byte of an image
    means is found out (:mod:`edgecnn.jobs.input_range`), and detectors are recognised.
    Samples come with labels where the source has one class per class of the model.

    Raises:
        ModelError: it cannot be read, or takes no image where the data are images.
        QuantizationError: it is not a float model that can be converted.
        UnknownNameError: no such source.
        DataError: no usable data, or it is not clear what a byte means.
    """
    progress = progress or SilentProgress()
    model = load_float(path, unsafe=unsafe)
    before, after = _specs(model, choice)
    known = _recognised_detector(path, model, progress) if after is None else None
    after = known.spec if known is not None else after
    data = open_data(
        calibration,
        model.inputs,
        preprocess=before,
        find=_or_as_published(
            range_finder(
                lambda parts: _subject(model, after, parts), choice.input, progress, seed=seed
            ),
            model,
            known,
            choice.input,
            progress,
        ),
        classes=_classes(model) if after is None else len(after.labels),
        task="detect" if after is not None and after.task == "detect" else None,
        samples=samples,
        seed=seed,
    )
    if before is not None and data.is_image:
        found = from_spec(before, choice.input, given=choice.preprocess is not None)
        data = replace(data, input_range=found)
    if before is None and known is not None and data.is_image:
        image = fitted(data.preprocess.image, known.habit)
        data = replace(data, preprocess=PreprocessSpec((image,)))
    test = data.test
    if after is None and test is not None and test.task == "classify":
        after = ClassifySpec(model.outputs[0].name, tuple(test.labels))
    if after is None:
        data = replace(data, tune=None, test=None)
    return BareModel(model, after, data)


def _specs(
    model: FloatModel, choice: SpecChoice
) -> tuple[PreprocessSpec | None, PostprocessSpec | None]:
    """The specs that the user gave, else those that the file carries."""
    before, after = embedded_specs(model.model)
    if choice.preprocess is not None:
        before = PreprocessSpec.from_json(read_spec(choice.preprocess))
    if choice.postprocess is not None:
        after = post.from_json(read_spec(choice.postprocess))
    return before and with_options(before, choice.input), after


def _or_as_published(
    find: ImageFinder,
    model: FloatModel,
    known: Recognised | None,
    options: RangeOptions,
    progress: Progress,
) -> ImageFinder:
    """Finds the input range; where it is not clear, takes what was published for the kind."""

    def found(parts: Sequence[Dataset]) -> InputRange:
        try:
            return find(parts)
        except DataError:
            habit = known.habit if known is not None else None
            published = published_range(model.inputs[0], habit, options)
            if published is None:
                raise
            progress.say(published.line)
            return published

    return found


def _recognised_detector(path: Path, model: FloatModel, progress: Progress) -> Recognised | None:
    """A detector whose outputs are understood; None: it is none that is known."""
    metadata = FileMetadata()
    if path.suffix.lower() == ".tflite":
        data, read = read_model_file(path)
        metadata = read_file_metadata(data, read)
    facts = Facts(LiteRTPredictor(model.data), model.model, metadata, photo=drawn_picture())
    try:
        answer = recognise(facts)
    except ModelError:
        return None
    if not isinstance(answer, Recognised) or answer.spec.task != "detect":
        return None
    progress.say(f"model: {answer.name}")
    return answer


def _subject(model: FloatModel, after: PostprocessSpec | None, parts: Sequence[Dataset]) -> Subject:
    """The model, with the classes by which labels can judge it."""
    labelled = len(parts) > 1  # labels of another number than the model's classes stand alone
    if after is None and labelled and parts[0].task == "classify":
        after = ClassifySpec(model.outputs[0].name, tuple(parts[0].labels))
    scores = after if isinstance(after, ClassifySpec) else None
    # LiteRT runs one image at a time faster than Keras does.
    predictor = LiteRTPredictor(model.data)
    return Subject(predictor, scores, model.model, model.keras_model)


def _classes(model: FloatModel) -> int | None:
    """How many classes a single output of scores tells; −1 where it tells none."""
    if len(model.outputs) != 1:
        return -1
    shape = model.outputs[0].shape
    plain = len(shape) >= 2 and all(size == 1 for size in shape[:-1])
    return shape[-1] if plain else -1
