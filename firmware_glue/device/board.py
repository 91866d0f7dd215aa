"""Boards as data: one TOML per core or board, read into frozen dataclasses, every key checked.

A board that reuses a core's compiler, emulator and cycle table says ``core = "cortex-m0plus"`` and
gives its own ``name``, ``summary``, ``[memory]`` and ``[clock]``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from edgecnn.core.errors import TargetError, UnknownNameError

BOARDS = (
    "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "rv32imc",
)  # fmt: skip
ISAS = ("thumb", "riscv")
KERNELS = ("generic", "v6m", "v7m", "dsp", "mve", "rv32")
_REGION_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_ADDRESS_SPACE = 1 << 32
_INHERITED = ("isa", "kernels", "compiler", "emulator", "cycles")
_T = TypeVar("_T")


@dataclass(frozen=True)
class CompilerSpec:
    """What the C compilers are told about the core.

    Attributes:
        target, mcpu: LLVM's target triple and CPU, for Clang; an FPU is a feature to be named.
        gcc: the same as GCC's flags.
        flags: further flags that both understand.
    """

    target: str
    mcpu: str
    gcc: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class EmulatorSpec:
    """Names that emulators have for the core; empty: this one cannot run it.

    Attributes:
        unicorn: a row of ``unicorn_machine.CORES``.
        qemu: a machine, a row of ``qemu_machine.MACHINES``.
    """

    unicorn: str = ""
    qemu: str = ""


@dataclass(frozen=True)
class ArenaRegion:
    """Memory that part of the arena may lie in: a C identifier, and bytes."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Memory:
    """Flash and RAM, addresses and bytes; ``stack_bytes`` of RAM are kept for the stack.

    Attributes:
        regions: memories for the arena, the fastest first; empty: the arena lies in RAM.
    """

    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    stack_bytes: int = 0x2000
    regions: tuple[ArenaRegion, ...] = ()


@dataclass(frozen=True)
class Clock:
    """The core's clock in Hz."""

    hz: int


@dataclass(frozen=True)
class Cycles:
    """Cycles per class of instruction, zero wait states: for an estimate, never a measurement.

    A load or store of n registers takes ``multiple_base + n``; ``branch`` is a taken branch;
    ``multiply_add`` and ``multiply_long`` (a 64-bit product, or its upper half) are 0 where they
    cost what ``multiply`` does; ``vector`` is an instruction of 128 bits.
    """

    other: int
    load: int
    store: int
    multiple_base: int
    branch: int
    multiply: int
    divide: int
    multiply_add: int = 0
    multiply_long: int = 0
    vector: int = 1


@dataclass(frozen=True)
class Board:
    """A core or board.

    Attributes:
        name: kebab-case, the target's name.
        cpu: the core's name.
        isa: one of :data:`ISAS`.
        kernels: the kernels made for it: one of :data:`KERNELS`.
        generic: a bare emulated core, with nothing to deploy to.
        cycles: the cost table, or None: then no cycles are estimated.
    """

    name: str
    summary: str
    cpu: str
    compiler: CompilerSpec
    emulator: EmulatorSpec
    memory: Memory
    clock: Clock
    isa: str = "thumb"
    kernels: str = "generic"
    cycles: Cycles | None = None
    generic: bool = False


def board_names() -> tuple[str, ...]:
    """Names of the boards that come with the package."""
    return BOARDS


def load_board(name: str) -> Board:
    """The packaged board called ``name``.

    Raises:
        UnknownNameError: no such board.
        TargetError: its TOML is wrong.
    """
    if name not in BOARDS:
        raise UnknownNameError("board", name, BOARDS)
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
        if core not in BOARDS:
            raise _wrong(source, "core", core, f"one of {', '.join(BOARDS)}")
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
        elif field.default is MISSING:
            raise TargetError(
                f"{source}: '{key}' is missing; expected {_kind(hints[field.name])}",
                hint="add it to the board's TOML",
            )
    return cls(**values)


def _value(hint: Any, value: Any, source: str, key: str) -> Any:
    for table in (CompilerSpec, EmulatorSpec, Memory, Clock, Cycles):
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
