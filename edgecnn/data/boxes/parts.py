"""Which image is train, val or test: the data set's own word first, else a seeded cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn.data.boxes.settle import AnnotatedImage, SettledBoxes
from edgecnn.data.boxes.similar import near_groups
from edgecnn.data.boxes.split_names import named_part
from edgecnn.data.layout import natural_key
from edgecnn.data.splits import PARTS, shuffled

_SHARE = 0.15  # of all images, for val and for test each
_VAL_SHARE = 0.1  # of train, where the set brings its own test


@dataclass(frozen=True)
class BoxParts:
    """The splits.

    Attributes:
        parts: split → paths in natural order.
        own: the splits that the data set brings itself.
        notes: what was decided.
        similar: near-duplicates that were kept together: groups of two or more.
    """

    parts: Mapping[str, tuple[str, ...]]
    own: tuple[str, ...]
    notes: tuple[str, ...] = ()
    similar: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class CutShares:
    """How a set is cut anew, whatever it says itself.

    Attributes:
        val, test: shares of all images.
    """

    val: float = _SHARE
    test: float = _SHARE


def part_images(settled: SettledBoxes, seed: int, anew: CutShares | None = None) -> BoxParts:
    """Splits a set: lists and files of its own, else folders, else cut by image.

    Args:
        settled: the set.
        seed: of the cut.
        anew: cut with these shares, whatever the set itself says.
    """
    images = {image.path: image for image in settled.images}
    parts, notes = ({}, ()) if anew else _own_parts(settled)
    shares = anew or CutShares()
    own = tuple(part for part in PARTS if parts.get(part))
    if not own:
        parts = {"train": list(images)}
    similar: tuple[tuple[str, ...], ...] = ()
    if "train" in parts and len(own) < len(PARTS):
        groups = near_groups({path: images[path].facts.thumb for path in parts["train"]})
        similar = tuple(group for group in groups if len(group) > 1)
        groups, more = _usable(groups)
        notes += more
        for part in ("test", "val"):
            if parts.get(part):
                continue
            if part == "val" and "test" in own:
                share = _VAL_SHARE
            else:
                # Val is a larger share of what is left once test is gone.
                share = shares.test if part == "test" else shares.val / (1 - shares.test)
            chosen = _cut(groups, images, share, seed) if share else []
            groups = [group for group in groups if group not in chosen]
            parts[part] = [path for group in chosen for path in group]
        parts["train"] = [path for group in groups for path in group]
    ordered = {part: tuple(sorted(parts.get(part, ()), key=natural_key)) for part in PARTS}
    return BoxParts(ordered, own, notes, similar)


def _own_parts(settled: SettledBoxes) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    images = settled.images
    said = [image for image in images if image.part]
    if said:
        silent = [image for image in images if not image.part]
        if silent and settled.form in ("voc", "yolo"):
            note = (f"{len(silent):,} images are in no split of the data set's own: left out",)
            return _by_part({image.path: str(image.part) for image in said}), note
        return _by_part({image.path: image.part or "train" for image in images}), ()
    folders = {image.path: named_part(image.path) for image in images}
    found = {part for part in folders.values() if part}
    if None in folders.values() or not found or (len(found) == 1 and "train" in found):
        return {}, ()
    return _by_part({path: str(part) for path, part in folders.items()}), ()


def _by_part(part_of: Mapping[str, str]) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    for path, part in part_of.items():
        parts.setdefault(part, []).append(path)
    return parts


def _usable(groups: list[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Groups that can be cut: where half of the images look alike, they are cut one by one."""
    count = sum(map(len, groups))
    largest = max(map(len, groups), default=0)
    if largest > 2 and 2 * largest > count:
        note = f"{largest:,} of {count:,} images look alike: they are split one by one"
        return [(path,) for group in groups for path in group], (note,)
    together = sum(len(group) for group in groups if len(group) > 1)
    note = f"{together:,} near-duplicate images are kept together in one split"
    return groups, ((note,) if together else ())


def _cut(
    groups: Sequence[tuple[str, ...]],
    images: Mapping[str, AnnotatedImage],
    share: float,
    seed: int,
) -> list[tuple[str, ...]]:
    """A part of the groups, of the rarest class that each shows the same share.

    Classes too rare for a share of their own are cut together, or many of them would take far more.
    The last group that shows a class stays.
    """
    by_name = {min(group): group for group in groups}
    shown = {
        name: {box.label for path in group for box in images[path].boxes}
        for name, group in by_name.items()
    }
    left = Counter(label for labels in shown.values() for label in labels)
    counts = dict(left)
    strata: dict[str, list[str]] = {}
    for name, labels in shown.items():
        rarest = min(labels, key=lambda label: (counts[label], label), default="")
        strata.setdefault(rarest, []).append(name)
    pooled: dict[str, list[str]] = {}
    for label, names in strata.items():
        pooled.setdefault(label if len(names) * share >= 1 else "", []).extend(names)
    chosen: set[str] = set()
    for names in pooled.values():
        wanted = min(max(1, round(len(names) * share)), len(names) - 1)
        for name in shuffled(names, seed):
            if wanted > 0 and all(left[label] > 1 for label in shown[name]):
                chosen.add(name)
                left.subtract(shown[name])
                wanted -= 1
    return [group for name, group in by_name.items() if name in chosen]
