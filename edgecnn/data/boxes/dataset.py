"""The data set of images with boxes, behind :class:`edgecnn.core.sample.Dataset`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from edgecnn.core.errors import DataError
from edgecnn.core.sample import Sample
from edgecnn.data.boxes.forms import form_note, read_forms
from edgecnn.data.boxes.image_facts import image_facts
from edgecnn.data.boxes.index import ImageIndex
from edgecnn.data.boxes.parts import BoxParts, part_images
from edgecnn.data.boxes.settle import AnnotatedImage, SettledBoxes, settle
from edgecnn.data.decode import decode_image
from edgecnn.data.images import Files, content_keys, split_facts
from edgecnn.data.masks import find_masks
from edgecnn.data.splits import PARTS, check_split, drop_duplicates

BOXES_HINT = "boxes are read from Pascal VOC XML, COCO JSON, YOLO and CSV (docs/data.md)"
_NAMED = 3


@dataclass(frozen=True)
class BoxSet:
    """Images with boxes in a fixed order; each is decoded when it is asked for.

    Attributes:
        labels: class names.
        ids: relative paths.
        skipped: annotated images that cannot be used.
        duplicates: images left out since another split holds the same bytes.
        notes: what was decided or left out, and why.
        task: always ``detect``.
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    skipped: tuple[str, ...]
    duplicates: tuple[str, ...]
    files: Files = field(repr=False)
    images: Mapping[str, AnnotatedImage] = field(repr=False)
    notes: tuple[str, ...] = ()
    task: str = "detect"

    def __len__(self) -> int:
        """How many images."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """Decodes image ``index`` with its boxes; IndexError past the end.

        Raises:
            DataError: the file was damaged, removed or changed after the set was opened.
        """
        found = self.images[self.ids[index]]
        hint = "the data changed while it was read: start again"
        try:
            data = self.files.read(found.path)
        except OSError as error:
            text = error.strerror or error
            raise DataError(f"cannot read '{found.path}': {text}", hint=hint) from error
        image = decode_image(data, found.path)
        if image.shape[:2] != (found.facts.height, found.facts.width):
            raise DataError(f"'{found.path}' has another size than before", hint=hint)
        return self.boxes_of(index, image)

    def boxes_of(self, index: int, image: Any = None) -> Sample:
        """Sample ``index`` without decoding it: its boxes, and ``image`` if that is given."""
        found = self.images[self.ids[index]]
        place = {name: number for number, name in enumerate(self.labels)}
        corners = [box.corners for box in found.boxes]
        crowd = np.array([box.crowd for box in found.boxes], bool)
        ignored = np.array([box.difficult for box in found.boxes], bool) | crowd
        pixels = {} if image is None else {"image": image}
        return Sample(
            found.path,
            **pixels,
            boxes=np.array(corners, np.float32).reshape(-1, 4),
            box_labels=np.array([place[box.label] for box in found.boxes], np.int64),
            ignored=ignored if ignored.any() else None,
            crowd=crowd if crowd.any() else None,
        )

    def size_of(self, index: int) -> tuple[int, int]:
        """Width and height of image ``index``, upright, in pixels."""
        facts = self.images[self.ids[index]].facts
        return facts.width, facts.height

    def class_counts(self) -> dict[str, int]:
        """Boxes of each class."""
        found = Counter(box.label for name in self.ids for box in self.images[name].boxes)
        return {label: found[label] for label in self.labels}


class BoxSplits:
    """A source of images with boxes: settled once, split by seed."""

    def __init__(self, files: Files, settled: SettledBoxes, seed: int) -> None:
        self._files = files
        self._settled = settled
        self._images = {image.path: image for image in settled.images}
        self._seed = seed

    @cached_property
    def cut(self) -> BoxParts:
        """Who is where, before copies are taken out."""
        return part_images(self._settled, self._seed)

    @property
    def own_test(self) -> bool:
        """Whether the data set brings its test split itself."""
        return "test" in self.cut.own

    @cached_property
    def _parts(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        return drop_duplicates(self.cut.parts, content_keys(self._files))

    def get(self, split: str) -> BoxSet:
        """One split, or ``all`` of them.

        Raises:
            UnknownNameError: no such split.
            DataError: it holds no image.
        """
        check_split(split)
        settled = self._settled
        if split == "all":
            # As a test set from elsewhere: every image counts, also one that stands there twice.
            ids = tuple(self._images)
            duplicates: tuple[str, ...] = ()
        else:
            parts, dropped = self._parts
            ids, whole = parts[split], set(self.cut.parts[split])
            duplicates = tuple(name for name in dropped if name in whole)
        if not ids:
            raise DataError(
                f"'{self._files.source}' has no usable image for the split '{split}'",
                hint="give 3 annotated images or more (100 or more to learn something), or check"
                " the set: edgecnn data check",
                details=[fault.line() for fault in settled.faults],
            )
        if not any(self._images[name].boxes for name in ids):
            raise DataError(
                f"'{self._files.source}' has no usable box in the split '{split}'"
                f" of {len(ids):,} images",
                hint="see what is wrong with them: edgecnn data check",
                details=[fault.line() for fault in settled.faults],
            )
        notes = (*settled.notes, *fault_notes(settled), *self.cut.notes)
        return BoxSet(
            settled.labels, ids, settled.skipped if split in ("train", "all") else (),
            duplicates, self._files, self._images, notes,
        )  # fmt: skip

    def record(self) -> dict[str, Any]:
        """Per split the manifest's facts, and how many boxes of each class it holds."""
        facts = {}
        for part in PARTS:
            found = self.get(part)
            facts[part] = {**split_facts(found), "boxes": found.class_counts()}
        return facts


def settled_boxes(files: Files, form: str | None = None) -> SettledBoxes | None:
    """Reads and checks a source's boxes; None where there are no annotations.

    Args:
        files: the source.
        form: ``voc``, ``coco``, ``yolo`` or ``csv``; None: the one that says the most.
    """
    masks = find_masks(files)  # they have their photos' names
    left_out = masks.paths if masks else frozenset()
    index = ImageIndex(path for path in files.images if path not in left_out)
    readings = read_forms(files, index, form)
    if not readings:
        return None
    reading = readings[0]
    wanted = sorted({record.image for record in reading.records})
    good, bad = image_facts(wanted, files.read)
    settled = settle(reading, good, bad)
    annotated = {*wanted, *reading.broken}
    bare = [path for path in index.images if path not in annotated]
    notes = (*form_note(readings), *settled.notes)
    if bare:
        notes += (f"{len(bare):,} images have no annotation: left out (such as {bare[0]})",)
    return SettledBoxes(**{**vars(settled), "notes": notes})


def fault_notes(settled: SettledBoxes) -> tuple[str, ...]:
    """One note for training: how many faults there are, and the first of them."""
    count = len(settled.faults)
    if not count:
        return ()
    first = "; ".join(fault.line() for fault in settled.faults[:_NAMED])
    more = f"; and {count - _NAMED:,} more" if count > _NAMED else ""
    noun = "fault" if count == 1 else "faults"
    return (f"{count:,} {noun} in the annotations (edgecnn data check): {first}{more}",)
