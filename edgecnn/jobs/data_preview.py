"""data preview: one page that shows a set of images with boxes, and what training makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.files import write_atomic
from edgecnn.core.progress import Progress
from edgecnn.core.sample import spread
from edgecnn.data.augment import default_augment
from edgecnn.data.augment_boxes import Affine, BoxAugment, BoxedPixels, augmented
from edgecnn.data.boxes.dataset import BoxSet
from edgecnn.data.boxes.forms import FORM_NAMES
from edgecnn.data.boxes.parts import BoxParts, part_images
from edgecnn.data.boxes.settle import AnnotatedImage, SettledBoxes
from edgecnn.data.table import boxed_source
from edgecnn.jobs.detect_plan import box_shapes, input_size
from edgecnn.report.data_preview import (
    DataPreview,
    PreviewBox,
    PreviewClass,
    PreviewPicture,
    render_preview,
)

_SIDE = 480  # pixels; photos on the page are at most so wide or high
_TRAINING_PHOTOS, _TRAINING_COPIES = 4, 3
_QUALITY = 80
_PLAIN_SIZE = (240, 320)  # where there is no box to go by
_FILL = 114  # gray of what no photo covers, as preprocess has it
_SIDES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.01)
_COUNTS = (0, 1, 2, 5, 10, 20, 50)


@dataclass(frozen=True)
class DataPreviewRequest:
    """What to show.

    Attributes:
        source: a folder or an archive.
        file: the page.
        count: photos on it.
        input_size: height and width that training sees; None: what it would choose itself.
        form: of the source; None: the one that says the most.
    """

    source: str
    file: Path
    count: int = 24
    input_size: tuple[int, int] | None = None
    seed: int = 42
    form: str | None = None


@dataclass(frozen=True)
class DataPreviewResult:
    """The page that was written."""

    file: Path
    images: int
    boxes: int
    photos: int

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn data preview --json``."""
        return {
            "schema": "edgecnn.data-preview/1",
            "file": str(self.file),
            "images": self.images,
            "boxes": self.boxes,
            "photos": self.photos,
        }


def run(request: DataPreviewRequest, progress: Progress) -> DataPreviewResult:
    """Writes the page.

    Raises:
        UsageError: a count or size that is not allowed; the file cannot be written.
        DataError: the source cannot be read, or holds no usable image.
    """
    if not 1 <= request.count <= 500:
        raise UsageError(
            f"{request.count} photos, expected 1 to 500", hint="for example --count 24"
        )
    given = request.input_size
    if given is not None and not all(32 <= side <= 2048 for side in given):
        raise UsageError(
            "the input size is {} × {}, expected 32 to 2048".format(*given),
            hint="for example --input-size 240 320",
        )
    files, settled = boxed_source(request.source, request.form)
    if not settled.images:
        raise DataError(
            f"'{request.source}' holds no usable image",
            hint="see what is wrong with it: edgecnn data check",
            details=[fault.line() for fault in settled.faults],
        )
    parts = part_images(settled, request.seed)
    images = {image.path: image for image in settled.images}
    everything = BoxSet(settled.labels, tuple(images), (), (), files, images)
    train = parts.parts["train"] or tuple(images)
    training = BoxSet(settled.labels, train, (), (), files, images)
    shown = any(images[path].boxes for path in train)
    size = given or (input_size(box_shapes(training)) if shown else _PLAIN_SIZE)
    progress.stage("read photos", request.count)
    data = DataPreview(
        source=request.source,
        form=FORM_NAMES[settled.form],
        images={part: len(paths) for part, paths in parts.parts.items() if paths},
        empty=sum(not image.boxes for image in settled.images),
        classes=_classes(settled, parts),
        sizes=Counter(_size(image) for image in settled.images).most_common(),
        sides=_binned([side for image in settled.images for side in _sides(image)], _SIDES),
        per_image=_per_image(settled.images),
        faults=tuple(fault.line() for fault in settled.faults),
        notes=(*settled.notes, *parts.notes),
        photos=_photos(everything, request.count, progress),
        training=_training(training, size, request.seed),
        input_size=size,
    )
    write_atomic(request.file, render_preview(data))
    boxes = sum(len(image.boxes) for image in settled.images)
    return DataPreviewResult(request.file, len(images), boxes, len(data.photos))


def _size(image: AnnotatedImage) -> tuple[int, int]:
    return image.facts.width, image.facts.height


def _sides(image: AnnotatedImage) -> list[float]:
    whole = image.facts.width * image.facts.height
    corners = (box.corners for box in image.boxes)
    return [float(np.sqrt((x2 - x1) * (y2 - y1) / whole)) for x1, y1, x2, y2 in corners]


def _binned(values: Sequence[float], edges: Sequence[float]) -> list[tuple[str, int]]:
    counts, low, rows = np.histogram(values, (0.0, *edges))[0].tolist(), 0.0, []
    for high, count in zip(edges, counts, strict=True):
        rows.append((f"{100 * low:g} to {100 * min(high, 1.0):g} %", count))
        low = high
    return rows


def _per_image(images: Sequence[AnnotatedImage]) -> list[tuple[str, int]]:
    counts = [len(image.boxes) for image in images]
    rows = []
    for place, low in enumerate(_COUNTS):
        high = _COUNTS[place + 1] - 1 if place + 1 < len(_COUNTS) else None
        found = sum(low <= count and (high is None or count <= high) for count in counts)
        text = (
            f"{low} and more" if high is None else f"{low}" if low == high else f"{low} to {high}"
        )
        rows.append((text, found))
    while len(rows) > 1 and not rows[-1][1]:
        rows.pop()
    return rows


def _classes(settled: SettledBoxes, parts: BoxParts) -> tuple[PreviewClass, ...]:
    part_of = {path: part for part, paths in parts.parts.items() for path in paths}
    boxes: dict[str, Counter[str]] = {label: Counter() for label in settled.labels}
    sides: dict[str, list[float]] = {label: [] for label in settled.labels}
    images: Counter[str] = Counter()
    for image in settled.images:
        images.update({box.label for box in image.boxes})
        for box, side in zip(image.boxes, _sides(image), strict=True):
            boxes[box.label][part_of.get(image.path, "")] += 1
            sides[box.label].append(side)
    return tuple(
        PreviewClass(
            label, dict(boxes[label]), images[label],
            float(np.median(sides[label] or [0.0])), min(sides[label], default=0.0),
        )
        for label in settled.labels
    )  # fmt: skip


def _photos(data: BoxSet, count: int, progress: Progress) -> tuple[PreviewPicture, ...]:
    pictures = []
    for index in spread(len(data), count):
        sample = data[index]
        height, width = sample.image.shape[:2]
        scale = min(1.0, _SIDE / max(height, width))
        small = _resized(sample.image, scale)
        boxes = tuple(
            PreviewBox(
                box.label,
                tuple(round(value * scale, 2) for value in box.corners),
                not (box.difficult or box.crowd),
            )
            for box in data.images[sample.id].boxes
        )
        name = f"{sample.id} ({width} × {height})"
        pictures.append(PreviewPicture(name, _jpeg(small), small.shape[1], small.shape[0], boxes))
        progress.advance()
    return tuple(pictures)


def _training(data: BoxSet, size: tuple[int, int], seed: int) -> tuple[PreviewPicture, ...]:
    """Some photos as several epochs see them."""
    rule = BoxAugment(flip=default_augment(data.labels).flip)
    height, width = size

    def read(index: int) -> BoxedPixels:
        sample = data[index]
        count = len(data.images[sample.id].boxes)
        ignored = sample.ignored if sample.ignored is not None else np.zeros(count, bool)
        boxes, labels = sample.boxes, sample.box_labels
        if boxes is None or labels is None:
            raise DataError(f"'{sample.id}' has no boxes", hint="start again")
        return BoxedPixels(sample.image, boxes, labels, ignored)

    def fit(photo: BoxedPixels) -> Affine:
        high, wide = photo.pixels.shape[:2]
        scale = np.full(2, min(width / wide, height / high))
        return scale, (np.array([width, height]) - scale * (wide, high)) / 2

    pictures = []
    for place in spread(len(data), _TRAINING_PHOTOS):
        for copy in range(_TRAINING_COPIES):
            rng = np.random.default_rng((seed, copy, place))
            seen = augmented(read, place, len(data), rule, fit, size, _FILL, rng)
            rows = zip(seen.boxes.tolist(), seen.classes.tolist(), seen.ignored, strict=True)
            boxes = tuple(
                PreviewBox(data.labels[label], tuple(corners), not off)
                for corners, label, off in rows
            )
            name = f"{data.ids[place]}, epoch {copy + 1}"
            pictures.append(PreviewPicture(name, _jpeg(seen.pixels), width, height, boxes))
    return tuple(pictures)


def _resized(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    import cv2

    if scale >= 1:
        return image
    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: NDArray[np.uint8] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    import cv2

    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
