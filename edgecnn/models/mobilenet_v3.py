"""MobileNet v3 small (Howard et al. 2019): hard-swish and squeeze-and-excite."""

from __future__ import annotations

from typing import Any

from edgecnn.models import blocks
from edgecnn.models.keras_setup import import_keras

# (kernel, expansion of the input's channels, filters at width 1, squeeze-and-excite, activation,
# whether it halves the map)
_BLOCKS: tuple[tuple[int, float, int, bool, blocks.Activation, bool], ...] = (
    (3, 1, 16, True, "relu", True),
    (3, 72 / 16, 24, False, "relu", True),
    (3, 88 / 24, 24, False, "relu", False),
    (5, 4, 40, True, "hard_swish", True),
    (5, 6, 40, True, "hard_swish", False),
    (5, 6, 40, True, "hard_swish", False),
    (5, 3, 48, True, "hard_swish", False),
    (5, 3, 48, True, "hard_swish", False),
    (5, 6, 96, True, "hard_swish", True),
    (5, 6, 96, True, "hard_swish", False),
    (5, 6, 96, True, "hard_swish", False),
)
_SQUEEZE = 4


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
        width: factor on the channels; each is rounded to a multiple of 8. The last, 1024 wide
            layer never shrinks.
        dropout: before the last layer.
        halvings: 0 to 5; None: as many as the input allows.
    """
    width = blocks.width_option(width)
    strides = iter(blocks.strides_for(input_shape, 5, halvings))
    image = blocks.image_input(input_shape)
    x = blocks.conv(image, 16, 3, name="stem", stride=next(strides), activation="hard_swish")
    for number, row in enumerate(_BLOCKS, start=1):
        stride = next(strides) if row[-1] else 1
        x = _block(x, row, width, stride, name=f"block{number}")
    x = blocks.conv(x, blocks.round_channels(576 * width), 1, name="last", activation="hard_swish")
    layers = import_keras().layers
    # The paper pools before its widest layer, where a position costs nothing any more.
    x = layers.GlobalAveragePooling2D(keepdims=True, name="last_pool")(x)
    x = layers.Conv2D(blocks.round_channels(1024 * max(width, 1.0)), 1, name="head")(x)
    x = blocks.activate(x, "hard_swish", name="head_hard_swish")
    return blocks.finish(
        image, blocks.classifier(x, classes, dropout=dropout), "mobilenet_v3_small"
    )


def _block(x: Any, row: Any, width: float, stride: int, *, name: str) -> Any:
    kernel, expansion, filters, squeeze, activation, _ = row
    channels = int(x.shape[-1])
    filters = blocks.round_channels(filters * width)
    wide = blocks.round_channels(channels * expansion)
    y = x
    if expansion != 1:
        y = blocks.conv(y, wide, 1, name=f"{name}_expand", activation=activation)
    y = blocks.depthwise(y, kernel, name=f"{name}_dw", stride=stride, activation=activation)
    if squeeze:
        y = _squeeze_excite(y, name=f"{name}_se")
    y = blocks.conv(y, filters, 1, name=f"{name}_project", activation="none")
    if stride == 1 and channels == filters:
        y = import_keras().layers.Add(name=f"{name}_add")([x, y])
    return y


def _squeeze_excite(x: Any, *, name: str) -> Any:
    """Scales each channel by a gate computed from all channels' means (Hu et al. 2018)."""
    layers = import_keras().layers
    channels = int(x.shape[-1])
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = layers.Conv2D(blocks.round_channels(channels / _SQUEEZE), 1, name=f"{name}_reduce")(y)
    y = layers.ReLU(name=f"{name}_relu")(y)
    y = layers.Conv2D(channels, 1, name=f"{name}_expand")(y)
    y = layers.Activation("hard_sigmoid", name=f"{name}_gate")(y)
    return layers.Multiply(name=f"{name}_scale")([x, y])
