"""What the image input of a bare model takes: by the file, else as published for its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgecnn.core.conventions import image_channels, parse_convention
from edgecnn.core.errors import DataError
from edgecnn.core.preprocess import Colour, ImageInput
from edgecnn.core.runtime import TensorInfo
from edgecnn.jobs.input_range import InputRange, RangeOptions
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import InputHabit

#: Finds the input range by the file, or by labelled images.
FindRange = Callable[[], InputRange]


def assumed_image(
    facts: Facts, habit: InputHabit | None, options: RangeOptions, find: FindRange
) -> tuple[ImageInput, InputRange]:
    """The spec of the image input, and why.

    What the user says goes first, then normalisation in the file's metadata, then what ``find``
    tells, then what was published for models of the kind.

    Raises:
        DataError: nothing tells it.
        UsageError: an option that does not go with a gray image.
    """
    info = facts.image
    if info is None:
        raise DataError("the model has no image input", hint="give --spec FILE.toml")
    found = None if options.given else _by_metadata(facts, info)
    if found is None:
        try:
            found = find()
        except DataError:
            found = published_range(info, habit, options)
            if found is None:
                raise
    return fitted(found.image(info), habit), found


def fitted(image: ImageInput, habit: InputHabit | None) -> ImageInput:
    """The spec with the frame brought to the tensor's shape as published for the kind."""
    return image if habit is None else replace(image, fit=habit.fit, pad_value=habit.pad_value)


def _by_metadata(facts: Facts, info: TensorInfo) -> InputRange | None:
    """TFLite's metadata: real value = (byte − mean) / std."""
    place = [item.name for item in facts.inputs].index(info.name)
    notes = facts.metadata.inputs
    note = notes[place] if place < len(notes) else None
    if note is None or not note.mean or not note.std or not all(note.std) or info.scale is not None:
        return None
    channels = image_channels(info.shape)
    if {len(note.mean), len(note.std)} - {1, channels}:
        return None
    scale = tuple(1 / std for std in note.std)
    offset = tuple(
        -mean / std
        for mean, std in zip(_wide(note.mean, note.std), _wide(note.std, note.mean), strict=True)
    )
    colour: Colour = "gray" if channels == 1 else "bgr" if note.colour == "bgr" else "rgb"
    low, high = (
        min(offset),
        max(255 * a + b for a, b in zip(_wide(scale, offset), offset, strict=True)),
    )
    why = f"by the file's metadata: mean {_shown(note.mean)}, standard deviation {_shown(note.std)}"
    return InputRange(f"{low:.4g}..{high:.4g}", scale, offset, colour, "file", why)


def _wide(values: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return values * (max(len(values), len(other)) // len(values))


def _shown(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def published_range(
    info: TensorInfo, habit: InputHabit | None, options: RangeOptions
) -> InputRange | None:
    """What was published for models of the kind; None: nothing.

    Args:
        info: the image input.
        habit: of the kind.
        options: what the user says goes before it.
    """
    name = options.input_range or (habit.convention if habit is not None else "")
    if habit is None or not name:
        return None
    convention = parse_convention(name)
    colour: Colour = "gray" if image_channels(info.shape) == 1 else habit.colour
    if options.colour is not None:
        colour = "bgr" if options.colour == "bgr" else "rgb"
    scale, offset = convention.in_order(colour)
    why = f"assumed, as published: {habit.source} (--input-range and --colour say otherwise)"
    return InputRange(convention.name, scale, offset, colour, "published", why)
