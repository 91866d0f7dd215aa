"""data check: what is wrong with a set of images with boxes, a line per fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.data.boxes.forms import FORM_NAMES
from edgecnn.data.boxes.parts import BoxParts, part_images
from edgecnn.data.boxes.settle import SettledBoxes
from edgecnn.data.boxes.similar import near_groups
from edgecnn.data.boxes.types import AnnotationFault
from edgecnn.data.table import boxed_source


@dataclass(frozen=True)
class DataCheckRequest:
    """What to look at.

    Attributes:
        source: a folder or an archive.
        form: ``voc``, ``coco``, ``yolo`` or ``csv``; None: the one that says the most.
        seed: of the splits that the set does not bring itself.
    """

    source: str
    form: str | None = None
    seed: int = 42


@dataclass(frozen=True)
class DataCheckResult:
    """``edgecnn.data/1``.

    Attributes:
        form: ``voc``, ``coco``, ``yolo`` or ``csv``.
        images: that can be used.
        boxes: that the annotations hold, faulty ones included.
        usable: boxes that are used.
        classes: class → usable boxes.
        sizes: how many different image sizes there are.
        splits: split → images, as training would take them.
        own: the splits that the set brings itself.
    """

    form: str
    images: int
    boxes: int
    usable: int
    classes: Mapping[str, int]
    sizes: int
    splits: Mapping[str, int]
    own: tuple[str, ...]
    faults: tuple[AnnotationFault, ...]
    notes: tuple[str, ...]

    @property
    def form_name(self) -> str:
        """The form's name for people."""
        return FORM_NAMES[self.form]

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn data check --json``."""
        return {
            "schema": "edgecnn.data/1",
            "format": self.form,
            "images": self.images,
            "boxes": self.boxes,
            "usable_boxes": self.usable,
            "classes": dict(self.classes),
            "sizes": self.sizes,
            "splits": dict(self.splits),
            "own_splits": list(self.own),
            "faults": [fault.to_json() for fault in self.faults],
            "notes": list(self.notes),
        }


def run(request: DataCheckRequest) -> DataCheckResult:
    """Reads the set as training would and says everything that is wrong.

    Raises:
        DataError: there is no such source, or it holds no boxes of a known form.
    """
    _, settled = boxed_source(request.source, request.form)
    parts = part_images(settled, request.seed)
    counts = Counter(box.label for image in settled.images for box in image.boxes)
    return DataCheckResult(
        settled.form,
        len(settled.images),
        settled.total,
        counts.total(),
        {label: counts[label] for label in settled.labels},
        len({(image.facts.width, image.facts.height) for image in settled.images}),
        {part: len(paths) for part, paths in parts.parts.items()},
        parts.own,
        settled.faults,
        (*settled.notes, *parts.notes, *_across(settled, parts), *_missing(settled, parts)),
    )


def _across(settled: SettledBoxes, parts: BoxParts) -> tuple[str, ...]:
    """Near-duplicates in two splits of the set's own make its figures look better than they are."""
    part_of = {path: part for part, paths in parts.parts.items() for path in paths}
    thumbs = {image.path: image.facts.thumb for image in settled.images if image.path in part_of}
    groups = [group for group in near_groups(thumbs) if len({part_of[path] for path in group}) > 1]
    if not groups:
        return ()
    one = groups[0][0]
    other = next(path for path in groups[0] if part_of[path] != part_of[one])
    return (
        f"{len(groups):,} groups of near-duplicate images stand in two splits, such as {one}"
        f" ({part_of[one]}) and {other} ({part_of[other]})",
    )


def _missing(settled: SettledBoxes, parts: BoxParts) -> tuple[str, ...]:
    """Classes that train never shows."""
    train = set(parts.parts["train"])
    shown = {box.label for image in settled.images if image.path in train for box in image.boxes}
    missing = [label for label in settled.labels if label not in shown]
    if not train or not missing:
        return ()
    named = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
    return (f"{len(missing):,} classes have no box in train: {named}",)
