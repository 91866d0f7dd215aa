"""What a peer's script says about itself: one JSON line, last on stdout. Standard library only."""

import json
import resource
import time


def start() -> float:
    """Starts the clock; imports and the reading of files are over."""
    return time.perf_counter()


def finish(started: float, **versions: str) -> None:
    """Prints seconds since ``started``, the process's peak memory and the versions used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = {
        "seconds": time.perf_counter() - started,
        "peak_mib": round(peak / 1024, 1),
        "versions": versions,
    }
    print("\n" + json.dumps(said), flush=True)
