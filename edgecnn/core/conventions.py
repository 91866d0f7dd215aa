"""What the bytes of an image become for a model: the usual conventions, by name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.core.errors import UnknownNameError
from edgecnn.core.preprocess import Colour, ImageInput, Layout
from edgecnn.core.runtime import TensorInfo

_NUMBER = r"[-+−]?\d+(?:\.\d+)?"
_ENDS = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Convention:
    """Real value = scale · byte + offset.

    Attributes:
        name: as users type it.
        scale, offset: one number for all channels, or those of red, green and blue.
        colour: the order of channels that usually goes with it.
    """

    name: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    colour: Colour = "rgb"

    @property
    def gray(self) -> bool:
        """Whether it can be used for an image of one channel."""
        return len(self.scale) == 1 and len(self.offset) == 1

    def in_order(self, colour: Colour) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Scale and offset in the order of a tensor's channels."""
        if colour == "bgr":
            return self.scale[::-1], self.offset[::-1]
        return self.scale, self.offset

    def image(self, info: TensorInfo, colour: Colour) -> ImageInput:
        """The spec of an image's tensor (:func:`image_axes`); images are stretched to it."""
        scale, offset = self.in_order(colour)
        axes = image_axes(info.shape)
        layout: Layout = axes[0] if axes is not None else "nhwc"
        height, width = axes[1] if axes is not None else info.shape[1:3]
        return ImageInput(
            info.name, height, width, colour, scale=scale, offset=offset, layout=layout
        )

    def ends(self) -> tuple[tuple[float, float], ...]:
        """What byte 0 and byte 255 become, for each channel that differs."""
        count = max(len(self.scale), len(self.offset))
        scale, offset = (values * (count // len(values)) for values in (self.scale, self.offset))
        return tuple((b, 255 * a + b) for a, b in zip(scale, offset, strict=True))


def image_axes(shape: Sequence[int]) -> tuple[Layout, tuple[int, int]] | None:
    """Layout, height and width of a tensor that may hold one image, gray or of three channels.

    Where both ends could be the channels, they are the last, as in TensorFlow.

    >>> image_axes((1, 3, 480, 640)), image_axes((1, 96, 96, 1)), image_axes((1, 7, 7, 64))
    (('nchw', (480, 640)), ('nhwc', (96, 96)), None)
    """
    if len(shape) != 4 or shape[0] != 1:
        return None
    if shape[3] in (1, 3):
        return "nhwc", (shape[1], shape[2])
    return ("nchw", (shape[2], shape[3])) if shape[1] in (1, 3) else None


def image_channels(shape: Sequence[int]) -> int:
    """Channels of a tensor that holds an image; 0 for any other."""
    axes = image_axes(shape)
    if axes is None:
        return 0
    return shape[3] if axes[0] == "nhwc" else shape[1]


#: Keras' ``preprocess_input`` modes tf, torch and caffe, and the plain ones.
CONVENTIONS = (
    Convention("0..255", (1.0,), (0.0,)),
    Convention("0..1", (1 / 255,), (0.0,)),
    Convention("-1..1", (1 / 127.5,), (-1.0,)),
    Convention(
        "imagenet",
        tuple(1 / (255 * spread) for spread in _SPREAD),
        tuple(-mean / spread for mean, spread in zip(_MEAN, _SPREAD, strict=True)),
    ),
    Convention("caffe", (1.0,), (-123.68, -116.779, -103.939), "bgr"),
)
NAMES = tuple(item.name for item in CONVENTIONS)


def parse_convention(text: str) -> Convention:
    """A convention by name, or ``LOW..HIGH``: what bytes 0 and 255 become.

    >>> parse_convention("-128..127").scale, parse_convention("imagenet").colour
    ((1.0,), 'rgb')

    Raises:
        UnknownNameError: it is neither.
    """
    plain = text.strip().replace("−", "-").lower()
    for item in CONVENTIONS:
        if item.name == plain:
            return item
    match = _ENDS.fullmatch(plain)
    low, high = (float(end) for end in match.groups()) if match else (0.0, 0.0)
    if low == high or not math.isfinite(high - low):
        raise UnknownNameError("input range", text, (*NAMES, "LOW..HIGH"))
    return Convention(plain, ((high - low) / 255,), (low,))


def nearest(low: float, high: float, tolerance: float = 0.03) -> tuple[Convention, ...]:
    """The conventions whose values reach from ``low`` to ``high``, within a share of the width.

    >>> [item.name for item in nearest(-0.99, 1.0)], nearest(0.0, 6.0)
    (['-1..1'], ())
    """
    found = []
    for item in CONVENTIONS:
        ends = item.ends()
        least, most = min(end[0] for end in ends), max(end[1] for end in ends)
        limit = tolerance * (most - least)
        if abs(low - least) <= limit and abs(high - most) <= limit:
            found.append(item)
    return tuple(found)


def by_names(names: Sequence[str]) -> tuple[Convention, ...]:
    """The conventions of these names, in the table's order."""
    return tuple(item for item in CONVENTIONS if item.name in names)
