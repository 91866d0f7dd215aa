"""quantize: int8 of a bundle or a bare Keras file, with calibration data and a parity verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core import postprocess as post
from edgecnn.core.bundle import Bundle
from edgecnn.core.errors import DataError, GateMissedError, UsageError
from edgecnn.core.files import dump_json, make_folder, write_atomic
from edgecnn.core.imaging import Preprocessor
from edgecnn.core.metric import Metric
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import Predictor, TensorInfo
from edgecnn.core.sample import Dataset
from edgecnn.core.tflite import metadata
from edgecnn.data.table import load_dataset
from edgecnn.evaluation.evaluate import evaluate
from edgecnn.jobs.bare_keras import BareKeras, open_bare
from edgecnn.jobs.reference import ModelRef
from edgecnn.models.io import load_keras
from quantization.quantize import quantize
from quantization.recipe import get_recipe
from quantization.types import MetricFunction, QuantizationResult, QuantizeRequest

GOLDEN_SAMPLES = 8


@dataclass(frozen=True)
class QuantizeJob:
    """What the user asked for.

    Attributes:
        calibration: source of the calibration images; None: the bundle's training data.
        samples: how many of them.
        max_drop: the gate in points; None: no gate.
        limit: at most so many test images; None: all.
        output_dir: for a bare file.
        spec_file, input_range: preprocess spec of a bare file.
    """

    reference: ModelRef
    recipe: str = "int8"
    calibration: str | None = None
    samples: int = 200
    max_drop: float | None = None
    limit: int | None = None
    seed: int | None = None
    output_dir: Path | None = None
    spec_file: Path | None = None
    postprocess_file: Path | None = None
    input_range: str | None = None


@dataclass(frozen=True)
class QuantizeOutcome:
    """``edgecnn.quantize/1``: where the files are and what quantization cost."""

    files: dict[str, str]
    result: QuantizationResult
    skipped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn quantize --json``."""
        return quantize_json(self.result, self.files) | {"skipped": list(self.skipped)}


def quantize_json(result: QuantizationResult, files: dict[str, str]) -> dict[str, Any]:
    """``edgecnn.quantize/1``."""
    return {
        "schema": "edgecnn.quantize/1",
        "files": files,
        "recipe": result.recipe.name,
        **result.metrics_json(),
    }


@dataclass(frozen=True)
class _Inputs:
    """Everything that quantization is handed, however the model was named."""

    model: Any
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec | None
    train: Dataset
    test: Dataset | None


def run(job: QuantizeJob, progress: Progress) -> QuantizeOutcome:
    """Quantizes, measures and writes: into the bundle, or into ``output_dir``.

    Raises:
        UsageError: a .tflite was given, or a bare file without output folder or calibration data.
        QuantizationError, DataError, BundleError, MissingExtraError.
    """
    recipe = replace(get_recipe(job.recipe), samples=job.samples)
    inputs = _bundle_inputs(job) if job.reference.bundle else _bare_inputs(job)
    spec = inputs.preprocess.image
    result = quantize(
        QuantizeRequest(
            model=inputs.model,
            calibration=lambda: _samples(inputs.train, spec, job.samples),
            recipe=recipe,
            golden_inputs=list(_samples(inputs.test or inputs.train, spec, GOLDEN_SAMPLES)),
            metric=_metric(inputs, job.limit),
            max_drop=job.max_drop,
            metadata=_metadata(inputs),
        ),
        progress,
    )
    if job.reference.bundle is not None:
        files = _write_bundle(job.reference.bundle, result)
    else:
        files = _write_folder(job.output_dir or Path(), job.reference.path.stem, result)
    skipped = {*inputs.train.skipped, *(inputs.test.skipped if inputs.test else ())}
    return QuantizeOutcome(files, result, tuple(sorted(skipped)))


def gate(result: QuantizationResult) -> None:
    """Raises GateMissedError where int8 lost more than ``max_drop``."""
    if result.passed or result.drop is None or result.max_drop is None:
        return
    worst = [
        f"#{layer.index} {layer.op} '{layer.name}': SQNR {layer.sqnr_db:.1f} dB"
        for layer in result.layers[:5]
    ]
    raise GateMissedError(
        f"{result.recipe.name} loses {result.drop.points:.2f} points"
        f" (95 % {result.drop.low:.2f} to {result.drop.high:.2f}, n = {result.drop.n}),"
        f" --max-drop allows {result.max_drop:g}",
        hint="look at the worst layers above; calibrate on more data, or raise --max-drop",
        details=worst,
    )


def _bundle_inputs(job: QuantizeJob) -> _Inputs:
    bundle = job.reference.bundle_or_fail("quantize")
    manifest = bundle.manifest
    source = str(manifest.data.get("source", ""))
    if not (job.calibration or source):
        raise DataError(
            f"the bundle '{bundle.root}' does not say what it was trained on",
            hint="add --calibration FOLDER",
        )
    seed = job.seed if job.seed is not None else manifest.seed
    train = load_dataset(job.calibration or source, manifest.task, "train", seed=seed)
    test = load_dataset(source, manifest.task, "test", seed=seed) if source else None
    model = load_keras(bundle.path("model.keras"))
    return _Inputs(model, bundle.preprocess, bundle.postprocess, train, test)


def _bare_inputs(job: QuantizeJob) -> _Inputs:
    if job.reference.kind == "tflite":
        raise UsageError(
            f"'{job.reference.path}' is no Keras model; quantize needs a .keras or a bundle",
            hint="give the Keras model that it was made from",
        )
    if job.calibration is None:
        raise UsageError(
            "quantizing a bare file needs calibration images", hint="add --calibration PHOTOS"
        )
    if job.output_dir is None:
        raise UsageError(
            "quantizing a bare file needs a folder to write to", hint="add -o/--output-dir DIR"
        )
    bare: BareKeras = open_bare(
        job.reference.path,
        job.calibration,
        seed=job.seed or 42,
        spec_file=job.spec_file,
        postprocess_file=job.postprocess_file,
        input_range=job.input_range,
    )
    if job.max_drop is not None and bare.test is None:
        raise UsageError(
            f"--max-drop needs labelled images; '{job.calibration}' has no folder per class"
            f" for the model's classes",
            hint="give a folder with one sub-folder per class, or leave --max-drop out",
        )
    return _Inputs(bare.model, bare.preprocess, bare.postprocess, bare.train, bare.test)


def _samples(data: Dataset, spec: ImageInput, count: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Evenly spread samples as real-valued tensors: every class of a sorted folder is met."""
    shape = (1, spec.height, spec.width, spec.channels)
    to_tensor = Preprocessor(spec, TensorInfo(spec.name, shape, "float32"))
    picks = np.unique(np.linspace(0, len(data) - 1, min(count, len(data))).round().astype(int))
    for index in picks:
        tensor, _ = to_tensor(data[int(index)].image)
        yield {spec.name: tensor}


def _metric(inputs: _Inputs, limit: int | None) -> MetricFunction | None:
    test, after = inputs.test, inputs.postprocess
    if test is None or after is None:
        return None

    def measure(predictor: Predictor) -> Metric:
        return evaluate(
            predictor, test, inputs.preprocess, after, limit=limit, progress=SilentProgress()
        )

    return measure


def _metadata(inputs: _Inputs) -> dict[str, bytes]:
    entries = {metadata.PREPROCESS: json.dumps(inputs.preprocess.to_json()).encode()}
    if inputs.postprocess is not None:
        entries[metadata.POSTPROCESS] = json.dumps(post.to_json(inputs.postprocess)).encode()
    return entries


def _write_bundle(bundle: Bundle, result: QuantizationResult) -> dict[str, str]:
    name = result.recipe.name
    files = {
        "model": f"variants/{name}/model.tflite",
        "float32": "variants/float32/model.tflite",
        "recipe": f"variants/{name}/recipe.json",
        "golden": f"variants/{name}/golden.npz",
    }
    with bundle.edit() as edit:
        edit.remove(f"variants/{name}")
        edit.remove("variants/float32")
        # What targets said was about the old bytes.
        edit.remove("targets")
        edit.write(files["float32"], result.float32)
        edit.write_json("variants/float32/recipe.json", get_recipe("float32").to_json())
        edit.write("variants/float32/golden.npz", result.golden_float32.to_bytes())
        float_metric = result.metrics.get("float_tflite")
        edit.write_json(
            "variants/float32/metrics.json",
            {"metrics": {"float_tflite": float_metric.to_json() if float_metric else None}},
        )
        edit.write(files["model"], result.model)
        edit.write_json(files["recipe"], result.recipe.to_json())
        edit.write(files["golden"], result.golden.to_bytes())
        edit.write_json(f"variants/{name}/metrics.json", quantize_json(result, files))
        edit.change(default_variant=name)
    return {key: str(bundle.root / path) for key, path in files.items()}


def _write_folder(folder: Path, stem: str, result: QuantizationResult) -> dict[str, str]:
    make_folder(folder)
    name = result.recipe.name
    files = {
        "model": folder / f"{stem}_{name}.tflite",
        "float32": folder / f"{stem}_float32.tflite",
        "recipe": folder / f"{stem}_{name}.recipe.json",
        "golden": folder / f"{stem}_{name}.golden.npz",
    }
    write_atomic(files["float32"], result.float32)
    write_atomic(files["recipe"], dump_json(result.recipe.to_json()))
    write_atomic(files["golden"], result.golden.to_bytes())
    write_atomic(files["model"], result.model)
    return {key: str(path) for key, path in files.items()}
