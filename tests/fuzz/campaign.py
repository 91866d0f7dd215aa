"""Many cases in a few processes, each case with a watchdog.

    python -m tests.fuzz.campaign --count 10000 --seed 1
    python -m tests.fuzz.campaign broken.tflite     # judges files

Failures are printed with their case, and their mutants saved.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.fuzz.mutate import mutant
from tests.fuzz.seeds import seeds

ROOT = Path(__file__).resolve().parents[2]
WALL_SECONDS = 300.0
"""A case that waits instead of computing; far above 5 s, since machines are shared."""
WORKER = ("-m", "tests.fuzz.worker")
Case = int | str


@dataclass
class Report:
    """What became of all cases."""

    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Cases that ended in none of the allowed ways."""
        return [row for row in self.results if row["kind"] == "failed"]

    @property
    def kinds(self) -> dict[str, int]:
        """How many cases ended in which way."""
        return dict(collections.Counter(row["kind"] for row in self.results))

    def text(self) -> str:
        """Counts, the slowest and largest case, and one failure for each cause."""
        slow = max(self.results, key=lambda row: row.get("seconds", 0.0))
        large = max(self.results, key=lambda row: row.get("peak_mib", 0))
        lines = [
            f"{len(self.results)} cases: {self.kinds}",
            f"slowest {slow.get('seconds')} s ({slow['case']}: {slow['name']})",
            f"largest {large.get('peak_mib')} MiB ({large['case']}: {large['name']})",
        ]
        causes = collections.defaultdict(list)
        for row in self.failures:
            causes[row["place"]].append(row)
        for place, rows in sorted(causes.items(), key=lambda item: -len(item[1])):
            first = rows[0]
            lines.append(f"{len(rows)} x {place}")
            lines.append(f"    case {first['case']}: {first['name']}: {first['detail'][:600]}")
        return "\n".join(lines)


class _Worker:
    """A worker process, started again after each case that killed it."""

    def __init__(self, seed: int, shared: bool) -> None:
        self._arguments = [str(seed), "shared" if shared else "own"]
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - closed in close()
            "w+", encoding="utf-8", errors="replace"
        )

    def judge(self, case: Case) -> dict[str, Any]:
        """Sends one case, waits for its result or the process's end."""
        process = self._started()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker without pipes")
        process.stdin.write(f"{case}\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            answered = selector.select(WALL_SECONDS)
        line = process.stdout.readline() if answered else ""
        if line:
            result: dict[str, Any] = json.loads(line)
            return result
        return self._lost(case, process, waited=not answered)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._errors.seek(0)
            self._errors.truncate()
            self._process = subprocess.Popen(
                [sys.executable, *WORKER, *self._arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
            if self._process.stdout is None or not self._process.stdout.readline():
                self._errors.seek(0)
                raise RuntimeError(f"the worker does not start:\n{self._errors.read()[-3000:]}")
        return self._process

    def _lost(self, case: Case, process: subprocess.Popen[str], *, waited: bool) -> dict[str, Any]:
        if waited:
            process.kill()
        code = process.wait()
        self._process = None
        self._errors.seek(0)
        trace = [line.strip() for line in self._errors if line.startswith("  File")]
        where = next((line for line in trace if str(ROOT) in line and ".venv" not in line), "")
        what = f"died with {code}"
        if waited:
            what = f"no answer in {WALL_SECONDS} s"
        elif code == -signal.SIGPROF:
            what = "more than 5 s of processor time"
        return {"case": case, "name": str(case), "kind": "failed", "detail": "; ".join(trace[:12]),
                "place": f"{what} {where.replace(str(ROOT), '')}"}  # fmt: skip

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._errors.close()


def run(cases: Sequence[Case], *, seed: int = 1, jobs: int = 2, shared: bool = True) -> Report:
    """Judges all cases.

    Args:
        cases: numbers of mutants, or paths.
        seed: of the mutants.
        jobs: worker processes.
        shared: mutate the shared models too, where they are at hand.
    """
    report = Report()
    waiting: Iterator[Case] = iter(cases)
    lock = threading.Lock()

    def work() -> None:
        worker = _Worker(seed, shared)
        try:
            while True:
                with lock:
                    case = next(waiting, None)
                if case is None:
                    return
                result = worker.judge(case)
                with lock:
                    report.results.append(result)
        finally:
            worker.close()

    with ThreadPoolExecutor(jobs) as executor:
        for done in [executor.submit(work) for _ in range(jobs)]:
            done.result()
    report.results.sort(key=lambda row: str(row["case"]).rjust(9))
    return report


def save_failures(report: Report, folder: Path, *, seed: int, shared: bool) -> None:
    """Writes the mutants that failed, and completes their names."""
    for row in report.failures:
        if isinstance(row["case"], int):
            row["name"], data = mutant(seeds(shared), seed, row["case"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"seed{seed}_case{row['case']}.tflite").write_bytes(data)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--own", action="store_true", help="leave the shared models out")
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args()
    cases: list[Case] = [str(Path(file).resolve()) for file in given.files]
    cases = cases or list(range(given.first, given.first + given.count))
    start = time.monotonic()
    shared = not given.own
    report = run(cases, seed=given.seed, jobs=given.jobs, shared=shared)
    save_failures(report, given.save, seed=given.seed, shared=shared)
    print(report.text())
    print(f"{len(cases) / (time.monotonic() - start):.1f} cases per second")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
