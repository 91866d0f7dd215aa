"""Which preprocess and postprocess specs belong to a model, whatever the user named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.bundle import KERAS_MODEL, Bundle
from edgecnn.core.errors import DataError, ModelError, QuantizationError, UsageError
from edgecnn.core.labels import read_labels
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import ArrayInput, ImageInput, PreprocessSpec
from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import LiteRTPredictor, Predictor, TensorInfo
from edgecnn.core.tflite.metadata import specs as embedded_specs
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.jobs.find_range import Subject, find_input_range
from edgecnn.jobs.input_range import InputRange, RangeOptions, from_spec, with_options
from edgecnn.jobs.reference import ModelRef, bundle_keras, model_file
from targets.base import ModelFile, RunningModel


@dataclass(frozen=True)
class SpecFiles:
    """What overrides what the model brings; None: not given.

    Attributes:
        preprocess, postprocess: spec files.
        labels: a label file.
        input: what the user says of the values that the model takes.
    """

    preprocess: Path | None = None
    postprocess: Path | None = None
    labels: Path | None = None
    input: RangeOptions = field(default_factory=RangeOptions)


#: Finds the input range of a model that brings no spec.
Finder = Callable[[Subject], InputRange]
#: Makes a .tflite ready to run, wherever the user wants it to run.
OpenModel = Callable[[ModelFile], RunningModel]


@dataclass(frozen=True)
class Runnable:
    """A model ready to run on images: predictor and both specs.

    Attributes:
        variant: which file of a bundle it is: a variant's name, or ``model.keras`` where the bundle
            is not quantized yet; None: a bare file.
        input_range: what a byte of an image means, and why; None: a bundle, or no image.
        runs: what computes, for people.
    """

    predictor: Predictor
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec
    variant: str | None = None
    input_range: InputRange | None = None
    runs: str = ""


def open_runnable(
    reference: ModelRef,
    *,
    variant: str | None,
    threads: int | None = None,
    files: SpecFiles | None = None,
    open_model: OpenModel | None = None,
    find: Finder | None = None,
) -> Runnable:
    """Opens a bundle's variant, a .tflite, a Keras model or a SavedModel.

    Of a bundle that is trained and not quantized yet it is the Keras model. Specs come from the
    given files, else the bundle, else the .tflite's metadata. What a byte of an image means to any
    other model is left to ``find``, without one to what the file tells (see
    :mod:`edgecnn.jobs.input_range`); classes are numbered; inputs that are no image take arrays of
    real values. A .tflite is run by what ``open_model`` makes of it (see
    :mod:`edgecnn.jobs.place`), without one by LiteRT on this machine, on so many ``threads``.

    Raises:
        ModelError: it is no classifier, or a spec does not fit it.
        DataError: a label file of the wrong length; or the input range is not clear.
        BundleError: a spec file with a wrong key or value.
    """
    files = files or SpecFiles()
    if reference.kind in ("keras", "saved-model"):
        if open_model is not None:
            raise UsageError(
                f"'{reference.path}' is not quantized yet: targets and C compilers take a .tflite",
                hint="run edgecnn quantize first, or leave -t and --numerics out",
            )
        return _unconverted(reference, files, find)
    bundle = reference.bundle
    if bundle is not None and variant is None and open_model is None and bundle.only_trained:
        return _trained(bundle, reference, files)
    model = model_file(reference, variant)
    running = open_model(model) if open_model is not None else in_litert(model, threads)
    if bundle is not None:
        runnable = _finish(running.predictor, bundle.preprocess, bundle.postprocess, files)
        return replace(runnable, variant=model.recipe, runs=running.runs)
    preprocess, postprocess = embedded_specs(model.model)
    subject = Subject(running.predictor, graph=model.model)
    runnable = _finish_bare(subject, preprocess, postprocess, files, find)
    return replace(runnable, runs=running.runs)


def in_litert(model: ModelFile, threads: int | None = None) -> RunningModel:
    """The model in LiteRT on this machine; None: as many threads as LiteRT takes."""
    return RunningModel(LiteRTPredictor(model.data, threads=threads), "LiteRT")


def _trained(bundle: Bundle, reference: ModelRef, files: SpecFiles) -> Runnable:
    from edgecnn.models.io import load_keras
    from quantization.keras_predictor import KerasPredictor

    path = bundle_keras(reference, "eval")
    predictor = KerasPredictor(load_keras(path, unsafe=reference.unsafe))
    runnable = _finish(predictor, bundle.preprocess, bundle.postprocess, files)
    return replace(runnable, variant=KERAS_MODEL, runs="Keras")


def _unconverted(reference: ModelRef, files: SpecFiles, find: Finder | None) -> Runnable:
    from edgecnn.models.io import load_keras
    from quantization.freeze import freeze_saved_model
    from quantization.keras_predictor import FunctionPredictor, KerasPredictor

    if reference.kind == "saved-model":
        frozen = freeze_saved_model(reference.path)
        predictor = FunctionPredictor(frozen.function, frozen.inputs, frozen.outputs)
        subject = Subject(predictor, graph=_graph(frozen, files))
        return replace(_finish_bare(subject, None, None, files, find), runs="TensorFlow")
    model = load_keras(reference.path, unsafe=reference.unsafe)
    subject = Subject(KerasPredictor(model), keras_model=model)
    return replace(_finish_bare(subject, None, None, files, find), runs="Keras")


def _graph(frozen: Any, files: SpecFiles) -> TfModel | None:
    """A SavedModel as a .tflite, whose first ops tell what it takes; None: that is known anyway."""
    from quantization.convert import to_float

    if files.preprocess is not None or files.input.input_range is not None:
        return None
    try:
        return read_model(to_float(frozen))
    except QuantizationError:
        return None  # it can be run, if not converted


def _finish_bare(
    subject: Subject,
    preprocess: PreprocessSpec | None,
    postprocess: PostprocessSpec | None,
    files: SpecFiles,
    find: Finder | None,
) -> Runnable:
    """A model without a bundle: what its input takes may have to be found out."""
    postprocess = _postprocess(subject.predictor, postprocess, files)
    if files.preprocess is not None:
        preprocess = PreprocessSpec.from_json(read_spec(files.preprocess))
    found = None
    if preprocess is not None:
        preprocess = with_options(preprocess, files.input)
        found = from_spec(preprocess, files.input, given=files.preprocess is not None)
    elif like_an_image(subject.predictor.inputs):
        scores = postprocess if isinstance(postprocess, ClassifySpec) else None
        found = (find or _by_the_file(files.input))(replace(subject, scores=scores))
        preprocess = PreprocessSpec((found.image(subject.predictor.inputs[0]),))
    # The label file has been applied.
    rest = SpecFiles(input=files.input)
    runnable = _finish(subject.predictor, preprocess, postprocess, rest)
    return replace(runnable, input_range=found)


def _by_the_file(options: RangeOptions) -> Finder:
    return lambda subject: find_input_range(subject, (), options, SilentProgress())


def _postprocess(
    predictor: Predictor, postprocess: PostprocessSpec | None, files: SpecFiles
) -> PostprocessSpec:
    if files.postprocess is not None:
        postprocess = post.from_json(read_spec(files.postprocess))
    postprocess = postprocess or guess_postprocess(predictor.outputs)
    if files.labels is not None:
        labels = read_labels(files.labels, expected=len(postprocess.labels))
        postprocess = replace(postprocess, labels=labels)
    return postprocess


def _finish(
    predictor: Predictor,
    preprocess: PreprocessSpec | None,
    postprocess: PostprocessSpec | None,
    files: SpecFiles,
) -> Runnable:
    if files.preprocess is not None:
        preprocess = PreprocessSpec.from_json(read_spec(files.preprocess))
    if preprocess is None:  # what is no image can still be judged on arrays of real values
        arrays = (ArrayInput(info.name, info.shape[1:]) for info in predictor.inputs)
        preprocess = PreprocessSpec(tuple(arrays))
    preprocess = with_options(preprocess, files.input)
    postprocess = _postprocess(predictor, postprocess, files)
    _agree(preprocess, postprocess, predictor)
    return Runnable(predictor, preprocess, postprocess)


def like_an_image(inputs: Sequence[TensorInfo]) -> bool:
    """Whether the model takes one image, gray or of three channels."""
    return len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].shape[3] in (1, 3)


def guess_postprocess(outputs: Sequence[TensorInfo]) -> ClassifySpec:
    """The spec of a plain classifier, its classes numbered.

    Raises:
        ModelError: it is none.
    """
    info = outputs[0]
    classes = info.shape[-1] if info.shape else 0
    if len(outputs) != 1 or classes < 2 or any(dim != 1 for dim in info.shape[:-1]):
        raise ModelError(
            "the model carries no postprocess spec and is no plain classifier "
            f"({', '.join(f'{item.name} {list(item.shape)}' for item in outputs)})",
            hint="give --postprocess FILE.json (see docs/specs.md), or use a bundle",
        )
    return ClassifySpec(info.name, tuple(str(index) for index in range(classes)))


def _agree(pre: PreprocessSpec, after: PostprocessSpec, predictor: Predictor) -> None:
    shapes = {info.name: info.shape for info in predictor.inputs}
    for item in pre.inputs:
        if item.name not in shapes:
            raise ModelError(
                f"the preprocess spec names input '{item.name}', the model has {list(shapes)}",
                hint="name the model's inputs in the spec",
            )
        if isinstance(item, ImageInput):
            wanted = (1, item.height, item.width, item.channels)
            if tuple(shapes[item.name]) != wanted:
                raise ModelError(
                    f"the preprocess spec makes {list(wanted)} of '{item.name}', the model takes"
                    f" {list(shapes[item.name])}",
                    hint="give a preprocess spec of the model's own size",
                )
    have = [info.name for info in predictor.outputs]
    for name in after.outputs:
        if name not in have:
            raise ModelError(
                f"the postprocess spec names output '{name}', the model has {have}",
                hint="name the model's outputs in the spec",
            )


def read_spec(path: Path) -> Any:
    """A spec file's JSON.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read the spec '{path}': {getattr(error, 'strerror', None) or error}",
            hint="give a JSON file as docs/specs.md describes it",
        ) from error
