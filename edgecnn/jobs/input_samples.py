"""Images for finding out what a model takes: some of a source, with labels where it has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgecnn.core.conventions import image_axes, image_channels
from edgecnn.core.errors import DataError
from edgecnn.core.imaging import Image, resize_to_spec
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset, spread
from edgecnn.evaluation.evaluate import class_map
from edgecnn.evaluation.range_trial import ROUNDS
from quantization.calibration.samples import balanced

#: Images that batch normalizations are compared on.
COMPARED = 64


def labelled_images(
    info: TensorInfo, parts: Sequence[Dataset], scores: ClassifySpec, seed: int
) -> Iterator[tuple[Image, int]]:
    """Images of the input's size, BGR or gray, and the model's class of each; classes take turns.

    Unreadable and unlabelled ones are left out.

    Raises:
        DataError: the data has more classes than the model; while iterating.
    """
    spec = _size(info)
    for part in parts:
        if part.task != "classify" or not part.labels:
            continue
        classes = class_map(part.labels, scores.labels)
        targets = list(getattr(part, "targets", ())) or [0] * len(part)
        for index in balanced(targets, ROUNDS[-1], seed):
            try:
                sample = part[index]
                if sample.label is not None and sample.image.size:
                    yield resize_to_spec(spec, sample.image)[0], int(classes[sample.label])
            except DataError:
                continue


def some_images(info: TensorInfo, parts: Sequence[Dataset], count: int = COMPARED) -> list[Image]:
    """Images of the input's size, BGR or gray, evenly spread over the first part."""
    spec, found = _size(info), []
    part = parts[0] if parts else ()
    if not len(part):
        return []
    for place in spread(len(part), count):
        try:
            sample = part[place]
            if sample.image.size:
                found.append(resize_to_spec(spec, sample.image)[0])
        except DataError:
            continue
    return found


def _size(info: TensorInfo) -> ImageInput:
    axes, channels = image_axes(info.shape), image_channels(info.shape)
    height, width = axes[1] if axes is not None else (1, 1)
    return ImageInput(info.name, height, width, "gray" if channels == 1 else "bgr")
