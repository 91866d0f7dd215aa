"""EfficientNet-Lite0 (Liu 2020): EfficientNet-B0 with ReLU6 and without squeeze-and-excite."""

from __future__ import annotations

from typing import Any

from edgecnn.models import blocks

# (kernel, expansion, filters at width 1, repeats, whether the first one halves the map)
_STAGES = (
    (3, 1, 16, 1, False),
    (3, 6, 24, 2, True),
    (5, 6, 40, 2, True),
    (3, 6, 80, 3, True),
    (5, 6, 112, 3, False),
    (5, 6, 192, 4, True),
    (3, 6, 320, 1, False),
)


def build(
    input_shape: blocks.Shape,
    classes: int,
    *,
    width: float = 1.0,
    dropout: float = 0.2,
    halvings: int | None = None,
) -> Any:
    """Builds the model.

    Args:
        input_shape: (height, width, channels).
        classes: outputs of ``scores``.
        width: factor on the stages' channels; stem and head are fixed, as in the lite family.
        dropout: before the last layer.
        halvings: 0 to 5; None: as many as the input allows.
    """
    width = blocks.width_option(width)
    strides = iter(blocks.strides_for(input_shape, 5, halvings))
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, 32, 3, name="stem", stride=next(strides))
    number = 0
    for kernel, expand, filters, repeats, halves in _STAGES:
        for repeat in range(repeats):
            number += 1
            x = blocks.inverted_residual(
                x,
                blocks.round_channels(filters * width),
                expand=expand,
                kernel=kernel,
                name=f"block{number}",
                stride=next(strides) if halves and repeat == 0 else 1,
            )
    x = blocks.conv(x, 1280, 1, name="head")
    return blocks.finish(
        image, blocks.classifier(x, classes, dropout=dropout), "efficientnet_lite0"
    )
