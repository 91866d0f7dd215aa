"""Broken files end in a model or a ModelError: never another exception, never a hang."""

import random
import struct
from collections.abc import Callable

import pytest

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.metadata import embed
from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder, tiny_classifier

SEEDS = {
    "classifier": tiny_classifier(),
    "embedded": embed(tiny_classifier(1), {"note": b"hello"}),
}


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def set_words(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        value = rng.choice(
            [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(data), rng.getrandbits(16)]
        )
        struct.pack_into("<I", data, 4 * rng.randrange(2, len(data) // 4), value)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(8, len(data)) :]


def splice(data: bytearray, rng: random.Random) -> None:
    size = rng.randint(4, 64)
    source, target = (rng.randrange(len(data) - size) for _ in range(2))
    data[target : target + size] = data[source : source + size]


def insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(8, len(data))
    data[at:at] = rng.randbytes(rng.choice([1, 2, 4, 16]))


CHANGES: list[Callable[[bytearray, random.Random], None]] = [
    flip_bits, set_words, truncate, splice, insert,
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", SEEDS)
def test_mutations_end_in_a_model_or_a_model_error(name: str) -> None:
    rng = random.Random(20260)
    read = refused = 0
    for _ in range(300):
        data = bytearray(SEEDS[name])
        rng.choice(CHANGES)(data, rng)
        try:
            read_model(bytes(data))
            read += 1
            read_model(embed(bytes(data), {"key": b"value"}))
        except ModelError as error:
            assert error.message
            refused += 1
    # Both must happen, else the mutations do not reach the reader's checks.
    assert read > 10
    assert refused > 50


@pytest.mark.timeout(60)
def test_every_truncation_is_refused() -> None:
    data = tiny_classifier()
    for size in range(0, len(data) - 4, 7):
        with pytest.raises(ModelError):
            read_model(data[:size])


@pytest.mark.timeout(60)
def test_tables_that_share_bytes_cannot_blow_up() -> None:
    """A list of 30,000 tensors that all are the same table with a large shape vector."""
    build = ModelBuilder()
    x = build.tensor((1, 4), "int8", [0.5] * 4, axis=1, name="x" * 20_000)
    y = build.tensor((1, 4), "int8", 0.5)
    build.op("RELU", [x], [y])
    data = build.build([x], [y])
    front = len(data) + (-len(data) % 4)
    raw = bytearray(data.ljust(front, b"\0"))
    root = struct.unpack_from("<I", raw, 0)[0]
    graphs = field(raw, root, 2)
    graph = graphs + 4 + struct.unpack_from("<I", raw, graphs + 4)[0]
    tensors = field(raw, graph, 0)
    tensor = tensors + 4 + struct.unpack_from("<I", raw, tensors + 4)[0]
    # The new list lies behind the file; offsets point forward only, so the table is copied too.
    count = 30_000
    listing = len(raw)
    struct.pack_into("<I", raw, slot(raw, graph, 0), listing - slot(raw, graph, 0))
    raw += struct.pack("<I", count) + bytes(4 * count)
    raw += bytes(-len(raw) % 4)
    moved = len(raw)
    raw += data[tensor - 200 :]
    target = moved + 200
    for k in range(count):
        pos = listing + 4 + 4 * k
        struct.pack_into("<I", raw, pos, target - pos)
    with pytest.raises(ModelError, match="over and over"):
        read_model(bytes(raw))


def slot(raw: bytearray, table: int, index: int) -> int:
    vtable = table - struct.unpack_from("<i", raw, table)[0]
    return table + struct.unpack_from("<H", raw, vtable + 4 + 2 * index)[0]


def field(raw: bytearray, table: int, index: int) -> int:
    pos = slot(raw, table, index)
    return pos + struct.unpack_from("<I", raw, pos)[0]


def test_more_tensors_than_any_real_model_has_are_refused() -> None:
    build = ModelBuilder()
    for _ in range((1 << 15) + 1):
        build.tensor((1,), "int8")
    build.op("RELU", [0], [1])
    with pytest.raises(ModelError, match="at most 32768"):
        read_model(build.build([0], [1]))


def test_lists_of_numbers_are_bounded_in_large_files() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "int8", 0.5), build.tensor((1, 4), "int8", 0.5)
    build.op("RELU", [x] * (5 << 20), [y])
    with pytest.raises(ModelError, match="over 16 MiB"):
        read_model(build.build([x], [y]))
