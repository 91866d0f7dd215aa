"""A process that judges cases until its input ends: ``python -m tests.fuzz.worker SEED SHARED``.

Lines in: case numbers, or paths of files. Lines out: one JSON object each. A command that takes
more than its seconds of processor time ends the process (SIGPROF), after a traceback on stderr.
"""

from __future__ import annotations

import faulthandler
import itertools
import json
import os
import resource
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fuzz.judge import judge
from tests.fuzz.mutate import mutant
from tests.fuzz.seeds import seeds

SECONDS = 5.0
"""Of processor time: what a case takes when the machine has nothing else to do."""
MEMORY_BYTES = 1 << 30
_HARD_STOP_BYTES = 3 << 30


def _forget_peak() -> None:
    """Lets the kernel count the largest resident size anew (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_bytes() -> int:
    """The largest resident size: of this case on Linux, of this process elsewhere."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run(data: bytes, number: int) -> dict[str, Any]:
    """Judges one case under its limits."""

    def renew() -> None:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        starts.append(time.process_time())

    _forget_peak()
    starts: list[float] = []
    renew()
    outcome = judge(data, number, renew)
    starts.append(time.process_time())
    seconds = max(b - a for a, b in itertools.pairwise(starts))
    signal.setitimer(signal.ITIMER_PROF, 0)
    peak = _peak_bytes()
    result = {**asdict(outcome), "seconds": round(seconds, 3), "peak_mib": peak >> 20}
    if peak > MEMORY_BYTES:
        result |= {"kind": "failed", "detail": f"{peak >> 20} MiB", "place": "memory"}
    return result


def main(arguments: list[str]) -> None:
    """Reads lines, judges, writes lines."""
    seed, shared = int(arguments[0]), arguments[1] == "shared"
    resource.setrlimit(resource.RLIMIT_DATA, (_HARD_STOP_BYTES, _HARD_STOP_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever is printed must not get between the results.
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    pool = seeds(shared)
    results.write("{}\n")
    results.flush()
    for line in sys.stdin:
        what = line.rstrip("\n")
        if what.isdigit():
            name, data = mutant(pool, seed, int(what))
            result = {"case": int(what), "name": name} | run(data, int(what))
        else:
            # Number 0: the command line too.
            result = {"case": what, "name": what} | run(Path(what).read_bytes(), 0)
        results.write(json.dumps(result) + "\n")
        results.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
