"""MobileNet v1 (Howard et al. 2017), any width, size and number of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.models import blocks

# (filters at width 1, whether the block halves the map)
_BLOCKS = (
    (64, False),
    (128, True),
    (128, False),
    (256, True),
    (256, False),
    (512, True),
    *((512, False),) * 5,
    (1024, True),
    (1024, False),
)


def build(
    input_shape: blocks.Shape,
    classes: int,
    *,
    width: float = 1.0,
    dropout: float = 0.1,
    halvings: int | None = None,
) -> Any:
    """Builds the model.

    Args:
        input_shape: (height, width, channels).
        classes: outputs of ``scores``.
        width: factor on the channels (the paper's alpha); each is rounded to a multiple of 8.
        dropout: before the last layer.
        halvings: 0 to 5; None: as many as the input allows.
    """
    width = blocks.width_option(width)
    image = blocks.image_input(input_shape)
    x = body(image, width=width, strides=blocks.strides_for(input_shape, 5, halvings))[-1]
    return blocks.finish(image, blocks.classifier(x, classes, dropout=dropout), "mobilenet_v1")


def body(
    image: Any,
    *,
    width: float,
    strides: Sequence[int] = (2, 2, 2, 2, 2),
    batch_norm: bool = True,
    last: int = 13,
) -> list[Any]:
    """The stem and the separable blocks.

    Args:
        image: the input.
        width: factor on the channels.
        strides: of the stem and of each block that halves.
        batch_norm: see :func:`edgecnn.models.blocks.conv`.
        last: how many of the 13 blocks.

    Returns:
        Each block's output: with all five halvings, block 5 is the last at stride 8, block 11 the
        last at stride 16.
    """
    halving = iter(strides)
    stem = blocks.round_channels(32 * width)
    x = blocks.conv(image, stem, 3, name="stem", stride=next(halving), batch_norm=batch_norm)
    outputs: list[Any] = []
    for number, (filters, halves) in enumerate(_BLOCKS[:last], start=1):
        x = blocks.separable(
            x,
            blocks.round_channels(filters * width),
            name=f"block{number}",
            stride=next(halving) if halves else 1,
            batch_norm=batch_norm,
        )
        outputs.append(x)
    return outputs
