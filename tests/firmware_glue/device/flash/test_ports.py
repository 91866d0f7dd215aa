"""Finding a board's serial port, and why one cannot be opened."""

import errno
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgecnn.core.errors import MissingExtraError, TargetError
from firmware_glue.device.board_file import load_board
from firmware_glue.device.flash import ports as module
from firmware_glue.device.flash.host import LINUX, MACOS, WINDOWS, Host
from firmware_glue.device.flash.ports import (
    SerialPort,
    find_port,
    list_ports,
    port_error,
    probe_serial_number,
)
from firmware_glue.device.flash.windows import windows_volumes

MICROBIT = SerialPort("/dev/ttyACM0", "0d28:0204", "9900")
OTHER = SerialPort("/dev/ttyUSB0", "10c4:ea60", "1")
BUILT_IN = SerialPort("/dev/ttyS0")


def test_the_one_port_of_the_board() -> None:
    assert find_port(load_board("microbit"), (BUILT_IN, MICROBIT, OTHER)) == "/dev/ttyACM0"


def test_no_port_of_the_board() -> None:
    with pytest.raises(TargetError) as caught:
        find_port(load_board("microbit"), (BUILT_IN, OTHER))
    assert caught.value.message == (
        "no serial port of a 'microbit' (0d28:0204); there is /dev/ttyS0 (no USB device),"
        " /dev/ttyUSB0 (10c4:ea60)"
    )
    with pytest.raises(TargetError, match="there is none at all"):
        find_port(load_board("microbit"), ())


def test_several_ports_of_the_board() -> None:
    with pytest.raises(TargetError) as caught:
        find_port(load_board("microbit"), (MICROBIT, SerialPort("/dev/ttyACM1", "0d28:0204")))
    assert "2 serial ports are a 'microbit'" in caught.value.message
    assert "/dev/ttyACM0, /dev/ttyACM1" in caught.value.message
    assert caught.value.hint == "choose one: --device /dev/ttyACM0"


def test_boards_that_show_no_usb_device() -> None:
    for name in ("cortex-m4", "mps2-an386"):
        with pytest.raises(TargetError, match="no USB ids"):
            find_port(load_board(name), (MICROBIT,))


def test_ports_by_pyserial(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("serial")
    shown = [
        SimpleNamespace(device="COM7", vid=0x0D28, pid=0x0204, serial_number="99", description="d"),
        SimpleNamespace(device="COM1", vid=None, pid=None, serial_number=None, description=None),
    ]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: shown)
    assert list_ports() == (SerialPort("COM1"), SerialPort("COM7", "0d28:0204", "99", "d"))
    assert probe_serial_number(load_board("microbit"), "COM7") == "99"
    assert probe_serial_number(load_board("microbit"), "COM9") == ""


def test_a_link_to_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    monkeypatch.setattr(module, "list_ports", lambda: (SerialPort(str(device), "0d28:0204", "7"),))
    assert probe_serial_number(load_board("microbit"), str(tmp_path / "by-id")) == "7"


def test_without_pyserial(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("serial", "serial.tools", "serial.tools.list_ports"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError) as caught:
        list_ports()
    assert caught.value.hint == "pip install 'edgecnn[flash]'"
    assert probe_serial_number(load_board("microbit"), "/dev/ttyACM0") == ""


@pytest.mark.parametrize(
    ("error", "system", "hint"),
    (
        (PermissionError(errno.EACCES, "Permission denied"), LINUX, "usermod -aG "),
        (OSError("[Errno 13] could not open port /dev/ttyACM0: [Errno 13] P"), LINUX, "usermod"),
        (
            OSError("could not open port 'COM3': PermissionError(13, 'x', None, 5)"),
            WINDOWS,
            "other program",
        ),
        (PermissionError(errno.EPERM, "no"), MACOS, "other program"),
        (OSError(errno.EBUSY, "busy"), LINUX, "other program"),
        (OSError("[Errno 11] Could not exclusively lock port /dev/x: x"), LINUX, "other program"),
        (OSError("[Errno 2] could not open port /dev/x"), LINUX, "ports of this machine: COM7"),
        (FileNotFoundError(errno.ENOENT, "No such file"), LINUX, "ports of this machine: COM7"),
        (OSError("[Errno ²] odd"), LINUX, "ports of this machine: COM7"),
        (ValueError("not a valid baud rate"), LINUX, "ports of this machine: COM7"),
    ),
)
def test_ports_that_cannot_be_opened(
    error: Exception, system: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "list_ports", lambda: (SerialPort("COM7"),))
    made = port_error("/nonexistent/port", error, Host(system))
    assert made.message.startswith("the serial port /nonexistent/port cannot be opened: ")
    assert hint in made.hint


def test_a_machine_without_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "list_ports", lambda: ())
    error = port_error("/nonexistent", FileNotFoundError(errno.ENOENT, "No such file"))
    assert error.hint == "plug the board in: no port is there"


def test_the_group_that_may_open_a_port(tmp_path: Path) -> None:
    grp = pytest.importorskip("grp")
    port = tmp_path / "ttyACM0"
    port.touch()
    group = grp.getgrgid(port.stat().st_gid).gr_name
    denied = PermissionError(errno.EACCES, "Permission denied")
    hint = port_error(str(port), denied, Host(LINUX)).hint
    assert hint == f"sudo usermod -aG {group} $USER, then log in again (newgrp {group})"
    assert "-aG dialout $USER" in port_error("/nonexistent", denied, Host(LINUX)).hint


class Kernel32:
    """Drives C (fixed), D (removable, labelled), E (a card reader without a card)."""

    def __init__(self) -> None:
        self.modes: list[int] = []

    def SetErrorMode(self, mode: int) -> int:
        self.modes.append(mode)
        return 7

    def GetLogicalDrives(self) -> int:
        return 0b11100

    def GetDriveTypeW(self, folder: str) -> int:
        return 3 if folder == "C:\\" else 2

    def GetVolumeInformationW(self, folder: str, label: Any, *_: object) -> int:
        label.value = "MICROBIT"
        return int(folder == "D:\\")


def test_drives_of_windows() -> None:
    kernel = Kernel32()
    assert windows_volumes(kernel) == (("D:\\", "MICROBIT"),)
    assert kernel.modes == [1, 7]
    if sys.platform != "win32":
        assert windows_volumes() == ()
