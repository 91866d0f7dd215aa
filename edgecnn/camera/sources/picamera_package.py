"""Whether this Python finds the system's package picamera2, and what to type where it does not.

The package is in no package index that serves it whole: it comes with Debian's and Raspberry Pi
OS's ``python3-picamera2``, built for the system's Python and the system's numpy. A virtual
environment sees it only with ``--system-site-packages``.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

_SYSTEM_PACKAGES = Path("/usr/lib/python3/dist-packages")
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_MODEL = Path("/proc/device-tree/model")
_INSTALL = "sudo apt install -y python3-picamera2"
_PYTHON = re.compile(r"python3\.([0-9]+)")


@dataclass(frozen=True)
class Surroundings:
    """What there is to tell from.

    Attributes:
        raspberry_pi: this machine is one.
        installed: the system's package is there, whether or not this Python sees it.
        seen: this Python finds both picamera2 and libcamera.
        version: picamera2's, if this Python sees it.
        environment: the virtual environment's folder, or None: this is no virtual environment.
        python: this Python, major and minor version.
        base: where this Python itself is installed; the system's is in ``/usr``.
        system_python: the system's, or None: unknown.
        numpy: this Python's numpy's major version, or None.
        system_numpy: the system's, or None.
    """

    raspberry_pi: bool
    installed: bool
    seen: bool
    version: str | None
    environment: str | None
    python: tuple[int, int]
    base: str
    system_python: tuple[int, int] | None
    numpy: int | None
    system_numpy: int | None


@dataclass(frozen=True)
class PicameraPackage:
    """What came out.

    Attributes:
        relevant: the machine is a Raspberry Pi, or has the package.
        version: what is there, or None: this Python cannot use it.
        advice: what to type, or empty: nothing to do.
    """

    relevant: bool
    version: str | None
    advice: str


def picamera_package(around: Surroundings | None = None) -> PicameraPackage:
    """Judges what is there; nothing is imported for it.

    Args:
        around: what to judge; None: this machine and this Python.
    """
    around = around or look_around()
    relevant = around.raspberry_pi or around.installed or around.seen
    advice = _advice(around)
    version = around.version or "found" if around.seen and not advice else None
    return PicameraPackage(relevant, version, advice)


def _advice(around: Surroundings) -> str:
    steps = [] if around.installed or around.seen else [_INSTALL]
    theirs = around.system_python
    foreign = theirs != around.python or around.base != "/usr"
    if not around.seen and theirs is not None and foreign:
        steps.append(
            f"picamera2 is for the system's Python {theirs[0]}.{theirs[1]}, this is"
            f" {around.python[0]}.{around.python[1]} of {around.base}: {_SYSTEM_PYTHON} -m venv"
            " --system-site-packages ~/edgecnn && ~/edgecnn/bin/pip install edgecnn"
        )
    elif not around.seen and around.environment is not None:
        # An environment that is there keeps what is installed in it.
        folder = shlex.quote(around.environment)
        steps.append(f"{_SYSTEM_PYTHON} -m venv --system-site-packages {folder}")
    elif not around.seen and around.installed:
        steps.append(_INSTALL.replace("install", "install --reinstall"))
    if around.numpy and around.system_numpy and around.numpy > around.system_numpy:
        steps.append(
            f"picamera2 is built for numpy {around.system_numpy}:"
            f" pip install 'numpy<{around.system_numpy + 1}' 'opencv-python-headless<4.12'"
        )
    return "; then ".join(steps)


def look_around() -> Surroundings:
    """This machine and this Python."""
    modules = [importlib.util.find_spec(name) for name in ("picamera2", "libcamera")]
    found = _PYTHON.fullmatch(_SYSTEM_PYTHON.resolve().name)
    return Surroundings(
        raspberry_pi=_is_raspberry_pi(),
        installed=(_SYSTEM_PACKAGES / "picamera2").is_dir(),
        seen=None not in modules,
        version=_version("picamera2", None),
        environment=sys.prefix if sys.prefix != sys.base_prefix else None,
        python=sys.version_info[:2],
        base=sys.base_prefix,
        system_python=(3, int(found[1])) if found else None,
        numpy=_major(_version("numpy", None)),
        system_numpy=_major(_version("numpy", _SYSTEM_PACKAGES)),
    )


def _is_raspberry_pi() -> bool:
    try:
        return _MODEL.read_text(encoding="utf-8", errors="replace").startswith("Raspberry Pi")
    except OSError:
        return False


def _version(name: str, folder: Path | None) -> str | None:
    """A distribution's version, in ``folder`` alone or wherever this Python looks."""
    path = sys.path if folder is None else [str(folder)]
    found = next(iter(importlib.metadata.distributions(name=name, path=path)), None)
    return found.version if found else None


def _major(version: str | None) -> int | None:
    digits = re.match(r"[0-9]+", version or "")
    return int(digits[0]) if digits else None
