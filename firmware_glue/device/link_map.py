"""What a linker's map says of who takes which bytes: LLD's and GNU ld's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# LLD:  VMA LMA Size Align   file.o:(.section)
_LLD = re.compile(
    r"^ *(?P<address>[0-9a-f]+) +[0-9a-f]+ +(?P<size>[0-9a-f]+) +\d+ +"
    r"(?P<file>[^\s:()]+(?:\([^()\s]*\))?):\((?P<section>[^()\s]+)\)$"
)
# GNU ld:  .section  0xADDRESS  0xSIZE  file.o, where a long name has a line of its own.
_GNU = re.compile(
    r"^ (?P<section>[.\w$-]+)?\s+0x(?P<address>[0-9a-f]+)\s+0x(?P<size>[0-9a-f]+)\s(?P<file>\S+)$"
)
_GNU_NAME = re.compile(r"^ (?P<section>\.[^\s()*]+)$")
_GNU_BEGIN = "Linker script and memory map"


@dataclass(frozen=True)
class MapRow:
    """One input section: the object or archive it came from, where it lies, its bytes."""

    file: str
    section: str
    address: int
    size: int


def map_rows(text: str) -> tuple[MapRow, ...]:
    """The input sections of a map, in its order."""
    start = text.find(_GNU_BEGIN)
    return tuple(_lld(text) if start < 0 else _gnu(text[start:]))


def _lld(text: str) -> Iterator[MapRow]:
    for line in text.splitlines():
        found = _LLD.match(line)
        if found:
            yield _row(found, found["section"])


def _gnu(text: str) -> Iterator[MapRow]:
    pending = ""
    for line in text.splitlines():
        name = _GNU_NAME.match(line)
        if name:
            pending = name["section"]
            continue
        found = _GNU.match(line)
        if found:
            yield _row(found, found["section"] or pending)
        pending = ""


def _row(found: re.Match[str], section: str) -> MapRow:
    return MapRow(found["file"], section, int(found["address"], 16), int(found["size"], 16))
