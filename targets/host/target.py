"""The target ``host``."""

from __future__ import annotations

from targets.litert import LiteRTSettings, LiteRTTarget, refuse_remote
from targets.settings import load_settings


def make(name: str) -> LiteRTTarget:
    """The target of that name."""
    settings = load_settings(LiteRTSettings, "targets.host", f"{name}.toml")
    return LiteRTTarget(settings, _this_machine)


def _this_machine(device: str | None) -> tuple[str, ...]:
    refuse_remote(device, "host")
    return ()
