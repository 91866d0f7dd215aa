"""Where independent pieces of work run; the results never depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Applies a function to items, in any place, and gives the results in the items' order.

    ``function`` is a module-level function (or ``functools.partial`` of one) and items are plain
    data, so that both can be sent to another process. Items are taken from the iterable a few at
    a time, so that an endless stream of samples needs constant memory.
    """

    @property
    def workers(self) -> int:
        """How many pieces run at once."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The results, in order; an error in a piece is raised here."""

    def close(self) -> None:
        """Ends the workers."""


class SerialExecutor:
    """Runs everything here, one after the other."""

    workers = 1

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See :class:`Executor`."""
        return map(function, items)

    def close(self) -> None:
        """Nothing to end."""
