"""The machine that flashes: where its system shows drives and devices, and its clock."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_glue.device.flash.windows import windows_volumes

LINUX, MACOS, WINDOWS = "Linux", "Darwin", "Windows"


@dataclass(frozen=True)
class Host:
    """A system, and where to look on it; tests hand in folders of their own.

    Attributes:
        system: what ``platform.system()`` says.
        mounts: Linux: the table of what is mounted.
        labels: Linux: a link for each disk that has a label, mounted or not.
        usb: Linux: a folder for each USB device, with its ids.
        usb_nodes: Linux: the files that a program opens to talk to a USB device.
        volumes: macOS: a folder for each drive.
        windows: Windows: the folder and the label of each removable drive.
        which: finds a program; None if it is not installed.
        clock, sleep: seconds.
    """

    system: str
    mounts: Path = Path("/proc/mounts")
    labels: Path = Path("/dev/disk/by-label")
    usb: Path = Path("/sys/bus/usb/devices")
    usb_nodes: Path = Path("/dev/bus/usb")
    volumes: Path = Path("/Volumes")
    windows: Callable[[], tuple[tuple[str, str], ...]] = windows_volumes
    which: Callable[[str], str | None] = shutil.which
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def wait_until(
        self, there: Callable[[], bool], timeout_s: float, every_s: float = 0.25
    ) -> bool:
        """Asks ``there`` again and again; False when it was not so within ``timeout_s``."""
        deadline = self.clock() + timeout_s
        while not there():
            if self.clock() >= deadline:
                return False
            self.sleep(every_s)
        return True


def this_host() -> Host:
    """The machine that runs this."""
    return Host(platform.system())
