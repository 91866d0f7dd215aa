"""Names in a .tflite file: its signature, and what its tensors are called."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.schema import IDENTIFIER
from edgecnn.core.tflite.walker import Walker

_ALIGNMENT = 64
_ROOT_SLOTS = 10
_SIGNATURES_SLOT = 7
_TENSOR_NAME_SLOT = 3


def with_signature(data: bytes, key: str, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The same model with exactly one signature.

    A new root table is put in front and points into the old bytes, which stay as they are.

    Args:
        data: a .tflite file.
        key: the signature's name.
        inputs: one name per input of the main subgraph, in its order.
        outputs: one name per output, in its order.

    Raises:
        ModelError: ``data`` is no .tflite, the numbers of names are wrong, or it keeps buffers
            outside its tables (files over 2 GiB).
    """
    graph = read_model(data).main
    for side, names, tensors in (
        ("input", inputs, graph.inputs),
        ("output", outputs, graph.outputs),
    ):
        if len(names) != len(tensors) or len(set(names)) != len(names):
            raise ModelError(
                f"{len(tensors)} different {side} names expected, got {list(names)}",
                hint="give one name per tensor of the main subgraph",
            )
    front = _front(data, key, zip(inputs, graph.inputs, strict=True),
                   zip(outputs, graph.outputs, strict=True))  # fmt: skip
    return front + data


def rename_tensors(data: bytes, names: Mapping[int, str]) -> bytes:
    """The same model with tensors of the main subgraph renamed, in place.

    Only to names that are no longer than the old ones; others, and names that tensors share in
    the file, stay as they are.

    Args:
        data: a .tflite file.
        names: tensor index → new name.

    Raises:
        ModelError: ``data`` is no .tflite, or has no such tensor.
    """
    read_model(data)
    walker = Walker(data, "model")
    tensors = walker.root().tables(2, "subgraph", 1 << 10)[0].tables(0, "tensor", 1 << 16)
    if any(not 0 <= index < len(tensors) for index in names):
        raise ModelError(
            f"tensors {sorted(names)} named, the model has {len(tensors)}",
            hint="give indices of the main subgraph",
        )
    fields = [tensors[k].field(_TENSOR_NAME_SLOT, 4) for k in range(len(tensors))]
    places = [walker.follow(field, "name") if field else 0 for field in fields]
    out = bytearray(data)
    for index, name in names.items():
        place, raw = places[index], name.encode("utf-8")
        if not place or places.count(place) > 1:
            continue
        start, length = walker.vector(place, 1, "name")
        if len(raw) <= length:
            struct.pack_into("<I", out, place, len(raw))
            out[start : start + length] = raw.ljust(length, b"\0")
    return bytes(out)


class _Writer:
    """Appends tables and vectors front to back; offsets are filled in when their end is known."""

    def __init__(self) -> None:
        self.data = bytearray()

    def align(self, size: int) -> int:
        self.data += bytes(-len(self.data) % size)
        return len(self.data)

    def words(self, count: int) -> int:
        position = self.align(4)
        self.data += bytes(4 * count)
        return position

    def put(self, position: int, value: int) -> None:
        struct.pack_into("<I", self.data, position, value)

    def point(self, position: int, target: int) -> None:
        self.put(position, target - position)

    def table(self, slots: Sequence[int], total: int) -> dict[int, int]:
        """A table with 4-byte fields; slot → the position of its field (−1: the table)."""
        entries = [0] * total
        for order, slot in enumerate(slots):
            entries[slot] = 4 + 4 * order
        vtable = self.align(4)
        self.data += struct.pack(f"<{2 + total}H", 4 + 2 * total, 4 + 4 * len(slots), *entries)
        position = self.words(1 + len(slots))
        self.put(position, position - vtable)
        return {-1: position} | {slot: position + entries[slot] for slot in slots}

    def text(self, value: str) -> int:
        raw = value.encode("utf-8")
        position = self.words(1)
        self.put(position, len(raw))
        self.data += raw + b"\0"
        return position

    def vector(self, count: int) -> int:
        position = self.words(1 + count)
        self.put(position, count)
        return position


def _front(
    data: bytes, key: str, inputs: Iterable[tuple[str, int]], outputs: Iterable[tuple[str, int]]
) -> bytes:
    old = Walker(data, "model").root()
    buffers = old.tables(4, "buffer", 1 << 18)
    if any(buffers[k].scalar(1, "u8") > 1 for k in range(len(buffers))):
        raise ModelError("the model is too large to name its inputs", hint="use a smaller model")
    kept = [slot for slot in range(_ROOT_SLOTS) if old.field(slot, 4) and slot != _SIGNATURES_SLOT]
    writer = _Writer()
    writer.words(1)
    writer.data += IDENTIFIER
    root = writer.table([*kept, _SIGNATURES_SLOT], _ROOT_SLOTS)
    writer.point(0, root[-1])
    signatures = writer.vector(1)
    writer.point(root[_SIGNATURES_SLOT], signatures)
    signature = writer.table([0, 1, 2], 3)
    writer.point(signatures + 4, signature[-1])
    writer.point(signature[2], writer.text(key))
    for slot, pairs in ((0, list(inputs)), (1, list(outputs))):
        vector = writer.vector(len(pairs))
        writer.point(signature[slot], vector)
        for number, (name, tensor) in enumerate(pairs):
            entry = writer.table([0, 1], 2)
            writer.point(vector + 4 + 4 * number, entry[-1])
            writer.put(entry[1], tensor)
            writer.point(entry[0], writer.text(name))
    # Buffers in the old part keep their alignment.
    length = writer.align(_ALIGNMENT)
    for slot in kept:
        position = old.field(slot, 4)
        value = struct.unpack_from("<I", data, position)[0]
        if slot == 0:
            writer.put(root[slot], value)
        else:
            writer.point(root[slot], length + position + value)
    return bytes(writer.data)
