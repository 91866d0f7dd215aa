"""Which preprocess and postprocess specs belong to a model, whatever the user named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.core.bundle import KERAS_MODEL, Bundle
from edgecnn.core.errors import ModelError, QuantizationError, UsageError
from edgecnn.core.files import sha256_bytes
from edgecnn.core.labels import read_labels
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import LiteRTPredictor, Predictor, TensorInfo
from edgecnn.core.tflite.custom_ops import IN_LITERT
from edgecnn.core.tflite.cut import CutOp, last_custom, without_last_custom
from edgecnn.core.tflite.file_metadata import FileMetadata, read_file_metadata
from edgecnn.core.tflite.metadata import specs as embedded_specs
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.transpose_conv_bias import CODE as TRANSPOSE_CONV_BIAS
from edgecnn.core.tflite.transpose_conv_bias import with_builtin_transpose_conv
from edgecnn.core.tflite.writer import write_model
from edgecnn.jobs.bare_specs import BareSubject, Finder, SpecFiles, TakePhoto, understand
from edgecnn.jobs.find_range import Subject
from edgecnn.jobs.input_range import InputRange, with_options
from edgecnn.jobs.input_size import with_input_size
from edgecnn.jobs.reference import ModelRef, bundle_keras, model_file
from edgecnn.jobs.unknown_model import unknown_model
from edgecnn.recognition.classifier import class_count
from edgecnn.recognition.found import Recognised
from targets.base import ModelFile, RunningModel

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
        recognised: what the outputs were recognised as; None: specs were given or carried.
        assumed: what was taken for granted of its inputs, a sentence each.
    """

    predictor: Predictor
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec
    variant: str | None = None
    input_range: InputRange | None = None
    runs: str = ""
    recognised: Recognised | None = None
    assumed: tuple[str, ...] = ()


def open_runnable(
    reference: ModelRef,
    *,
    variant: str | None,
    threads: int | None = None,
    files: SpecFiles | None = None,
    open_model: OpenModel | None = None,
    find: Finder | None = None,
    take_photo: TakePhoto | None = None,
) -> Runnable:
    """Opens a bundle's variant, a .tflite, a Keras model or a SavedModel.

    Of a bundle that is trained and not quantized yet it is the Keras model. Specs come from the
    given files, else the bundle, else the .tflite's metadata, else they are recognised (see
    :func:`edgecnn.jobs.bare_specs.understand`, which gets ``find`` and ``take_photo``). A .tflite
    is run by what ``open_model`` makes of it (see :mod:`edgecnn.jobs.place`), without one by LiteRT
    on this machine, on so many ``threads``.

    Raises:
        ModelError: its outputs are not understood, or a spec does not fit it.
        DataError: a label file of the wrong length; or the input range is not clear.
        BundleError: a spec file with a wrong key or value.
    """
    files = files or SpecFiles()
    bundle = reference.bundle
    if bundle is None:
        bare, runs = open_bare_subject(reference, files, threads, open_model, variant)
        return replace(_understood(reference.path, bare, files, find, take_photo), runs=runs)
    if variant is None and open_model is None and bundle.only_trained:
        return _trained(bundle, reference, files)
    model = file_to_run(reference, variant).model
    running = open_model(model) if open_model is not None else in_litert(model, threads)
    runnable = _of_bundle(running.predictor, bundle, files)
    return replace(runnable, variant=model.recipe, runs=running.runs)


def in_litert(model: ModelFile, threads: int | None = None) -> RunningModel:
    """The model in LiteRT on this machine; None: as many threads as LiteRT takes."""
    return RunningModel(LiteRTPredictor(model.data, threads=threads), "LiteRT")


def open_bare_subject(
    reference: ModelRef,
    files: SpecFiles,
    threads: int | None = None,
    open_model: OpenModel | None = None,
    variant: str | None = None,
) -> tuple[BareSubject, str]:
    """Opens a model that comes without a bundle.

    Returns:
        The model, and what computes it, for people.

    Raises:
        UsageError: a Keras model for a target, or a variant of a file that has none.
        ModelError: it cannot be read or run.
    """
    if reference.kind in ("keras", "saved-model"):
        if open_model is not None:
            raise UsageError(
                f"'{reference.path}' is not quantized yet: targets and C compilers take a .tflite",
                hint="run edgecnn quantize first, or leave -t and --numerics out",
            )
        return _unconverted(reference, files)
    file = file_to_run(reference, variant, files.size)
    model = file.model
    running = open_model(model) if open_model is not None else in_litert(model, threads)
    preprocess, postprocess = embedded_specs(model.model)
    subject = Subject(running.predictor, graph=model.model)
    metadata = _metadata(reference, file.cut)
    bare = BareSubject(subject, metadata, preprocess, postprocess, file.cut, file.changes)
    return bare, running.runs


def _metadata(reference: ModelRef, cut: CutOp | None) -> FileMetadata:
    """What the file says of its model, as it came."""
    whole = model_file(reference, None)
    metadata = read_file_metadata(whole.data, whole.model)
    return replace(metadata, outputs=()) if cut is not None else metadata


@dataclass(frozen=True)
class FileToRun:
    """A .tflite as it runs.

    Attributes:
        model: the file.
        cut: an op that was cut off its end; None: none was.
        changes: what was changed so that it runs, a sentence each.
    """

    model: ModelFile
    cut: CutOp | None = None
    changes: tuple[str, ...] = ()


def file_to_run(
    reference: ModelRef, variant: str | None, size: tuple[int, int] | None = None
) -> FileToRun:
    """The .tflite that runs: a bare one with ops and sizes that LiteRT has no kernel for mended.

    Args:
        reference: the model.
        variant: of a bundle; None: its default.
        size: width and height of an image input whose size the file leaves open.

    Raises:
        UsageError, BundleError, ModelError: as :func:`edgecnn.jobs.reference.model_file`.
        DataError: an input is open and nobody says its size.
    """
    model = model_file(reference, variant)
    if reference.bundle is not None:
        return FileToRun(model)
    model, changes = with_input_size(model, size), []
    mended = with_builtin_transpose_conv(model.model)
    if mended is not model.model:
        model = _with_bytes(model, write_model(mended))
        changes.append(f"{TRANSPOSE_CONV_BIAS}, which LiteRT does not have, runs as TRANSPOSE_CONV")
    code = last_custom(model.model)
    if not code or code in IN_LITERT:
        return FileToRun(model, None, tuple(changes))
    data, op = without_last_custom(model.model, code)
    changes.append(
        f"its last op, {code}, which LiteRT does not have, was cut off: its inputs are the"
        " outputs now"
    )
    return FileToRun(_with_bytes(model, data), op, tuple(changes))


def _with_bytes(model: ModelFile, data: bytes) -> ModelFile:
    """The model with another file, which no golden vector belongs to."""
    return replace(model, data=data, sha256=sha256_bytes(data), model=read_model(data), golden=None)


def _trained(bundle: Bundle, reference: ModelRef, files: SpecFiles) -> Runnable:
    from edgecnn.models.io import load_keras
    from quantization.keras_predictor import KerasPredictor

    path = bundle_keras(reference, "eval")
    predictor = KerasPredictor(load_keras(path, unsafe=reference.unsafe))
    return replace(_of_bundle(predictor, bundle, files), variant=KERAS_MODEL, runs="Keras")


def _unconverted(reference: ModelRef, files: SpecFiles) -> tuple[BareSubject, str]:
    from edgecnn.models.io import load_keras
    from quantization.freeze import freeze_saved_model
    from quantization.keras_predictor import FunctionPredictor, KerasPredictor

    if reference.kind == "saved-model":
        frozen = freeze_saved_model(reference.path)
        function = FunctionPredictor(frozen.function, frozen.inputs, frozen.outputs)
        return BareSubject(Subject(function, graph=_graph(frozen, files))), "TensorFlow"
    model = load_keras(reference.path, unsafe=reference.unsafe)
    return BareSubject(Subject(KerasPredictor(model), keras_model=model)), "Keras"


def _graph(frozen: Any, files: SpecFiles) -> TfModel | None:
    """A SavedModel as a .tflite, whose first ops tell what it takes; None: that is known anyway."""
    from quantization.convert import to_float

    if files.preprocess is not None or files.input.input_range is not None:
        return None
    try:
        return read_model(to_float(frozen))
    except QuantizationError:
        return None  # it can be run, if not converted


def _understood(
    path: Path,
    bare: BareSubject,
    files: SpecFiles,
    find: Finder | None,
    take_photo: TakePhoto | None,
) -> Runnable:
    """A model without a bundle: what it takes and gives may have to be found out.

    Raises:
        ModelError: its outputs are not understood.
        DataError: what its input takes is not clear.
    """
    known = understand(bare, files, find, take_photo)
    if known.postprocess is None:
        raise unknown_model(path, known.facts, known.answer)
    if known.preprocess is None:
        raise known.unclear or unknown_model(path, known.facts, known.answer)
    predictor = known.facts.predictor
    _agree(known.preprocess, known.postprocess, predictor)
    answer = known.answer if isinstance(known.answer, Recognised) else None
    return Runnable(
        predictor,
        known.preprocess,
        known.postprocess,
        input_range=known.input_range,
        recognised=answer,
        assumed=known.assumed,
    )


def _of_bundle(predictor: Predictor, bundle: Bundle, files: SpecFiles) -> Runnable:
    """A bundle's specs, or those that the user gave instead."""
    before, after = files.read()
    before = with_options(before or bundle.preprocess, files.input)
    after = after or bundle.postprocess
    if files.labels is not None:
        after = replace(after, labels=read_labels(files.labels, expected=len(after.labels)))
    _agree(before, after, predictor)
    return Runnable(predictor, before, after)


def guess_postprocess(outputs: Sequence[TensorInfo]) -> ClassifySpec:
    """The spec of a plain classifier, its classes numbered.

    Raises:
        ModelError: it is none.
    """
    classes = class_count(outputs)
    if classes is None:
        raise ModelError(
            "the model carries no postprocess spec and is no plain classifier "
            f"({', '.join(f'{item.name} {list(item.shape)}' for item in outputs)})",
            hint="give --postprocess FILE.json (see docs/specs.md), or use a bundle",
        )
    return ClassifySpec(outputs[0].name, tuple(str(index) for index in range(classes)))


def _agree(pre: PreprocessSpec, after: PostprocessSpec, predictor: Predictor) -> None:
    shapes = {info.name: info.shape for info in predictor.inputs}
    for item in pre.inputs:
        if item.name not in shapes:
            raise ModelError(
                f"the preprocess spec names input '{item.name}', the model has {list(shapes)}",
                hint="name the model's inputs in the spec",
            )
        if isinstance(item, ImageInput):
            wanted = item.tensor_shape
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
