"""Messages to the service manager: the protocol of ``sd_notify(3)``."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress

_LONGEST = 1000


class Notifier:
    """Sends messages to the manager's datagram socket; never waits, never fails.

    A manager that takes no message now misses it: each one is said again, or has no more use.

    Args:
        address: a path, or ``@`` and an abstract name, as ``NOTIFY_SOCKET`` has it; None, or what
            is neither (a virtual machine's ``vsock:``): nobody gets anything.
    """

    def __init__(self, address: str | None) -> None:
        self._socket: socket.socket | None = None
        self._address = ""
        if address is None or address[:1] not in ("/", "@") or sys.platform == "win32":
            return
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, *lines: str) -> None:
        """Sends one message.

        Args:
            lines: ``READY=1``, ``STATUS=…`` and so on; line ends within one become spaces.
        """
        if self._socket is None:
            return
        text = "\n".join(" ".join(line.split("\n"))[:_LONGEST] for line in lines)
        with suppress(OSError):  # the manager is gone, or too busy
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)

    def close(self) -> None:
        """Gives the socket back. May be repeated."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
