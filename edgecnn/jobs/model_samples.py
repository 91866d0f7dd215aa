"""Samples for a .tflite or a bundle's variant: what inspect and compare run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgecnn.core.bundle import Bundle
from edgecnn.core.errors import ModelError
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.progress import Progress
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo, tensor_infos
from edgecnn.core.sample import Dataset
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.model import TfModel
from edgecnn.jobs.bare_specs import read_spec
from edgecnn.jobs.calibration_data import open_data
from edgecnn.jobs.find_range import Subject, range_finder
from edgecnn.jobs.input_range import InputRange, RangeOptions, from_spec, with_options
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.specs import guess_postprocess
from quantization.types import SampleDict
from targets.base import ModelFile


@dataclass(frozen=True)
class DataRequest:
    """Where samples come from.

    Attributes:
        source: images, .npy, .npz, audio, or a built-in name; None: the bundle's own data.
        samples: at most so many.
        preprocess: spec file; None: the bundle's, else the file's own, else found out.
        input: what the user says a byte of an image means.
        seed: of choices; None: the bundle's, else 42.
    """

    source: str | None = None
    samples: int = 32
    preprocess: Path | None = None
    input: RangeOptions = field(default_factory=RangeOptions)
    seed: int | None = None


@dataclass(frozen=True)
class Samples:
    """What a request gave.

    Attributes:
        samples: real values by the model's input names.
        source: where they are from; None: there are none.
        input_range: what a byte of an image means, and why; None: a bundle, or no images.
        notes: what of the source was left out or taken without labels, and why.
    """

    samples: list[SampleDict] = field(default_factory=list)
    source: str | None = None
    input_range: InputRange | None = None
    notes: tuple[str, ...] = ()


def load_samples(
    reference: ModelRef, model: ModelFile, request: DataRequest, progress: Progress
) -> Samples:
    """Samples for a model.

    Raises:
        DataError: nothing usable is there, it does not fit, or what a byte means is not clear.
    """
    bundle = reference.bundle
    source = request.source or _own_source(bundle)
    if source is None:
        return Samples()
    seed = request.seed
    if seed is None:
        seed = bundle.manifest.seed if bundle is not None else 42
    progress.stage("read data")
    spec = _preprocess(model.model, bundle, request)
    data = open_data(
        source,
        real_inputs(model.model),
        preprocess=spec,
        find=range_finder(lambda parts: _subject(model, parts), request.input, progress, seed=seed),
        samples=request.samples,
        seed=seed,
    )
    if spec is not None and data.is_image and (bundle is None or request.input.given):
        found = from_spec(spec, request.input, given=request.preprocess is not None)
        data = replace(data, input_range=found)
    return Samples(list(data.calibration()), source, data.input_range, data.notes)


def real_inputs(model: TfModel) -> tuple[TensorInfo, ...]:
    """The model's inputs as the real values behind them."""
    inputs, _ = tensor_infos(model)
    return tuple(
        TensorInfo(info.name, info.shape, "float32") if info.scale is not None else info
        for info in inputs
    )


def _subject(model: ModelFile, parts: Sequence[Dataset]) -> Subject:
    """The model as it can be judged: by labels where there is one for each of its classes."""
    predictor = LiteRTPredictor(model.data)
    try:
        spec = specs(model.model)[1] or guess_postprocess(predictor.outputs)
    except ModelError:
        return Subject(predictor, None, model.model)
    labels = tuple(parts[0].labels)
    if not isinstance(spec, ClassifySpec) or len(labels) != len(spec.labels):
        return Subject(predictor, None, model.model)
    if not set(labels) <= set(spec.labels):
        spec = replace(spec, labels=labels)
    return Subject(predictor, spec, model.model)


def _own_source(bundle: Bundle | None) -> str | None:
    return (bundle.data_source or None) if bundle is not None else None


def _preprocess(
    model: TfModel, bundle: Bundle | None, request: DataRequest
) -> PreprocessSpec | None:
    """The given spec, else the bundle's, else the file's, changed by options; None: left open."""
    if request.preprocess is not None:
        spec: PreprocessSpec | None = PreprocessSpec.from_json(read_spec(request.preprocess))
    else:
        spec = bundle.preprocess if bundle is not None else specs(model)[0]
    return with_options(spec, request.input) if spec is not None else None
