"""Drives that boards show: finding them on each system, reading their notes, copying to them."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import TargetError
from firmware_glue.device.flash.host import LINUX, MACOS, WINDOWS, Host

_FILE_SYSTEMS = ("vfat", "msdos", "exfat")
_OCTAL = re.compile(r"\\([0-7]{3})")
_HEXADECIMAL = re.compile(r"\\x([0-9a-f]{2})")
_NOTE_BYTES = 4096
LEAVING_S = 3.0
"""How long a system may take to notice that a drive has left."""


@dataclass(frozen=True)
class Drive:
    """A mounted drive: its folder, its label, and on Linux the device behind it."""

    path: Path
    label: str
    device: str = ""


def find_drives(host: Host) -> tuple[Drive, ...]:
    """The drives of a FAT file system (Linux) or all removable ones that are there now."""
    if host.system == WINDOWS:
        return tuple(Drive(Path(folder), label) for folder, label in host.windows())
    if host.system == MACOS:
        return tuple(Drive(path, path.name) for path in _folders(host.volumes))
    return _linux_drives(host)


def find_unmounted(host: Host, label: str) -> str | None:
    """The device with this label if it is plugged in and not mounted (Linux alone tells)."""
    if host.system != LINUX:
        return None
    mounted = {drive.device for drive in find_drives(host)}
    for device, name in _linux_labels(host).items():
        if name.upper() == label.upper() and device not in mounted:
            return device
    return None


def read_note(drive: Drive, name: str) -> str:
    """The text of a small file on the drive, whatever the case of its name; empty if unreadable.

    The bytes come from a device: what is no printable ASCII is left out, and 4 KiB are enough.
    """
    try:
        found = next(path for path in drive.path.iterdir() if path.name.upper() == name.upper())
        with found.open("rb") as stream:
            raw = stream.read(_NOTE_BYTES)
    except (OSError, StopIteration):
        return ""
    text = raw.decode("ascii", "ignore").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char.isprintable() or char == "\n")


def note_value(text: str, key: str) -> str:
    """What follows ``key:`` at the start of one of the note's lines, at most 80 characters."""
    for line in text.splitlines():
        name, separator, value = line.partition(":")
        if separator and name.strip().lower() == key.lower():
            return value.strip()[:80]
    return ""


def is_there(drive: Drive, host: Host) -> bool:
    """Whether the drive is still mounted, and its device still plugged in."""
    return any(found.path == drive.path for found in find_drives(host))


def put(drive: Drive, name: str, data: bytes, host: Host) -> None:
    """Writes a file in one piece. A drive that leaves while the file is synced has taken it.

    No temporary name: the board reads the blocks as they come, and a file that is renamed would
    come twice. One write: probes that get a file in portions think that each was the last one
    (DAPLink issue 492, "The transfer timed out").

    Raises:
        TargetError: the drive is full, may not be written to, or was lost before the last byte.
    """
    left = memoryview(data)
    try:
        with (drive.path / name).open("wb", buffering=0) as stream:
            while left:
                left = left[stream.write(left) :]
            os.fsync(stream.fileno())
    except OSError as error:
        # Every byte handed over, and the board gone: it resets itself with the last block.
        if not left and host.wait_until(lambda: not is_there(drive, host), LEAVING_S):
            return
        raise _not_written(drive, error, host) from error


def _not_written(drive: Drive, error: OSError, host: Host) -> TargetError:
    what = f"the drive {drive.path} could not be written: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = "check that no other program uses the drive, and that you may write to it"
        if host.system == LINUX:
            device = drive.device or "DEVICE"
            hint = f"mount it as yourself: umount {drive.path}; udisksctl mount -b {device}"
        elif host.system == MACOS:
            hint = "allow your terminal access to removable volumes (System Settings, Privacy)"
        return TargetError(what, hint=hint)
    if error.errno == errno.ENOSPC:
        return TargetError(what, hint="unplug the board, plug it in again and repeat")
    if error.errno == errno.EROFS:
        return TargetError(
            what, hint="the drive is read-only: unplug the board, plug it in again and repeat"
        )
    return TargetError(what, hint="plug the board in again and repeat; do not unplug it meanwhile")


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _linux_drives(host: Host) -> tuple[Drive, ...]:
    try:
        table = host.mounts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    labels = _linux_labels(host)
    found = {}
    for line in table.splitlines():
        device, _, rest = line.partition(" ")
        place, _, rest = rest.partition(" ")
        if rest.partition(" ")[0] not in _FILE_SYSTEMS:
            continue
        device, path = _unescape(device), Path(_unescape(place))
        # A board that left stays in the table until someone unmounts it: its device is gone.
        if Path(device).exists():
            found[path] = Drive(path, labels.get(device, path.name), device)
    return tuple(found.values())


def _linux_labels(host: Host) -> dict[str, str]:
    """Device → label."""
    try:
        links = sorted(host.labels.iterdir())
    except OSError:
        return {}
    return {str(link.resolve()): _unescape(link.name) for link in links if link.exists()}


def _unescape(text: str) -> str:
    r"""``\040`` of the mount table, ``\x20`` of udev's links."""
    text = _OCTAL.sub(lambda match: chr(int(match[1], 8) & 0xFF), text)
    return _HEXADECIMAL.sub(lambda match: chr(int(match[1], 16)), text)
