"""``-d``: what a user calls a line, opened."""

from __future__ import annotations

import re

from edgecnn.core.errors import UsageError
from firmware_glue.device.link.base import BAUD, Line
from firmware_glue.device.link.pty import is_pty, open_pty
from firmware_glue.device.link.serial_port import SerialLine
from firmware_glue.device.link.tcp import connect_tcp

_FORMS = "a serial port (/dev/ttyACM0, COM3), a pseudo-terminal, or tcp://host:port"
_TCP = re.compile(r"tcp://(?:\[([0-9A-Fa-f:.%]+)\]|([^\[\]:/@]+)):(\d{1,5})/?", re.ASCII)
_PORT = re.compile(r"(?:/dev/|COM\d|\\\\\.\\)", re.IGNORECASE)


def open_line(where: str, baud: int = BAUD) -> Line:
    """Opens a line.

    Args:
        where: a path, ``COMn``, or ``tcp://host:port`` (``tcp://[::1]:5555`` for IPv6).
        baud: bits per second of a serial port.

    Raises:
        UsageError: no such form.
        MissingExtraError: a serial port needs pyserial.
        TargetError: it cannot be opened.
    """
    found = _TCP.fullmatch(where)
    if found is not None and 0 < int(found[3]) < 65536:
        return connect_tcp(found[1] or found[2], int(found[3]))
    if _PORT.match(where) is None:
        raise UsageError(f"'{where}' is no line to a board", hint=f"expected {_FORMS}")
    return open_pty(where) if is_pty(where) else SerialLine(where, baud)
