"""Functions that workers import; an executor takes module-level ones only."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from edgecnn.core.errors import DataError, ToolError


def squared(number: int) -> tuple[int, int]:
    """The square, later for even numbers; and the process."""
    time.sleep(0.02 if number % 2 == 0 else 0.0)
    return number * number, os.getpid()


def offset(array: Any, number: int) -> float:
    return float(array.sum()) + number


def failing(number: int) -> int:
    if number == 3:
        raise DataError("sample 3 is odd", hint="leave it out", details=["first", "second"])
    if number == 5:
        raise ToolError("vela", 4, "no\nmemory", hint="buy some")
    if number == 7:
        raise KeyError("a bug")
    return number


def slow_failure(number: int) -> int:
    """The first item fails last."""
    if number == 0:
        time.sleep(0.3)
    raise DataError(f"item {number}", hint="none")


def unsendable(number: int) -> Any:
    return lambda: number


def dying(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def leaving(number: int) -> int:
    os._exit(3)


def sleeping(number: int) -> int:
    time.sleep(60)
    return number


def big(number: int) -> np.ndarray:
    return np.full(1_000_000, number, np.float32)
