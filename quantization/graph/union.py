"""Disjoint sets of hashable things."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class UnionFind(Generic[K]):
    """Sets that only grow; each is known by one of its members."""

    def __init__(self) -> None:
        self._parent: dict[K, K] = {}

    def root(self, key: K) -> K:
        """The member that stands for the set of ``key`` (alone in it until joined)."""
        path = []
        while (parent := self._parent.setdefault(key, key)) != key:
            path.append(key)
            key = parent
        for passed in path:
            self._parent[passed] = key
        return key

    def join(self, one: K, other: K) -> None:
        """Makes one set of both."""
        self._parent[self.root(other)] = self.root(one)
