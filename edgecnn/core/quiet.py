"""Holds back what native libraries write to stderr: chatter goes, anything else is passed on."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_CHATTER = ("INFO:", "W0000", "I0000", "VERBOSE:", "WARNING: All log messages before absl::Init")
# File descriptors belong to the process: two threads must not swap them at once.
_LOCK = threading.Lock()


@contextmanager
def held_stderr(*, pass_on: bool = True) -> Iterator[None]:
    """Collects file descriptor 2 for the block, then writes on what is no chatter.

    Args:
        pass_on: False drops everything: for libraries that complain of each damaged file which
            we then name ourselves.
    """
    with _LOCK:
        try:
            saved = os.dup(_STDERR)
        except OSError:  # no stderr at all (a service, pythonw)
            yield
            return
        try:
            with tempfile.TemporaryFile() as sink:
                if sys.stderr is not None:
                    sys.stderr.flush()
                os.dup2(sink.fileno(), _STDERR)
                try:
                    yield
                finally:
                    os.dup2(saved, _STDERR)
                    sink.seek(0)
                    if pass_on:
                        _pass_on(sink.read())
        finally:
            os.close(saved)


def _pass_on(raw: bytes) -> None:
    lines = raw.decode("utf-8", "replace").splitlines()
    kept = [line for line in lines if line.strip() and not line.startswith(_CHATTER)]
    if kept:
        os.write(_STDERR, ("\n".join(kept) + "\n").encode("utf-8"))
