"""Work spread over a Ray cluster; Ray is imported on use (the extra ``ray``)."""

from __future__ import annotations

import importlib
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

import edgecnn
from edgecnn.core.errors import MissingExtraError, QuantizationError, UsageError
from edgecnn.core.quiet import held_stderr
from quantization.parallel.failure import Failure, packed, unpacked

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
_PATIENCE_S = 5.0
LOCAL = "local"


class RayExecutor:
    """Applies functions to items on a Ray cluster, results in order; an ``Executor``.

    The function is put into the cluster's store once per map and kept by each worker, so that it
    may carry a model. At most two items per CPU are taken in advance of the results. The nodes
    must have this version of edgecnn installed.

    Args:
        address: ``host:port`` or ``ray://host:port`` of a running cluster, ``auto`` for the one
            that this machine belongs to, ``local`` for one made here and ended by :meth:`close`.
        cpus: of a ``local`` cluster; None: all of this machine.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: there is no cluster at the address.
    """

    def __init__(self, address: str, *, cpus: int | None = None) -> None:
        self._ray = _import_ray()
        self._owned = not self._ray.is_initialized()
        if self._owned:
            self._connect(address, cpus)
        self._workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._piece = self._ray.remote(num_cpus=1)(_piece)

    @property
    def workers(self) -> int:
        """CPUs of the cluster when it was joined."""
        return self._workers

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See :class:`~quantization.parallel.executor.Executor`.

        Raises:
            QuantizationError: the cluster was lost, a worker died, or a piece failed by a bug.
            EdgecnnError: what a piece raised, unchanged.
        """
        payload = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
        # As an array, workers on a node share it without copying.
        stored = self._ray.put(np.frombuffer(payload, np.uint8))
        pending: deque[Any] = deque()
        try:
            for item in items:
                pending.append(self._piece.remote([stored], edgecnn.__version__, item))
                if len(pending) >= _AHEAD * self._workers:
                    yield self._result(pending.popleft())
            while pending:
                yield self._result(pending.popleft())
        finally:
            for piece in pending:
                self._ray.cancel(piece, force=False)

    def close(self) -> None:
        """Leaves the cluster; ends it where it is ``local``."""
        if self._owned:
            self._owned = False
            self._ray.shutdown()

    def _connect(self, address: str, cpus: int | None) -> None:
        _require_listening(address)
        options: dict[str, Any] = {"num_cpus": cpus} if address == LOCAL else {}
        try:
            with held_stderr():
                self._ray.init(
                    address=address,
                    include_dashboard=False if address == LOCAL else None,
                    log_to_driver=False,
                    logging_level="ERROR",
                    **options,
                )
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise _no_cluster(address, error) from error

    def _result(self, piece: Any) -> Any:
        try:
            result = self._ray.get(piece)
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:300]
            raise QuantizationError(
                f"the Ray cluster lost a piece of work: {reason}",
                hint="see the cluster's logs; without --ray it runs on this machine",
            ) from error
        if isinstance(result, Failure):
            raise unpacked(result)
        return result


def _require_listening(address: str) -> None:
    """Ray itself waits for minutes where nobody answers."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:200]
    return UsageError(
        f"no Ray cluster at '{address}': {reason}",
        hint="start one with 'ray start --head' and give host:port, or give 'local'",
    )


def _import_ray() -> Any:
    # Otherwise Ray reports its use over the network, and prints the errors of pieces given up.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    try:
        with held_stderr():
            return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError("--ray", "ray", "ray") from error


def _piece(stored: list[Any], version: str, item: Any) -> Any:
    """One item on a worker; an error comes back as data."""
    try:
        if version != edgecnn.__version__:
            return packed(
                QuantizationError(
                    f"a Ray worker has edgecnn {edgecnn.__version__}, this is {version}",
                    hint="install the same version on every node",
                )
            )
        return _function(stored[0])(item)
    except Exception as error:  # noqa: BLE001 - told where the map was called
        return packed(error)


@lru_cache(maxsize=1)
def _function(stored: Any) -> Callable[[Any], Any]:
    """The function of a map, fetched once by each worker."""
    return pickle.loads(importlib.import_module("ray").get(stored))
