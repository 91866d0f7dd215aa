"""The serial ports of this machine, and which of them is a board's line."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import MissingExtraError, TargetError
from firmware_glue.device.board import Board
from firmware_glue.device.flash.host import LINUX, Host, this_host


@dataclass(frozen=True)
class SerialPort:
    """A port that the system shows.

    Attributes:
        device: what is opened: ``/dev/ttyACM0``, ``/dev/cu.usbmodem1``, ``COM3``.
        usb: ``vid:pid`` in lower-case hexadecimal; empty: not on USB.
        serial_number: of the USB device; a debug probe has the same one for its other functions.
    """

    device: str
    usb: str = ""
    serial_number: str = ""
    description: str = ""

    def __str__(self) -> str:
        return f"{self.device} ({self.usb or 'no USB device'})"


def list_ports() -> tuple[SerialPort, ...]:
    """The ports of this machine, in the order of their names.

    Raises:
        MissingExtraError: pyserial is not installed.
    """
    try:
        from serial.tools.list_ports import comports
    except ImportError as error:
        raise MissingExtraError("finding a board's serial port", "pyserial", "flash") from error
    ports = []
    for port in comports():
        usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None and port.pid else ""
        ports.append(SerialPort(port.device, usb, port.serial_number or "", port.description or ""))
    return tuple(sorted(ports, key=lambda port: port.device))


def find_port(board: Board, ports: Sequence[SerialPort] | None = None) -> str:
    """The name of the one port whose USB ids are the board's.

    Args:
        board: its ``line.usb`` holds the ids; boards that show none are named by ``--device``.
        ports: what there is; None: asked from the system.

    Raises:
        TargetError: no port fits, or several do; the message lists what there is.
        MissingExtraError: pyserial is not installed.
    """
    ids = board.line.usb if board.line else ()
    if not ids:
        raise TargetError(
            f"'{board.name}' has no USB ids to find its serial port by",
            hint="give the port with --device, as /dev/ttyUSB0 or COM3",
        )
    there = tuple(list_ports() if ports is None else ports)
    fitting = [port for port in there if port.usb in ids]
    if len(fitting) == 1:
        return fitting[0].device
    wanted = " or ".join(ids)
    if fitting:
        raise TargetError(
            f"{len(fitting)} serial ports are a '{board.name}' ({wanted}):"
            f" {', '.join(port.device for port in fitting)}",
            hint=f"choose one: --device {fitting[0].device}",
        )
    found = ", ".join(map(str, there)) if there else "none at all"
    raise TargetError(
        f"no serial port of a '{board.name}' ({wanted}); there is {found}",
        hint="plug the board in with a cable that carries data, or give its port with --device",
    )


def probe_serial_number(board: Board, device: str) -> str:
    """The serial number of the debug probe whose port ``device`` is; empty: it is no probe's.

    A probe has the same number for its port and for its other functions. A port that the chip
    itself shows, or an adapter from USB to serial, says nothing about a probe.
    """
    if board.line is None or board.line.kind != "uart":
        return ""
    try:
        ports = list_ports()
    except MissingExtraError:
        return ""
    names = (device, os.path.realpath(device))  # udev's names (/dev/serial/by-id/…) are links
    found = (port for port in ports if port.device in names and port.usb in board.line.usb)
    return next((port.serial_number for port in found), "")


def port_error(device: str, error: Exception, host: Host | None = None) -> TargetError:
    """The error for a serial port that could not be opened, with the cure on this system."""
    host = host or this_host()
    what = f"the serial port {device} cannot be opened: {error}"
    number = _number(error)
    if number in (errno.EACCES, errno.EPERM) and host.system == LINUX:
        group = _group(device)
        return TargetError(
            what, hint=f"sudo usermod -aG {group} $USER, then log in again (newgrp {group})"
        )
    if number in (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EAGAIN):
        return TargetError(
            what, hint="close the other program that uses the port (a terminal, an IDE)"
        )
    try:
        found = ", ".join(port.device for port in list_ports())
    except MissingExtraError:
        found = ""
    there = f"ports of this machine: {found}" if found else "plug the board in: no port is there"
    return TargetError(what, hint=there)


def _number(error: Exception) -> int:
    """The system's error number; pyserial keeps it in its text alone (``[Errno 13] …``)."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    digits = text.partition("[Errno ")[2].partition("]")[0]
    if digits.isascii() and digits.isdigit():
        return int(digits)
    return errno.EACCES if "PermissionError" in text else 0


def _group(device: str) -> str:
    """The group that may open the port: ``dialout`` on Debian, ``uucp`` on Arch."""
    try:
        import grp

        return grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return "dialout"
