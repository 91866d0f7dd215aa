"""Errors on their way from a worker to the caller: any exception as plain data, and back."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from edgecnn.core.errors import EdgecnnError, QuantizationError

_TAIL = 6


@dataclass(frozen=True)
class Failure:
    """An exception that a piece of work ended with.

    Attributes:
        kind: its class if it is one of ours; None: a bug.
        values: what its attributes hold.
        text: its message.
        trace: the last lines of the traceback.
    """

    kind: type[EdgecnnError] | None
    values: dict[str, Any]
    text: str
    trace: tuple[str, ...] = ()


def packed(error: Exception) -> Failure:
    """The exception as data that can be pickled, whatever it holds."""
    if isinstance(error, EdgecnnError):
        return Failure(type(error), dict(error.__dict__), error.message)
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return Failure(None, {}, f"{type(error).__name__}: {error}", tuple(lines[-_TAIL:]))


def unpacked(failure: Failure) -> EdgecnnError:
    """The exception to raise here: ours as it was, a bug as a QuantizationError with its lines."""
    if failure.kind is None:
        return QuantizationError(
            f"a worker failed: {failure.text}",
            hint="this is a bug: report it with the lines above; --workers 1 runs without workers",
            details=failure.trace,
        )
    # Made without __init__: the classes take different arguments.
    error = failure.kind.__new__(failure.kind, failure.text)
    error.args = (failure.text,)
    error.__dict__.update(failure.values)
    return error
