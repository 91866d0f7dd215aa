"""Reads a class-per-folder data set's structure from its paths alone: folder or archive alike."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgecnn.core.errors import DataError
from edgecnn.data.decode import EXTENSIONS
from edgecnn.data.splits import PARTS, cut
from edgecnn.data.wav import EXTENSIONS as AUDIO

SHAPE_HINT = "make a folder per class with its images, or train/<class>/ and test/<class>/"
# Folder names that stand for a split.
SPLIT_NAMES = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}
_JUNK = {"__MACOSX", "@eaDir", "lost+found"}


@dataclass(frozen=True)
class Layout:
    """A data set's structure.

    Attributes:
        labels: class names in natural order.
        classes: path → class index.
        parts: split → paths, sorted; ``train``, ``val``, ``test``.
        own_test: the data set brings its test split itself, it was not cut here.
    """

    labels: tuple[str, ...]
    classes: Mapping[str, int]
    parts: Mapping[str, tuple[str, ...]]
    own_test: bool = False


def natural_key(text: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts ``img2`` before ``img10``.

    >>> sorted(["img10", "img2", "a"], key=natural_key)
    ['a', 'img2', 'img10']
    """
    pieces = re.split(r"(\d+)", text)
    return tuple((0, int(p)) if p.isdecimal() else (1, p) for p in pieces if p)


def is_image(path: str) -> bool:
    """Whether ``path`` (with ``/``) names an image that is not hidden or a system's litter."""
    return is_visible(path) and path.lower().endswith(EXTENSIONS)


def is_audio(path: str) -> bool:
    """The same for recordings."""
    return is_visible(path) and path.lower().endswith(AUDIO)


def is_visible(path: str) -> bool:
    """Whether ``path`` is neither hidden nor a system's litter."""
    return not any(part.startswith(".") or part in _JUNK for part in path.split("/"))


def read_layout(
    images: Collection[str],
    folders: Collection[str],
    *,
    source: str,
    seed: int,
    noun: str = "images",
) -> Layout:
    """Finds classes and splits.

    Args:
        images: paths of all images or recordings, relative, with ``/``.
        folders: all folders, so that an empty class is noticed; same form.
        source: for messages.
        seed: of the cuts, where a split has no folder of its own.
        noun: what messages call the files.

    Raises:
        DataError: no file, no class folders, one class, an empty class, too few images to split,
            or a test class that train does not have.
    """
    if not images:
        raise DataError(f"'{source}' holds no {noun}", hint=SHAPE_HINT)
    root = _root(images)
    inside = [path[len(root) :] for path in images]
    tops = {path.split("/")[0] for path in inside if "/" in path}
    named = {top: SPLIT_NAMES[top.lower()] for top in tops if top.lower() in SPLIT_NAMES}
    is_split = _has_split_folders(inside, tops, named)
    depth = 2 if is_split else 1
    flat = [path for path in inside if path.count("/") < depth]
    if len(flat) == len(inside):
        raise DataError(f"'{source}' has {noun}, but no class folders", hint=SHAPE_HINT)
    by_part: dict[str, dict[str, list[str]]] = {}
    for path in inside:
        pieces = path.split("/")
        if len(pieces) <= depth or (is_split and pieces[0] not in named):
            continue
        part = named[pieces[0]] if is_split else "train"
        by_part.setdefault(part, {}).setdefault(pieces[depth - 1], []).append(root + path)
    _no_empty_class(folders, root, by_part, named if is_split else {"": "train"}, source)
    return _layout(by_part, source, seed, fixed=is_split)


def _layout(
    by_part: dict[str, dict[str, list[str]]], source: str, seed: int, *, fixed: bool
) -> Layout:
    first = "train" if "train" in by_part else next(iter(by_part))
    labels = tuple(sorted(by_part[first], key=natural_key))
    for part, classes in by_part.items():
        extra = sorted(set(classes) - set(labels))
        if extra:
            raise DataError(
                f"'{source}': class '{extra[0]}' is in {part}, but not in {first}",
                hint=f"add {first}/{extra[0]}/ or remove {part}/{extra[0]}/",
            )
    if len(labels) < 2:
        raise DataError(
            f"'{source}' has one class ('{labels[0]}'), expected 2 or more",
            hint=SHAPE_HINT,
        )
    index = {name: i for i, name in enumerate(labels)}
    classes_of = {
        path: index[name]
        for classes in by_part.values()
        for name, paths in classes.items()
        for path in paths
    }
    parts = {part: {p for ps in by_part.get(part, {}).values() for p in ps} for part in PARTS}
    for part in ("test", "val"):
        if part not in by_part and "train" in by_part:
            left = {
                name: [path for path in paths if path in parts["train"]]
                for name, paths in by_part["train"].items()
            }
            _enough(left, source)
            # 15 % of the whole, which is more of what is left once test is gone; where the data
            # set brings its own test, 10 % of train is enough to choose the best epoch.
            share = (0.1 if fixed else 0.15 / 0.85) if part == "val" else 0.15
            parts[part] = cut(left, share, seed)
            parts["train"] -= parts[part]
    ordered = {part: tuple(sorted(parts[part], key=natural_key)) for part in PARTS}
    return Layout(labels, classes_of, ordered, own_test="test" in by_part)


def _enough(by_class: Mapping[str, list[str]], source: str) -> None:
    for name, paths in by_class.items():
        if len(paths) < 2:
            raise DataError(
                f"'{source}': class '{name}' has too few images to be split",
                hint="give each class 3 images or more (100 or more to learn something)",
            )


def _no_empty_class(
    folders: Collection[str],
    root: str,
    by_part: Mapping[str, Mapping[str, list[str]]],
    tops: Mapping[str, str],
    source: str,
) -> None:
    for folder in sorted(folders):
        if not folder.startswith(root) or not is_image(f"{folder}/x.png"):
            continue
        pieces = folder[len(root) :].split("/")
        top, name = ("", pieces[0]) if "" in tops else (pieces[0], "/".join(pieces[1:]))
        if not name or "/" in name or top not in tops:
            continue
        if name not in by_part.get(tops[top], {}):
            raise DataError(
                f"'{source}': the class folder '{folder}' holds no images",
                hint=f"put images ({', '.join(EXTENSIONS)}) into it, or remove it",
            )


def _has_split_folders(
    paths: Collection[str], tops: Collection[str], named: Mapping[str, str]
) -> bool:
    """A class may be called ``train`` too: a split's folder holds folders, a class's images."""
    deep = {_top(path) for path in paths if path.count("/") >= 2}
    if not named or not set(named) <= deep:
        return False
    return set(tops) <= set(named) or {"train", "test"} <= set(named.values())


def _top(path: str) -> str:
    return path.split("/")[0]


def _root(images: Collection[str]) -> str:
    """The folders that wrap everything (as archives often do), with a trailing slash."""
    root = ""
    while True:
        rest = [path[len(root) :] for path in images]
        tops = {_top(path) for path in rest}
        # One folder that itself holds only folders is a wrapper; one that holds images is a class.
        deeper = all(path.count("/") >= 2 for path in rest)
        only = next(iter(tops))
        if len(tops) != 1 or not deeper or only.lower() in SPLIT_NAMES:
            return root
        root += only + "/"
