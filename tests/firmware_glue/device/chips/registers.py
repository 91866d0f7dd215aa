"""What is known of a chip's registers: from an SVD file, or from a table cited from its manual.

The SVD reader is written from the CMSIS-SVD specification (Open-CMSIS-SVD 1.3, "System View
Description format"): derivedFrom, dim arrays, clusters, bit ranges in their three notations.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

TABLES = Path(__file__).parent / "tables"
_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9_.%]+)\s+(?P<address>0x[0-9A-Fa-f]+)\s+(?P<access>rw|r|w)"
    r"(?:\s+reset=(?P<reset>0x[0-9A-Fa-f]+))?(?:\s+for=(?P<names>[\w,-]+)\+(?P<step>0x[0-9A-Fa-f]+))?"
    r"\s*:\s*(?P<fields>.*)"
)
_FIELD = re.compile(r"(\w+)\[(\d+)(?::(\d+))?\](?:=([0-9A-Fa-fx|]+))?")


@dataclass(frozen=True)
class Field:
    """Bits of a register; ``values``: the only ones it may be given (empty: any)."""

    name: str
    low: int
    width: int
    values: frozenset[int] = frozenset()

    @property
    def mask(self) -> int:
        return ((1 << self.width) - 1) << self.low

    def of(self, word: int) -> int:
        return (word & self.mask) >> self.low


@dataclass(frozen=True)
class Register:
    """One register; ``source``: the file and, for a table, the manual's section."""

    name: str
    address: int
    reset: int
    access: str
    fields: tuple[Field, ...]
    source: str

    @property
    def mask(self) -> int:
        """All bits that belong to a field."""
        mask = 0
        for each in self.fields:
            mask |= each.mask
        return mask


@dataclass(frozen=True)
class Registers:
    """Registers by address."""

    by_address: Mapping[int, Register] = field(default_factory=dict)

    def named(self, name: str) -> Register:
        return next(each for each in self.by_address.values() if each.name == name)

    def over(self, others: Registers) -> Registers:
        """These, and the others where these have none."""
        return Registers({**others.by_address, **self.by_address})


def table(name: str) -> Registers:
    """Reads ``tables/NAME.txt``: sections as comments, one register a line.

    ``for=A-K+0x400`` stands for registers at that distance, ``%`` in the name for A to K.
    """
    found, section = {}, ""
    for line in (TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section = line[1:].strip()
        elif line.strip():
            parts = _LINE.fullmatch(line.strip())
            assert parts is not None, line
            assert section, "a register without the manual's section"
            base, reset = int(parts["address"], 16), int(parts["reset"] or "0", 16)
            fields = tuple(_table_fields(parts["fields"]))
            source, step = f"{name}: {section}", int(parts["step"] or "0", 16)
            for index, each in enumerate(_names(parts["names"])):
                at, full = base + index * step, parts["name"].replace("%", each)
                assert at not in found, line
                found[at] = Register(full, at, reset, parts["access"], fields, source)
    return Registers(found)


def _names(text: str | None) -> list[str]:
    """``A-C`` and ``0-2`` are three names, ``A,C`` two; none: one that is empty."""
    if text is None:
        return [""]
    first, dash, last = text.partition("-")
    if not dash:
        return text.split(",")
    if first.isdecimal():
        return [str(number) for number in range(int(first), int(last) + 1)]
    return [chr(letter) for letter in range(ord(first), ord(last) + 1)]


def _table_fields(text: str) -> Iterator[Field]:
    for part in text.split():
        match = _FIELD.fullmatch(part)
        assert match is not None, part
        name, high, low, values = match.groups()
        low = int(low or high)
        allowed = frozenset(int(value, 0) for value in values.split("|")) if values else frozenset()
        yield Field(name, low, int(high) - low + 1, allowed)


def svd_names() -> frozenset[str]:
    """The SVD files that the installed pyOCD ships; none where it is not installed."""
    archive = _archive()
    return frozenset(archive.namelist()) if archive is not None else frozenset()


def svd(name: str, peripherals: Iterable[str]) -> Registers:
    """Registers of some peripherals in one of pyOCD's SVD files.

    Args:
        name: the file's name.
        peripherals: those wanted; of two at one address the first one's registers count.
    """
    archive = _archive()
    assert archive is not None
    device = ElementTree.fromstring(archive.read(name))
    nodes = {_text(node, "name"): node for node in device.iterfind("peripherals/peripheral")}
    found: dict[int, Register] = {}
    for wanted in peripherals:
        node = nodes[wanted]
        body = nodes[node.get("derivedFrom", wanted)]
        base = _number(_text(node, "baseAddress"))
        for register in _registers(body.find("registers"), base, f"{wanted}.", name):
            found.setdefault(register.address, register)
    return Registers(found)


def svd_interrupts(name: str) -> dict[str, tuple[int, frozenset[int]]]:
    """Peripherals of an SVD file: where each is, and the numbers of its interrupts."""
    archive = _archive()
    assert archive is not None
    device = ElementTree.fromstring(archive.read(name))
    return {
        _text(node, "name"): (
            _number(_text(node, "baseAddress")),
            frozenset(_number(_text(each, "value")) for each in node.iterfind("interrupt")),
        )
        for node in device.iterfind("peripherals/peripheral")
    }


def _archive() -> zipfile.ZipFile | None:
    spec = find_spec("pyocd")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "debug" / "svd" / "svd_data.zip"
    return zipfile.ZipFile(io.BytesIO(path.read_bytes()))


def _registers(
    parent: ElementTree.Element | None, base: int, prefix: str, source: str
) -> Iterator[Register]:
    for node in parent if parent is not None else ():
        if node.tag not in ("register", "cluster"):
            continue
        count = _number(_text(node, "dim", "1"))
        for index in range(count):
            at = base + _number(_text(node, "addressOffset"))
            at += index * _number(_text(node, "dimIncrement", "0"))
            name = prefix + _text(node, "name").replace("[%s]", str(index)).replace(
                "%s", str(index)
            )
            if node.tag == "cluster":
                yield from _registers(node, at, f"{name}.", source)
            else:
                yield _register(node, name, at, source)


def _register(node: ElementTree.Element, name: str, address: int, source: str) -> Register:
    access = {"read-only": "r", "write-only": "w"}.get(_text(node, "access", ""), "rw")
    reset = _number(_text(node, "resetValue", "0"))
    fields = tuple(_field(each) for each in node.iterfind("fields/field"))
    return Register(name, address, reset, access, fields or (Field("all", 0, 32),), source)


def _field(node: ElementTree.Element) -> Field:
    values = frozenset(
        _number(_text(value, "value"))
        for kind in node.iterfind("enumeratedValues")
        if _text(kind, "usage", "read-write") != "read"
        for value in kind.iterfind("enumeratedValue")
        if value.find("value") is not None
    )
    if values and any(_text(k, "usage", "") == "write" for k in node.iterfind("enumeratedValues")):
        values |= {0}  # in a register whose bits set or clear: none of them
    if node.find("bitRange") is not None:
        high, low = (int(part) for part in _text(node, "bitRange").strip("[]").split(":"))
    elif node.find("lsb") is not None:
        high, low = _number(_text(node, "msb")), _number(_text(node, "lsb"))
    else:
        low = _number(_text(node, "bitOffset"))
        high = low + _number(_text(node, "bitWidth", "1")) - 1
    return Field(_text(node, "name"), low, high - low + 1, values)


def _text(node: ElementTree.Element, tag: str, default: str | None = None) -> str:
    text = node.findtext(tag, default)
    assert text is not None, f"{tag} is missing"
    return text.strip()


def _number(text: str) -> int:
    return int(text, 0) if not re.fullmatch(r"0\d+", text) else int(text)
