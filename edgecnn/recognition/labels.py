"""Class names for so many classes: the user's, the file's, or numbers."""

from __future__ import annotations

import re

from edgecnn.core.errors import DataError
from edgecnn.recognition.facts import Facts

_NO_CLASS = ("???", "background", "__background__", "unlabeled", "unlabelled", "none", "bg")
_MOST_CLASSES = 1 << 16
_COCO = 80
# Numbers, counted from 0, that COCO's annotations leave out.
_COCO_GAPS = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82)
_NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")


def class_labels(facts: Facts, count: int, *, background: bool = False) -> tuple[str, ...]:
    """One name for each of ``count`` classes.

    The user's label file comes first, then names in the file's metadata, else numbers. A first
    line for the background is dropped where it is one too many. Lines ``17 dog`` name classes by
    number; numbers without a line are called ``class 16``. What follows an empty line is a remark
    where it would be too much.

    Args:
        facts: of the model.
        count: classes.
        background: the first of the classes is the background, so a first line for it stays.

    Raises:
        DataError: a label file of another length.
    """
    for given in (facts.labels, file_labels(facts)):
        if not given:
            continue
        for lines in (given, _up_to_a_gap(given), coco_with_gaps(given)):
            labels = _fitted(_by_number(lines, count), count, background) if lines else None
            if labels is not None:
                return labels
        if given is facts.labels:
            raise DataError(
                f"the label file has {len(given)} lines, the model has {count} classes",
                hint=f"write {count} lines, one class name each, in the model's order; or lines"
                " 'NUMBER NAME' for classes by number",
            )
    return tuple(str(number) for number in range(count))


def no_class(label: str) -> bool:
    """Whether a label stands for the background."""
    return label.strip().lower() in _NO_CLASS


def file_labels(facts: Facts) -> tuple[str, ...]:
    """Names of classes in the file's metadata; empty: none."""
    meta = facts.metadata
    if meta.ultralytics is not None and meta.ultralytics.names:
        return meta.ultralytics.names
    for note in meta.outputs:
        if note.labels:
            return note.labels
    return meta.labels


def named_classes(given: tuple[str, ...]) -> int:
    """How many classes a label file speaks of, the background apart."""
    numbers = [int(found[1]) for line in given if (found := _NUMBERED.fullmatch(line))]
    if given and len(numbers) == len(given):
        return min(max(numbers) + 1, _MOST_CLASSES)
    return len(given) - (1 if given and no_class(given[0]) else 0)


def coco_with_gaps(given: tuple[str, ...]) -> tuple[str, ...]:
    """COCO's 80 classes at their places among the 90 that TensorFlow's models count."""
    if len(given) != _COCO or (given[0], given[-1]) != ("person", "toothbrush"):
        return ()
    names = iter(given)
    return tuple(
        f"class {k}" if k in _COCO_GAPS else next(names) for k in range(_COCO + len(_COCO_GAPS))
    )


def _by_number(given: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Lines ``17 dog`` as a list with gaps; other lines as they are."""
    found = [_NUMBERED.fullmatch(line) for line in given]
    numbers = [int(match[1]) for match in found if match]
    rising = all(a < b for a, b in zip(numbers, numbers[1:], strict=False))
    if len(numbers) != len(given) or not rising or numbers[-1] > count:
        return given
    names = {int(match[1]): match[2].strip() for match in found if match}
    first = int(numbers[-1] == count and numbers[0] > 0)  # counted from 1
    return tuple(
        names.get(k, f"class {k}")
        for k in range(first, max(count, numbers[-1] + 1 - first) + first)
    )


def _up_to_a_gap(given: tuple[str, ...]) -> tuple[str, ...]:
    """The lines before the first empty one."""
    return given[: given.index("")] if "" in given else ()


def _fitted(given: tuple[str, ...], count: int, background: bool) -> tuple[str, ...] | None:
    if len(given) == count:
        return given
    none_first = no_class(given[0])
    if len(given) == count + 1 and none_first and not background:
        return given[1:]
    if len(given) == count - 1 and background and not none_first:
        return ("background", *given)
    return None
