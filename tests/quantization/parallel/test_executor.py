from __future__ import annotations

import pytest

from edgecnn.core.errors import DataError, QuantizationError, UsageError
from quantization.parallel.executor import SerialExecutor, make_executor
from quantization.parallel.failure import packed, unpacked
from quantization.parallel.processes import ProcessExecutor
from tests.quantization.parallel import pieces


def test_the_flags():
    assert isinstance(make_executor(), SerialExecutor)
    made = make_executor(3)
    assert isinstance(made, ProcessExecutor)
    assert made.workers == 3
    made.close()


@pytest.mark.parametrize("workers", [0, -2])
def test_too_few_workers(workers):
    with pytest.raises(UsageError, match=f"{workers} workers, expected 1 or more"):
        make_executor(workers)


def test_workers_and_a_cluster():
    with pytest.raises(UsageError, match="2 workers and the Ray cluster 'auto'"):
        make_executor(2, ray="auto")


def test_serial_is_lazy_and_raises_as_it_is():
    executor = SerialExecutor()
    results = executor.map(pieces.failing, range(9))
    assert next(results) == 0
    with pytest.raises(DataError, match="sample 3"):
        list(results)
    executor.close()


def test_errors_travel():
    error = DataError("bad", hint="fix it", details=["one"])
    back = unpacked(packed(error))
    assert type(back) is DataError
    assert (back.message, back.hint, back.details, str(back)) == ("bad", "fix it", ("one",), "bad")
    bug = unpacked(packed(ZeroDivisionError("by zero")))
    assert type(bug) is QuantizationError
    assert bug.message == "a worker failed: ZeroDivisionError: by zero"
