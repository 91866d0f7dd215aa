"""doctor: what of the stack is here, and what to install for the rest."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from typing import Any

from edgecnn import __version__
from edgecnn.camera.sources.picamera_package import PicameraPackage, picamera_package
from edgecnn.core.own_packages import foreign_modules

#: distribution → (what it is for, extra; "" for the base install)
PARTS: dict[str, tuple[str, str]] = {
    "numpy": ("everything", ""),
    "opencv-python-headless": ("images, video, cameras", ""),
    "ai-edge-litert": ("running .tflite models", ""),
    "tflite-runtime": ("running .tflite models on armv7l", ""),
    "keras": ("training", "train"),
    "tensorflow": ("training and conversion to .tflite", "train"),
    "scikit-learn": ("the embedded digits and photographs", "train"),
    "ziglang": ("compiling C for microcontrollers", "mcu"),
    "unicorn": ("running microcontroller programs in an emulator", "mcu"),
    "pyserial": ("the serial line to a board", "flash"),
    "pyocd": ("flashing and resetting boards through a debug probe", "flash"),
    "paho-mqtt": ("events to an MQTT broker (detect --mqtt)", "mqtt"),
    "ethos-u-vela": ("compiling for Ethos-U", "ethos"),
}
#: Distributions any of which serves.
_ALTERNATIVES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "opencv-python-headless": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    "ai-edge-litert": ("ai-edge-litert", "tflite-runtime"),
}
_PROGRAMS = {
    "edgetpu_compiler": (
        "compiling for the Coral Edge TPU (x86-64 Debian package of Coral)",
        "optional; the prediction works without",
    ),
    "arm-none-eabi-gcc": (
        "compiling C for Arm cores with --toolchain gcc",
        "optional; ziglang does it too (apt install gcc-arm-none-eabi)",
    ),
    "qemu-system-arm": (
        "emulated boards (--emulate); Arm programs with --emulator qemu, Cortex-M55 always",
        "optional but for those (apt install qemu-system-arm)",
    ),
    "qemu-system-riscv32": (
        "the emulated board riscv-virt",
        "optional but for that board (apt install qemu-system-misc)",
    ),
    "node": (
        "the emulated Pico, with rp2040js",
        "optional but for that board (install Node.js, then npm install -g rp2040js@1.4.1)",
    ),
    "openocd": (
        "flashing and resetting boards through an ST-LINK or another debug probe",
        "optional; pyOCD or the board's drive do it too (apt install openocd)",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One part of the stack; ``version`` is None where it is missing."""

    name: str
    version: str | None
    purpose: str
    ok: bool
    advice: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def examine() -> tuple[Finding, ...]:
    """Looks at Python, every part and the optional programs."""
    version = platform.python_version()
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    findings = [
        Finding("python", version, "everything", good, "use Python 3.11 to 3.13"),
        _own_packages(),
    ]
    armv7 = platform.machine() == "armv7l"
    for name, (purpose, extra) in PARTS.items():
        if name == "tflite-runtime" and not armv7:
            continue
        found = _version(_ALTERNATIVES.get(name, (name,)))
        advice = f"pip install 'edgecnn[{extra}]'" if extra else "pip install edgecnn"
        findings.append(Finding(name, found, purpose, found is not None, advice))
    for program, (purpose, advice) in _PROGRAMS.items():
        path = shutil.which(program)
        findings.append(Finding(program, path, purpose, path is not None, advice))
    return (*findings, *_picamera(picamera_package()))


def _picamera(package: PicameraPackage) -> tuple[Finding, ...]:
    """The row of picamera2, on machines where it means anything."""
    if not package.relevant:
        return ()
    purpose = "cameras on a Raspberry Pi's ribbon cable (--source picamera2)"
    ok = package.version is not None
    return (Finding("picamera2", package.version, purpose, ok, package.advice),)


def _own_packages() -> Finding:
    foreign = foreign_modules()
    advice = "; ".join(f"{module}: rename or uninstall that" for module in foreign)
    return Finding("edgecnn", __version__, "everything: its own packages", not foreign, advice)


def _version(names: tuple[str, ...]) -> str | None:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
