"""SSD-Lite on MobileNet v2 (Liu et al. 2016, Sandler et al. 2018), anchors from the data.

The backbone's 576-channel expansion at stride 16 and its 1280-channel last map at stride 32 carry
two levels, as in the paper; a third one at stride 64 carries what is large. Boxes are coded against
their anchors; classes are independent (no background class), so that scores are sigmoids.
"""

from __future__ import annotations

from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.models import blocks, mobilenet_v2
from edgecnn.models.anchors import Anchors
from edgecnn.models.detection_heads import BoxHead, join_levels

STRIDES = (16, 32, 64)
_MULTIPLE = 32
_LAST = 17
#: What an input of unknown data is given: squares from a tenth to nine tenths of 320 pixels.
DEFAULT_ANCHORS: Anchors = (
    ((32.0, 32.0), (64.0, 64.0), (64.0, 96.0), (96.0, 64.0)),
    ((128.0, 128.0), (128.0, 192.0), (192.0, 128.0)),
    ((224.0, 224.0), (288.0, 288.0)),
)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: float = 1.0,
    anchors: Anchors = DEFAULT_ANCHORS,
    batch_norm: bool = True,
) -> Any:
    """Builds the detector.

    Args:
        input_shape: (height, width, channels), height and width at least 64.
        classes: how many.
        width: factor on the backbone's channels.
        anchors: per level (strides 16, 32, 64) its (width, height) pairs in input pixels.
        batch_norm: False: the backbone's convolutions have a bias instead, for trained weights
            with their batch norms folded in.

    Returns:
        keras.Model: ``image`` → {``scores``: logits (n, anchors, classes), ``boxes``: dy, dx, dh,
        dw against each anchor (n, anchors, 4)}.

    Raises:
        UsageError: a shape or an option out of range.
    """
    _check(input_shape, classes, anchors)
    width = blocks.width_option(width)
    image = blocks.image_input(input_shape)
    outputs = mobilenet_v2.body(image, width=width, batch_norm=batch_norm, last=_LAST)
    last = blocks.round_channels(1280 * max(1.0, width))
    top = blocks.conv(outputs[-1], last, 1, name="block18_head", batch_norm=batch_norm)
    maps = [_expansion(image, top), top]
    small = blocks.conv(top, 128, 1, name="extra_reduce")
    maps.append(blocks.separable(small, 256, name="extra", stride=2))
    head_names = [f"level{stride}" for stride in STRIDES]
    levels = [
        BoxHead(classes, int(x.shape[-1]), 0, first_code=0.0)(_lite(x, name), name, len(each))
        for x, name, each in zip(maps, head_names, anchors, strict=True)
    ]
    return blocks.finish(image, join_levels(levels), "ssdlite")


def _lite(x: Any, name: str) -> Any:
    """The depthwise half of a separable prediction layer."""
    return blocks.depthwise(x, 3, name=f"{name}_dw")


def _expansion(image: Any, top: Any) -> Any:
    """The expanded map of block 14, the last one at stride 16."""
    from edgecnn.models.keras_setup import import_keras

    return import_keras().Model(image, top).get_layer("block14_expand_relu6").output


def _check(input_shape: tuple[int, int, int], classes: int, anchors: Anchors) -> None:
    height, width = input_shape[:2]
    if min(height, width) < 2 * _MULTIPLE:
        raise UsageError(
            f"an input of {height} × {width}, SSD-Lite takes {2 * _MULTIPLE} pixels or more",
            hint="320 × 320 is usual",
        )
    if not 1 <= classes <= 1000:
        raise UsageError(f"ssdlite: {classes} classes, expected 1 to 1000", hint="add a class")
    if len(anchors) != len(STRIDES) or not all(anchors):
        raise UsageError(
            f"ssdlite: anchors for {len(anchors)} levels, expected {len(STRIDES)}, each with one",
            hint="leave the anchors out",
        )
