"""MobileNet v2 (Sandler et al. 2018), any width, size and number of channels."""

from __future__ import annotations

from typing import Any

from edgecnn.models import blocks

# (expansion, filters at width 1, repeats, whether the first one halves the map)
_STAGES = (
    (1, 16, 1, False),
    (6, 24, 2, True),
    (6, 32, 3, True),
    (6, 64, 4, True),
    (6, 96, 3, False),
    (6, 160, 3, True),
    (6, 320, 1, False),
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
        width: factor on the channels; the last 1×1 grows with it, but never shrinks below 1280.
        dropout: before the last layer.
        halvings: 0 to 5; None: as many as the input allows.
    """
    width = blocks.width_option(width)
    strides = iter(blocks.strides_for(input_shape, 5, halvings))
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, blocks.round_channels(32 * width), 3, name="stem", stride=next(strides))
    number = 0
    for expand, filters, repeats, halves in _STAGES:
        for repeat in range(repeats):
            number += 1
            x = blocks.inverted_residual(
                x,
                blocks.round_channels(filters * width),
                expand=expand,
                name=f"block{number}",
                stride=next(strides) if halves and repeat == 0 else 1,
            )
    x = blocks.conv(x, blocks.round_channels(1280 * max(1.0, width)), 1, name="head")
    return blocks.finish(image, blocks.classifier(x, classes, dropout=dropout), "mobilenet_v2")
