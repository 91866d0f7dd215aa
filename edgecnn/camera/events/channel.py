"""A way out for events: what each of them offers, and how it fails."""

from __future__ import annotations

import ssl
from typing import Protocol

from edgecnn.camera.events.event import Event


class DeliveryError(Exception):
    """An event did not get through.

    Attributes:
        cause: why, for people: one line, no passwords, nothing that the other side wrote itself.
        permanent: this event will never be taken; to try again would be in vain.
        answered: the other side was there, and failed when it got this event; perhaps it always
            will.
        wait_s: the other side asked to be left alone for so many seconds.
    """

    def __init__(
        self,
        cause: str,
        *,
        permanent: bool = False,
        answered: bool = False,
        wait_s: float = 0.0,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.permanent = permanent
        self.answered = answered
        self.wait_s = wait_s


class Channel(Protocol):
    """Sends one event after the other. All methods are called from one thread.

    Attributes:
        key: names it in the summary.
        address: names it for people, passwords masked.
        tend_s: :meth:`tend` is called so often while nothing is to be sent; None: never.
    """

    @property
    def key(self) -> str: ...  # noqa: D102 - said above, as the other two

    @property
    def address(self) -> str: ...  # noqa: D102

    @property
    def tend_s(self) -> float | None: ...  # noqa: D102

    def send(self, payload: bytes, event: Event) -> None:
        """Sends an event and waits until the other side has said that it has it.

        Args:
            payload: the event as UTF-8 JSON.
            event: the same.

        Raises:
            DeliveryError: it did not get through, or nobody knows whether it did.
        """

    def tend(self) -> None:
        """Keeps the connection up, and opens it again when it was lost.

        Raises:
            DeliveryError: it could not.
        """

    def close(self) -> None:
        """Takes leave, within about a second. May be repeated."""


def why_unreachable(error: OSError | ValueError) -> str:
    """Why no connection came about, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS can be agreed on: {error.reason}"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"cannot be reached ({type(error).__name__})"
