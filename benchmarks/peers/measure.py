"""What a peer's script says about itself: one JSON line, last on stdout. Standard library only."""

import json
import re
import resource
import time
from pathlib import Path


def start() -> tuple[float, float]:
    """Starts the clocks, of the wall and of the CPU; imports and the reading of files are over."""
    return time.perf_counter(), time.process_time()


def finish(started: tuple[float, float], **versions: str) -> None:
    """Prints seconds since ``started``, the process's peak memory and the versions used."""
    said = {
        "seconds": time.perf_counter() - started[0],
        "cpu_seconds": time.process_time() - started[1],
        "peak_mib": round(peak_kib() / 1024, 1),
        "versions": versions,
    }
    print("\n" + json.dumps(said), flush=True)


def peak_kib() -> int:
    """Peak resident memory of this process.

    getrusage counts what the parent held before the program started, so the kernel's own
    high-water mark comes first.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii"))
        if found:
            return int(found.group(1))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
