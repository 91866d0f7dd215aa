"""A bounds-checked walk through flatbuffer tables in untrusted bytes.

Nothing is trusted: each offset, vtable, vector and string is checked before it is followed, and
what is decoded into Python objects is charged against a budget that grows with the file, so that
tables which point at each other's bytes cannot blow a small file up.
"""

from __future__ import annotations

import struct
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import ModelError

HINT_DAMAGED = "the file is damaged or cut short: convert or download it again"
HINT_UNUSABLE = "convert it again with a current TensorFlow, or give another file"
_BUDGET_FACTOR = 4
_BUDGET_BASE = 1 << 20
# Bytes of vectors that become Python numbers, whatever the file's size: shapes, scales, indices.
_NUMBERS_BUDGET = 1 << 24

_SCALARS = {
    "i1": struct.Struct("<b"),
    "u1": struct.Struct("<B"),
    "bool": struct.Struct("<?"),
    "u2": struct.Struct("<H"),
    "i4": struct.Struct("<i"),
    "u4": struct.Struct("<I"),
    "f4": struct.Struct("<f"),
    "i8": struct.Struct("<q"),
    "u8": struct.Struct("<Q"),
}


def printable(text: str) -> str:
    """The text with a replacement character for each character that does not print.

    Names go into messages, tables and files: no line break, no escape code of a terminal.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


class Walker:
    """Reads scalars, vectors and strings of one file; every access is checked.

    Args:
        data: the whole file.
        source: what messages call it.
    """

    def __init__(self, data: bytes, source: str) -> None:
        self.data = data
        self.source = source
        self.size = len(data)
        self._budget = _BUDGET_FACTOR * self.size + _BUDGET_BASE
        self._numbers_budget = _NUMBERS_BUDGET

    def damaged(self, what: str) -> NoReturn:
        """Raises the ModelError that says what does not hold."""
        raise ModelError(f"'{self.source}' is no valid .tflite: {what}", hint=HINT_DAMAGED)

    def unusable(self, what: str, hint: str = HINT_UNUSABLE) -> NoReturn:
        """Raises the ModelError for a file whose tables are whole, but hold what nothing runs."""
        raise ModelError(f"'{self.source}' is no usable .tflite: {what}", hint=hint)

    def spend(self, nbytes: int) -> None:
        """Charges ``nbytes`` of decoded data.

        Raises:
            ModelError: far more than the file holds was asked for (tables that overlap).
        """
        self._budget -= nbytes
        if self._budget < 0:
            self.damaged("its tables refer to the same bytes over and over")

    def spend_numbers(self, nbytes: int) -> None:
        """Charges ``nbytes`` that become Python numbers, which take many times that.

        Raises:
            ModelError: more than any real model has.
        """
        self.spend(nbytes)
        self._numbers_budget -= nbytes
        if self._numbers_budget < 0:
            self.damaged(f"its shapes, scales and indices take over {_NUMBERS_BUDGET >> 20} MiB")

    def check(self, pos: int, nbytes: int, what: str) -> None:
        """Checks that ``nbytes`` at ``pos`` lie in the file.

        Raises:
            ModelError: they do not.
        """
        if pos < 0 or nbytes < 0 or pos + nbytes > self.size:
            self.damaged(
                f"{what} needs bytes {pos} to {pos + nbytes}, the file has {self.size} bytes"
            )

    def scalar(self, pos: int, kind: str, what: str) -> Any:
        """A little-endian scalar at ``pos``."""
        packed = _SCALARS[kind]
        self.check(pos, packed.size, what)
        return packed.unpack_from(self.data, pos)[0]

    def follow(self, pos: int, what: str) -> int:
        """The position that the unsigned 32-bit offset at ``pos`` points to."""
        offset = self.scalar(pos, "u4", what)
        if offset == 0:
            self.damaged(f"{what} has a null offset at byte {pos}")
        target: int = pos + offset
        self.check(target, 4, what)
        return target

    def table(self, pos: int, what: str) -> Table:
        """The table at ``pos``."""
        return Table(self, pos, what)

    def root(self) -> Table:
        """The root table."""
        return self.table(self.follow(0, "the root"), "Model")

    def vector(self, pos: int, width: int, what: str) -> tuple[int, int]:
        """(position of the first element, count) of the vector at ``pos``."""
        count: int = self.scalar(pos, "u4", what)
        self.check(pos + 4, count * width, f"{what} ({count} elements)")
        return pos + 4, count


class Table:
    """One table: its vtable is checked once, its fields when they are read."""

    def __init__(self, walker: Walker, pos: int, what: str) -> None:
        self._walker = walker
        self._what = what
        self.pos = pos
        vtable: int = pos - walker.scalar(pos, "i4", what)
        walker.check(vtable, 4, f"the vtable of {what}")
        self._vtable_bytes: int = walker.scalar(vtable, "u2", what)
        self._inline_bytes: int = walker.scalar(vtable + 2, "u2", what)
        if self._vtable_bytes < 4 or self._vtable_bytes % 2 or self._inline_bytes < 4:
            walker.damaged(f"the vtable of {what} at byte {vtable} is malformed")
        walker.check(vtable, self._vtable_bytes, f"the vtable of {what}")
        walker.check(pos, self._inline_bytes, what)
        self._vtable = vtable
        walker.spend(4)

    @property
    def slots(self) -> int:
        """How many slots the vtable has."""
        return (self._vtable_bytes - 4) // 2

    def field(self, slot: int, width: int) -> int:
        """The position of the field in ``slot``, 0 where it is absent."""
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_bytes:
            return 0
        offset: int = self._walker.scalar(self._vtable + entry, "u2", self._what)
        if offset == 0:
            return 0
        if offset < 4 or offset + width > self._inline_bytes:
            self._walker.damaged(f"field {slot} of {self._what} lies outside its table")
        return self.pos + offset

    def scalar(self, slot: int, kind: str, default: Any = 0) -> Any:
        """A scalar field, or its default."""
        pos = self.field(slot, _SCALARS[kind].size)
        return self._walker.scalar(pos, kind, self._what) if pos else default

    def array(self, slot: int, dtype: str) -> NDArray[Any]:
        """A vector of scalars as a read-only view; empty where absent.

        Args:
            slot: the field.
            dtype: numpy's name without byte order, for example ``i4``.
        """
        kind = np.dtype(f"<{dtype}")
        pos = self.field(slot, 4)
        if not pos:
            return np.empty(0, kind)
        what = f"field {slot} of {self._what}"
        start, count = self._walker.vector(self._walker.follow(pos, what), kind.itemsize, what)
        return np.frombuffer(self._walker.data, kind, count, start)

    def numbers(self, slot: int, dtype: str) -> tuple[Any, ...]:
        """A vector of scalars as Python numbers; charged to the budget."""
        array = self.array(slot, dtype)
        self._walker.spend_numbers(array.nbytes)
        return tuple(array.tolist())

    def text(self, slot: int, default: str = "") -> str:
        """A string; bytes that are not UTF-8, and characters that do not print, are replaced."""
        raw = self.array(slot, "u1")
        self._walker.spend(raw.nbytes)
        return printable(raw.tobytes().decode("utf-8", "replace") if self.has(slot) else default)

    def outside(self, offset_slot: int, size_slot: int, what: str) -> tuple[int, int]:
        """(position, size) of bytes that 64-bit fields place anywhere in the file."""
        offset: int = self.scalar(offset_slot, "u8")
        size: int = self.scalar(size_slot, "u8")
        self._walker.check(offset, size, f"the values of {what}")
        return offset, size

    def has(self, slot: int) -> bool:
        """Whether the field is stored."""
        return self.field(slot, 1) != 0

    def table(self, slot: int, what: str) -> Table | None:
        """A sub-table, or None."""
        pos = self.field(slot, 4)
        return self._walker.table(self._walker.follow(pos, what), what) if pos else None

    def texts(self, slot: int, what: str, limit: int) -> tuple[str, ...]:
        """A vector of strings.

        Raises:
            ModelError: more than ``limit``.
        """
        walker = self._walker
        rows = self.tables(slot, what, limit)
        found = []
        for place in rows.places():
            start, count = walker.vector(walker.follow(place, what), 1, what)
            walker.spend(count)
            raw = walker.data[start : start + count]
            found.append(printable(raw.decode("utf-8", "replace")))
        return tuple(found)

    def tables(self, slot: int, what: str, limit: int) -> Tables:
        """A vector of tables.

        Raises:
            ModelError: more than ``limit``.
        """
        pos = self.field(slot, 4)
        if not pos:
            return Tables(self._walker, 0, 0, what)
        start, count = self._walker.vector(self._walker.follow(pos, what), 4, f"the list of {what}")
        if count > limit:
            self._walker.damaged(f"{count} entries in the list of {what}, at most {limit} allowed")
        return Tables(self._walker, start, count, what)


class Tables:
    """A vector of tables, read when asked for."""

    def __init__(self, walker: Walker, start: int, count: int, what: str) -> None:
        self._walker = walker
        self._start = start
        self._count = count
        self._what = what

    def __len__(self) -> int:
        return self._count

    def places(self) -> range:
        """The positions of the entries' offsets."""
        return range(self._start, self._start + 4 * self._count, 4)

    def __getitem__(self, index: int) -> Table:
        if not 0 <= index < self._count:
            raise IndexError(index)
        what = f"{self._what} {index}"
        return self._walker.table(self._walker.follow(self._start + 4 * index, what), what)
