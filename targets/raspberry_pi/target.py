"""Raspberry Pi targets: LiteRT, run on the Pi itself."""

from __future__ import annotations

import platform
from functools import partial

from edgecnn.core.errors import TargetError
from targets.conditions import machine_conditions
from targets.litert import LiteRTSettings, LiteRTTarget, refuse_remote
from targets.settings import load_settings

_ARM = ("aarch64", "arm64", "armv7l", "armv8l")


def make(name: str) -> LiteRTTarget:
    """The target of that name."""
    settings = load_settings(LiteRTSettings, "targets.raspberry_pi", f"{name}.toml")
    return LiteRTTarget(settings, partial(_place, name))


def _place(name: str, device: str | None) -> tuple[str, ...]:
    refuse_remote(device, name)
    machine = platform.machine()
    cpu = str(machine_conditions()["cpu"] or machine)
    if "Raspberry Pi" in cpu:
        return ()
    if device is None and not (platform.system() == "Linux" and machine in _ARM):
        raise TargetError(
            f"target '{name}': this machine ({cpu}, {machine}) is no Raspberry Pi,"
            " and no device was given",
            hint=f"run the command on the Pi itself (bringing a model there from here, edgecnn"
            f" deploy, is still to come), or say -d local to measure here as if it were one,"
            f" or use -t host instead of -t {name}",
        )
    return (f"measured on this machine ({cpu}, {machine}), which is no Raspberry Pi",)
