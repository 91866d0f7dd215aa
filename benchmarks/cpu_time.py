"""CPU time of a function in this process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def cpu_milliseconds(function: Callable[[], object], runs: int) -> float:
    """The median CPU time of ``runs`` calls after one that does not count, in milliseconds."""
    function()
    times = []
    for _ in range(runs):
        start = time.process_time_ns()
        function()
        times.append((time.process_time_ns() - start) / 1e6)
    return round(statistics.median(times), 3)
