"""Metadata of a .tflite: how the preprocess and postprocess specs travel inside the file.

:func:`embed` does not serialise the model again. It writes a small front (a new root table, new
lists of buffers and metadata, the new entries) and puts the old bytes behind it, moved by a
multiple of 64: offsets in a flatbuffer are relative, so the old tables stay valid as they are,
weights keep their alignment, and nothing that we do not know of is lost. Embedding again replaces
our front, so that the file does not grow.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.errors import ModelError
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.schema import IDENTIFIER, VERSION
from edgecnn.core.tflite.walker import Tables, Walker

PREPROCESS = "edgecnn.preprocess.json"
POSTPROCESS = "edgecnn.postprocess.json"

_ALIGN = 64
_MARK = b"edgecnn/1"  # where the front says that it is ours, and how long it is
_MARK_AT = 8
_SLOTS = 10
_BUFFERS, _METADATA = 4, 6
# Root fields that point into the old bytes and stay there.
_KEPT = (1, 2, 3, 5, 7, 8, 9)
_LIMIT = (1 << 31) - 1


def embed(data: bytes, entries: Mapping[str, bytes]) -> bytes:
    """The same model with metadata entries added or replaced; all else keeps its meaning.

    Args:
        data: a .tflite file.
        entries: name → bytes.

    Raises:
        ModelError: the file is damaged, or too large to hold more.
    """
    read_model(data)
    inner, ours = _split(data)
    return _with_front(inner, {**ours, **entries})


def specs(model: TfModel) -> tuple[PreprocessSpec | None, post.PostprocessSpec | None]:
    """The embedded specs; None where the file has none.

    Raises:
        ModelError: an embedded spec is no JSON.
        BundleError: an embedded spec holds what it must not.
    """
    before, after = _json(model, PREPROCESS), _json(model, POSTPROCESS)
    return (
        None if before is None else PreprocessSpec.from_json(before),
        None if after is None else post.from_json(after),
    )


def _json(model: TfModel, name: str) -> Any:
    raw = model.metadata.get(name)
    if raw is None:
        return None
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"the model's metadata '{name}' is no JSON", hint="run edgecnn quantize again"
        ) from error


def _split(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """(the file without our front, the entries of the front)."""
    start = _MARK_AT + len(_MARK)
    if data[_MARK_AT:start] != _MARK:
        return data, {}
    (shift,) = struct.unpack_from("<I", data, start)
    inner = data[shift:]
    try:
        old = _Old(inner)
        outer = Walker(data, "model").root()
        found = {
            name: data[at : at + size]
            for name, row, at, size in _entries(data, outer.tables(_METADATA, "entry", 1 << 16))
            if row < shift
        }
        # Whatever claims to be ours is believed only if we would have written exactly that.
        if old.moved == 0 and _with_front(inner, found) == data:
            return inner, found
    except (ModelError, struct.error):
        pass
    return data, {}


def _entries(data: bytes, tables: Tables) -> list[tuple[str, int, int, int]]:
    """Name, position of the row, position and size of the bytes, for each entry."""
    walker = Walker(data, "model")
    buffers = walker.root().tables(_BUFFERS, "buffer", 1 << 18)
    rows = []
    for k in range(len(tables)):
        index = tables[k].scalar(1, "u4")
        if index >= len(buffers):
            walker.damaged(f"metadata {k} uses buffer {index}")
        field = buffers[index].field(0, 4)
        at, size = walker.vector(walker.follow(field, "buffer"), 1, "buffer") if field else (0, 0)
        rows.append((tables[k].text(0), tables[k].pos, at, size))
    return rows


class _Old:
    """Where things are in the old bytes, and how many absolute offsets they hold."""

    def __init__(self, data: bytes) -> None:
        walker = Walker(data, "model")
        root = walker.root()
        if any(root.has(slot) for slot in range(_SLOTS, root.slots)):
            raise ModelError(
                "the model was written by a newer TFLite schema than this edgecnn knows",
                hint="update edgecnn",
            )
        self.kept = {
            slot: walker.follow(pos, f"field {slot} of the model")
            for slot in _KEPT
            if (pos := root.field(slot, 4))
        }
        buffers = root.tables(_BUFFERS, "buffer", 1 << 18)
        rows = root.tables(_METADATA, "metadata", 1 << 16)
        self.buffers = [buffers[k].pos for k in range(len(buffers))]
        self.metadata = [(rows[k].text(0), rows[k].pos) for k in range(len(rows))]
        self.absolute = _absolute_offsets(root.tables(2, "subgraph", 1 << 10), buffers)
        self.moved = len(self.absolute)


def _absolute_offsets(subgraphs: Tables, buffers: Tables) -> set[int]:
    """Positions of 64-bit fields that count from the file's start (large buffers, options)."""
    found = set()
    for k in range(len(buffers)):
        if buffers[k].scalar(1, "u8") > 1:
            buffers[k].outside(1, 2, f"buffer {k}")
            found.add(buffers[k].field(1, 8))
    for k in range(len(subgraphs)):
        operators = subgraphs[k].tables(3, "operator", 1 << 16)
        for j in range(len(operators)):
            if operators[j].scalar(9, "u8") > 1:
                operators[j].outside(9, 10, f"op {j}")
                found.add(operators[j].field(9, 8))
    return found


def _with_front(inner: bytes, entries: Mapping[str, bytes]) -> bytes:
    old = _Old(inner)
    size = len(_front(old, entries, 0))
    shift = -(-size // _ALIGN) * _ALIGN
    front = _front(old, entries, shift)
    body = bytearray(inner)
    for pos in old.absolute:
        (value,) = struct.unpack_from("<Q", body, pos)
        struct.pack_into("<Q", body, pos, value + shift)
    if shift + max((*old.kept.values(), *old.buffers), default=0) > _LIMIT:
        raise ModelError("the model is too large for more metadata", hint="use a smaller model")
    return bytes(front.ljust(shift, b"\0") + body)


def _front(old: _Old, entries: Mapping[str, bytes], shift: int) -> bytearray:
    """The new root and lists; ``shift`` is where the old bytes will start."""
    out = bytearray(struct.pack("<I", 0) + IDENTIFIER + _MARK + struct.pack("<I", shift))
    _pad(out, 4)
    vtable = len(out)
    # version, then one offset per field that is stored.
    slots = sorted({*old.kept, _BUFFERS, _METADATA})
    place = {0: 4} | {slot: 8 + 4 * k for k, slot in enumerate(slots)}
    inline = 8 + 4 * len(slots)
    out += struct.pack("<HH", 4 + 2 * _SLOTS, inline)
    out += struct.pack(f"<{_SLOTS}H", *(place.get(slot, 0) for slot in range(_SLOTS)))
    _pad(out, 4)
    table = len(out)
    struct.pack_into("<I", out, 0, table)
    out += struct.pack("<iI", table - vtable, VERSION) + bytes(4 * len(slots))
    for slot, target in old.kept.items():
        _point(out, table + place[slot], target + shift)

    # The schema wants an empty buffer 0.
    sentinel = 0 if old.buffers else 1
    count = len(old.buffers) + sentinel
    _point(out, table + place[_BUFFERS], len(out))
    buffers = _vector(out, count + len(entries))
    for k, target in enumerate(old.buffers):
        _point(out, buffers + 4 * k, target + shift)
    kept = [pos for name, pos in old.metadata if name not in entries]
    _point(out, table + place[_METADATA], len(out))
    rows = _vector(out, len(kept) + len(entries))
    for k, pos in enumerate(kept):
        _point(out, rows + 4 * k, pos + shift)
    if sentinel:
        _point(out, buffers, _buffer(out, b""))
    for k, (name, value) in enumerate(entries.items()):
        _point(out, rows + 4 * (len(kept) + k), _metadata(out, name, count + k))
        _point(out, buffers + 4 * (count + k), _buffer(out, value))
    return out


def _pad(out: bytearray, align: int, ahead: int = 0) -> None:
    out += bytes(-(len(out) + ahead) % align)


def _point(out: bytearray, pos: int, target: int) -> None:
    struct.pack_into("<I", out, pos, (target - pos) & 0xFFFFFFFF)


def _vector(out: bytearray, count: int) -> int:
    out += struct.pack("<I", count) + bytes(4 * count)
    return len(out) - 4 * count


def _metadata(out: bytearray, name: str, buffer: int) -> int:
    """A Metadata table (name, buffer) with its string behind it; its position."""
    _pad(out, 4)
    out += struct.pack("<4H", 8, 12, 4, 8)
    pos = len(out)
    raw = name.encode("utf-8")
    out += struct.pack("<iII", 8, 8, buffer) + struct.pack("<I", len(raw)) + raw + b"\0"
    return pos


def _buffer(out: bytearray, data: bytes) -> int:
    """A Buffer table with its bytes behind it, at a multiple of 16; its position."""
    _pad(out, 16, ahead=2)
    out += struct.pack("<3H", 6, 8, 4)
    pos = len(out)
    out += struct.pack("<iII", 6, 4, len(data)) + data
    return pos
