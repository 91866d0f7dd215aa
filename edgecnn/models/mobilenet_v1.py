"""MobileNet v1 (Howard et al. 2017), any width, size and number of channels."""

from __future__ import annotations

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
    strides = iter(blocks.strides_for(input_shape, 5, halvings))
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, blocks.round_channels(32 * width), 3, name="stem", stride=next(strides))
    for number, (filters, halves) in enumerate(_BLOCKS, start=1):
        x = blocks.separable(
            x,
            blocks.round_channels(filters * width),
            name=f"block{number}",
            stride=next(strides) if halves else 1,
        )
    return blocks.finish(image, blocks.classifier(x, classes, dropout=dropout), "mobilenet_v1")
