"""What can be changed from the page while the loop runs."""

from __future__ import annotations

from typing import Protocol


class Controls(Protocol):
    """Moves the least scores. Called on the page's thread."""

    def limits(self) -> dict[str, float]:
        """Label → the least score that counts now."""

    def set_limit(self, label: str | None, score: float) -> None:
        """Sets the least score of one class (None: of all) from the next frame on.

        Raises:
            UsageError: the score is none, or there is no such class.
        """

    def said(self, label: str | None, score: float) -> None:
        """The limit has stayed so for a moment: the event log should know."""
