"""A serial port, through pyserial (the extra ``flash``)."""

from __future__ import annotations

import sys
import time
from typing import Any

from edgecnn.core.errors import MissingExtraError, TargetError
from firmware_glue.device.flash.ports import port_error
from firmware_glue.device.link.base import BAUD

_WAIT_S = 0.1
_WRITE_S = 10.0


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
            self._serial.write(data)  # not flushed: that may wait for ever
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
        raise port_error(port, error) from error
