"""The video devices of Linux: what is there, what each is for, and why one cannot be opened.

The kernel lists them in ``/sys/class/video4linux``; what a device is for is asked with the ioctl
``VIDIOC_QUERYCAP`` (a USB camera has two: one for pictures, one for metadata). Numbers and layouts
are those of ``linux/videodev2.h``.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CAPTURE = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
_METADATA = 0x00800000  # V4L2_CAP_META_CAPTURE
_MEDIA_CONTROLLER = 0x20000000  # V4L2_CAP_IO_MC
_DEVICE_CAPS = 0x80000000  # V4L2_CAP_DEVICE_CAPS
_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("16s32s32s6I")  # driver, card, bus, version, caps, device_caps, …
_VIDIOC_ENUM_FMT = 0xC0405602
_FORMAT = struct.Struct("3I32sI4I")  # index, type, flags, description, pixelformat, …
_VIDIOC_REQBUFS = 0xC0145608
_REQUEST_BUFFERS = struct.Struct("5I")  # count, type, memory, …
_TYPE_VIDEO_CAPTURE, _MEMORY_MMAP = 1, 1
_MOST_FORMATS = 64
_BIG_ENDIAN = 1 << 31  # v4l2_fourcc_be


@dataclass(frozen=True)
class NodeFacts:
    """What a device says of itself.

    Attributes:
        capabilities: ``device_caps`` of ``VIDIOC_QUERYCAP``.
        formats: the pixel formats that it offers, by their four characters.
    """

    capabilities: int
    formats: tuple[str, ...] = ()

    @property
    def gives_pictures(self) -> bool:
        """A program can take pictures from it, without setting up a media pipeline first."""
        return bool(self.capabilities & _CAPTURE) and not self.needs_media_controller

    @property
    def gives_metadata(self) -> bool:
        """It is the metadata half of a camera."""
        return bool(self.capabilities & _METADATA)

    @property
    def needs_media_controller(self) -> bool:
        """A part of a camera interface that libcamera sets up, such as a Raspberry Pi's."""
        return bool(self.capabilities & _MEDIA_CONTROLLER)


#: Asks a device; raises OSError where it cannot be opened or is no V4L2 device.
Probe = Callable[[str], NodeFacts]


def ask_node(path: str) -> NodeFacts:
    """Asks the device at ``path`` what it is.

    Raises:
        OSError: it is not there, is no video device, or must not be opened by this user.
    """
    import fcntl

    device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISCHR(os.fstat(device).st_mode):
            raise OSError(errno.ENOTTY, "it is no device", path)
        answer = bytearray(_CAPABILITY.size)
        fcntl.ioctl(device, _VIDIOC_QUERYCAP, answer)
        fields = _CAPABILITY.unpack(answer)
        capabilities = fields[5] if fields[4] & _DEVICE_CAPS else fields[4]
        if not capabilities & _CAPTURE:
            return NodeFacts(capabilities)
        return NodeFacts(capabilities, _formats(device))
    finally:
        os.close(device)


def _formats(device: int) -> tuple[str, ...]:
    import fcntl

    names: list[str] = []
    for index in range(_MOST_FORMATS):
        answer = bytearray(_FORMAT.pack(index, _TYPE_VIDEO_CAPTURE, 0, b"", 0, 0, 0, 0, 0))
        try:
            fcntl.ioctl(device, _VIDIOC_ENUM_FMT, answer)
        except OSError:
            break
        names.append(format_name(_FORMAT.unpack(answer)[4]))
    return tuple(names)


def node_is_busy(path: str) -> bool:
    """Whether another program takes pictures from the device at ``path``.

    Asking for no buffers changes nothing where they are free, and is refused where another program
    owns them.
    """
    import fcntl

    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno == errno.EBUSY
    try:
        none = _REQUEST_BUFFERS.pack(0, _TYPE_VIDEO_CAPTURE, _MEMORY_MMAP, 0, 0)
        fcntl.ioctl(device, _VIDIOC_REQBUFS, bytearray(none))
    except OSError as error:
        return error.errno == errno.EBUSY
    finally:
        os.close(device)
    return False


def format_name(code: int) -> str:
    """The four characters of a pixel format.

    >>> format_name(0x47504A4D)
    'MJPG'
    """
    text = (code & 0x7FFFFFFF).to_bytes(4, "little").decode("latin-1").rstrip(" \0")
    if not text.isprintable():
        return f"0x{code:08x}"
    return f"{text}-BE" if code & _BIG_ENDIAN else text


def format_code(name: str) -> int:
    """The number of a pixel format of up to four characters.

    >>> hex(format_code("MJPG"))
    '0x47504a4d'
    """
    return int.from_bytes(name.ljust(4).encode("ascii"), "little")


@dataclass(frozen=True)
class VideoNode:
    """One video device.

    Attributes:
        path: such as ``/dev/video0``.
        name: the card's name, from ``/sys/class/video4linux/video0/name``.
        number: the number at the path's end.
        gives_pictures: None: it cannot be told.
    """

    path: str
    name: str
    number: int
    gives_pictures: bool | None

    def __str__(self) -> str:
        return f"{self.path} '{self.name}'"


@dataclass(frozen=True)
class VideoDevices:
    """The video devices of this machine.

    Attributes:
        sysfs: where the kernel lists them.
        dev: where their devices are.
        probe: asks one; tests have one that opens nothing.
        is_busy: whether another program uses one.
    """

    sysfs: Path = Path("/sys/class/video4linux")
    dev: Path = Path("/dev")
    probe: Probe = ask_node
    is_busy: Callable[[str], bool] = node_is_busy

    def cameras(self, part: str = "") -> tuple[VideoNode, ...]:
        """Those with ``part`` in their name (any case) that give pictures, or may do so."""
        nodes = [
            node
            for folder in sorted(self.sysfs.glob("video*"))
            if folder.name[5:].isdigit()
            and (node := self._node(folder, part)) is not None
            and node.gives_pictures is not False
        ]
        return tuple(sorted(nodes, key=lambda node: node.number))

    def facts(self, path: str) -> NodeFacts | None:
        """What the device says of itself, or None: it cannot be asked."""
        try:
            return self.probe(path)
        except OSError:
            return None

    def _node(self, folder: Path, part: str) -> VideoNode | None:
        name = _first_line(folder / "name") or folder.name
        if part.casefold() not in name.casefold():
            return None
        path = str(self.dev / folder.name)
        facts = self.facts(path)
        if facts is not None:
            gives: bool | None = facts.gives_pictures
        else:
            # USB cameras list the device for pictures first, the one for metadata behind it.
            gives = None if _first_line(folder / "index") in ("", "0") else False
        return VideoNode(path, name, int(folder.name[5:]), gives)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
