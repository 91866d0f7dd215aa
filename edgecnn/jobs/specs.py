"""Which preprocess and postprocess specs belong to a model, whatever the user named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.bundle import KERAS_MODEL, Bundle
from edgecnn.core.errors import DataError, ModelError, UsageError
from edgecnn.core.labels import read_labels
from edgecnn.core.postprocess import ClassifySpec, DetectSpec, PostprocessSpec
from edgecnn.core.preprocess import ArrayInput, ImageInput, PreprocessSpec
from edgecnn.core.runtime import LiteRTPredictor, Predictor, TensorInfo
from edgecnn.core.tflite.metadata import specs as embedded_specs
from edgecnn.jobs.reference import ModelRef, model_file


@dataclass(frozen=True)
class SpecFiles:
    """Files that override what the model brings; None: not given."""

    preprocess: Path | None = None
    postprocess: Path | None = None
    labels: Path | None = None


@dataclass(frozen=True)
class Runnable:
    """A model ready to run on images: predictor and both specs.

    Attributes:
        variant: which file of a bundle it is: a variant's name, or ``model.keras`` where the bundle
            is not quantized yet; None: a bare file.
    """

    predictor: Predictor
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec
    variant: str | None = None


def open_runnable(
    reference: ModelRef,
    *,
    variant: str | None,
    threads: int | None = None,
    files: SpecFiles | None = None,
    numerics: str | None = None,
) -> Runnable:
    """Opens a bundle's variant, a .tflite, a Keras model or a SavedModel.

    Of a bundle that is trained and not quantized yet it is the Keras model. Specs come from the
    given files, else the bundle, else the .tflite's metadata, else (a quantized image classifier
    without metadata) from the tensors: the input's whole range is taken as bytes 0 to 255, RGB, and
    classes are numbered. Of a bare Keras model or SavedModel the input is guessed as ``edgecnn
    quantize`` does; inputs that are no image take arrays of real values. With ``numerics`` the
    predictor is the model's C, built for this machine; else LiteRT.

    Raises:
        ModelError: no specs and none can be guessed.
        DataError: a label file of the wrong length.
        BundleError: a spec file with a wrong key or value.
    """
    files = files or SpecFiles()
    if reference.kind in ("keras", "saved-model"):
        if numerics is not None:
            raise UsageError(
                f"'{reference.path}' is no .tflite: there is no C of it",
                hint="leave --numerics out, or run edgecnn quantize first",
            )
        return _unconverted(reference, files)
    bundle = reference.bundle
    if bundle is not None and variant is None and numerics is None and bundle.only_trained:
        return _trained(bundle, files)
    model = model_file(reference, variant)
    predictor: Predictor
    if numerics is None:
        predictor = LiteRTPredictor(model.data, threads=threads)
    else:
        from targets.mcu.on_host import c_predictor

        predictor = c_predictor(model, numerics)
    if bundle is not None:
        runnable = _finish(predictor, bundle.preprocess, bundle.postprocess, files)
        return replace(runnable, variant=model.recipe)
    preprocess, postprocess = embedded_specs(model.model)
    return _finish(predictor, preprocess, postprocess, files)


def _trained(bundle: Bundle, files: SpecFiles) -> Runnable:
    from edgecnn.models.io import load_keras
    from quantization.keras_predictor import KerasPredictor

    predictor = KerasPredictor(load_keras(bundle.path(KERAS_MODEL)))
    runnable = _finish(predictor, bundle.preprocess, bundle.postprocess, files)
    return replace(runnable, variant=KERAS_MODEL)


def _unconverted(reference: ModelRef, files: SpecFiles) -> Runnable:
    from edgecnn.jobs.calibration_data import BYTES, guess_spec, layers_take_bytes

    predictor, layers = _open_unconverted(reference)
    guessed = None
    if files.preprocess is None and _like_an_image(predictor.inputs):
        input_range = BYTES if layers_take_bytes(layers) else None
        guessed = guess_spec(predictor.inputs, None, input_range)
    return _finish(predictor, guessed, None, files)


def _open_unconverted(reference: ModelRef) -> tuple[Predictor, Sequence[Any]]:
    """The predictor, and the model's layers where it has some."""
    from edgecnn.models.io import load_keras
    from quantization.freeze import freeze_saved_model
    from quantization.keras_predictor import FunctionPredictor, KerasPredictor

    if reference.kind == "saved-model":
        frozen = freeze_saved_model(reference.path)
        return FunctionPredictor(frozen.function, frozen.inputs, frozen.outputs), ()
    model = load_keras(reference.path)
    return KerasPredictor(model), model.layers


def _finish(
    predictor: Predictor,
    preprocess: PreprocessSpec | None,
    postprocess: PostprocessSpec | None,
    files: SpecFiles,
) -> Runnable:
    if files.preprocess is not None:
        preprocess = PreprocessSpec.from_json(read_spec(files.preprocess))
    if files.postprocess is not None:
        postprocess = post.from_json(read_spec(files.postprocess))
    if preprocess is None and _like_an_image(predictor.inputs):
        preprocess = guess_preprocess(predictor.inputs)
    if preprocess is None:  # what is no image can still be judged on arrays of real values
        arrays = (ArrayInput(info.name, info.shape[1:]) for info in predictor.inputs)
        preprocess = PreprocessSpec(tuple(arrays))
    postprocess = postprocess or _guess_postprocess(predictor.outputs)
    if files.labels is not None:
        labels = read_labels(files.labels, expected=len(postprocess.labels))
        postprocess = replace(postprocess, labels=labels)
    _agree(preprocess, postprocess, predictor)
    return Runnable(predictor, preprocess, postprocess)


def _like_an_image(inputs: Sequence[TensorInfo]) -> bool:
    return len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].shape[3] in (1, 3)


def guess_preprocess(inputs: Sequence[TensorInfo]) -> PreprocessSpec:
    """The spec of a quantized image classifier that brings none: its range is a byte's.

    Raises:
        ModelError: it is no such model.
    """
    info = inputs[0]
    quantized = info.scale is not None and info.dtype in ("int8", "uint8")
    if len(inputs) != 1 or len(info.shape) != 4 or info.shape[3] not in (1, 3) or not quantized:
        raise ModelError(
            "the model carries no preprocess spec and none can be guessed from its inputs "
            f"({', '.join(f'{item.name} {item.dtype} {list(item.shape)}' for item in inputs)})",
            hint="give --preprocess FILE.json (see docs/specs.md), or use a bundle",
        )
    # Byte b is taken as the b-th value of the tensor's range: what quantized image models mean.
    scale = float(info.scale or 1.0)
    zero = int(info.zero_point or 0) + (128 if info.dtype == "int8" else 0)
    return PreprocessSpec(
        (
            ImageInput(
                info.name,
                info.shape[1],
                info.shape[2],
                "gray" if info.shape[3] == 1 else "rgb",
                scale=(scale,),
                offset=(-scale * zero,),
            ),
        )
    )


def _guess_postprocess(outputs: Sequence[TensorInfo]) -> ClassifySpec:
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
    wanted_outputs = (
        [after.scores, after.boxes] if isinstance(after, DetectSpec) else [after.scores]
    )
    for name in wanted_outputs:
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
