"""Work spread over processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from edgecnn.core.errors import QuantizationError
from quantization.parallel.failure import Failure, packed, unpacked

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
_PATIENCE_S = 5.0
_FUNCTION, _ITEM = b"function", b"item"
_DIED = (
    "it may have run out of memory: use fewer workers; a script that calls this must do so under"
    " if __name__ == '__main__'"
)


class ProcessExecutor:
    """Applies functions to items in processes, results in order; an ``Executor``.

    Processes are spawned, not forked, because TensorFlow's and LiteRT's threads do not survive a
    fork. They start with the first :meth:`map` and wait for the next one. The function is sent to
    each process once per map, so that it may carry a model. At most two items per process are
    taken in advance of the results, so that an endless stream needs constant memory. A map that
    is left before its end, by an error or an interrupt, ends the processes.

    Args:
        workers: processes, at least 1.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: list[_Worker] = []
        self._mapping = False

    @property
    def workers(self) -> int:
        """Processes."""
        return self._workers

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See :class:`~quantization.parallel.executor.Executor`.

        Raises:
            QuantizationError: a process died, a piece failed by a bug, or another map of this
                executor is not at its end.
            EdgecnnError: what a piece raised, unchanged.
        """
        if self._mapping:
            raise QuantizationError(
                "a map was started inside another one", hint="use an executor for each"
            )
        self._mapping = True
        done = False
        try:
            if not self._pool:
                self._start()
            payload = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
            for worker in self._pool:
                worker.send(_FUNCTION, payload)
            yield from self._results(iter(items))
            done = True
        finally:
            self._mapping = False
            if not done:
                self._end(0.0)

    def close(self) -> None:
        """Ends the processes."""
        self._end(_PATIENCE_S)

    def _results(self, items: Iterator[Any]) -> Iterator[Any]:
        finished: dict[int, Any] = {}
        busy: dict[Any, tuple[_Worker, int]] = {}
        idle = list(self._pool)
        taken = given = 0
        while True:
            while idle and taken - given < _AHEAD * self._workers:
                try:
                    item = next(items)
                except StopIteration:
                    break
                worker = idle.pop()
                worker.send(_ITEM, pickle.dumps(item, pickle.HIGHEST_PROTOCOL))
                busy[worker.pipe] = worker, taken
                taken += 1
            if given in finished:
                yield _succeeded(finished.pop(given))
                given += 1
            elif busy:
                for pipe in wait(list(busy)):
                    worker, number = busy.pop(pipe)
                    finished[number] = worker.receive()
                    idle.append(worker)
            else:
                return

    def _start(self) -> None:
        with _interrupts_later():
            for _ in range(self._workers):
                self._pool.append(_Worker.start())

    def _end(self, patience: float) -> None:
        pool, self._pool = self._pool, []
        for worker in pool:
            worker.pipe.close()
        for worker in pool:
            worker.end(patience)


@dataclass(frozen=True)
class _Worker:
    """One process and the pipe to it."""

    process: Any
    pipe: Connection

    @classmethod
    def start(cls) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        # Only the process holds the other end now: when it dies, reading here ends.
        theirs.close()
        return cls(process, ours)

    def send(self, kind: bytes, payload: bytes) -> None:
        try:
            self.pipe.send_bytes(kind)
            self.pipe.send_bytes(payload)
        except OSError as error:
            raise self._died() from error

    def receive(self) -> Any:
        try:
            return pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._died() from error

    def end(self, patience: float) -> None:
        """Waits so many seconds for it to end by itself, then kills it; it is gone afterwards."""
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.process.close()

    def _died(self) -> QuantizationError:
        self.process.join(_PATIENCE_S)
        code = self.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return QuantizationError(f"a worker process ended by itself ({how})", hint=_DIED)


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Holds Ctrl-C back, also in processes started meanwhile, until they ignore it themselves."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Otherwise the first start would start it, and that lets signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _succeeded(result: Any) -> Any:
    # Raised in its turn: which of two errors is told must not depend on which came first.
    if isinstance(result, Failure):
        raise unpacked(result)
    return result


def _serve(pipe: Connection) -> None:
    """A process' life: a function, then items for it, until the pipe closes."""
    # Ctrl-C goes to the whole group; the caller alone decides, and closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    function = b""
    call: Callable[[Any], Any] | None = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            kind, payload = pipe.recv_bytes(), pipe.recv_bytes()
            if kind == _FUNCTION:
                function, call = payload, None
                continue
            try:
                call = call or pickle.loads(function)
                answer = pickle.dumps(call(pickle.loads(payload)), pickle.HIGHEST_PROTOCOL)
            except Exception as error:  # noqa: BLE001 - told where the map was called
                answer = pickle.dumps(packed(error), pickle.HIGHEST_PROTOCOL)
            pipe.send_bytes(answer)
