"""A queue between two threads that never holds more than its room."""

from __future__ import annotations

import queue
import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """Items from one thread to another, in order, at most ``room`` of them under way.

    Both queues inside are C code, so that handing over a frame costs microseconds: one carries the
    items, the other one credit for each free place.

    Args:
        room: how many items may wait.
    """

    def __init__(self, room: int = 1) -> None:
        self._items: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._credits: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._drained = False
        for _ in range(room):
            self._credits.put(None)

    @property
    def closed(self) -> bool:
        """Whether one side has closed it."""
        return self._closed.is_set()

    def put(self, item: T) -> bool:
        """Hands an item over, waiting for room; False: it was closed, nobody will take it."""
        self._credits.get()
        if self._closed.is_set():
            self._credits.put(None)  # the next one must not wait for ever either
            return False
        self._items.put(item)
        return True

    def offer(self, item: T) -> bool:
        """Hands an item over if there is room now; False: there is none, or it was closed."""
        try:
            self._credits.get_nowait()
        except queue.Empty:
            return False
        if self._closed.is_set():
            self._credits.put(None)
            return False
        self._items.put(item)
        return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next item; None: none came within the time, or it is closed and empty."""
        if self._closed.is_set():
            timeout_s = 0.0
        try:
            item = self._items.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if item is None:
            self._drained = True
            self._items.put(None)  # for the next reader
        else:
            self._credits.put(None)
        return item

    @property
    def drained(self) -> bool:
        """Closed, and nothing is left to take."""
        return self._drained

    def close(self) -> None:
        """No item will be put any more; what is under way can still be taken. May be repeated."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._credits.put(None)
        self._items.put(None)  # wakes a reader that waits
