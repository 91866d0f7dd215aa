"""The first stage of fine-tuning: the head alone learns, from features that are computed once.

A backbone with trained weights would be pulled about by the gradients of a head that knows nothing
yet. While the backbone stands still, its features of an image never change: they are computed once
for a few augmented copies of each image and kept, so that an epoch costs the head alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.training.keras_setup import import_keras

_BODY = ("stem", "block")
_CHUNK = 16
_MOST_BYTES = 768 << 20
_MOST_COPIES = 8


class AugmentedBatches(Protocol):
    """What features are computed from."""

    def __len__(self) -> int:
        """Batches per epoch."""

    def batch(self, epoch: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Images and targets, as an epoch sees them."""


def is_body(layer: Any) -> bool:
    """Whether a layer of the zoo's models belongs to the backbone: by its name."""
    return str(layer.name).startswith(_BODY)


def body_rates(model: Any, rate: float) -> dict[str, float]:
    """The backbone's variables with their factor on the learning rate; {} for a factor of 1."""
    if rate == 1.0:
        return {}
    layers = [layer for layer in model.layers if is_body(layer)]
    return {variable.path: rate for layer in layers for variable in layer.trainable_variables}


def freeze_first(model: Any, blocks: int) -> None:
    """Keeps the stem and the backbone's first ``blocks`` blocks from learning."""
    names = ("stem", *(f"block{number}_" for number in range(1, blocks + 1)))
    for layer in model.layers:
        if layer.name.startswith(names) and (blocks or not layer.name.startswith("stem")):
            layer.trainable = False


@dataclass(frozen=True)
class Split:
    """A model cut in two where the backbone ends.

    Attributes:
        body: images → feature maps.
        head: feature maps → outputs; shares its weights with the whole model.
    """

    body: Any
    head: Any


def split_at_body(model: Any) -> Split:
    """Cuts a model where tensors leave its backbone."""
    keras = import_keras()
    inside = {id(layer) for layer in model.layers if is_body(layer)}
    borders: dict[int, Any] = {}
    for layer in model.layers:
        if id(layer) in inside or isinstance(layer, keras.layers.InputLayer):
            continue
        for tensor in _inputs(layer):
            if id(tensor._keras_history.operation) in inside:
                borders[id(tensor)] = tensor
    features = list(borders.values())
    return Split(
        keras.Model(model.inputs, features), keras.Model(features, model.output, name="head")
    )


@dataclass(frozen=True)
class FeatureBatches:
    """Kept features and targets, in batches.

    Attributes:
        features: per map float16 (samples, rows, cols, channels).
        targets: float32 (samples, …).
        batch_size: samples per step.
        seed: of the order.
    """

    features: Sequence[NDArray[np.float16]]
    targets: NDArray[np.float32]
    batch_size: int
    seed: int

    def __len__(self) -> int:
        """Batches per epoch."""
        return math.ceil(len(self.targets) / self.batch_size)

    def batch(self, epoch: int, index: int) -> tuple[Any, NDArray[np.float32]]:
        """Feature maps and targets of batch ``index``."""
        order = np.random.default_rng((self.seed, epoch, 7)).permutation(len(self.targets))
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        maps = tuple(item[rows].astype(np.float32) for item in self.features)
        return maps if len(maps) > 1 else maps[0], self.targets[rows]


def keep_features(
    body: Any, batches: AugmentedBatches, batch_size: int, seed: int, progress: Progress
) -> FeatureBatches:
    """Runs the backbone over as many augmented copies of the images as memory allows, up to 8."""
    progress.stage("features", len(batches) * _MOST_COPIES)
    maps: list[list[NDArray[np.float16]]] = []
    targets: list[NDArray[np.float32]] = []
    size = 0
    for copy in range(_MOST_COPIES):
        before = size
        for index in range(len(batches)):
            images, target = batches.batch(copy, index)
            outputs = body.predict_on_batch(images)
            outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
            maps.append([np.asarray(item, np.float16) for item in outputs])
            targets.append(target)
            size += sum(item.nbytes for item in maps[-1]) + target.nbytes
            progress.advance()
        if size + (size - before) > _MOST_BYTES:
            break
    joined = [np.concatenate(items) for items in zip(*maps, strict=True)]
    return FeatureBatches(joined, np.concatenate(targets), batch_size, seed)


def _inputs(layer: Any) -> list[Any]:
    given = layer.input
    return list(given) if isinstance(given, (list, tuple)) else [given]
