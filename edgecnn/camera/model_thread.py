"""The thread that runs a model for several cameras, in turn."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ModelThread:
    """Does what any thread asks for, one after the other, first come, first served.

    A camera asks for its next frame when it has the last one, so that none gets two turns while
    another waits; with a lock, one whose frames are always there could keep the model from all
    others. What waits is begun as soon as the model is free, without another thread having to wake
    up first, as it would with a fair lock.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "edgecnn-model")

    def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns; it is called on the thread, when its turn has come."""
        return self._threads.submit(work).result()

    def close(self) -> None:
        """Ends the thread; nobody may ask any more."""
        self._threads.shutdown()
