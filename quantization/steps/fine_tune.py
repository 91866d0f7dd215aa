"""Quantization-aware fine-tuning with distillation: the last resort, and the slowest.

The graph is rebuilt as a Keras model that rounds weights and activations exactly where the
integer model will (Jacob et al. 2018, arXiv 1712.05877), and trained on the calibration samples,
which need no labels: the float model is the teacher (Hinton et al. 2015, arXiv 1503.02531). The
gradient passes through rounding as if it were not there (Bengio et al. 2013, arXiv 1308.3432).
What comes back is a float model whose weights survive rounding better; structure, names and
scales' granularity are as before.

One sample in eight is held out. After each epoch the model is quantized for real and judged on
them; the best state wins, and if that is the untrained one, the step gives back what it got. So
it cannot make the model worse on them.

It works on the graph and not on Keras layers: what is trained is then the very thing that is
quantized, equalized channels included, and a .tflite can be trained as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from edgecnn.core.runtime import tensor_infos
from edgecnn.core.tflite.model import TfModel
from quantization.calibration.run import calibrate
from quantization.fine_tuning.loss import is_logits, mean_loss
from quantization.fine_tuning.net import trainable_floats, unknown_ops
from quantization.fine_tuning.rounding import rounding_of
from quantization.fine_tuning.train import HELD_OUT, Settings, Trainer
from quantization.graph.edit import with_constants
from quantization.graph.lower import lowered
from quantization.recipe import Recipe
from quantization.steps.equalize_trial import ends, float_outputs, quantized_outputs
from quantization.types import SampleDict
from quantization.work import Ranges, StepContext, StepOutcome, Work

NAME = "fine-tune"
_TOLERANCE = 1e-3
_JUDGES = 64


def apply(work: Work, context: StepContext) -> StepOutcome:
    """Fine-tunes for ``context.epochs`` passes; see the module.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    reason = _why_not(work, context)
    if reason is not None:
        return StepOutcome(work, f"no fine-tuning: {reason}", applied=False)
    count, held_out = _survey(context)
    if count < 2 * HELD_OUT:
        note = f"no fine-tuning: {count} samples, it takes {2 * HELD_OUT} or more"
        return StepOutcome(work, note, applied=False)
    model = lowered(work.model)
    ranges = work.ranges or _calibrated(work, context)
    targets = ends(work.model)
    settings = Settings(context.epochs, count, seed=context.recipe.seed)
    judge = _Judge(work, context.recipe, held_out, targets)
    rounding = rounding_of(model, replace(work, ranges=ranges).plan(context.recipe))
    trainer = Trainer(model, rounding, targets, settings)
    if not judge.agrees(trainer):
        note = "no fine-tuning: the graph mixes samples, or computes otherwise in TensorFlow"
        return StepOutcome(work, note, applied=False)
    first = best = judge.loss(replace(work, ranges=ranges))
    kept: Work | None = None
    state = trainer.state()
    progress = context.progress
    for number in range(settings.epochs):
        progress.stage(f"fine-tune, epoch {number + 1}", trainer.steps_per_epoch)
        trainer.epoch(number, context.calibration, progress)
        trained = replace(
            work,
            model=with_constants(work.model, trainer.constants()),
            ranges=None,
            weights={},
            keras_model=None,
        )
        value = judge.loss(replace(trained, ranges=_calibrated(trained, context)))
        progress.say(f"epoch {number + 1}: held-out loss {value:.5f}, untrained {first:.5f}")
        if value < best:
            best, kept, state = value, trained, trainer.state()
        else:
            trainer.restart(state)
    told = f"held-out loss {first:.5f} → {best:.5f} in {settings.epochs} epochs"
    if kept is None:
        return StepOutcome(work, f"fine-tuning did not help ({told})", applied=False)
    return StepOutcome(kept, f"fine-tuned on {settings.samples} samples: {told}")


def _why_not(work: Work, context: StepContext) -> str | None:
    if context.epochs < 1:
        return "no epochs were asked for"
    if not context.recipe.quantized:
        return "activations stay float"
    graph = work.model.main
    unknown = unknown_ops(lowered(work.model).main)
    if unknown:
        return f"no gradient through {', '.join(unknown[:3])}"
    if not ends(work.model) or not trainable_floats(graph):
        return "the model's inputs and outputs are not float32 with a batch of 1"
    return None


def _survey(context: StepContext) -> tuple[int, list[SampleDict]]:
    """How many samples there are, and some of those held out."""
    count, held_out = 0, list[SampleDict]()
    for sample in islice(context.calibration(), context.recipe.samples):
        if count % HELD_OUT == HELD_OUT - 1 and len(held_out) < _JUDGES:
            held_out.append(sample)
        count += 1
    return count, held_out


def _calibrated(work: Work, context: StepContext) -> Ranges:
    samples = islice(context.calibration(), context.recipe.samples)
    return calibrate(work.model, samples, context.recipe, context.executor, context.progress)


class _Judge:
    """Quantizes for real and compares with the float model on the held-out samples."""

    def __init__(
        self, work: Work, recipe: Recipe, samples: list[SampleDict], targets: Sequence[int]
    ) -> None:
        self._recipe = recipe
        self._samples = samples
        self._names = [work.model.main.tensors[index].name for index in targets]
        self._logits = [is_logits(work.model.main, index) for index in targets]
        self._reference = float_outputs(work.model, targets, self._samples)
        self._model: TfModel = work.model

    def loss(self, work: Work) -> float:
        """The distillation loss of the quantized model; infinite where it cannot be had."""
        plan = work.plan(self._recipe)
        values = quantized_outputs(work.model, plan, self._names, self._samples)
        if not values:
            return float("inf")
        return mean_loss(values, self._reference, self._logits)

    def agrees(self, trainer: Trainer) -> bool:
        """Whether the trained graph computes what LiteRT does, for a batch of two."""
        pair = [*self._samples[:2]]
        names = [info.name for info in tensor_infos(self._model)[0]]
        arrays = [np.concatenate([sample[name] for sample in pair]) for name in names]
        try:
            taught = trainer.teach(arrays)
        except (ValueError, TypeError, RuntimeError, NotImplementedError):
            return False
        for k, value in enumerate(taught):
            want = np.concatenate([row[k] for row in self._reference[:2]])
            size = float(np.abs(want).max()) + 1e-12
            if value.shape != want.shape or np.abs(value - want).max() > _TOLERANCE * size:
                return False
        return True
