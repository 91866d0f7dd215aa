"""Under which conditions a machine was measured, and what makes its figures doubtful."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path("/")
# Bits of `vcgencmd get_throttled`: now, and since boot.
_THROTTLED_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "too warm"}
_THROTTLED_ONCE = 0xF0000


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class MachineHealth:
    """What slows a machine down now.

    Attributes:
        temperature_c: of its hottest sensor; None: it has none.
        throttled: why it runs slower than it could, for people.
    """

    temperature_c: float | None
    throttled: tuple[str, ...]


def machine_health(root: Path = _ROOT) -> MachineHealth:
    """Temperature and throttling; on a Raspberry Pi this starts a program.

    Args:
        root: where /sys is (tests pass a folder).
    """
    flags = _throttled() or 0
    active = tuple(text for bit, text in _THROTTLED_NOW.items() if flags >> bit & 1)
    return MachineHealth(_temperature(root), active)


def machine_conditions(root: Path = _ROOT) -> dict[str, Any]:
    """What the machine is and what state it is in; None where that cannot be read.

    Args:
        root: where /proc and /sys are (tests pass a folder).
    """
    return {
        "cpu": _cpu_name(root),
        "machine": platform.machine(),
        "cores": available_cores(),
        "governor": _governor(root),
        "temperature_c": _temperature(root),
        "throttled": _throttled(),
        "load_average": _load_average(),
        "os": platform.platform(),
        "python": platform.python_version(),
    }


def tainted_reasons(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Why figures measured between two :func:`machine_conditions` should be distrusted."""
    reasons = []
    governor = before.get("governor")
    if governor not in (None, "performance"):
        reasons.append(f"CPU governor is '{governor}', not 'performance'")
    load, cores = before.get("load_average"), before.get("cores") or 1
    if load is not None and load > cores:
        reasons.append(f"load average {load:.1f} on {cores} cores before the measurement")
    for when, state in (("before", before), ("after", after)):
        flags = state.get("throttled")
        if flags:
            active = [text for bit, text in _THROTTLED_NOW.items() if flags >> bit & 1]
            once = ["throttled since boot"] if flags & _THROTTLED_ONCE and not active else []
            reasons.extend(f"{text} ({when} the measurement)" for text in active or once)
    return tuple(dict.fromkeys(reasons))


def _cpu_name(root: Path) -> str | None:
    # A Pi says its board; x86 says its CPU; some ARM machines say neither.
    board = _read(root / "proc/device-tree/model")
    if board:
        return board.strip("\0")
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware") and value.strip():
            return value.strip()
    return platform.processor() or None


def _governor(root: Path) -> str | None:
    found = {
        text
        for path in sorted((root / "sys/devices/system/cpu").glob("cpu*/cpufreq/scaling_governor"))
        if (text := _read(path))
    }
    return "+".join(sorted(found)) or None


def _temperature(root: Path) -> float | None:
    readings = []
    for path in (root / "sys/class/thermal").glob("thermal_zone*/temp"):
        text = _read(path)
        if text and text.lstrip("-").isdigit():
            readings.append(int(text) / 1000)
    return max(readings, default=None)


def _throttled() -> int | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=5, check=False
        )
        return int(done.stdout.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _load_average() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):  # Windows has none
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
