"""Who is in which split: pure functions of ids, contents and a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from edgecnn.core.errors import UnknownNameError

Split = Literal["train", "val", "test", "all"]
PARTS: tuple[str, ...] = ("train", "val", "test")
# Test comes first: what stands in two splits stays where it would flatter the least.
PRIORITY: tuple[str, ...] = ("test", "val", "train")


def check_split(split: str) -> str:
    """Returns ``split``.

    Raises:
        UnknownNameError: it is not train, val, test or all.
    """
    if split not in get_args(Split):
        raise UnknownNameError("split", split, get_args(Split))
    return split


def shuffled(ids: Sequence[str], seed: int) -> list[str]:
    """``ids`` in an order that depends on each id and the seed, not on the others.

    So one more image moves at most the border between two splits, not everything.
    """
    return sorted(ids, key=lambda item: hashlib.sha256(f"{seed}:{item}".encode()).digest())


def cut(by_class: Mapping[str, Sequence[str]], fraction: float, seed: int) -> set[str]:
    """A stratified part: of each class ``fraction`` of the ids, rounded, at least one.

    A class with a single id gives none.

    >>> len(cut({"a": ["1", "2", "3", "4"], "b": ["5"]}, 0.25, seed=0))
    1
    """
    chosen: set[str] = set()
    for ids in by_class.values():
        count = min(max(1, round(len(ids) * fraction)), len(ids) - 1)
        chosen.update(shuffled(ids, seed)[: max(0, count)])
    return chosen


def drop_duplicates(
    parts: Mapping[str, Sequence[str]], content: Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Takes out of each split what a split of higher priority holds with the same content.

    Args:
        parts: split → ids.
        content: id → key of its content; an id without one is unlike all others.

    Returns:
        The remaining ids per split, in order, and the dropped ids.
    """
    seen: set[str] = set()
    kept: dict[str, tuple[str, ...]] = {}
    dropped: list[str] = []
    for part in PRIORITY:
        ids = parts.get(part, ())
        again = {item for item in ids if content.get(item) in seen}
        kept[part] = tuple(item for item in ids if item not in again)
        dropped += [item for item in ids if item in again]
        seen.update(content[item] for item in ids if item in content)
    return {part: kept[part] for part in PARTS}, tuple(sorted(dropped))


def digest(ids: Sequence[str]) -> str:
    """SHA-256 over the sorted ids, one a line."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
