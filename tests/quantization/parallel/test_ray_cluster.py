from __future__ import annotations

import os

import pytest

pytest.importorskip("ray", reason="needs the [ray] extra")

from edgecnn.core.errors import MissingExtraError, QuantizationError, UsageError
from quantization.parallel import ray_cluster
from quantization.parallel.ray_cluster import RayExecutor
from tests.quantization.parallel import agreement, pieces


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


@pytest.mark.long
def test_no_cluster_at_the_address():
    import ray

    ray.shutdown()
    with pytest.raises(UsageError, match="no Ray cluster at '127.0.0.1:1'") as caught:
        RayExecutor("127.0.0.1:1")
    assert "ray start --head" in caught.value.hint
