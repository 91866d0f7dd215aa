"""How the outputs of the zoo's detectors are decoded, read off the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from edgecnn.core.errors import ModelError
from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.preprocess import Colour, ImageInput, PreprocessSpec
from edgecnn.models.detection_heads import BOXES, SCORES

_LEVEL = re.compile(r"level(\d+)_scores")
# The loss makes scores say how well a box fits, so they seldom pass 0.9. On validation scenes the
# most boxes are right (F1) at 0.45; evaluation looks at the whole curve.
_SCORE_THRESHOLD = 0.45
Anchors = Sequence[Sequence[tuple[float, float]]]


def detect_spec(model: Any, labels: Sequence[str], anchors: Anchors = ()) -> DetectSpec:
    """How the outputs of a detector of the zoo are decoded.

    Args:
        model: the Keras model.
        labels: class names.
        anchors: per level its (width, height) pairs in input pixels; () for models without.

    Raises:
        ModelError: the model has other outputs, or another number of classes.
    """
    outputs = getattr(model, "output", None)
    if not isinstance(outputs, dict) or set(outputs) != {SCORES, BOXES}:
        raise ModelError(
            f"the model's outputs are {list(getattr(model, 'output_names', []))},"
            f" expected '{BOXES}' and '{SCORES}'",
            hint="use one of the zoo's detectors, or give a postprocess.json",
        )
    classes = int(outputs[SCORES].shape[-1])
    if classes != len(labels):
        raise ModelError(
            f"the detector has {classes} classes, the data {len(labels)}", hint="train it anew"
        )
    return DetectSpec(
        SCORES,
        BOXES,
        tuple(labels),
        _levels(model, anchors),
        coding="center-size" if anchors else "ltrb",
        score_threshold=_SCORE_THRESHOLD,
    )


def detect_preprocess(input_shape: tuple[int, int, int]) -> PreprocessSpec:
    """Bytes to [-1, 1], letterboxed to (height, width); 1 channel is gray, 3 are RGB."""
    height, width, channels = input_shape
    colour: Colour = "gray" if channels == 1 else "rgb"
    spec = ImageInput(
        "image", height, width, colour, fit="letterbox", scale=(1 / 127.5,), offset=(-1.0,)
    )
    return PreprocessSpec((spec,))


def _levels(model: Any, anchors: Anchors) -> tuple[GridLevel, ...]:
    scores = model.output[SCORES]
    if len(scores.shape) == 4:
        rows, cols = (int(size) for size in scores.shape[1:3])
        return (GridLevel(rows, cols, int(model.inputs[0].shape[1]) // rows),)
    found = [
        (int(match[1]), layer.output.shape)
        for layer in model.layers
        if (match := _LEVEL.fullmatch(layer.name))
    ]
    shapes: Anchors = anchors or [()] * len(found)
    return tuple(
        GridLevel(
            int(shape[1]), int(shape[2]), stride, tuple((float(w), float(h)) for w, h in each)
        )
        for (stride, shape), each in zip(found, shapes, strict=True)
    )
