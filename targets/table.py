"""The explicit table of targets: name → factory, imported on use, and third-party entry points.

A factory is ``make(name) -> Target``. Third parties name one in the entry point group
``edgecnn.targets`` of their distribution; the entry point's name is the target's name. A broken
plug-in is one warning, never a crash, and cannot take a built-in name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.core.errors import TargetError, UnknownNameError, UsageError

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
    "microbit": "targets.mcu.board_target:make",
    "microbit-v2": "targets.mcu.board_target:make",
    "pico": "targets.mcu.board_target:make",
    "pico2": "targets.mcu.board_target:make",
    "netduino-plus2": "targets.mcu.board_target:make",
    "nucleo-f446re": "targets.mcu.board_target:make",
    "nucleo-l4r5zi": "targets.mcu.board_target:make",
    "nucleo-h743zi": "targets.mcu.board_target:make",
    "mps2-an386": "targets.mcu.board_target:make",
    "mps3-an547": "targets.mcu.board_target:make",
    "riscv-virt": "targets.mcu.board_target:make",
}
EXPORTS: dict[str, str] = {
    "nano33ble": "arduino", "nano-33-ble": "arduino", "nano33": "arduino",
    "arduino-nano-33-ble": "arduino", "portenta": "arduino", "portenta-h7": "arduino",
    "esp32": "esp-idf", "esp32-s3": "esp-idf", "esp32s3": "esp-idf",
    "esp32-c3": "esp-idf", "esp32c3": "esp-idf",
}  # fmt: skip
"""Boards that are asked for and not here yet → the export that they will go through."""
_CORE_OF = {"arduino": "cortex-m4", "esp-idf": "rv32imc"}


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
    if plugin is None and name.lower() in EXPORTS:
        raise _not_here_yet(name, EXPORTS[name.lower()])
    if plugin is None:
        raise UnknownNameError("target", name, target_names())
    problems: list[str] = []
    target = _load(plugin, problems.append)
    if target is None:
        raise TargetError(problems[0], hint="update or remove the package that brings this target")
    return target


def chosen_target(name: str | None, board_file: Path | None) -> Target:
    """The target that a user named, or whose board a file describes.

    Raises:
        UsageError: neither was given, or both and they differ.
        UnknownNameError, TargetError: as :func:`get_target`; the file is wrong.
    """
    if board_file is None:
        if name is None:
            raise UsageError("no target was given", hint="add -t TARGET (see edgecnn targets)")
        return get_target(name)
    from targets.mcu.board_target import from_file

    target = from_file(board_file)
    if name not in (None, target.name):
        raise UsageError(
            f"-t {name} and --board-file '{board_file}', which describes '{target.name}'",
            hint="leave -t out, or name the same board",
        )
    return target


def chosen_targets(names: Sequence[str], board_file: Path | None) -> list[Target]:
    """The targets of those names, where one board may be described by a file.

    Raises:
        UsageError, UnknownNameError, TargetError: as :func:`chosen_target`.
    """
    if board_file is None:
        return [get_target(name) for name in names]
    own = chosen_target(names[0] if len(names) == 1 else None, board_file)
    return [own if name == own.name else get_target(name) for name in names or (own.name,)]


def _not_here_yet(name: str, export: str) -> TargetError:
    core = "cortex-m7" if name.lower().startswith("portenta") else _CORE_OF[export]
    return TargetError(
        f"'{name}' is not a board that edgecnn builds for yet: it will go through edgecnn export"
        f" --format {export}",
        hint=f"until then: edgecnn compile -t {core} -o DIR, and add the C files to your project",
    )


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
