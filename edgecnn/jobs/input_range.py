"""What a byte of an image means to a bare model: as the user says it, and as it was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from edgecnn.core.conventions import CONVENTIONS, NAMES, Convention, image_axes, parse_convention
from edgecnn.core.errors import ModelError, UnknownNameError, UsageError
from edgecnn.core.preprocess import Colour, ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset

Source = Literal["labels", "file", "option", "published"]
COLOURS: tuple[Colour, ...] = ("rgb", "bgr")
#: The hint where it is not clear.
SAY_RANGE = f"say it: --input-range {', '.join(NAMES)} or LOW..HIGH, and --colour rgb or bgr"


@dataclass(frozen=True)
class RangeOptions:
    """What the user says; None: nothing.

    Attributes:
        input_range: as :func:`edgecnn.core.conventions.parse_convention` takes it.
        colour: ``rgb`` or ``bgr``.
    """

    input_range: str | None = None
    colour: str | None = None

    def __post_init__(self) -> None:
        """Raises UnknownNameError for what is neither."""
        if self.input_range is not None:
            parse_convention(self.input_range)
        if self.colour is not None and self.colour not in COLOURS:
            raise UnknownNameError("colour", self.colour, COLOURS)

    @property
    def given(self) -> bool:
        """Whether anything was said."""
        return self.input_range is not None or self.colour is not None


@dataclass(frozen=True)
class InputRange:
    """What was taken, and why.

    Attributes:
        name: of the convention.
        scale, offset: per channel in the tensor's order, or one for all: scale · byte + offset.
        why: one line with the figures.
        tried: one row for each candidate that was tried, the best first.
    """

    name: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    colour: Colour
    source: Source
    why: str
    tried: tuple[dict[str, Any], ...] = ()

    @property
    def line(self) -> str:
        """For the user."""
        colour = "" if self.colour == "gray" else f" {self.colour}"
        return f"input range: {self.name}{colour}, {self.why}"

    def image(self, info: TensorInfo) -> ImageInput:
        """The spec of the model's input."""
        # Scale and offset are in the tensor's order already.
        plain = Convention(self.name, self.scale, self.offset).image(info, self.colour)
        return replace(plain, scale=self.scale, offset=self.offset)

    def to_json(self) -> dict[str, Any]:
        """``input_range`` of ``--json``."""
        return {
            "name": self.name,
            "scale": list(self.scale),
            "offset": list(self.offset),
            "colour": self.colour,
            "source": self.source,
            "why": self.why,
            "tried": list(self.tried),
        }


#: Finds the input range from the opened data: training, tuning and test part.
ImageFinder = Callable[[Sequence[Dataset]], InputRange]


def image_input(inputs: Sequence[TensorInfo]) -> TensorInfo:
    """The model's only input, an image.

    Raises:
        ModelError: it takes something else.
    """
    if len(inputs) != 1 or image_axes(inputs[0].shape) is None:
        raise ModelError(
            f"the model takes {[list(info.shape) for info in inputs]}, expected one image"
            " (batch, height, width, 1 or 3)",
            hint="give --preprocess FILE.json that describes the input, or its inputs as .npz",
        )
    return inputs[0]


def with_options(spec: PreprocessSpec, options: RangeOptions) -> PreprocessSpec:
    """A spec of one image in which the user's options replace what it says; others stay."""
    first = spec.one_image
    if not options.given or first is None:
        return spec
    gray = first.colour == "gray"
    possible = conventions_for(options, gray, None)
    named = possible[0] if options.input_range is not None else None
    colour = colours_for(named or CONVENTIONS[0], options, gray=gray)[0]
    if options.colour is None and not (named and named.colour == "bgr"):
        colour = first.colour
    scale, offset = first.scale, first.offset
    if named is not None:
        scale, offset = named.in_order(colour)
    elif colour != first.colour:
        scale, offset = scale[::-1], offset[::-1]
    return spec.with_image(replace(first, colour=colour, scale=scale, offset=offset))


def from_spec(spec: PreprocessSpec, options: RangeOptions, *, given: bool) -> InputRange | None:
    """What a spec says of its one image; None: it is of something else.

    Args:
        spec: with the options applied.
        options: what the user said beside it.
        given: the user gave the spec; else the file brings it.
    """
    first = spec.one_image
    if first is None:
        return None
    low = min(first.offset)
    high = max(255 * a + b for a, b in zip(*_paired(first), strict=True))
    name = options.input_range or f"{low:.4g}..{high:.4g}"
    option = given or options.given
    why = "as --preprocess says" if given else "by the file: the preprocess spec that it carries"
    if options.given:
        why = "as the options say"
    source: Source = "option" if option else "file"
    return InputRange(name, first.scale, first.offset, first.colour, source, why)


def _paired(image: ImageInput) -> tuple[tuple[float, ...], tuple[float, ...]]:
    count = max(len(image.scale), len(image.offset))
    return image.scale * (count // len(image.scale)), image.offset * (count // len(image.offset))


def conventions_for(
    options: RangeOptions, gray: bool, codes: Sequence[Convention] | None
) -> tuple[Convention, ...]:
    """The conventions that come into question: what the user says, what codes say, or all.

    Raises:
        UsageError: an option that does not go with a gray image.
    """
    found = tuple(codes) if codes else CONVENTIONS
    if options.input_range is not None:
        found = (parse_convention(options.input_range),)
    fitting = tuple(item for item in found if item.gray or not gray)
    if gray and (not fitting or options.colour):
        what = f"--colour {options.colour}" if options.colour else f"--input-range {found[0].name}"
        raise UsageError(
            f"{what} is for three channels, the model takes a gray image",
            hint="leave it out" if options.colour else "give 0..255, 0..1, -1..1 or LOW..HIGH",
        )
    return fitting


def colours_for(item: Convention, options: RangeOptions, *, gray: bool) -> tuple[Colour, ...]:
    """The orders of channels to try, the usual one first."""
    if gray:
        return ("gray",)
    if options.colour is not None:
        return tuple(colour for colour in get_args(Colour) if colour == options.colour)
    return ("bgr", "rgb") if item.colour == "bgr" else COLOURS
