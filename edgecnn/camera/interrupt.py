"""Ctrl-C as a request to finish, not as an exception in the middle of a write."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SAME_S = 0.5


@contextmanager
def stop_on_interrupt(stop: threading.Event) -> Iterator[None]:
    """While inside, SIGINT, SIGTERM and SIGHUP set ``stop``; a second SIGINT interrupts.

    One within half a second is the same once more: a terminal, ``timeout`` and the like signal the
    process and its group, and files would be lost for it.
    SIGHUP says that the terminal was closed; where it is ignored (``nohup``), it stays ignored.
    Does nothing outside the main thread, where Python takes no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    asked_s = math.inf

    def request(number: int, frame: FrameType | None) -> None:
        nonlocal asked_s
        now_s = time.monotonic()
        if number == signal.SIGINT and now_s - asked_s > _SAME_S:
            raise KeyboardInterrupt
        asked_s = min(asked_s, now_s)
        stop.set()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    closed = getattr(signal, "SIGHUP", None)  # Windows has none
    if closed is not None and signal.getsignal(closed) is not signal.SIG_IGN:
        before[closed] = signal.getsignal(closed)
    try:
        for number in before:
            signal.signal(number, request)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
