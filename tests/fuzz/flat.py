"""Damage at the level of bytes: a flatbuffer walk of its own, and mutations of what it finds.

The walk follows the few tables of a .tflite that matter and trusts the file: seeds are sound.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

# table → {slot: what is there}; "[X]" a vector of tables, "X" a table, "(n)" a vector of n-byte
# elements, a number: a scalar of that many bytes.
TABLES: dict[str, dict[int, str]] = {
    "Model": {0: "4", 1: "[OperatorCode]", 2: "[SubGraph]", 3: "(1)", 4: "[Buffer]",
              6: "[Metadata]", 7: "[SignatureDef]"},
    "OperatorCode": {0: "1", 1: "(1)", 2: "4", 3: "4"},
    "SubGraph": {0: "[Tensor]", 1: "(4)", 2: "(4)", 3: "[Operator]", 4: "(1)"},
    "Tensor": {0: "(4)", 1: "1", 2: "4", 3: "(1)", 4: "Quantization", 5: "1", 7: "(4)"},
    "Quantization": {0: "(4)", 1: "(4)", 2: "(4)", 3: "(8)", 6: "4"},
    "Operator": {0: "4", 1: "(4)", 2: "(4)", 3: "1", 4: "Options", 5: "(1)"},
    "Options": dict.fromkeys(range(8), "4"),
    "Buffer": {0: "(1)", 1: "8", 2: "8"},
    "Metadata": {0: "(1)", 1: "4"},
    "SignatureDef": {0: "[TensorMap]", 1: "[TensorMap]", 2: "(1)", 4: "4"},
    "TensorMap": {0: "(1)", 1: "4"},
}  # fmt: skip
WILD = (0, 1, 2, 3, 4, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000,
        0xFFFFFFFF, 0xFFFFFFFC, 0x40000000, 0x10000)  # fmt: skip


@dataclass
class Places:
    """Where things are in a file.

    Attributes:
        offsets: (position of an unsigned offset, what it points to).
        tables: (kind, position); their first word leads to the vtable.
        entries: positions of vtable entries.
        lengths: positions of vectors, which start with their length.
        scalars: (position, bytes).
        elements: (position of the first, bytes each, count) of vectors of numbers.
    """

    offsets: list[tuple[int, str]] = field(default_factory=list)
    tables: list[tuple[str, int]] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    scalars: list[tuple[int, int]] = field(default_factory=list)
    elements: list[tuple[int, int, int]] = field(default_factory=list)


def u32(data: bytes | bytearray, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def walk(data: bytes | bytearray) -> Places:
    """All places of a sound file."""
    places = Places()
    places.offsets.append((0, "Model"))
    _table(data, u32(data, 0), "Model", places)
    return places


def _table(data: bytes | bytearray, at: int, kind: str, places: Places) -> None:
    places.tables.append((kind, at))
    vtable = at - struct.unpack_from("<i", data, at)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    places.entries += range(vtable, vtable + size, 2)
    for slot, what in TABLES[kind].items():
        entry = vtable + 4 + 2 * slot
        if entry + 2 > vtable + size:
            continue
        inside = struct.unpack_from("<H", data, entry)[0]
        if inside:
            _field(data, at + inside, what, places)


def _field(data: bytes | bytearray, at: int, what: str, places: Places) -> None:
    if what.isdigit():
        places.scalars.append((at, int(what)))
        return
    places.offsets.append((at, what))
    goal = at + u32(data, at)
    if what[0] == "(":
        places.lengths.append(goal)
        places.elements.append((goal + 4, int(what[1:-1]), u32(data, goal)))
    elif what[0] == "[":
        places.lengths.append(goal)
        for k in range(u32(data, goal)):
            row = goal + 4 + 4 * k
            places.offsets.append((row, what[1:-1]))
            _table(data, row + u32(data, row), what[1:-1], places)
    else:
        _table(data, goal, what, places)


def put(data: bytearray, at: int, width: int, value: int) -> None:
    data[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def set_bytes(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def set_words(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        at = 4 * rng.randrange(2, max(3, len(data) // 4))
        put(data, at, 4, rng.choice((*WILD, len(data), rng.getrandbits(16))))


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16, 64)))


def remove(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 4, 16, 64))]


def copy_range(data: bytearray, rng: random.Random) -> None:
    size = min(rng.choice((4, 8, 16, 64, 256)), len(data) // 2)
    source, target = (rng.randrange(len(data) - size) for _ in range(2))
    data[target : target + size] = data[source : source + size]


def wild_offset(data: bytearray, rng: random.Random) -> None:
    """An offset leads out of the file, back to its own table, or to the middle of something."""
    places = walk(data)
    for _ in range(rng.randint(1, 3)):
        at, _what = rng.choice(places.offsets)
        goals = (rng.choice(places.tables)[1], rng.choice(places.offsets)[0], len(data), at - 4)
        value = rng.choice((rng.choice(WILD), rng.choice(goals) - at))
        put(data, at, 4, value)


def wild_vtable(data: bytearray, rng: random.Random) -> None:
    """A table gets another table's vtable or none; or an entry of a vtable is changed."""
    places = walk(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.choice(places.tables)[1]
        if rng.random() < 0.4:
            other = rng.choice(places.tables)[1]
            vtable = other - struct.unpack_from("<i", data, other)[0]
            put(data, at, 4, rng.choice((at - vtable, rng.choice(WILD), 0, at, -len(data))))
        else:
            value = rng.choice((0, 2, 4, 5, 6, 8, 12, 64, 0xFFFF, 0x8000, rng.randrange(256)))
            put(data, rng.choice(places.entries), 2, value)


def wild_length(data: bytearray, rng: random.Random) -> None:
    """A vector is longer or shorter than what is stored."""
    places = walk(data)
    at = rng.choice(places.lengths)
    count = u32(data, at)
    put(data, at, 4, rng.choice((0, 1, count + 1, max(0, count - 1), 2 * count, *WILD, len(data))))


def swap_offsets(data: bytearray, rng: random.Random) -> None:
    """Two tables or vectors change places, of one kind or not."""
    places = walk(data)
    for _ in range(rng.randint(1, 3)):
        a, kind = rng.choice(places.offsets)
        same = [at for at, what in places.offsets if what == kind]
        b = rng.choice(same if rng.random() < 0.8 else [at for at, _ in places.offsets])
        goal_a, goal_b = a + u32(data, a), b + u32(data, b)
        put(data, a, 4, goal_b - a)
        put(data, b, 4, goal_a - b)


def change_scalar(data: bytearray, rng: random.Random) -> None:
    places = walk(data)
    for _ in range(rng.randint(1, 4)):
        at, width = rng.choice(places.scalars)
        old = int.from_bytes(data[at : at + width], "little")
        put(data, at, width, rng.choice((*WILD, old + 1, old - 1, -old, rng.randrange(256))))


def change_element(data: bytearray, rng: random.Random) -> None:
    """One number of a vector: a dimension, an index, a scale, a zero point, a weight."""
    places = walk(data)
    filled = [row for row in places.elements if row[2]]
    for _ in range(rng.randint(1, 4)):
        start, width, count = rng.choice(filled)
        at = start + width * rng.randrange(count)
        old = int.from_bytes(data[at : at + width], "little")
        put(data, at, width, rng.choice((*WILD, old + 1, old - 1, -old, rng.getrandbits(32))))


def graft(data: bytearray, rng: random.Random, donor: bytes) -> None:
    """Tables and vectors of another model take the place of ours; the donor lies behind."""
    ours, theirs = walk(data), walk(donor)
    data += bytes(-len(data) % 16)
    base = len(data)
    data += donor
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.choice(ours.offsets[1:])
        same = [p for p, what in theirs.offsets if what == kind]
        pool = same if same and rng.random() < 0.85 else [p for p, _ in theirs.offsets]
        source = rng.choice(pool)
        put(data, at, 4, base + source + u32(donor, source) - at)


BYTE_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits, set_bytes, set_words, truncate, insert, remove, copy_range,
)  # fmt: skip
TABLE_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    wild_offset, wild_vtable, wild_length, swap_offsets, change_scalar, change_element,
)  # fmt: skip
