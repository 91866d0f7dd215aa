"""The training loop: the float model teaches its rounded twin on unlabelled samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.core.runtime import tensor_infos
from edgecnn.core.tflite.model import TfModel
from quantization.fine_tuning.batches import shuffled_batches
from quantization.fine_tuning.loss import is_logits, loss
from quantization.fine_tuning.net import Forward, build_net
from quantization.fine_tuning.rounding import Rounding
from quantization.tensorflow_import import import_keras_on_tensorflow, import_tensorflow, quiet
from quantization.types import SampleDict

#: Every so many-th sample is kept apart, to judge.
HELD_OUT = 8
#: What the learning rate is multiplied by after an epoch that made things worse.
SLOWER = 0.2


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the samples.
        samples: of a pass, those held out among them.
        batch: samples per step.
        rate: learning rate at the start, in codes per step; falls to 0 on a quarter cosine.
        seed: of the order of samples.
    """

    epochs: int
    samples: int
    batch: int = 16
    rate: float = 0.02
    seed: int = 1


def training_part(samples: Iterator[SampleDict]) -> Iterator[SampleDict]:
    """Those that train."""
    return (sample for k, sample in enumerate(samples) if k % HELD_OUT != HELD_OUT - 1)


class Trainer:
    """One fine-tuning.

    Args:
        model: the float model, teacher and start of the student.
        rounding: of the quantized model.
        ends: the tensors that are to stay as they are.
        settings: how.
    """

    def __init__(
        self, model: TfModel, rounding: Rounding, ends: Sequence[int], settings: Settings
    ) -> None:
        flow, keras = import_tensorflow(), import_keras_on_tensorflow()
        self._flow = flow
        self._settings = settings
        self._names = [info.name for info in tensor_infos(model)[0]]
        count = settings.samples - settings.samples // HELD_OUT
        self.batch = max(1, min(settings.batch, count))
        self.steps_per_epoch = max(1, count // self.batch)
        with quiet():
            self._teacher = Forward(model.main, ends)
            self._net = build_net(model, rounding, ends)
            self._optimizer = keras.optimizers.Adam(settings.rate)
            self._optimizer.build(self._net.trainable_variables)
        self._start = [variable.numpy() for variable in self._optimizer.variables]
        self._rate = settings.rate
        self._logits = [is_logits(model.main, index) for index in ends]
        shapes = [info.shape[1:] for info in tensor_infos(model)[0]]
        specs = [flow.TensorSpec((self.batch, *shape), flow.float32) for shape in shapes]
        self._step = flow.function(self._one_step, input_signature=[specs], autograph=False)

    def epoch(
        self, number: int, samples: Callable[[], Iterator[SampleDict]], progress: Progress
    ) -> float:
        """One pass over the training part; its mean loss."""
        seed = (self._settings.seed, number)
        stream = training_part(islice(samples(), self._settings.samples))
        losses: list[float] = []
        steps = self._settings.epochs * self.steps_per_epoch
        for batch in shuffled_batches(stream, self._names, self.batch, seed):
            done = number * self.steps_per_epoch + len(losses)
            rate = self._rate * math.cos(min(done / steps, 1.0) * math.pi / 2)
            with quiet():
                self._optimizer.learning_rate.assign(rate)
                losses.append(float(self._step([self._flow.constant(x) for x in batch])))
            progress.advance(1, f"loss {losses[-1]:.4f}")
        return float(np.mean(losses)) if losses else float("nan")

    def state(self) -> list[NDArray[np.float32]]:
        """What has been learnt, for :meth:`restart`."""
        return [variable.numpy() for variable in self._net.trainable_variables]

    def restart(self, state: Sequence[NDArray[np.float32]]) -> None:
        """Goes back to an earlier state, to learn on more slowly."""
        self._rate *= SLOWER
        for variable, value in zip(self._net.trainable_variables, state, strict=True):
            variable.assign(value)
        for variable, value in zip(self._optimizer.variables, self._start, strict=True):
            variable.assign(value)

    def constants(self) -> dict[int, NDArray[np.float32]]:
        """The weights and biases as they are now, by tensor index."""
        found: dict[int, NDArray[np.float32]] = self._net.constants()
        return found

    def teach(self, arrays: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The teacher's ends for a batch, to be held against another implementation."""
        with quiet():
            return [
                np.asarray(v) for v in self._teacher([self._flow.constant(a) for a in arrays], {})
            ]

    def _one_step(self, inputs: list[Any]) -> Any:
        flow = self._flow
        taught = [flow.stop_gradient(value) for value in self._teacher(inputs, {})]
        variables = self._net.trainable_variables
        with flow.GradientTape() as tape:
            value = loss(flow, self._net(inputs), taught, self._logits)
        gradients = tape.gradient(value, variables)
        pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        self._optimizer.apply([g for g, _ in pairs], [v for _, v in pairs])
        return value
