"""The one place of this room that imports TensorFlow and Keras: on use, and quietly."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, cast

from edgecnn.core.errors import MissingExtraError, QuantizationError

WHAT = "quantizing a Keras model"


def import_tensorflow() -> Any:
    """The ``tensorflow`` module.

    Raises:
        MissingExtraError: it is not installed.
    """
    _require("tensorflow")
    # TensorFlow reads these while it is imported: its banner is no news to the user.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with quiet():
        return importlib.import_module("tensorflow")


def import_keras() -> Any:
    """The ``keras`` module with whatever backend this process has; TensorFlow if it has none.

    Raises:
        MissingExtraError: it is not installed.
    """
    _require("keras")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ:
        _require("tensorflow")
        os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet():
        return importlib.import_module("keras")


def import_keras_on_tensorflow() -> Any:
    """The ``keras`` module; only the TensorFlow backend can export to .tflite.

    Raises:
        MissingExtraError: Keras or TensorFlow is not installed.
        QuantizationError: this process runs Keras on another backend.
    """
    _require("tensorflow")
    keras = import_keras()
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise QuantizationError(
            f"Keras runs on the '{backend}' backend here; exporting to .tflite needs 'tensorflow'",
            hint="save the model as .keras and quantize it with KERAS_BACKEND=tensorflow",
        )
    return keras


@contextmanager
def quiet() -> Iterator[None]:
    """Drops what TensorFlow's Python and C++ parts print; errors are raised, not printed.

    C++ writes to file descriptor 2 past Python, so the descriptor itself is turned away.
    ``sys.stderr`` keeps its way to the terminal, so that progress can still be drawn.
    """
    absl, flow = logging.getLogger("absl"), logging.getLogger("tensorflow")
    levels = absl.level, flow.level
    absl.setLevel(logging.ERROR)
    flow.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), _stderr_fd_away():
            warnings.simplefilter("ignore")
            yield
    finally:
        absl.setLevel(levels[0])
        flow.setLevel(levels[1])


class _Detour:
    """``sys.stderr`` while descriptor 2 is turned away: writes to a copy of it.

    Log handlers made meanwhile keep this object for ever, so afterwards it passes everything on to
    the stream that it stood in for.
    """

    def __init__(self, stream: Any, descriptor: int) -> None:
        self._stream = stream
        self._descriptor: int | None = descriptor

    def write(self, text: str) -> int:
        if self._descriptor is None:
            return int(self._stream.write(text))
        os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def end(self) -> None:
        self._descriptor = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _stderr_fd_away() -> Iterator[None]:
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all (a service without a console)
        yield
        return
    stream = sys.stderr
    # Nested: the outer detour already leads to the terminal.
    own = _is_fd_2(stream) and not isinstance(stream, _Detour)
    detour = _Detour(stream, saved) if own else None
    try:
        with tempfile.TemporaryFile() as sink:
            if detour is not None:
                stream.flush()
                sys.stderr = cast(Any, detour)
            os.dup2(sink.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(saved, 2)
                if detour is not None:
                    detour.end()
                    sys.stderr = stream
    finally:
        os.close(saved)


def _is_fd_2(stream: Any) -> bool:
    try:
        return stream.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False


def _require(package: str) -> None:
    if package not in sys.modules and find_spec(package) is None:
        raise MissingExtraError(WHAT, package, "train")
