"""A thread that does one thing with each item, behind a queue that does not grow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from edgecnn.camera.handover import Handover

T = TypeVar("T")


class Worker(Generic[T]):
    """Does the work of a sink beside the loop, in order.

    The thread starts with the first item. What the work raises ends it, and is raised again by
    :meth:`finish`; items that come after it are lost.

    Args:
        work: called in the thread with each item.
        name: of the thread.
        room: how many items may wait.
        waits: whether :meth:`put` waits for room; otherwise an item without room is left out.
    """

    def __init__(self, work: Callable[[T], None], name: str, *, room: int, waits: bool) -> None:
        self._work, self._waits = work, waits
        self._items: Handover[T] = Handover(room)
        self._threads = ThreadPoolExecutor(1, name)
        self._future: Future[None] | None = None
        self._abandoned = False
        self.left_out = 0

    def put(self, item: T) -> bool:
        """Hands an item over; False: it was left out, and counted."""
        if self._future is None:
            self._future = self._threads.submit(self._run)
            # A thread that ended by an error must not leave the loop waiting for room.
            self._future.add_done_callback(lambda _: self._items.close())
        taken = self._items.put(item) if self._waits else self._items.offer(item)
        self.left_out += not taken
        return taken

    def finish(self) -> None:
        """No item comes any more: waits until all are done. May be repeated."""
        self._items.close()
        self._threads.shutdown()
        if self._future is not None:
            self._future.result()

    def discard(self) -> None:
        """Waits for the item in work only; those that wait are dropped. May be repeated."""
        self._abandoned = True
        self._items.close()
        self._threads.shutdown()

    def _run(self) -> None:
        while not self._items.drained:
            item = self._items.get()
            if item is not None and not self._abandoned:
                self._work(item)
