"""What a line is: bytes to a board and bytes from it."""

from __future__ import annotations

from typing import Protocol

BAUD = 115200
"""Bits per second where nothing else is said."""


class Line(Protocol):
    """A connection to a board. One thread may read while another one writes.

    Attributes:
        description: what messages call it, such as ``/dev/ttyACM0``.
    """

    description: str

    def read(self, timeout_s: float) -> bytes:
        """Returns what is there; waits for the first byte.

        Args:
            timeout_s: how long to wait; 0: not at all.

        Returns:
            At least one byte, or ``b""`` where none came in time.

        Raises:
            TargetError: the line is gone.
        """

    def write(self, data: bytes) -> None:
        """Sends all of ``data``, in bounded time.

        Raises:
            TargetError: the line is gone, or takes no bytes.
        """

    def close(self) -> None:
        """Ends the connection; may be called twice."""
