from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the [ray] extra")

from edgecnn.core.errors import MissingExtraError, QuantizationError, UsageError
from quantization.parallel import ray_cluster
from quantization.parallel.ray_cluster import RayExecutor
from tests.quantization.parallel import agreement, pieces

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def executor():
    made = RayExecutor("local", cpus=2)
    yield made
    made.close()


def test_two_workers(executor):
    assert executor.workers == 2


@pytest.mark.parametrize("check", agreement.CHECKS, ids=lambda check: check.__name__)
def test_as_the_serial_executor(executor, check):
    check(executor)


def test_work_leaves_this_process(executor):
    pids = {pid for _, pid in executor.map(pieces.squared, range(8))}
    assert os.getpid() not in pids


def test_a_worker_that_dies_is_an_error(executor):
    with pytest.raises(QuantizationError, match="lost a piece of work") as caught:
        list(executor.map(pieces.leaving, range(2)))
    assert "without --ray" in caught.value.hint
    assert [n for n, _ in executor.map(pieces.squared, [3])] == [9]


def test_a_map_that_is_left(executor):
    results = executor.map(pieces.squared, range(50))
    next(results)
    results.close()
    assert [n for n, _ in executor.map(pieces.squared, [3])] == [9]


def test_a_second_executor_joins_and_does_not_end_the_cluster(executor):
    second = RayExecutor("local")
    second.close()
    assert [n for n, _ in executor.map(pieces.squared, [3])] == [9]


def test_another_version_on_a_node_is_told(monkeypatch):
    monkeypatch.setattr(ray_cluster.edgecnn, "__version__", "9.9.9")
    failure = ray_cluster._piece([None], "1.0.0", 3)
    assert "a Ray worker has edgecnn 9.9.9, this is 1.0.0" in failure.text


def test_no_ray(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(ray_cluster.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match="--ray needs 'ray'") as caught:
        RayExecutor("local")
    assert "edgecnn[ray]" in caught.value.hint


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"]
)
def test_no_cluster_at_the_address(address, monkeypatch):
    # The cluster of this module is joined otherwise.
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(UsageError, match="no Ray cluster at") as caught:
        RayExecutor(address)
    assert "ray start --head" in caught.value.hint


@pytest.mark.long
def test_a_cluster_started_by_hand_is_joined_and_left_running():
    """``ray start`` as an administrator does, two CPUs; the executor must not end it."""
    body = """
        from quantization.parallel.executor import make_executor
        from tests.quantization.parallel.pieces import squared
        executor = make_executor(ray="127.0.0.1:{port}")
        print(executor.workers, sum(n for n, _ in executor.map(squared, range(10))))
        executor.close()
    """
    port = free_port()
    # Without a token, so that none is written into the user's home.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    # A short path: the names of sockets in it are limited to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        command = [
            Path(sys.executable).parent / "ray", "start", "--head", "--block", f"--port={port}",
            "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats",
            f"--temp-dir={folder}",
        ]  # fmt: skip
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as head:
            try:
                wait_for(port)
                for _ in range(2):
                    found = subprocess.run(
                        [sys.executable, "-c", textwrap.dedent(body.format(port=port))],
                        env=environment, capture_output=True, text=True, timeout=120, check=False,
                    )  # fmt: skip
                    assert (found.stdout, found.returncode) == ("2 285\n", 0), found.stderr
            finally:
                head.terminate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.3)
    pytest.fail("the cluster did not start")
