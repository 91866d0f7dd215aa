from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import QuantizationError
from quantization.parallel.processes import ProcessExecutor
from tests.quantization.parallel import agreement, pieces

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def executor():
    made = ProcessExecutor(2)
    yield made
    made.close()


@pytest.fixture
def alone():
    made = ProcessExecutor(2)
    yield made
    made.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("check", agreement.CHECKS, ids=lambda check: check.__name__)
def test_as_the_serial_executor(executor, check):
    check(executor)


def test_two_processes_work_and_stay(alone):
    first = {pid for _, pid in alone.map(pieces.squared, range(12))}
    again = {pid for _, pid in alone.map(pieces.squared, range(12))}
    assert len(first) == 2
    assert first == again
    assert os.getpid() not in first
    alone.close()
    assert all(gone(pid) for pid in first)
    alone.close()  # twice does no harm
    assert len(list(alone.map(pieces.squared, range(3)))) == 3  # and it starts anew


@pytest.mark.parametrize(("piece", "how"), [("dying", "signal 9"), ("leaving", "exit code 3")])
def test_a_worker_that_dies_is_an_error_and_the_next_map_works(alone, piece, how):
    with pytest.raises(QuantizationError, match=f"ended by itself \\({how}\\)") as caught:
        list(alone.map(getattr(pieces, piece), range(6)))
    assert "fewer workers" in caught.value.hint
    assert [n for n, _ in alone.map(pieces.squared, [2])] == [4]


def test_a_map_that_is_left_ends_the_workers(alone):
    results = alone.map(pieces.squared, range(100))
    _, pid = next(results)
    results.close()
    assert gone(pid)


def test_a_map_inside_a_map_is_refused(alone):
    results = alone.map(pieces.squared, range(4))
    next(results)
    with pytest.raises(QuantizationError, match="inside another"):
        next(alone.map(pieces.squared, range(4)))
    assert len(list(results)) == 3


def test_a_result_that_cannot_be_sent(executor):
    with pytest.raises(QuantizationError, match="a worker failed: .*[Pp]ickle"):
        list(executor.map(pieces.unsendable, [1]))


def test_large_results(executor):
    arrays = list(executor.map(pieces.big, range(4)))
    np.testing.assert_array_equal([a[-1] for a in arrays], range(4))


def script(tmp_path: Path, body: str) -> subprocess.Popen[str]:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(body), "utf-8")
    return subprocess.Popen(
        [sys.executable, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_all_at_once_without_noise(tmp_path):
    process = script(
        tmp_path,
        """
        import signal

        from quantization.parallel.processes import ProcessExecutor
        from tests.quantization.parallel.pieces import sleeping

        # A shell starts its background jobs with Ctrl-C ignored, and that is inherited.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def items():
            print("ready", flush=True)
            yield from range(9)

        if __name__ == "__main__":
            try:
                list(ProcessExecutor(2).map(sleeping, items()))
            except KeyboardInterrupt:
                print("interrupted")
        """,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    out, err = process.communicate(timeout=120)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    # Python's own resource tracker follows a moment later.
    deadline = time.monotonic() + 30
    while not gone(-process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(-process.pid)


def test_a_script_without_a_guard_is_told_what_to_do(tmp_path):
    process = script(
        tmp_path,
        """
        from edgecnn.core.errors import QuantizationError
        from quantization.parallel.processes import ProcessExecutor
        from tests.quantization.parallel.pieces import squared

        try:
            list(ProcessExecutor(2).map(squared, range(4)))
        except QuantizationError as error:
            print(error.message, error.hint)
        """,
    )
    out, _ = process.communicate(timeout=60)
    assert "a worker process ended by itself" in out
    assert "__name__ == '__main__'" in out
