"""A small dense one-stage detector for microcontrollers, Edge TPUs and a Pi.

One anchor-free feature map at stride 8 (as in FCOS, Tian et al. 2019): each cell says how likely
each class is and how far the box's four sides are. The body is MobileNet v2's inverted residuals;
where the map is large and has few channels they are fused (1×1 and depthwise in one full
convolution, as in EfficientNet v2), which trains several times faster on a CPU and suits an Edge
TPU. ReLU6 keeps the ranges short, both outputs have a scale of their own when quantized, and every
op is one of CONV_2D, DEPTHWISE_CONV_2D and ADD.
"""

from __future__ import annotations

from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.models.blocks import (
    conv,
    finish,
    image_input,
    inverted_residual,
    round_channels,
    width_option,
)
from edgecnn.models.detection_heads import BOXES, SCORES
from edgecnn.models.keras_setup import import_keras

STRIDE = 8
_BACKGROUND_LOGIT = -3.0  # first guess: nearly every cell is background
_HALF_BOX = 1.5  # first guess of a side's distance, in cells


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: float = 1.0,
    depth: int = 3,
    expand: int = 4,
) -> Any:
    """Builds the detector.

    Args:
        input_shape: (height, width, channels), height and width multiples of 8.
        classes: how many.
        width: factor on all channels.
        depth: inverted residuals at stride 8; each lets a cell see 16 pixels further.
        expand: their expansion.

    Returns:
        keras.Model: ``image`` → {``scores``: logits (n, h/8, w/8, classes), ``boxes``: distances
        left, top, right, bottom in cells (n, h/8, w/8, 4)}.

    Raises:
        UsageError: a shape or an option out of range.
    """
    image = image_input(input_shape)
    x = grid_body(image, classes, width=width, depth=depth, expand=expand)
    initial = import_keras().initializers.Constant
    layers = import_keras().layers
    scores = layers.Conv2D(classes, 1, bias_initializer=initial(_BACKGROUND_LOGIT), name=SCORES)(x)
    boxes = layers.Conv2D(4, 1, bias_initializer=initial(_HALF_BOX), name=BOXES)(x)
    return finish(image, {SCORES: scores, BOXES: boxes}, "detector")


def grid_body(image: Any, classes: int, *, width: float, depth: int, expand: int) -> Any:
    """Builds what leads from the image to the map at stride 8 that the outputs look at.

    Args:
        image: the input, height and width multiples of 8.
        classes: how many the model is for.
        width: factor on all channels.
        depth: inverted residuals at stride 8.
        expand: their expansion.

    Raises:
        UsageError: a shape or an option out of range.
    """
    _check(image.shape[1:], classes, depth, expand)
    width = width_option(width)

    def channels(count: int) -> int:
        return round_channels(count * width, 4)

    x = conv(image, channels(12), 3, name="stem", stride=2)
    x = fused_residual(x, channels(24), expand=2, name="fused1", stride=2)
    x = fused_residual(x, channels(24), expand=2, name="fused2")
    x = fused_residual(x, channels(48), expand=3, name="fused3", stride=2)
    for index in range(depth):
        x = inverted_residual(x, channels(48), expand=expand, name=f"residual{index + 1}")
    return conv(x, channels(128), 1, name="head")


def fused_residual(x: Any, filters: int, *, expand: int, name: str, stride: int = 1) -> Any:
    """EfficientNet v2's block: 3×3 up by ``expand``, linear 1×1 down, and a shortcut."""
    layers = import_keras().layers
    before = int(x.shape[-1])
    y = conv(x, before * expand, 3, name=f"{name}_expand", stride=stride)
    y = conv(y, filters, 1, name=f"{name}_project", activation="none")
    if stride == 1 and before == filters:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _check(input_shape: tuple[int, int, int], classes: int, depth: int, expand: int) -> None:
    height, width = input_shape[:2]
    if height % STRIDE or width % STRIDE or min(height, width) < STRIDE:
        raise UsageError(
            f"a detector input of {height} × {width}, expected multiples of {STRIDE}",
            hint="96 × 96 is a good start",
        )
    for key, value, high in (
        ("classes", classes, 1000),
        ("depth", depth, 16),
        ("expand", expand, 8),
    ):
        if not 1 <= value <= high:
            raise UsageError(
                f"detector: {key} = {value}, expected 1 to {high}", hint=f"change {key}"
            )
