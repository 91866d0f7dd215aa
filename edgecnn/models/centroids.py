"""Where objects are, not how large: the small detector's body with a grid of class scores (FOMO).

Half of what the detector learns, boxes, is left out; what is to be counted or pointed at is found
by smaller models and from fewer photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.core.errors import ModelError
from edgecnn.core.postprocess import CentroidSpec, GridLevel
from edgecnn.models.blocks import finish, image_input
from edgecnn.models.detector import grid_body
from edgecnn.models.keras_setup import import_keras

SCORES = "scores"
_BACKGROUND_LOGIT = -3.0  # first guess: nearly every cell is background


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: float = 1.0,
    depth: int = 3,
    expand: int = 4,
) -> Any:
    """Builds the model.

    Args:
        input_shape: (height, width, channels), height and width multiples of 8.
        classes: how many.
        width: factor on all channels.
        depth: inverted residuals at stride 8; each lets a cell see 16 pixels further.
        expand: their expansion.

    Returns:
        keras.Model: ``image`` → {``scores``: logits (n, h/8, w/8, classes)}.

    Raises:
        UsageError: a shape or an option out of range.
    """
    image = image_input(input_shape)
    x = grid_body(image, classes, width=width, depth=depth, expand=expand)
    first = import_keras().initializers.Constant(_BACKGROUND_LOGIT)
    scores = import_keras().layers.Conv2D(classes, 1, bias_initializer=first, name=SCORES)(x)
    return finish(image, {SCORES: scores}, "centroids")


def centroid_spec(model: Any, labels: Sequence[str]) -> CentroidSpec:
    """How the output of a model of :func:`build` is decoded.

    Args:
        model: the Keras model.
        labels: class names.

    Raises:
        ModelError: the model has other outputs, or another number of classes.
    """
    outputs = getattr(model, "output", None)
    if not isinstance(outputs, dict) or set(outputs) != {SCORES}:
        raise ModelError(
            f"the model's outputs are {list(getattr(model, 'output_names', []))},"
            f" expected '{SCORES}' alone",
            hint="use the zoo's model 'centroids', or give a postprocess.json",
        )
    rows, cols, classes = (int(size) for size in outputs[SCORES].shape[1:])
    if classes != len(labels):
        raise ModelError(
            f"the model has {classes} classes, the data {len(labels)}", hint="train it anew"
        )
    level = GridLevel(rows, cols, int(model.inputs[0].shape[1]) // rows)
    return CentroidSpec(SCORES, tuple(labels), level)
