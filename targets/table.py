"""The explicit table of targets: name → factory, imported on use, and third-party entry points.

A factory is ``make(name) -> Target``. Third parties name one in the entry point group
``edgecnn.targets`` of their distribution; the entry point's name is the target's name. A broken
plug-in is one warning, never a crash, and cannot take a built-in name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from edgecnn.core.errors import TargetError, UnknownNameError

if TYPE_CHECKING:
    from targets.base import Target

GROUP = "edgecnn.targets"
API = 1  # equals targets.base.API; written out so that listing names imports nothing heavy

Warn = Callable[[str], None]

TARGETS: dict[str, str] = {
    "host": "targets.host.target:make",
    "pi5": "targets.raspberry_pi.target:make",
    "coral-usb": "targets.coral.target:make",
    "ethos-u55-128": "targets.ethos_u.target:make",
    "cortex-m4": "targets.mcu.target:make",
    "cortex-m0plus": "targets.mcu.target:make",
    "cortex-m3": "targets.mcu.target:make",
    "cortex-m7": "targets.mcu.target:make",
    "cortex-m33": "targets.mcu.target:make",
    "cortex-m55": "targets.mcu.target:make",
    "rv32imc": "targets.mcu.target:make",
}


def target_names() -> tuple[str, ...]:
    """Every name that ``-t`` takes: the table's, then the plug-ins'; loads no target."""
    return (*TARGETS, *_plugins())


def get_target(name: str) -> Target:
    """The target of that name.

    Raises:
        UnknownNameError: there is none.
        TargetError: it is a third party's and does not load.
    """
    if name in TARGETS:
        return _built_in(name)
    plugin = _plugins().get(name)
    if plugin is None:
        raise UnknownNameError("target", name, target_names())
    problems: list[str] = []
    target = _load(plugin, problems.append)
    if target is None:
        raise TargetError(problems[0], hint="update or remove the package that brings this target")
    return target


def all_targets(warn: Warn | None = None) -> tuple[Target, ...]:
    """Every target that loads; each broken plug-in is one call of ``warn`` (or one warning)."""
    say = warn or _python_warning
    plugins = (_load(plugin, say) for plugin in _plugins().values())
    return (*map(_built_in, TARGETS), *(target for target in plugins if target is not None))


def _built_in(name: str) -> Target:
    module, _, factory = TARGETS[name].partition(":")
    target: Target = getattr(import_module(module), factory)(name)
    return target


def _plugins() -> dict[str, EntryPoint]:
    found = entry_points(group=GROUP)
    return {point.name: point for point in found if point.name not in TARGETS}


def _load(point: EntryPoint, warn: Warn) -> Target | None:
    origin = f"the target plug-in '{point.name}' ({point.value})"
    try:
        target: Target = point.load()(point.name)
        api, name = target.api, target.name
    except Exception as error:  # noqa: BLE001 — a third party's code may raise anything
        warn(f"{origin} cannot be loaded: {type(error).__name__}: {error}")
        return None
    if api != API:
        warn(f"{origin} has api {api!r}, this edgecnn needs {API}")
        return None
    if name != point.name:
        warn(f"{origin} calls itself '{name}'")
        return None
    return target


def _python_warning(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=3)
