"""Reads boards from TOML, one file per core or board, and checks every key.

A board that reuses a core's compiler, emulator and cycle table says ``core = "cortex-m0plus"`` and
gives its own ``name``, ``summary``, ``[memory]`` and ``[clock]``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from edgecnn.core.errors import TargetError, UnknownNameError
from firmware_glue.device.board import (
    BOARD_EMULATORS,
    BOARDS,
    CORES,
    ISAS,
    KERNELS,
    LINES,
    METHODS,
    ArenaRegion,
    Board,
    BoardEmulation,
    Clock,
    CompilerSpec,
    Cycles,
    EmulatorSpec,
    Flashing,
    LinePort,
    Memory,
)
from firmware_glue.device.families import FAMILIES, pin_number

_REGION_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_ADDRESS_SPACE = 1 << 32
_INHERITED = ("isa", "kernels", "compiler", "emulator", "cycles")
_TABLES = (
    CompilerSpec, EmulatorSpec, Memory, Clock, Cycles, LinePort, Flashing, BoardEmulation,
)  # fmt: skip
_T = TypeVar("_T")


def core_names() -> tuple[str, ...]:
    """Names of the bare cores that come with the package."""
    return CORES


def board_names() -> tuple[str, ...]:
    """Names of the cores and boards that come with the package."""
    return CORES + BOARDS


def load_board(name: str) -> Board:
    """The packaged core or board called ``name``.

    Raises:
        UnknownNameError: no such board.
        TargetError: its TOML is wrong.
    """
    if name not in board_names():
        raise UnknownNameError("board", name, board_names())
    return parse_board(_packaged(name), source=f"{name}.toml")


def load_board_file(path: Path) -> Board:
    """A board from the user's own TOML.

    Raises:
        TargetError: the file cannot be read or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(
            f"the board file '{path}' cannot be read: {error}", hint="give the path of a board TOML"
        ) from error
    return parse_board(text, source=str(path))


def parse_board(text: str, *, source: str) -> Board:
    """A board from TOML text; ``source`` names it in messages.

    Raises:
        TargetError: not TOML, an unknown or missing key, a value of the wrong type or range.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(
            f"{source} is not TOML: {error}", hint="see firmware_glue/device/boards for examples"
        ) from error
    core = table.pop("core", None)
    if core is not None:
        if core not in CORES:
            raise _wrong(source, "core", core, f"one of {', '.join(CORES)}")
        base = tomllib.loads(_packaged(core))
        table = {key: base[key] for key in ("cpu", *_INHERITED) if key in base} | table
    board = _build(Board, table, source, "")
    _check(board, source)
    return board


def _packaged(name: str) -> str:
    return (files(__package__) / "boards" / f"{name}.toml").read_text(encoding="utf-8")


def _wrong(source: str, key: str, value: object, allowed: str) -> TargetError:
    return TargetError(
        f"{source}: '{key}' is {value!r}; allowed: {allowed}", hint="correct the board's TOML"
    )


def _build(cls: type[_T], table: Mapping[str, Any], source: str, prefix: str) -> _T:
    """One dataclass from one TOML table; nested dataclasses from nested tables."""
    hints = get_type_hints(cls)
    for key, value in table.items():
        if key not in hints:
            raise _wrong(source, prefix + key, value, "only the keys " + ", ".join(hints))
    values: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]
        key = prefix + field.name
        if field.name in table:
            values[field.name] = _value(hints[field.name], table[field.name], source, key)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise TargetError(
                f"{source}: '{key}' is missing; expected {_kind(hints[field.name])}",
                hint="add it to the board's TOML",
            )
    return cls(**values)


def _value(hint: Any, value: Any, source: str, key: str) -> Any:
    for table in _TABLES:
        if hint is table or hint == table | None:
            if not isinstance(value, dict):
                raise _wrong(source, key, value, "a table")
            return _build(table, value, source, f"{key}.")
    if hint == tuple[ArenaRegion, ...]:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise _wrong(source, key, value, "a list of tables")
        return tuple(
            _build(ArenaRegion, item, source, f"{key}[{number}].")
            for number, item in enumerate(value)
        )
    if hint == Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise _wrong(source, key, value, "a table of texts")
        return dict(value)
    if hint is int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _ADDRESS_SPACE:
            raise _wrong(source, key, value, _kind(hint))
    elif hint is bool or hint is str:
        if not isinstance(value, hint) or value == "":
            raise _wrong(source, key, value, _kind(hint))
    elif not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise _wrong(source, key, value, _kind(hint))
    return tuple(value) if isinstance(value, list) else value


def _kind(hint: Any) -> str:
    known = {int: "an integer from 0 to 4294967295", str: "a text", bool: "true or false"}
    known[tuple[str, ...]] = "a list of texts"
    return known.get(hint, "a table")


def _check(board: Board, source: str) -> None:
    """What types cannot say: names, regions inside the address space and apart, stack in RAM."""
    memory = board.memory
    if not board.name.replace("-", "").isalnum() or board.name != board.name.lower():
        raise _wrong(source, "name", board.name, "lower-case letters, digits and '-'")
    if board.isa not in ISAS:
        raise _wrong(source, "isa", board.isa, ", ".join(ISAS))
    if board.kernels not in KERNELS:
        raise _wrong(source, "kernels", board.kernels, ", ".join(KERNELS))
    for key in ("flash", "ram"):
        origin, size = getattr(memory, f"{key}_origin"), getattr(memory, f"{key}_bytes")
        if origin % 0x100:
            raise _wrong(source, f"memory.{key}_origin", origin, "a multiple of 256")
        if size == 0 or origin + size > _ADDRESS_SPACE:
            raise _wrong(source, f"memory.{key}_bytes", size, "1 up to the address space's end")
    apart = (
        memory.flash_origin + memory.flash_bytes <= memory.ram_origin
        or memory.ram_origin + memory.ram_bytes <= memory.flash_origin
    )
    if not apart:
        raise _wrong(source, "memory.ram_origin", memory.ram_origin, "RAM apart from flash")
    if memory.stack_bytes % 8 or not 0 < memory.stack_bytes < memory.ram_bytes:
        raise _wrong(source, "memory.stack_bytes", memory.stack_bytes, "a multiple of 8 within RAM")
    _check_regions(memory, source)
    if board.clock.hz == 0:
        raise _wrong(source, "clock.hz", 0, "more than 0")
    if not board.generic:
        _check_hardware(board, source)


def _check_hardware(board: Board, source: str) -> None:
    """What makes a board of a core: a family of chips, a line, a way to flash, its evidence."""
    if not board.family and board.line is None and board.flashing is None:
        return  # a core with its own memory: compiled for, measured, not flashed
    family = FAMILIES.get(board.family)
    if family is None:
        raise _wrong(source, "family", board.family, ", ".join(FAMILIES))
    line, flashing, emulation = board.line, board.flashing, board.emulation
    if line is None:
        raise TargetError(
            f"{source}: '[line]' is missing", hint="say how the host reaches the board"
        )
    if line.kind not in LINES:
        raise _wrong(source, "line.kind", line.kind, ", ".join(LINES))
    if line.peripheral not in family.ports:
        raise _wrong(source, "line.peripheral", line.peripheral, ", ".join(family.ports))
    if line.kind != family.ports[line.peripheral].kind:
        allowed = f"'{family.ports[line.peripheral].kind}', which {line.peripheral} is"
        raise _wrong(source, "line.kind", line.kind, allowed)
    if line.kind == "usb" and not line.usb:
        raise _wrong(
            source, "line.usb", [], "the vid:pid that the board shall have, such as 2e8a:000a"
        )
    for key in ("tx", "rx"):
        pin = getattr(line, key)
        if pin_number(pin) is None and (pin or (family.pins and line.kind == "uart")):
            raise _wrong(source, f"line.{key}", pin, "a pin such as PA2, P0.24 or GPIO0")
    for key, names in (("line.usb", line.usb),):
        for name in names:
            if not _USB_ID.fullmatch(name):
                raise _wrong(source, key, name, "vid:pid, each four hexadecimal digits")
    if not 300 <= line.baud <= 4_000_000:
        raise _wrong(source, "line.baud", line.baud, "300 to 4000000")
    for method in flashing.methods if flashing else ():
        if method not in METHODS:
            raise _wrong(source, "flashing.methods", method, ", ".join(METHODS))
    if flashing and flashing.file not in ("uf2", "hex", "bin"):
        raise _wrong(source, "flashing.file", flashing.file, "uf2, hex, bin")
    if emulation and emulation.by not in BOARD_EMULATORS:
        raise _wrong(source, "emulation.by", emulation.by, ", ".join(BOARD_EMULATORS))


def _check_regions(memory: Memory, source: str) -> None:
    """Memories for the arena are parts of RAM beside the stack, with names of their own."""
    left = memory.ram_bytes - memory.stack_bytes
    names: set[str] = set()
    for number, region in enumerate(memory.regions):
        key = f"memory.regions[{number}]"
        if not _REGION_NAME.fullmatch(region.name) or region.name in names:
            allowed = "a lower-case C identifier, different for each region"
            raise _wrong(source, f"{key}.name", region.name, allowed)
        if not 0 < region.bytes <= left:
            raise _wrong(source, f"{key}.bytes", region.bytes, f"1 up to what RAM has left, {left}")
        names.add(region.name)
        left -= region.bytes
