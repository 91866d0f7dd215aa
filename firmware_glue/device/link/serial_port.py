"""A serial port, through pyserial (the extra ``flash``)."""

from __future__ import annotations

import sys
import time
from typing import Any

from edgecnn.core.errors import MissingExtraError, TargetError
from firmware_glue.device.link.base import BAUD

_WAIT_S = 0.1
_WRITE_S = 10.0
_PERMISSION = (
    "add yourself to the group of the port and log in again (Debian, Ubuntu: sudo usermod -aG"
    " dialout $USER), or install the udev rules of your probe"
)


class SerialLine:
    """A serial port of this machine.

    Args:
        port: ``/dev/ttyACM0``, ``COM3``.
        baud: bits per second; USB ports ignore it.

    Raises:
        MissingExtraError: pyserial is not installed.
        TargetError: the port cannot be opened.
    """

    def __init__(self, port: str, baud: int = BAUD) -> None:
        self.description = port
        self._serial = _open(port, baud)

    def read(self, timeout_s: float) -> bytes:
        """See :class:`Line`."""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                waiting = self._serial.in_waiting
                if waiting or time.monotonic() >= deadline:
                    return bytes(self._serial.read(waiting)) if waiting else b""
                # Returns at the first byte, or after the port's own short timeout.
                if first := self._serial.read(1):
                    return bytes(first) + bytes(self._serial.read(self._serial.in_waiting))
        except (OSError, TypeError) as error:  # TypeError: pyserial's port closed under it
            raise self._gone(error) from error

    def write(self, data: bytes) -> None:
        """See :class:`Line`."""
        try:
            self._serial.write(data)
            self._serial.flush()
        except (OSError, TypeError) as error:
            raise self._gone(error) from error

    def close(self) -> None:
        """See :class:`Line`."""
        self._serial.close()

    def _gone(self, error: Exception) -> TargetError:
        return TargetError(
            f"the serial port {self.description} is gone: {error}",
            hint="is the cable plugged in, and does no other program use the port?",
        )


def serial_ports() -> tuple[str, ...]:
    """Names of this machine's serial ports; empty where pyserial is missing."""
    try:
        from serial.tools.list_ports import comports
    except ImportError:
        return ()
    return tuple(sorted(port.device for port in comports()))


def _open(port: str, baud: int) -> Any:
    try:
        import serial
    except ImportError as error:
        raise MissingExtraError("using a serial port", "pyserial", "flash") from error
    # Another program on the same port would take half of the replies.
    alone = {} if sys.platform == "win32" else {"exclusive": True}
    try:
        return serial.Serial(port, baud, timeout=_WAIT_S, write_timeout=_WRITE_S, **alone)
    except (OSError, ValueError) as error:
        raise TargetError(
            f"the serial port {port} cannot be opened: {error}", hint=_cure(error)
        ) from error


def _cure(error: Exception) -> str:
    text = str(error).lower()
    if "permission" in text or "access is denied" in text:
        if sys.platform.startswith("linux"):
            return _PERMISSION
        return "close the other program that uses the port (a terminal, an IDE)"
    if "lock" in text or "busy" in text:
        return "close the other program that uses the port (a terminal, an IDE)"
    found = ", ".join(serial_ports())
    return f"ports of this machine: {found}" if found else "plug the board in: no port is there"
