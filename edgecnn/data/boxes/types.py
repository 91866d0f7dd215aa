"""What readers of boxes hand on: plain frozen data, not yet checked against the images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Corners = tuple[float, float, float, float]


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


def one_line(text: str) -> str:
    r"""A text without control characters and line breaks.

    >>> one_line(" a\n\tb ")
    'a b'
    """
    return _CONTROL.sub(" ", text).strip()


@dataclass(frozen=True)
class AnnotationFault:
    """One thing that is wrong with an annotation, or with the image that it speaks of.

    Attributes:
        file: relative path of the annotation file, or of the image where there is none.
        item: what in it: ``box 13 (RBC)``, ``line 4``, an image's name; ``""``: the whole file.
        why: what is wrong and, where the data can still be used, how it is read.
    """

    file: str
    item: str
    why: str

    def __post_init__(self) -> None:
        """Untrusted names stay on their line."""
        for key in ("file", "item", "why"):
            object.__setattr__(self, key, one_line(getattr(self, key)))

    def to_json(self) -> dict[str, str]:
        """The row of ``faults`` in ``edgecnn.data/1``."""
        return {"file": self.file, "item": self.item, "why": self.why}

    def line(self) -> str:
        """The line for people: file, item and why."""
        return f"{self.file}: {self.item}: {self.why}" if self.item else f"{self.file}: {self.why}"


@dataclass(frozen=True)
class AnnotatedBox:
    """One box.

    Attributes:
        label: class name.
        corners: x1, y1, x2, y2, where 0, 0 is the outer corner of the first pixel; in pixels, or
            as shares of the image's size, as :attr:`ImageRecord.relative` says.
        item: its name in messages.
        difficult: neither counted nor trained on.
        crowd: stands for a group (and is not counted either).
    """

    label: str
    corners: Corners
    item: str
    difficult: bool = False
    crowd: bool = False


@dataclass(frozen=True)
class ImageRecord:
    """What one annotation file says of one image.

    Attributes:
        image: path of the image in the source.
        file: path of the annotation file.
        boxes: none is legal: the image shows nothing of the classes.
        size: width and height as the annotation states them; None: it does not.
        relative: the corners are shares of the image's size.
        part: ``train``, ``val`` or ``test`` where the annotation says so.
    """

    image: str
    file: str
    boxes: tuple[AnnotatedBox, ...]
    size: tuple[int, int] | None = None
    relative: bool = False
    part: str | None = None


@dataclass(frozen=True)
class AnnotationReading:
    """What a reader found in all files of its form.

    Attributes:
        form: ``voc``, ``coco``, ``yolo`` or ``csv``.
        records: an image may have several.
        labels: class names in the form's own order; None: the form has none.
        faults: what could not be read.
        notes: what was decided while reading.
        parts: image → split, where the form lists them apart from the annotations.
        broken: images whose annotations could not be read, so that they are no background either.
        lost: boxes that are named in ``faults`` and not in ``records``.
    """

    form: str
    records: tuple[ImageRecord, ...]
    labels: tuple[str, ...] | None = None
    faults: tuple[AnnotationFault, ...] = ()
    notes: tuple[str, ...] = ()
    parts: Mapping[str, str] | None = None
    broken: frozenset[str] = frozenset()
    lost: int = 0
