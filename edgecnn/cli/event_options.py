"""Options of ``detect`` on events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from edgecnn.camera.events.config import EventConfig

F = TypeVar("F", bound=Callable[..., Any])


def event_options(function: F) -> F:
    """``--events`` and what makes one."""
    return function


def events_of(flags: Mapping[str, Any]) -> EventConfig | None:
    """What the options ask for; None: no events.

    Raises:
        UsageError: a value cannot be meant.
    """
    return None
