"""What the tests cost: CPU seconds of each test file, child processes included.

A pytest plugin. Works alone and under pytest-xdist, whose workers hand their figures to the
process that prints the summary.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

SHOWN = 10
_FILES = pytest.StashKey[Counter[str]]()
_TOTAL = pytest.StashKey[list[float]]()
_WORKERS_KEY = "cpu_seconds"


def cpu_seconds() -> float:
    """CPU seconds, user and system, of this process and of the children it has waited for.

    On Windows children are not counted: the system does not tell.
    """
    return sum(os.times()[:4])


def pytest_configure(config: pytest.Config) -> None:
    """Starts counting."""
    config.stash[_FILES] = Counter()
    config.stash[_TOTAL] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Adds a test's set-up, call and tear-down to its file."""
    before = cpu_seconds()
    try:
        return (yield)
    finally:
        item.config.stash[_FILES][item.nodeid.split("::")[0]] += cpu_seconds() - before


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands a worker's figures on; the main process keeps its own."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[_WORKERS_KEY] = (cpu_seconds(), dict(config.stash[_FILES]))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Takes a worker's figures; a worker that crashed has none."""
    total, files = getattr(node, "workeroutput", {}).get(_WORKERS_KEY, (0.0, {}))
    config = node.config  # type: ignore[attr-defined]
    config.stash[_TOTAL].append(total)
    config.stash[_FILES].update(files)


def pytest_terminal_summary(terminalreporter: object, config: pytest.Config) -> None:
    """Prints the total and the dearest files."""
    files = config.stash[_FILES]
    if not files:
        return
    # Workers count themselves and what they waited for, this process only itself.
    own = sum(os.times()[:2]) if config.stash[_TOTAL] else cpu_seconds()
    total = own + sum(config.stash[_TOTAL])
    line = terminalreporter.write_line  # type: ignore[attr-defined]
    line("")
    line(f"{total / 60:.1f} CPU-minutes (user + system, children included); the dearest files, s:")
    for name, seconds in files.most_common(SHOWN):
        line(f"{seconds:8.1f}  {name}")
