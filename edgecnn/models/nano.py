"""A small anchor-free detector on a MobileNet v2 backbone, for a Pi, an Edge TPU or a large MCU.

The backbone ends at stride 16, where it has 0.53 M parameters. Three maps answer for boxes, small
ones at stride 8, large ones at stride 32: a short feature pyramid (Lin et al. 2017) carries what
stride 16 knows to stride 8. Each cell says how likely each class is and how far the box's four
sides are, as in FCOS (Tian et al. 2019). The heads are depthwise-separable; ReLU6 keeps the ranges
short, and boxes and scores are outputs of their own, so that each has its own scale in int8.
"""

from __future__ import annotations

from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.models import blocks, mobilenet_v2
from edgecnn.models.detection_heads import STRIDE_8, STRIDE_16, BoxHead, join_levels
from edgecnn.models.keras_setup import import_keras

_MULTIPLE = 16


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: float = 1.0,
    channels: int = 96,
    depth: int = 2,
    batch_norm: bool = True,
) -> Any:
    """Builds the detector.

    Args:
        input_shape: (height, width, channels), height and width multiples of 16.
        classes: how many.
        width: factor on the backbone's channels.
        channels: of the pyramid and the heads.
        depth: separable convolutions in each head.
        batch_norm: False: the backbone's convolutions have a bias instead, for trained weights
            with their batch norms folded in.

    Returns:
        keras.Model: ``image`` → {``scores``: logits (n, cells, classes), ``boxes``: distances
        left, top, right, bottom in units of the level's stride (n, cells, 4)}; cells of stride 8,
        16 and 32 in this order.

    Raises:
        UsageError: a shape or an option out of range.
    """
    _check(input_shape, classes, channels, depth)
    width = blocks.width_option(width)
    image = blocks.image_input(input_shape)
    outputs = mobilenet_v2.body(image, width=width, batch_norm=batch_norm, last=STRIDE_16)
    fine, coarse = outputs[STRIDE_8 - 1], outputs[STRIDE_16 - 1]
    layers = import_keras().layers
    middle = blocks.conv(coarse, channels, 1, name="lateral16")
    up = layers.UpSampling2D(2, interpolation="nearest", name="upsample16")(middle)
    small = layers.Add(name="merge8")([blocks.conv(fine, channels, 1, name="lateral8"), up])
    large = blocks.separable(middle, channels, name="down32", stride=2)
    head = BoxHead(classes, channels, depth)
    levels = [
        head(tensor, f"level{stride}") for stride, tensor in ((8, small), (16, middle), (32, large))
    ]
    return blocks.finish(image, join_levels(levels), "nano")


def _check(input_shape: tuple[int, int, int], classes: int, channels: int, depth: int) -> None:
    height, width = input_shape[:2]
    if height % _MULTIPLE or width % _MULTIPLE or min(height, width) < 2 * _MULTIPLE:
        raise UsageError(
            f"an input of {height} × {width}, the nano detector takes multiples of {_MULTIPLE}",
            hint="96 × 96 to 320 × 320 are usual, such as 240 × 320",
        )
    for key, value, high in (("classes", classes, 1000), ("channels", channels, 512),
                             ("depth", depth, 8)):  # fmt: skip
        if not 1 <= value <= high:
            raise UsageError(f"nano: {key} = {value}, expected 1 to {high}", hint=f"change {key}")
