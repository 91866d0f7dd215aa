"""Where independent pieces of work run; the results never depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from edgecnn.core.errors import UsageError

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


def make_executor(workers: int = 1, ray: str | None = None) -> Executor:
    """The executor that ``--workers`` and ``--ray`` ask for; the caller closes it.

    Args:
        workers: processes on this machine; 1: everything runs in this one.
        ray: address of a Ray cluster, see
            :class:`~quantization.parallel.ray_cluster.RayExecutor`; None: no cluster.

    Raises:
        UsageError: fewer than one worker, workers and a cluster, or no cluster at the address.
        MissingExtraError: Ray is wanted and not installed.
    """
    if workers < 1:
        raise UsageError(f"{workers} workers, expected 1 or more", hint="leave --workers out for 1")
    if ray is not None and workers > 1:
        raise UsageError(
            f"{workers} workers and the Ray cluster '{ray}'",
            hint="give --workers or --ray; a cluster uses all its CPUs",
        )
    # On use: most commands need neither.
    if ray is not None:
        from quantization.parallel.ray_cluster import RayExecutor

        return RayExecutor(ray)
    if workers > 1:
        from quantization.parallel.processes import ProcessExecutor

        return ProcessExecutor(workers)
    return SerialExecutor()
