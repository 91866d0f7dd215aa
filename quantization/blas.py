"""How many threads numpy's linear algebra takes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds numpy's matrix products to one thread.

    Those of the accuracy steps are many and small: threads wait for each other longer than they
    work, ten times longer on a busy machine. Sums then also come in one order, whatever the number
    of cores. Without threadpoolctl (it comes with the [train] extra) nothing changes.
    """
    if find_spec("threadpoolctl") is None:
        yield
        return
    with importlib.import_module("threadpoolctl").threadpool_limits(1, "blas"):
        yield
