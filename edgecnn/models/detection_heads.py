"""Heads of the multi-level detectors, and how their levels become two outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.models import blocks
from edgecnn.models.keras_setup import import_keras

SCORES, BOXES = "scores", "boxes"
#: Blocks of MobileNet v2 up to the last one of a stride.
STRIDE_8, STRIDE_16 = 6, 13
_BACKGROUND_LOGIT = -4.0  # first guess: nearly every candidate is background
_HALF_BOX = 2.0  # first guess of a side's distance, in strides


@dataclass(frozen=True)
class BoxHead:
    """Separable convolutions, then scores and box codes of one level.

    Attributes:
        classes: how many.
        channels: of the convolutions.
        depth: how many of them.
        first_code: the box codes' first guess.
    """

    classes: int
    channels: int
    depth: int
    first_code: float = _HALF_BOX

    def __call__(self, x: Any, name: str, candidates: int = 1) -> tuple[Any, Any]:
        """Scores (n, rows, cols, candidates · classes) and codes (n, rows, cols, candidates · 4).

        Args:
            x: the level's feature map.
            name: of the level, first part of its layers' names.
            candidates: boxes per cell.
        """
        keras = import_keras()
        for number in range(1, self.depth + 1):
            x = blocks.separable(x, self.channels, name=f"{name}_head{number}")
        constant, layers = keras.initializers.Constant, keras.layers
        # Small weights: the first guesses are the biases alone.
        small = keras.initializers.RandomNormal(stddev=0.01)
        scores = layers.Conv2D(
            candidates * self.classes,
            1,
            kernel_initializer=small,
            bias_initializer=constant(_BACKGROUND_LOGIT),
            name=f"{name}_scores",
        )(x)
        boxes = layers.Conv2D(
            candidates * 4,
            1,
            kernel_initializer=small,
            bias_initializer=constant(self.first_code),
            name=f"{name}_boxes",
        )(x)
        classes = self.classes
        return (
            layers.Reshape((-1, classes), name=f"{name}_scores_flat")(scores),
            layers.Reshape((-1, 4), name=f"{name}_boxes_flat")(boxes),
        )


def join_levels(levels: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    """One tensor of scores (n, candidates, classes) and one of box codes (n, candidates, 4)."""
    layers = import_keras().layers
    scores, boxes = zip(*levels, strict=True)
    if len(levels) == 1:
        return {SCORES: scores[0], BOXES: boxes[0]}
    return {
        SCORES: layers.Concatenate(axis=1, name=SCORES)(list(scores)),
        BOXES: layers.Concatenate(axis=1, name=BOXES)(list(boxes)),
    }
