"""eval: how good a model is on labelled data."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from edgecnn.core.bundle import KERAS_MODEL
from edgecnn.core.conventions import NAMES
from edgecnn.core.errors import DataError, GateMissedError, ModelError
from edgecnn.core.metric import Metric
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec, Task
from edgecnn.core.progress import Progress
from edgecnn.core.sample import Dataset
from edgecnn.data.table import evaluation_split, load_dataset, same_source
from edgecnn.evaluation.chance import chance_level
from edgecnn.evaluation.evaluate import evaluate
from edgecnn.jobs.bare_specs import SpecFiles
from edgecnn.jobs.find_range import Subject, range_finder
from edgecnn.jobs.input_range import InputRange, RangeOptions
from edgecnn.jobs.photo import drawn_picture
from edgecnn.jobs.place import HERE, Place
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.specs import Runnable, open_runnable
from quantization.types import Drop
from targets.base import RunningModel


@dataclass(frozen=True)
class EvalRequest:
    """What to measure.

    Attributes:
        data: source; None: what the bundle was trained on.
        split: as for :func:`edgecnn.data.table.load_dataset`; None: the test split of what the
            model was trained on, or what :func:`edgecnn.data.table.evaluation_split` says of other
            data.
        seed: of the split; None: the bundle's, or 42.
        limit: at most so many images.
        place: where the model runs.
    """

    reference: ModelRef
    data: str | None
    split: str | None = None
    variant: str | None = None
    seed: int | None = None
    limit: int | None = None
    files: SpecFiles | None = None
    place: Place = HERE


@dataclass(frozen=True)
class MeasuredModel:
    """One of several models that were measured on the same data.

    Attributes:
        name: ``float32``, ``int8`` …, the target, or ``model`` for a bare file.
        runs: what computed it, in a few words.
        loss: points that it lost against the first of them; None: it is the first.
    """

    name: str
    runs: str
    metric: Metric
    loss: Drop | None = None

    def to_json(self) -> dict[str, Any]:
        """A row of ``compared`` in ``edgecnn eval --json``."""
        loss = None
        if self.loss is not None:
            loss = {
                "points": self.loss.points,
                "interval95": [self.loss.low, self.loss.high],
                "paired": self.loss.paired,
            }
        return {
            "name": self.name,
            "runs": self.runs,
            "metric": self.metric.to_json(),
            "loss": loss,
        }


@dataclass(frozen=True)
class EvalResult:
    """``edgecnn.eval/1``.

    Attributes:
        variant: which file of a bundle was measured (see
            :class:`edgecnn.jobs.specs.Runnable`); None: a bare file.
        compared: with a target: float, quantized and what the target computes, on the same images.
        runs: what computed it, in a few words.
    """

    task: str
    metric: Metric
    labels: tuple[str, ...]
    skipped: tuple[str, ...]
    variant: str | None = None
    input_range: InputRange | None = None
    compared: tuple[MeasuredModel, ...] = ()
    runs: str = ""

    @property
    def float_only(self) -> bool:
        """Whether it is the Keras model of a bundle that is not quantized yet."""
        return self.variant == KERAS_MODEL

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn eval --json``."""
        metrics = {self.metric.name: self.metric.value, **self.metric.extra}
        metrics["interval95"] = [self.metric.low, self.metric.high]
        chance = chance_level(self.metric, self.labels)
        return {
            "schema": "edgecnn.eval/1",
            "task": self.task,
            "variant": self.variant,
            "n": self.metric.n,
            "metrics": metrics,
            "skipped": list(self.skipped),
            "input_range": self.input_range.to_json() if self.input_range else None,
            "chance": None if chance is None else str(chance),
            "compared": [row.to_json() for row in self.compared],
        }


def run(
    request: EvalRequest, progress: Progress, running: RunningModel | None = None
) -> EvalResult:
    """Evaluates a bundle, .tflite or .keras.

    Args:
        request: what to measure.
        progress: told of each image.
        running: the model at its place, where it is open already.

    Raises:
        DataError: the data's classes are not the model's.
        ModelError: it is a model of key points or of maps of classes.
    """
    source, seed = _source(request), _seed(request)
    if not source:
        raise DataError("no data to evaluate on", hint="add --data FOLDER (or digits, scenes)")
    options = request.files.input if request.files else RangeOptions()

    def find(subject: Subject) -> InputRange:
        parts = [_dataset(request, source, seed, "classify")] if subject.scores else []
        return range_finder(lambda _: subject, options, progress, seed=seed)(parts)

    with ExitStack() as stack:
        opener = request.place.opener(stack, progress.say)
        runnable = open_runnable(
            request.reference,
            variant=request.variant,
            threads=request.place.threads,
            files=request.files,
            open_model=opener if running is None else lambda _: running,
            find=find,
            take_photo=drawn_picture,
        )
        task = judged_task(runnable.postprocess)
        dataset = _dataset(request, source, seed, task)
        return _measured(runnable, dataset, source, request.limit, progress)


def judged_task(spec: PostprocessSpec) -> Task:
    """What labels a model is judged by: of whole images, or boxes.

    Raises:
        ModelError: it gives neither.
    """
    gives = {"pose": "key points", "segment": "a map of classes"}.get(spec.task)
    if gives is not None:
        raise ModelError(
            f"eval judges classes and boxes; this model gives {gives}",
            hint="look at its results with edgecnn detect, or judge what detect --json prints",
        )
    return spec.task


def _measured(
    runnable: Runnable, dataset: Dataset, source: str, limit: int | None, progress: Progress
) -> EvalResult:
    """What the model gives on the data.

    Raises:
        DataError: ``source`` has more classes than the model.
    """
    classes = runnable.postprocess.labels
    if len(dataset.labels) > len(classes):
        raise DataError(
            f"'{source}' has {len(dataset.labels)} classes, the model knows {len(classes)}",
            hint="evaluate on data with the model's classes",
        )
    metric = evaluate(
        runnable.predictor,
        dataset,
        runnable.preprocess,
        runnable.postprocess,
        limit=limit,
        progress=progress,
    )
    return EvalResult(
        runnable.postprocess.task,
        metric,
        classes if isinstance(runnable.postprocess, ClassifySpec) else dataset.labels,
        tuple(dataset.skipped),
        runnable.variant,
        runnable.input_range,
        runs=runnable.runs,
    )


def same_range(files: SpecFiles | None, found: InputRange | None) -> SpecFiles | None:
    """The files with the input range that was found, so that it is not looked for again."""
    if found is None or found.name not in NAMES:
        return files
    colour = None if found.colour == "gray" else found.colour
    return replace(files or SpecFiles(), input=RangeOptions(found.name, colour))


def gate(result: EvalResult, *, force: bool) -> str | None:
    """What is to be said of a model that is no better than chance; None: it is better.

    Raises:
        GateMissedError: it is not, and ``force`` is not set.
    """
    chance = chance_level(result.metric, result.labels)
    if chance is None:
        return None
    text = f"the model {chance.what}: {chance}"
    if not force:
        raise GateMissedError(text, hint=chance.hint)
    return text


def _source(request: EvalRequest) -> str:
    return request.data or _trained_on(request)


def _trained_on(request: EvalRequest) -> str:
    bundle = request.reference.bundle
    return bundle.data_source if bundle else ""


def _seed(request: EvalRequest) -> int:
    if request.seed is not None:
        return request.seed
    return request.reference.bundle.manifest.seed if request.reference.bundle else 42


def _dataset(request: EvalRequest, source: str, seed: int, task: str) -> Dataset:
    own = same_source(source, _trained_on(request))
    default = "test" if own else evaluation_split(source, task, seed)
    return load_dataset(source, task, request.split or default, seed=seed)
