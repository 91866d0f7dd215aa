"""Options of ``detect`` on what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from edgecnn.camera.recording.config import RecordingConfig

F = TypeVar("F", bound=Callable[..., Any])


def record_options(function: F) -> F:
    """``--record``, ``--clips``, ``--snapshots`` and their limits."""
    return function


def recording_of(flags: Mapping[str, Any]) -> RecordingConfig:
    """What the options ask for.

    Raises:
        UsageError: a value cannot be meant.
    """
    from edgecnn.camera.recording.config import RecordingConfig

    return RecordingConfig()
