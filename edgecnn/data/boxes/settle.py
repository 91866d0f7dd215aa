"""Makes one box form of what was read: pixels of the upright image, every fault named.

What cannot be mended is left out, and nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgecnn.data.boxes.image_facts import ImageFacts
from edgecnn.data.boxes.types import (
    AnnotatedBox,
    AnnotationFault,
    AnnotationReading,
    Corners,
    ImageRecord,
    one_line,
)
from edgecnn.data.layout import natural_key

_SLACK = 1.0  # pixels past the edge that are cut without a word: counting from 0 or 1, rounding
_LEAST = 1.0 + 1e-6  # a box of a pixel or less shows nothing
_LEAST_LEFT = 0.2  # a box of which less lies in the image is left out


@dataclass(frozen=True)
class AnnotatedImage:
    """An image with its boxes.

    Attributes:
        path: in the source.
        width, height: of the upright image, pixels.
        boxes: corners in its pixels, float64, inside the image.
        file: the annotation.
        part: ``train``, ``val``, ``test`` where the source says so.
        thumb: for telling near-duplicates.
    """

    path: str
    facts: ImageFacts
    boxes: tuple[AnnotatedBox, ...]
    file: str
    part: str | None = None


@dataclass(frozen=True)
class SettledBoxes:
    """All images that can be used.

    Attributes:
        images: in natural order of their paths.
        labels: class names; the index is the class.
        faults: of reading and settling, in order of files.
        notes: what was decided, in words.
        total: boxes that the annotations hold, faulty ones included.
        skipped: images that are annotated and cannot be used.
    """

    form: str
    images: tuple[AnnotatedImage, ...]
    labels: tuple[str, ...]
    faults: tuple[AnnotationFault, ...]
    notes: tuple[str, ...]
    total: int
    skipped: tuple[str, ...]


def settle(
    reading: AnnotationReading, facts: Mapping[str, ImageFacts], refused: Mapping[str, str]
) -> SettledBoxes:
    """Joins the records of each image and checks every box against the image.

    Args:
        reading: what a reader found.
        facts: of the readable images.
        refused: image → why it cannot be used.
    """
    faults = list(reading.faults)
    counts = _Counts()
    joined: dict[str, list[tuple[ImageRecord, list[AnnotatedBox]]]] = {}
    for record in reading.records:
        if record.image in refused:
            if record.image not in joined:
                faults.append(AnnotationFault(record.image, "", refused[record.image]))
            joined.setdefault(record.image, [])
            continue
        boxes = _placed(record, facts[record.image], counts, faults)
        joined.setdefault(record.image, []).append((record, boxes))
    bad = {image for image, rows in joined.items() if not rows} | set(reading.broken)
    images = [
        _joined(path, rows, facts[path], reading.parts, faults)
        for path, rows in joined.items()
        if path not in bad
    ]
    images.sort(key=lambda image: natural_key(image.path))
    labels = tuple(map(clean_label, reading.labels or ())) or _labels(images)
    order = {name: place for place, name in enumerate(dict.fromkeys(labels))}
    faults.sort(key=lambda fault: natural_key(fault.file))
    total = sum(len(record.boxes) for record in reading.records) + reading.lost
    return SettledBoxes(
        reading.form, tuple(images), tuple(order), tuple(faults),
        (*reading.notes, *counts.notes()), total, tuple(sorted(bad, key=natural_key)),
    )  # fmt: skip


@dataclass
class _Counts:
    """What happened often enough to be said once."""

    other_size: int = 0
    scaled: int = 0
    turned: int = 0
    example: str = ""

    def notes(self) -> list[str]:
        texts = (
            (self.other_size, "state another size than the image has: the image's is taken"),
            (self.scaled, "state another size, and boxes that fit only that: scaled to the image"),
            (self.turned, "have boxes of the image as stored: turned upright with the image"),
        )
        return [f"{n:,} annotations {text} (such as {self.example})" for n, text in texts if n]


def _placed(
    record: ImageRecord, facts: ImageFacts, counts: _Counts, faults: list[AnnotationFault]
) -> list[AnnotatedBox]:
    """The record's boxes in pixels of the upright image; faulty ones are named and left out."""
    boxes = _upright(record, facts, counts)
    kept = []
    for box in boxes:
        inside, why = _checked(box.corners, facts)
        if why:
            faults.append(AnnotationFault(record.file, box.item, why))
        if inside is not None:
            kept.append(replace(box, corners=inside, label=clean_label(box.label)))
    return kept


def _upright(record: ImageRecord, facts: ImageFacts, counts: _Counts) -> tuple[AnnotatedBox, ...]:
    """Boxes in pixels of the image as it is shown.

    Corners mean the upright image, as tools show it; where an annotation states the size of the
    stored, unturned image, its boxes are of that one.
    """
    width, height = facts.width, facts.height
    stated = record.size
    if record.relative:
        return _mapped(record.boxes, lambda c: _times(c, width, height))
    if stated is None or stated == (width, height):
        return record.boxes
    counts.example = counts.example or record.file
    if facts.orientation != 1 and stated == (height, width):
        counts.turned += 1
        turn = facts.orientation
        return _mapped(record.boxes, lambda c: turned(c, turn, width, height))
    within = all(_fits(box.corners, width, height) for box in record.boxes)
    if not within and all(_fits(box.corners, *stated) for box in record.boxes):
        counts.scaled += 1
        across, down = width / stated[0], height / stated[1]
        return _mapped(record.boxes, lambda c: _times(c, across, down))
    counts.other_size += 1
    return record.boxes


def clean_label(label: str) -> str:
    """A class name as one line of text: any form can hold it, and no two look the same."""
    return one_line(label)[:200] or "?"


def turned(corners: Corners, orientation: int, width: int, height: int) -> Corners:
    """A box of the stored image in the upright one of ``width`` × ``height``.

    Args:
        corners: in the stored image's pixels.
        orientation: EXIF's: 5 mirrored along the diagonal, 6 to be turned clockwise, 7 mirrored
            along the other diagonal, 8 to be turned anticlockwise.
        width: of the upright image.
        height: of the upright image.
    """
    x1, y1, x2, y2 = corners
    across = (y1, y2) if orientation in (5, 8) else (width - y2, width - y1)
    down = (x1, x2) if orientation in (5, 6) else (height - x2, height - x1)
    return across[0], down[0], across[1], down[1]


def _mapped(boxes: Sequence[AnnotatedBox], function: object) -> tuple[AnnotatedBox, ...]:
    return tuple(replace(box, corners=function(box.corners)) for box in boxes)  # type: ignore[operator]


def _times(corners: Corners, across: float, down: float) -> Corners:
    x1, y1, x2, y2 = corners
    return x1 * across, y1 * down, x2 * across, y2 * down


def _fits(corners: Corners, width: float, height: float) -> bool:
    x1, y1, x2, y2 = corners
    return x1 >= -_SLACK and y1 >= -_SLACK and x2 <= width + _SLACK and y2 <= height + _SLACK


def _checked(corners: Corners, facts: ImageFacts) -> tuple[Corners | None, str]:
    """The box inside the image (None: it cannot be used), and what is wrong ("": nothing)."""
    width, height = facts.width, facts.height
    x1, y1, x2, y2 = corners
    if x2 - x1 < _LEAST or y2 - y1 < _LEAST:
        return None, f"it has no area: {x2 - x1:.3g} × {y2 - y1:.3g} pixels"
    cut = max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)
    if _fits(corners, width, height):
        if cut[2] - cut[0] < _LEAST or cut[3] - cut[1] < _LEAST:
            return None, "it lies outside the image"
        return cut, ""
    size = f"the image of {width} × {height} (corners {x1:g}, {y1:g} to {x2:g}, {y2:g})"
    wide, high = cut[2] - cut[0], cut[3] - cut[1]
    if wide < _LEAST or high < _LEAST:
        return None, f"it lies outside {size}"
    if wide * high < _LEAST_LEFT * (x2 - x1) * (y2 - y1):
        return None, f"most of it lies outside {size}"
    return cut, f"it reaches out of {size}: cut at the edge"


def _joined(
    path: str,
    rows: Sequence[tuple[ImageRecord, list[AnnotatedBox]]],
    facts: ImageFacts,
    parts: Mapping[str, str] | None,
    faults: list[AnnotationFault],
) -> AnnotatedImage:
    """One image of its records; a box that stands there twice is named and taken once."""
    kept: list[AnnotatedBox] = []
    seen: dict[tuple[str, Corners], AnnotatedBox] = {}
    for record, boxes in rows:
        for box in boxes:
            key = box.label, box.corners
            if key in seen:
                why = f"it stands there twice: the same class and corners as {seen[key].item}"
                faults.append(AnnotationFault(record.file, box.item, why))
                continue
            seen[key] = box
            kept.append(box)
    part = parts.get(path) if parts is not None else rows[0][0].part
    return AnnotatedImage(path, facts, tuple(kept), rows[0][0].file, part)


def _labels(images: Sequence[AnnotatedImage]) -> tuple[str, ...]:
    return tuple(sorted({box.label for image in images for box in image.boxes}, key=natural_key))
