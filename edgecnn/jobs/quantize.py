"""quantize: a bundle or a bare model, with calibration data and a parity verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.bundle import Bundle
from edgecnn.core.errors import DataError, GateMissedError, UsageError
from edgecnn.core.files import dump_json, make_folder, write_atomic
from edgecnn.core.metric import Metric
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import Predictor
from edgecnn.core.sample import Dataset
from edgecnn.core.tflite import metadata
from edgecnn.data.table import load_dataset
from edgecnn.evaluation.chance import FindsNothing, chance_level
from edgecnn.evaluation.evaluate import evaluate
from edgecnn.jobs.bare_model import SpecChoice, open_bare
from edgecnn.jobs.calibration_data import CalibrationData, open_data
from edgecnn.jobs.gallery import mistake_gallery
from edgecnn.jobs.input_range import InputRange, RangeOptions
from edgecnn.jobs.reference import ModelRef, bundle_keras, own_code
from quantization.load import FloatModel, load_float
from quantization.own_code import ImportedFile
from quantization.parallel.executor import Executor, make_executor
from quantization.parallel.predictor import file_predictor
from quantization.quantize import quantize
from quantization.recipe import Recipe, get_recipe
from quantization.types import MetricFunction, QuantizationResult, QuantizeRequest

GOLDEN_SAMPLES = 8
_SEED = 42


@dataclass(frozen=True)
class QuantizeJob:
    """What the user asked for.

    Attributes:
        recipe: how to quantize.
        calibration: source of the calibration data; None: the bundle's training data.
        max_drop: the gate in points; None: no gate.
        limit: at most so many test and tuning samples; None: all.
        seed: of splits and choices; None: the bundle's.
        output_dir: for a bare file.
        spec_file, postprocess_file, input: specs of a bare file.
        auto: add accuracy steps until the gate holds.
        epochs: of fine-tuning.
        workers, ray: where the work runs.
        force: go on where the float model is no better than chance.
    """

    reference: ModelRef
    recipe: Recipe
    calibration: str | None = None
    max_drop: float | None = None
    limit: int | None = None
    seed: int | None = None
    output_dir: Path | None = None
    spec_file: Path | None = None
    postprocess_file: Path | None = None
    input: RangeOptions = field(default_factory=RangeOptions)
    auto: bool = False
    epochs: int = 0
    workers: int = 1
    ray: str | None = None
    force: bool = False


@dataclass(frozen=True)
class QuantizeOutcome:
    """``edgecnn.quantize/1``: where the files are and what quantization cost.

    Attributes:
        skipped: files that could not be read.
        notes: what of the calibration data was left out or taken without labels, and why.
        input_range: what a byte of an image means, and why; None: a bundle, or no images.
        chance: what is wrong with a float model that is no better than chance; None: it is better,
            or there are no labels.
    """

    files: dict[str, str]
    result: QuantizationResult
    skipped: tuple[str, ...] = ()
    input_range: InputRange | None = None
    chance: str | None = None
    notes: tuple[str, ...] = ()
    imports: tuple[ImportedFile, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn quantize --json``."""
        found = self.input_range.to_json() if self.input_range else None
        return quantize_json(self.result, self.files) | {
            "skipped": list(self.skipped),
            "notes": list(self.notes),
            "input_range": found,
            "chance": self.chance,
            "imports": [file.to_json() for file in self.imports],
        }


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

    model: FloatModel
    data: CalibrationData
    postprocess: PostprocessSpec | None

    @property
    def preprocess(self) -> PreprocessSpec:
        return self.data.preprocess


def run(job: QuantizeJob, progress: Progress) -> QuantizeOutcome:
    """Quantizes, measures and writes: into the bundle, or into ``output_dir``.

    Raises:
        UsageError: a bare file without output folder or calibration data.
        QuantizationError, ModelError, DataError, BundleError, MissingExtraError.
    """
    progress.stage("load the model")
    inputs = _bundle_inputs(job) if job.reference.bundle else _bare_inputs(job, progress)
    data = inputs.data
    measure = _metric(inputs, data.test, job.limit)
    executor = make_executor(job.workers, job.ray)
    try:
        float_metric, chance = _float_quality(inputs, measure, job, executor, progress)
        result = quantize(
            QuantizeRequest(
                model=inputs.model,
                calibration=data.calibration,
                recipe=job.recipe,
                golden_inputs=data.golden(GOLDEN_SAMPLES),
                metric=measure,
                float_metric=float_metric,
                tuning=_metric(inputs, data.tune, job.limit),
                max_drop=job.max_drop,
                metadata=_metadata(inputs),
                auto=job.auto,
                epochs=job.epochs,
                executor=executor,
                preprocess=data.preprocess,
            ),
            progress,
        )
    finally:
        executor.close()
    if chance is not None:
        result = replace(result, warnings=(chance, *result.warnings))
    if job.reference.bundle is not None:
        labels = inputs.postprocess.labels if inputs.postprocess else ()
        gallery = mistake_gallery(result.metrics.get("quantized"), data.test, labels)
        files = _write_bundle(job.reference.bundle, result, gallery, own_code(job.reference))
    else:
        files = _write_folder(job.output_dir or Path(), job.reference.path.stem, result)
    return QuantizeOutcome(
        files,
        result,
        data.skipped,
        data.input_range,
        chance,
        data.notes,
        job.reference.imports,
    )


def _float_quality(
    inputs: _Inputs,
    measure: MetricFunction | None,
    job: QuantizeJob,
    executor: Executor,
    progress: Progress,
) -> tuple[Metric | None, str | None]:
    """The float .tflite's metric, and what is wrong where it is no better than chance.

    Before the long work, and before anything is written.

    Raises:
        GateMissedError: it is no better than chance, and ``force`` is not set.
    """
    after = inputs.postprocess
    if measure is None or after is None:
        return None, None
    progress.stage("measure float_tflite")
    metric = measure(file_predictor(inputs.model.data, executor))
    chance = chance_level(metric, after.labels)
    if chance is None:
        return metric, None
    text = f"the float model {chance.what}: {chance}"
    if not job.force:
        raise GateMissedError(text, hint=chance.hint)
    return metric, text


def gate(result: QuantizationResult, *, force: bool = False) -> None:
    """Raises GateMissedError where int8 lost more than ``max_drop``, or finds nothing any more."""
    worst = [
        f"#{layer.index} {layer.op} '{layer.name}': SQNR {layer.sqnr_db:.1f} dB"
        for layer in result.layers[:5]
    ]
    after = chance_level(result.metrics.get("quantized"), ())
    if isinstance(after, FindsNothing) and not force:
        raise GateMissedError(
            f"the {result.recipe.name} model {after.what}, the float model does not: {after}",
            hint=_gate_hint(result),
            details=worst,
        )
    if result.passed or result.drop is None or result.max_drop is None:
        return
    raise GateMissedError(
        f"{result.recipe.name} loses {result.drop.points:.2f} points"
        f" (95 % {result.drop.low:.2f} to {result.drop.high:.2f}, n = {result.drop.n}),"
        f" --max-drop allows {result.max_drop:g}",
        hint=_gate_hint(result),
        details=worst,
    )


def _gate_hint(result: QuantizationResult) -> str:
    if result.suspects:
        return result.suspects[0].cure
    if not any(step.drop is not None for step in result.steps):
        return "let --auto add accuracy steps, or raise --max-drop"
    return "calibrate on more data, add --qat-epochs 2, or raise --max-drop"


def _bundle_inputs(job: QuantizeJob) -> _Inputs:
    bundle = job.reference.bundle_or_fail("quantize")
    manifest = bundle.manifest
    source = bundle.data_source
    if not (job.calibration or source):
        raise DataError(
            f"the bundle '{bundle.root}' does not say what it was trained on",
            hint="add --calibration FOLDER",
        )
    seed = job.seed if job.seed is not None else manifest.seed
    model = load_float(bundle_keras(job.reference, "quantize"), unsafe=job.reference.unsafe)
    if job.calibration:
        data = open_data(
            job.calibration,
            model.inputs,
            preprocess=bundle.preprocess,
            task=manifest.task,
            samples=job.recipe.samples or 1,
            seed=seed,
        )
    else:
        train = load_dataset(source, manifest.task, "train", seed=seed)
        data = CalibrationData(
            model.inputs, bundle.preprocess, train, None, None, job.recipe.samples or 1, seed
        )
    if source:
        tune, test = (load_dataset(source, manifest.task, p, seed=seed) for p in ("val", "test"))
        skipped = {*data.skipped, *data.train.skipped, *tune.skipped, *test.skipped}
        data = replace(data, tune=tune, test=test, skipped=tuple(sorted(skipped)))
    return _Inputs(model, data, bundle.postprocess)


def _bare_inputs(job: QuantizeJob, progress: Progress) -> _Inputs:
    if job.calibration is None:
        raise UsageError(
            "quantizing a bare file needs calibration data",
            hint="add --calibration PHOTOS (or a .npy, .npz or folder of .wav)",
        )
    if job.output_dir is None:
        raise UsageError(
            "quantizing a bare file needs a folder to write to", hint="add -o/--output-dir DIR"
        )
    bare = open_bare(
        job.reference.path,
        job.calibration,
        choice=SpecChoice(job.spec_file, job.postprocess_file, job.input),
        samples=job.recipe.samples or 1,
        seed=job.seed if job.seed is not None else _SEED,
        unsafe=job.reference.unsafe,
        progress=progress,
    )
    if job.max_drop is not None and not job.auto and bare.data.test is None:
        raise UsageError(
            f"--max-drop needs labelled data; '{job.calibration}' has no labels that fit the"
            " model's classes",
            hint="give a folder with one sub-folder per class, or leave --max-drop out",
        )
    return _Inputs(bare.model, bare.data, bare.postprocess)


def _metric(inputs: _Inputs, data: Dataset | None, limit: int | None) -> MetricFunction | None:
    after = inputs.postprocess
    if data is None or after is None:
        return None

    def measure(predictor: Predictor) -> Metric:
        return evaluate(
            predictor, data, inputs.preprocess, after, limit=limit, progress=SilentProgress()
        )

    return measure


def _metadata(inputs: _Inputs) -> dict[str, bytes]:
    entries = {metadata.PREPROCESS: json.dumps(inputs.preprocess.to_json()).encode()}
    if inputs.postprocess is not None:
        entries[metadata.POSTPROCESS] = json.dumps(post.to_json(inputs.postprocess)).encode()
    return entries


def _write_bundle(
    bundle: Bundle,
    result: QuantizationResult,
    gallery: dict[str, bytes],
    imports: tuple[dict[str, str], ...],
) -> dict[str, str]:
    name = result.recipe.name
    files = {
        "model": f"variants/{name}/model.tflite",
        "float32": "variants/float32/model.tflite",
        "recipe": f"variants/{name}/recipe.json",
        "golden": f"variants/{name}/golden.npz",
    }
    if result.reference != result.float32:
        files["reference"] = f"variants/{name}/float32.tflite"
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
        if "reference" in files:
            edit.write(files["reference"], result.reference)
        edit.write_json(f"variants/{name}/metrics.json", quantize_json(result, files))
        for picture, content in gallery.items():
            edit.write(f"variants/{name}/gallery/{picture}", content)
        edit.change(default_variant=name)
        if imports:
            edit.change(imports=imports)
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
    if result.reference != result.float32:
        files["reference"] = folder / f"{stem}_{name}.float32.tflite"
        write_atomic(files["reference"], result.reference)
    write_atomic(files["float32"], result.float32)
    write_atomic(files["recipe"], dump_json(result.recipe.to_json()))
    write_atomic(files["golden"], result.golden.to_bytes())
    write_atomic(files["model"], result.model)
    return {key: str(path) for key, path in files.items()}
