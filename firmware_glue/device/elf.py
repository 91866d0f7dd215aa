"""A small reader of 32-bit little-endian ELF files: sections, load segments, symbols."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

from edgecnn.core.errors import TargetError

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SEGMENT = struct.Struct("<8I")
_SYMBOL = struct.Struct("<IIIBBH")
_SYMTAB, _NOBITS = 2, 8
_ALLOC = 0x2
_LOAD = 1
_FUNCTION, _FILE = 2, 4
_LOCAL = 0


@dataclass(frozen=True)
class Section:
    """One section; ``allocated`` ones take memory, of which ``stored`` ones take flash too."""

    name: str
    address: int
    size: int
    allocated: bool
    stored: bool


@dataclass(frozen=True)
class Segment:
    """Bytes to load at ``address`` (physical: where flash holds them)."""

    address: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Symbol:
    """A named address; bit 0 (Thumb) is cleared.

    Attributes:
        unit: the C file of a symbol that is local to one; empty for global ones.
    """

    name: str
    address: int
    size: int
    is_function: bool
    unit: str = ""


@dataclass(frozen=True)
class Elf:
    """What a linked image holds."""

    sections: tuple[Section, ...]
    segments: tuple[Segment, ...]
    symbols: tuple[Symbol, ...]

    def address(self, name: str) -> int:
        """The address of symbol ``name``.

        Raises:
            TargetError: the image has no such symbol.
        """
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol.address
        raise TargetError(
            f"the image has no symbol '{name}'", hint="build it with edgecnn's own start-up code"
        )

    def has(self, name: str) -> bool:
        """Whether the image has a symbol ``name``."""
        return any(symbol.name == name for symbol in self.symbols)

    def section_bytes(self, name: str) -> int:
        """The size of section ``name``; 0 if there is none."""
        return sum(section.size for section in self.sections if section.name == name)

    def where(self, address: int) -> str:
        """``name+0x12``, the function that ``address`` lies in, or ``?``."""
        functions = sorted(
            (symbol for symbol in self.symbols if symbol.is_function), key=lambda s: s.address
        )
        at = bisect_right([symbol.address for symbol in functions], address) - 1
        if at < 0 or address >= functions[at].address + max(functions[at].size, 2):
            return "?"
        return f"{functions[at].name}+0x{address - functions[at].address:x}"


def read_elf(data: bytes) -> Elf:
    """Reads an image.

    Raises:
        TargetError: not a 32-bit little-endian ELF file, or an offset points outside of it.
    """
    if data[:6] != b"\x7fELF\x01\x01":
        raise _damaged("it does not start as a 32-bit little-endian ELF file")
    header = _unpack(_HEADER, data, 0)
    segments = []
    for index in range(header[10]):
        kind, offset, _, physical, size, *_ = _unpack(
            _SEGMENT, data, header[5] + index * _SEGMENT.size
        )
        if kind == _LOAD and size:
            segments.append(Segment(physical, _slice(data, offset, size)))
    rows = [
        _unpack(_SECTION, data, header[6] + index * _SECTION.size) for index in range(header[12])
    ]
    if rows and header[13] >= len(rows):
        raise _damaged("the section names are missing")
    names = _slice(data, rows[header[13]][4], rows[header[13]][5]) if rows else b""
    sections = tuple(
        Section(_text(names, row[0]), row[3], row[5], bool(row[2] & _ALLOC), row[1] != _NOBITS)
        for row in rows
    )
    return Elf(sections, tuple(segments), _symbols(data, rows))


def _symbols(data: bytes, rows: list[tuple[int, ...]]) -> tuple[Symbol, ...]:
    found = []
    for row in rows:
        if row[1] != _SYMTAB:
            continue
        if row[6] >= len(rows):
            raise _damaged("the symbol names are missing")
        names = _slice(data, rows[row[6]][4], rows[row[6]][5])
        table = _slice(data, row[4], row[5] - row[5] % _SYMBOL.size)
        unit = ""
        for name, value, size, info, _, _ in _SYMBOL.iter_unpack(table):
            text, kind, local = _text(names, name), info & 0xF, info >> 4 == _LOCAL
            if kind == _FILE:
                unit = text
            elif text and not text.startswith("$"):
                at = value & ~1 if kind == _FUNCTION else value
                found.append(Symbol(text, at, size, kind == _FUNCTION, unit if local else ""))
    return tuple(found)


def _unpack(form: struct.Struct, data: bytes, offset: int) -> tuple[int, ...]:
    return form.unpack(_slice(data, offset, form.size))


def _slice(data: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(data):
        raise _damaged(f"bytes {offset} to {offset + size} lie beyond its end ({len(data)} bytes)")
    return data[offset : offset + size]


def _text(names: bytes, offset: int) -> str:
    end = names.find(b"\0", offset)
    if offset >= len(names) or end < 0:
        raise _damaged("a name lies beyond its table")
    return names[offset:end].decode("utf-8", "replace")


def _damaged(what: str) -> TargetError:
    return TargetError(f"the ELF image cannot be read: {what}", hint="build the image again")
