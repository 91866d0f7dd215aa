"""A desk with boards that show drives: folders, a mount table, and a clock that only waiting moves.

The same boards on Linux, macOS and Windows, as each system shows them.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from firmware_glue.device.flash.host import LINUX, MACOS, WINDOWS, Host

SYSTEMS = (LINUX, MACOS, WINDOWS)
UF2_NOTE = {
    "INFO_UF2.TXT": "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"
}
RP2350_NOTE = {
    "INFO_UF2.TXT": "UF2 Bootloader v1.0\r\nModel: Raspberry Pi RP2350\r\nBoard-ID: RP2350\r\n"
}
# DETAILS.TXT of a micro:bit 1.3, from DAPLink issue 838.
DETAILS = """# DAPLink Firmware - see https://mbed.com/daplink
Unique ID: 9900360136424e45004f3016000000620000000097969901
HIC ID: 97969901
Auto Reset: 1
Automation allowed: 0
Overflow detection: 0
Daplink Mode: Interface
Interface Version: 0254
Git SHA: f499eb6ec4a847a2b78831fe1acc856fd8eb2f28
Local Mods: 0
USB Interfaces: MSD, CDC, HID, WebUSB
Interface CRC: 0x18740bef
Remount count: 2
URL: https://microbit.org/device/?id=9900&v=0254
"""
MICROBIT_NOTE = {"DETAILS.TXT": DETAILS, "MICROBIT.HTM": "<!doctype html>"}
NUCLEO_NOTE = {
    "DETAILS.TXT": "Version: 0221\nBuild:   Jan  7 2019 17:28:46\n",
    "MBED.HTM": '<meta http-equiv="refresh" content="0; url=http://mbed.org/device/?code=0781022129476'
    '20D23A00BB1"/>',
}


class Desk:
    def __init__(self, root: Path, system: str) -> None:
        self.root, self.system, self.now = root, system, 0.0
        self.drives: dict[str, Path] = {}
        self._events: list[tuple[float, Callable[[], None]]] = []
        self._watched: list[tuple[Path, Callable[[], None]]] = []
        for name in ("media", "dev", "labels", "usb", "nodes"):
            (root / name).mkdir()
        self._table()

    @property
    def host(self) -> Host:
        return Host(
            self.system,
            mounts=self.root / "mounts",
            labels=self.root / "labels",
            usb=self.root / "usb",
            usb_nodes=self.root / "nodes",
            volumes=self.root / "media",
            windows=lambda: tuple((str(path), label) for label, path in self.drives.items()),
            which=lambda name: None,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def plug(self, label: str, notes: Mapping[str, str], folder: str = "") -> Path:
        path = self.root / "media" / (folder or label)
        path.mkdir(exist_ok=True)
        for name, text in notes.items():
            (path / name).write_text(text, newline="")
        self.drives[label] = path
        self.connect(label)
        self._table()
        return path

    def connect(self, label: str) -> None:
        """The device and its label, mounted or not."""
        link = self.root / "labels" / label.replace(" ", "\\x20")
        self.device(label).touch()
        link.unlink(missing_ok=True)
        link.symlink_to(self.device(label))

    def device(self, label: str) -> Path:
        return self.root / "dev" / f"sd-{label.replace(' ', '-')}"

    def unplug(self, label: str) -> None:
        path = self.drives.pop(label)
        if self.system == MACOS:
            shutil.rmtree(path)
        self.device(label).unlink()
        self._table()

    def at(self, seconds: float, event: Callable[[], object]) -> None:
        self._events.append((self.now + seconds, lambda: (event(), None)[1]))

    def when_copied(self, path: Path, event: Callable[[], object]) -> None:
        """``event`` happens at the first pause after the file is there."""
        self._watched.append((path, lambda: (event(), None)[1]))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for entry in [entry for entry in self._events if entry[0] <= self.now]:
            self._events.remove(entry)
            entry[1]()
        for watched in [watched for watched in self._watched if watched[0].exists()]:
            self._watched.remove(watched)
            watched[1]()

    def _table(self) -> None:
        lines = ["proc /proc proc rw 0 0", "/dev/root / ext4 rw 0 0"]
        for label, path in self.drives.items():
            place = str(path).replace("\\", "\\134").replace(" ", "\\040")
            lines.append(f"{self.device(label)} {place} vfat rw,nosuid 0 0")
        (self.root / "mounts").write_text("\n".join(lines) + "\n")


class Said:
    """A progress sink that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        pass

    def say(self, line: str) -> None:
        self.lines.append(line)
