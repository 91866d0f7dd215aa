"""What went wrong with a debug probe, from what the programs print, and what to do on this system.

The texts are those of pyOCD 0.46 and OpenOCD 0.12; older ones say the same in most cases.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.device.flash.host import LINUX, MACOS, WINDOWS, Host

_PROBE_VENDORS = ("0d28", "0483", "2e8a")
"""USB vendors of the probes on our boards: DAPLink, ST-LINK, Raspberry Pi."""
_RULES = "https://github.com/pyocd/pyOCD/tree/main/udev"


@dataclass(frozen=True)
class _Cause:
    """A pattern in a program's output, what it means, and the cure on a system."""

    pattern: str
    meaning: str
    cure: Callable[[Host], str]


def _always(text: str) -> Callable[[Host], str]:
    return lambda host: text


def _rights(host: Host) -> str:
    if host.system == LINUX:
        return (
            f"copy the *.rules files of {_RULES} to /etc/udev/rules.d, run 'sudo udevadm control"
            " --reload' and 'sudo usermod -aG plugdev $USER', log in again and replug the board"
        )
    return _driver(host)


def _driver(host: Host) -> str:
    if host.system == WINDOWS:
        return (
            "give the probe the WinUSB driver with Zadig (https://zadig.akeo.ie); an ST-LINK wants"
            " ST's own driver (STSW-LINK009); then replug the board"
        )
    if host.system == MACOS:
        return "macOS needs no driver: close other programs that use the probe, replug the board"
    return "close other programs that use the probe, and replug the board"


def _plug_in(host: Host) -> str:
    hint = "plug the board in with a cable that carries data"
    if host.system == WINDOWS:
        return f"{hint}; if it is: {_driver(host)}"
    return f"{hint}, and close other programs that use its probe"


_NO_PROBE = "no debug probe was found"
_CAUSES: tuple[_Cause, ...] = (
    _Cause(
        r"Access denied \(insufficient permissions\)|LIBUSB_ERROR_ACCESS"
        r"|unable to open CMSIS-DAP device|\[Errno 13\]",
        "the debug probe may not be opened by this user",
        _rights,
    ),
    _Cause(
        r"More than one debug probe matches|Enter the number of the debug probe"
        r"|multiple (?:devices|adapters)",
        "several debug probes are plugged in",
        _always("unplug the others, or choose one with --device and its serial port"),
    ),
    _Cause(
        r"no libusb library was found|No backend available",
        "pyOCD finds no libusb",
        _always("pip install libusb-package"),
    ),
    _Cause(
        r"No connected debug probe|No available debug probes|unable to find a matching CMSIS-DAP"
        r"|Error: open failed|No target device available",
        _NO_PROBE,
        _plug_in,
    ),
    _Cause(
        r"Resource busy|LIBUSB_ERROR_BUSY|Address already in use",
        "another program uses the debug probe",
        _always("close the other program (an IDE, a debugger, another OpenOCD) and repeat"),
    ),
    _Cause(
        r"APPROTECT enabled|is locked|device is protected|device locked",
        "the chip is locked against reading",
        _always("unlock it, which erases it wholly: pyocd erase --chip --target TARGET"),
    ),
    _Cause(
        r"no memory region defined|no flash bank found|no flash algorithm",
        "the program lies where the tool knows no flash",
        _always("check the name of the part in the board's TOML ([flashing])"),
    ),
    _Cause(
        r"[Vv]erify [Ff]ailed|checksum mismatch|FlashProgramFailure|flash program .*failure"
        r"|Programming Failed|flash erase .*failure",
        "flash does not hold what was written to it",
        _always("unplug the board, plug it in again and repeat; try another USB cable"),
    ),
    _Cause(
        r"No ACK|Unexpected ACK|Invalid ACK|cannot read IDR|unable to connect to the target"
        r"|Error connecting DP|Error while initing target|[Mm]emory transfer fault"
        r"|SWD/JTAG|Target not examined|scan chain interrogation failed|Unable to reset target",
        "the debug probe does not reach the chip",
        _always("check the board's power and the wires of the probe, hold reset while you repeat"),
    ),
    _Cause(
        r"LIBUSB_ERROR_NOT_SUPPORTED|LIBUSB_ERROR_NOT_FOUND",
        "the debug probe has no driver that the tool can use",
        _driver,
    ),
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TARGET = re.compile(r"Target type (\S+) not recognized")
_CONFIGURATION = re.compile(r"Can't find (\S+\.cfg)")


def explain(tool: str, code: int | None, text: str, host: Host) -> TargetError | ToolError:
    """The error for a program that failed, in one line with the cure where the cause is known."""
    text = _plain(text)
    details = _last_lines(text)
    if found := _TARGET.search(text):
        return TargetError(
            f"{tool} does not know the part '{found[1]}'",
            hint=f"pyocd pack update && pyocd pack install {found[1]}",
            details=details,
        )
    if found := _CONFIGURATION.search(text):
        return TargetError(
            f"{tool} has no configuration '{found[1]}'",
            hint="install a newer OpenOCD (0.12 or later), or use --method pyocd",
            details=details,
        )
    for cause in _CAUSES:
        if re.search(cause.pattern, text):
            return _error(tool, cause, host, details)
    return ToolError(tool, code, text, hint="plug the board in again and repeat")


def _error(tool: str, cause: _Cause, host: Host, details: Sequence[str]) -> TargetError:
    if cause.meaning == _NO_PROBE and (usb := closed_probe(host)):
        # Without the right to open it, a probe is not listed: both programs say "none".
        return TargetError(
            f"{tool}: the debug probe {usb} may not be opened by this user",
            hint=_rights(host),
            details=details,
        )
    return TargetError(f"{tool}: {cause.meaning}", hint=cause.cure(host), details=details)


def closed_probe(host: Host) -> str | None:
    """``vid:pid`` of a probe that is plugged in and may not be opened; Linux alone tells."""
    if host.system != LINUX:
        return None
    try:
        devices = sorted(host.usb.iterdir())
    except OSError:
        return None
    for device in devices:
        vendor, product = _attribute(device, "idVendor"), _attribute(device, "idProduct")
        bus, number = _attribute(device, "busnum"), _attribute(device, "devnum")
        if vendor not in _PROBE_VENDORS or not (bus.isdecimal() and number.isdecimal()):
            continue
        node = host.usb_nodes / f"{int(bus):03d}" / f"{int(number):03d}"
        if node.exists() and not os.access(node, os.R_OK | os.W_OK):
            return f"{vendor}:{product}"
    return None


def _attribute(device: Path, name: str) -> str:
    try:
        return (device / name).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _plain(text: str) -> str:
    """Without colours and control characters: the text ends up on a terminal."""
    return "".join(char for char in _COLOUR.sub("", text) if char.isprintable() or char in "\n\t")


def _last_lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return [line for line in lines if not re.match(r"\[[= ]*\]", line)][-4:]
