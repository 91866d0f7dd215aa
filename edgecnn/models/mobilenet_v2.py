"""MobileNet v2 (Sandler et al. 2018), any width, size and number of channels."""

from __future__ import annotations

from collections.abc import Sequence
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
    image = blocks.image_input(input_shape)
    x = body(image, width=width, strides=blocks.strides_for(input_shape, 5, halvings))[-1]
    x = blocks.conv(x, blocks.round_channels(1280 * max(1.0, width)), 1, name="head")
    return blocks.finish(image, blocks.classifier(x, classes, dropout=dropout), "mobilenet_v2")


def body(
    image: Any,
    *,
    width: float,
    strides: Sequence[int] = (2, 2, 2, 2, 2),
    batch_norm: bool = True,
    last: int = 17,
) -> list[Any]:
    """The stem and the inverted residuals.

    Args:
        image: the input.
        width: factor on the channels.
        strides: of the stem and of the first block of each stage that halves.
        batch_norm: see :func:`edgecnn.models.blocks.conv`.
        last: how many of the 17 blocks.

    Returns:
        Each block's output: with all five halvings, block 6 is the last at stride 8, block 13 the
        last at stride 16.
    """
    halving = iter(strides)
    stem = blocks.round_channels(32 * width)
    x = blocks.conv(image, stem, 3, name="stem", stride=next(halving), batch_norm=batch_norm)
    outputs: list[Any] = []
    for expand, filters, repeats, halves in _STAGES:
        for repeat in range(repeats):
            if len(outputs) == last:
                return outputs
            x = blocks.inverted_residual(
                x,
                blocks.round_channels(filters * width),
                expand=expand,
                name=f"block{len(outputs) + 1}",
                stride=next(halving) if halves and repeat == 0 else 1,
                batch_norm=batch_norm,
            )
            outputs.append(x)
    return outputs
