"""eval: how good a model is on labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecnn.core.bundle import KERAS_MODEL
from edgecnn.core.errors import DataError
from edgecnn.core.metric import Metric
from edgecnn.core.postprocess import ClassifySpec, DetectSpec
from edgecnn.core.progress import Progress
from edgecnn.data.table import evaluation_split, load_dataset
from edgecnn.evaluation.evaluate import evaluate
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.specs import SpecFiles, open_runnable


@dataclass(frozen=True)
class EvalRequest:
    """What to measure.

    Attributes:
        data: source; None: what the bundle was trained on.
        split: ``test``, ``val``, ``train`` or ``all``; None: the test split of what the model was
            trained on, or what :func:`edgecnn.data.table.evaluation_split` says of other data.
        seed: of the split; None: the bundle's, or 42.
        limit: at most so many images.
        numerics: run the model's C, with these numerics, on this machine; None: LiteRT.
    """

    reference: ModelRef
    data: str | None
    split: str | None = None
    variant: str | None = None
    seed: int | None = None
    limit: int | None = None
    threads: int | None = None
    files: SpecFiles | None = None
    numerics: str | None = None


@dataclass(frozen=True)
class EvalResult:
    """``edgecnn.eval/1``.

    Attributes:
        variant: which file of a bundle was measured (see
            :class:`edgecnn.jobs.specs.Runnable`); None: a bare file.
    """

    task: str
    metric: Metric
    labels: tuple[str, ...]
    skipped: tuple[str, ...]
    variant: str | None = None

    @property
    def float_only(self) -> bool:
        """Whether it is the Keras model of a bundle that is not quantized yet."""
        return self.variant == KERAS_MODEL

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn eval --json``."""
        metrics = {self.metric.name: self.metric.value, **self.metric.extra}
        metrics["interval95"] = [self.metric.low, self.metric.high]
        return {
            "schema": "edgecnn.eval/1",
            "task": self.task,
            "variant": self.variant,
            "n": self.metric.n,
            "metrics": metrics,
            "skipped": list(self.skipped),
        }


def run(request: EvalRequest, progress: Progress) -> EvalResult:
    """Evaluates a bundle, .tflite or .keras.

    Raises:
        DataError: the data's classes are not the model's.
    """
    runnable = open_runnable(
        request.reference,
        variant=request.variant,
        threads=request.threads,
        files=request.files,
        numerics=request.numerics,
    )
    manifest = request.reference.bundle.manifest if request.reference.bundle else None
    seed = request.seed if request.seed is not None else (manifest.seed if manifest else 42)
    source = request.data or (str(manifest.data.get("source", "")) if manifest else "")
    if not source:
        raise DataError("no data to evaluate on", hint="add --data FOLDER (or digits, scenes)")
    task = "detect" if isinstance(runnable.postprocess, DetectSpec) else "classify"
    trained_on = str(manifest.data.get("source", "")) if manifest else ""
    default = "test" if source == trained_on else evaluation_split(source, task, seed)
    dataset = load_dataset(source, task, request.split or default, seed=seed)
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
        limit=request.limit,
        progress=progress,
    )
    labels = classes if isinstance(runnable.postprocess, ClassifySpec) else dataset.labels
    return EvalResult(task, metric, labels, tuple(dataset.skipped), runnable.variant)
