"""Frames on the board: checks, repetition, what is lost and cut, by a client written from the page.

:class:`Stranger` knows docs/protocol.md and none of our code.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import struct
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.firmware_glue.device.protocol.host_board import (
    FLASH,
    INPUTS,
    OUTPUTS,
    SHA256,
    STEPS,
    WATCHDOG,
    HostBoard,
    reference,
)

PAGE = Path(__file__).resolve().parents[4] / "docs/protocol.md"
HELLO, WRITE, READ, INVOKE, STATUS, MEMORY, PROFILE, HASH, RESET = range(1, 10)
WAIT, ERROR, NAK = 0xFD, 0xFE, 0xFF
NO_SESSION, UNKNOWN, LENGTH, RANGE, BUSY, INPUT, MODEL = range(1, 8)
GAP_US, MAX_PAYLOAD = 250_000, 256
MAGIC = b"\xed\xc7"


def wrapped(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    head = b"\xed\xc7" + struct.pack("<BBH", kind, sequence, len(payload))
    body = head + struct.pack("<H", zlib.crc32(head) & 0xFFFF) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def unwrapped(data: bytes) -> list[tuple[int, int, bytes]]:
    """(type, sequence, payload) of each frame; nothing else may be there."""
    found = []
    while data:
        magic, kind, sequence, length, check = struct.unpack_from("<2sBBHH", data)
        assert magic == b"\xed\xc7" and check == zlib.crc32(data[:6]) & 0xFFFF
        body, crc = data[: 8 + length], data[8 + length : 12 + length]
        assert struct.unpack("<I", crc) == (zlib.crc32(body),)
        found.append((kind, sequence, body[8:]))
        data = data[12 + length :]
    return found


class Stranger:
    """A client with a perfect line: what it is answered must be one frame, and the right one."""

    def __init__(self, board: HostBoard) -> None:
        self.board, self.sequence = board, 0

    def ask(self, kind: int, payload: bytes = b"") -> bytes:
        ((got, code, reply),) = self.frames(kind, payload)
        assert (got, code) == (kind | 0x80, self.sequence), (got, reply)
        return reply

    def refused(self, kind: int, payload: bytes = b"") -> int:
        ((got, code, reply),) = self.frames(kind, payload)
        assert (got, code, reply[0]) == (ERROR, self.sequence, kind)
        return reply[1]

    def frames(self, kind: int, payload: bytes = b"") -> list[tuple[int, int, bytes]]:
        self.sequence = (self.sequence + 1) % 256
        return unwrapped(self.board.ask(wrapped(kind, self.sequence, payload)))

    def hello(self) -> bytes:
        return self.ask(HELLO, b"\x01wxyz")

    def write(self, inputs: tuple[bytes, ...]) -> int:
        """Returns the CRC that INVOKE needs."""
        for index, data in enumerate(inputs):
            for at in range(0, len(data), MAX_PAYLOAD - 8):
                part = data[at : at + MAX_PAYLOAD - 8]
                self.ask(WRITE, struct.pack("<BBHI", index, 0, len(part), at) + part)
        return zlib.crc32(b"".join(inputs))

    def invoke(self, crc: int, runs: int = 1, flags: int = 0) -> tuple[int, ...]:
        reply = self.ask(INVOKE, struct.pack("<HBBI", runs, flags, 0, crc))
        return struct.unpack("<BBHIIIII", reply)

    def outputs(self) -> tuple[bytes, ...]:
        return tuple(
            self.ask(READ, struct.pack("<BBHI", index, 0, size, 0))
            for index, size in enumerate(OUTPUTS)
        )


def some_inputs(seed: int) -> tuple[bytes, ...]:
    rng = Random(seed)
    return tuple(rng.randbytes(size) for size in INPUTS)


@pytest.fixture
def stranger(board: HostBoard) -> Stranger:
    made = Stranger(board)
    made.hello()
    return made


def test_crc32_and_sha256_are_those_of_zlib_and_hashlib(board_library: ctypes.CDLL) -> None:
    rng = Random(3)
    board_library.edgecnn_crc32.restype = ctypes.c_uint32
    assert board_library.edgecnn_crc32(0, b"123456789", 9) == 0xCBF43926
    for size in (*range(0, 140), 1000, 4096):
        data = rng.randbytes(size)
        first = board_library.edgecnn_crc32(0, data, size // 3)
        rest = data[size // 3 :]
        assert board_library.edgecnn_crc32(ctypes.c_uint32(first), rest, len(rest)) == zlib.crc32(
            data
        )
        state = (ctypes.c_uint32 * 64)()
        board_library.edgecnn_sha256_start(state)
        board_library.edgecnn_sha256_add(state, data, size // 2)
        board_library.edgecnn_sha256_add(state, data[size // 2 :], size - size // 2)
        board_library.edgecnn_sha256_end(state)
        assert struct.pack(">8I", *state[:8]) == hashlib.sha256(data).digest()


def test_the_ring_holds_what_it_says_and_counts_the_rest(board: HostBoard) -> None:
    library = board.library
    for turn in range(3):
        data = Random(turn).randbytes(1024)
        assert all(library.edgecnn_ring_put(byte) for byte in data)
        assert not library.edgecnn_ring_has_room() and not library.edgecnn_ring_put(7)
        assert library.edgecnn_ring_lost() == turn + 1
        assert bytes(library.edgecnn_ring_get() for _ in data) == data
        assert library.edgecnn_ring_get() == -1 and library.edgecnn_ring_is_empty()
        for byte in data[:333]:
            assert library.edgecnn_ring_put(byte) and library.edgecnn_ring_get() == byte


def test_the_examples_of_the_page(board: HostBoard) -> None:
    said: list[tuple[str, bytearray]] = []
    for line in PAGE.read_text(encoding="utf-8").split("### Examples")[1].splitlines():
        found = re.fullmatch(r" {4}(host|board|) +((?:[0-9a-f]{2} ?)+)", line)
        if found is not None and found[1]:
            said.append((found[1], bytearray()))
        if found is not None:
            said[-1][1].extend(bytes.fromhex(found[2]))
    assert len(said) == 16
    for (who, asked), (other, reply) in zip(said[::2], said[1::2], strict=True):
        assert (who, other) == ("host", "board")
        assert board.ask(bytes(asked)).hex(" ") == reply.hex(" ")


def test_hello_tells_what_the_page_says(board: HostBoard) -> None:
    board.boot(WATCHDOG)
    board.take()
    info = Stranger(board).hello()
    assert info[:8] == b"\x01\x04\xff\xffwxyz"
    assert struct.unpack_from("<HHHBB", info, 8) == (MAX_PAYLOAD, 1024, STEPS, 2, 2)
    assert info[16:48] == SHA256
    assert struct.unpack_from("<4I", info, 48) == (*INPUTS, *OUTPUTS)
    assert info[64:] == b"\x09testboard\x05kws01\x0dedgecnn 1.2.3"


def test_an_inference(stranger: Stranger) -> None:
    inputs = some_inputs(1)
    crc = stranger.write(inputs)
    state, kind, step, runs, last_us, total_us, out_crc, lost = stranger.invoke(crc, 3, 1)
    assert (state, kind, step, runs, lost) == (2, INVOKE, 0, 3, 0)
    assert STEPS * 100 <= last_us <= STEPS * 105 and total_us == 3 * last_us
    assert stranger.outputs() == reference(inputs)
    assert zlib.crc32(b"".join(stranger.outputs())) == out_crc
    times = struct.unpack("<5I", stranger.ask(PROFILE, struct.pack("<HH", 0, STEPS)))
    assert sum(times) == last_us
    assert stranger.ask(PROFILE, struct.pack("<HH", 3, 2)) == struct.pack("<2I", *times[3:])
    # The inputs are still there, and a model that remembers goes on where it is asked to.
    stranger.invoke(crc)
    assert stranger.outputs() == reference(inputs)
    stranger.invoke(crc, 2, 2)
    assert stranger.outputs() == reference(inputs, 3)


def test_memory_and_hash(stranger: Stranger) -> None:
    assert struct.unpack("<4I", stranger.ask(MEMORY)) == (sum(INPUTS) + sum(OUTPUTS), 116, 256, 96)
    for size in (0, 1, 9, 1023, 1024, 1025, 65536):
        digest = stranger.ask(HASH, struct.pack("<I", size))
        assert digest == hashlib.sha256(FLASH[:size]).digest(), size
    assert stranger.refused(HASH, struct.pack("<I", 65537)) == RANGE


def test_a_repeated_request_is_not_carried_out_twice(stranger: Stranger) -> None:
    crc, board = stranger.write(some_inputs(2)), stranger.board
    before = board.get("invocations")
    first = stranger.invoke(crc, 2)
    again = wrapped(INVOKE, stranger.sequence, struct.pack("<HBBI", 2, 0, 0, crc))
    ((kind, _, reply),) = unwrapped(board.ask(again))
    assert (kind, struct.unpack("<BBHIIIII", reply)) == (INVOKE | 0x80, first)
    assert board.get("invocations") - before == 2
    # A new request of the same number is a new one once another one came between.
    stranger.ask(STATUS)
    unwrapped(board.ask(again))
    assert board.get("invocations") - before == 4


def test_while_it_is_at_work(stranger: Stranger) -> None:
    crc, board = stranger.write(some_inputs(3)), stranger.board
    board.set(step_us=50_000)
    request = wrapped(INVOKE, 77, struct.pack("<HBBI", 4, 0, 0, crc))
    board.feed(request)
    board.library.host_run(120_000)
    assert board.take() == b"", "nothing until it is done"
    board.feed(request)
    board.run(200_000)
    ((kind, sequence, status),) = unwrapped(board.take())
    assert (kind, sequence, status[0], status[1]) == (WAIT, 77, 1, INVOKE)
    board.feed(wrapped(READ, 78, struct.pack("<BBHI", 0, 0, 1, 0)))
    board.run(200_000)
    assert unwrapped(board.take()) == [(ERROR, 78, bytes((READ, BUSY)))]
    board.feed(wrapped(STATUS, 79))
    board.run(200_000)
    ((kind, _, status),) = unwrapped(board.take())
    assert (kind, status[0]) == (STATUS | 0x80, 1)
    assert board.settle() == b"", "the reply is owed to the last request alone"
    assert unwrapped(board.ask(wrapped(STATUS, 80)))[0][2][0] == 2
    assert stranger.outputs() == reference(some_inputs(3))


def test_hello_ends_an_inference(stranger: Stranger) -> None:
    crc, board = stranger.write(some_inputs(4)), stranger.board
    board.feed(wrapped(INVOKE, 9, struct.pack("<HBBI", 60000, 0, 0, crc)))
    board.library.host_run(10_000)
    stranger.hello()
    assert stranger.ask(STATUS)[0] == 0
    stranger.invoke(crc)
    assert stranger.outputs() == reference(some_inputs(4))


def test_refusals(board: HostBoard) -> None:
    stranger = Stranger(board)
    assert stranger.refused(STATUS) == NO_SESSION
    stranger.hello()
    crc = stranger.write(some_inputs(5))
    assert stranger.refused(INVOKE, struct.pack("<HBBI", 1, 0, 0, crc ^ 1)) == INPUT
    assert stranger.refused(INVOKE, struct.pack("<HBBI", 0, 0, 0, crc)) == RANGE
    assert stranger.refused(INVOKE, struct.pack("<HBBI", 1, 4, 0, crc)) == RANGE
    for kind in (0, 10, 0x7F, 0x81, 0xFF):
        assert stranger.refused(kind) == UNKNOWN
    for kind, payload in ((HELLO, b""), (STATUS, b"x"), (READ, bytes(7)), (WRITE, bytes(7))):
        assert stranger.refused(kind, payload) == LENGTH
    assert stranger.refused(WRITE, struct.pack("<BBHI", 0, 0, 5, 0) + b"four") == LENGTH
    spans = [(2, 1, 0), (0, 1, 490), (0, 2, 489), (1, 1, 0xFFFFFFFF), (0, 0, 491)]
    for index, count, offset in spans:
        span = struct.pack("<BBHI", index, 0, count, offset)
        assert stranger.refused(WRITE, span + bytes(count)) == RANGE
    for index, count, offset in [(2, 1, 0), (0, 13, 0), (1, 1, 0xFFFFFFFF), (0, 0xFFFF, 0)]:
        assert stranger.refused(READ, struct.pack("<BBHI", index, 0, count, offset)) == RANGE
    for first, count in [(0, STEPS + 1), (STEPS, 1), (0xFFFF, 0xFFFF)]:
        assert stranger.refused(PROFILE, struct.pack("<HH", first, count)) == RANGE
    board.set(fail_step=4)
    assert stranger.refused(INVOKE, struct.pack("<HBBI", 1, 0, 0, crc)) == MODEL


def test_text_ends_the_session_and_hello_ends_text(stranger: Stranger) -> None:
    board = stranger.board
    assert board.ask("name%").endswith(b"m-ready\r\n")
    assert stranger.refused(STATUS) == NO_SESSION
    board.feed(b"timest")
    stranger.hello()
    assert b"Unknown command: amp" in board.ask("amp%"), "what stood before the frame is gone"


def test_hello_ends_what_text_began(board: HostBoard) -> None:
    data = bytes(527).hex()
    for long_one in ("infer 100000 0%", "infer 1 100000%", "db print%"):
        board.ask(f"db load 527%db {data}%")
        board.feed(long_one.encode())
        board.run(100_000)
        board.take()
        reply = board.ask(wrapped(HELLO, 1, b"\x01wxyz"))
        text, magic, frame = reply.partition(MAGIC)
        assert unwrapped(magic + frame)[0][0] == HELLO | 0x80, "and nothing behind it"
        assert b"m-ready" not in text


def test_inputs_that_frames_brought_are_not_those_of_db(board: HostBoard) -> None:
    board.ask(f"db load 527%db {bytes(527).hex()}%")
    stranger = Stranger(board)
    stranger.hello()
    assert b"m-results" in board.ask("infer 1 0%")
    stranger.hello()
    stranger.ask(WRITE, struct.pack("<BBHI", 0, 0, 1, 0) + b"x")
    assert board.ask("infer 1 0%").startswith(b"e-[Input db has 0 bytes, expected 527]")


def test_reset(stranger: Stranger) -> None:
    reply = stranger.board.ask(wrapped(RESET, 200))
    assert reply.startswith(wrapped(RESET | 0x80, 200)) and b"m-reset-[software]" in reply
    assert stranger.refused(RESET) == NO_SESSION


def test_what_is_damaged_is_asked_for_again(stranger: Stranger) -> None:
    board, whole = stranger.board, wrapped(STATUS, 50)
    for bit in range(8 * 8, 8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert unwrapped(board.ask(bytes(changed))) == [(NAK, 50, b"\x01\x01")]
    for bit in range(8 * 8):  # of the header: no frame at all
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert MAGIC not in board.ask(bytes(changed))
        stranger.ask(STATUS)


def test_what_is_cut_is_asked_for_again_after_a_gap(stranger: Stranger) -> None:
    board, whole = stranger.board, wrapped(WRITE, 51, bytes(8) + b"data")
    for cut in range(1, len(whole)):
        board.feed(whole[:cut])
        board.library.host_run(GAP_US // 2)
        assert board.take() == b""
        board.run(GAP_US)
        assert unwrapped(board.settle()) == ([(NAK, 51, b"\x02\x01")] if cut >= 8 else [])


def test_a_frame_behind_a_cut_one_is_not_missed(stranger: Stranger) -> None:
    board, cut = stranger.board, wrapped(WRITE, 52, bytes(100))
    for length in range(1, len(cut)):
        board.feed(cut[:length] + wrapped(STATUS, 53))
        board.run(10_000)
        replies = unwrapped(board.settle())
        assert [reply[:2] for reply in replies if reply[0] != NAK] == [(STATUS | 0x80, 53)], length


def test_a_payload_too_long(stranger: Stranger) -> None:
    longest = wrapped(WRITE, 54, struct.pack("<BBHI", 0, 0, 248, 0) + bytes(248))
    assert unwrapped(stranger.board.ask(longest)) == [(WRITE | 0x80, 54, b"")]
    longer = wrapped(WRITE, 55, struct.pack("<BBHI", 0, 0, 249, 0) + bytes(249))
    assert unwrapped(stranger.board.ask(longer)) == [(NAK, 55, b"\x04\x01")]
    stranger.ask(STATUS)


def test_bytes_arrive_while_a_step_computes(stranger: Stranger) -> None:
    """The ring holds what comes in 80 ms at 115,200 baud (920 bytes); more is noticed."""
    board = stranger.board
    crc = stranger.write(some_inputs(6))
    board.set(step_us=80_000, byte_us=87)
    board.feed(wrapped(INVOKE, 60, struct.pack("<HBBI", 1, 0, 0, crc)))
    board.feed(wrapped(STATUS, 61) * 70)
    replies = unwrapped(board.settle())
    assert [reply[:2] for reply in replies] == [(STATUS | 0x80, 61)] * 70
    assert struct.unpack("<I", replies[-1][2][-4:]) == (0,), "none was lost"

    board.set(step_us=200_000)
    board.feed(wrapped(INVOKE, 62, struct.pack("<HBBI", 1, 0, 0, crc)))
    board.feed(b"".join(wrapped(STATUS, 63) for _ in range(300)))
    replies = unwrapped(board.settle())
    assert (NAK, 0, b"\x03\x00") in replies, "it cannot know what was lost"
    status = stranger.ask(STATUS)
    assert struct.unpack("<I", status[-4:])[0] > 0

    board.set(holds_back=1)  # hardware that can make the sender wait loses nothing
    board.feed(wrapped(INVOKE, 64, struct.pack("<HBBI", 1, 0, 0, crc)))
    board.feed(b"".join(wrapped(STATUS, 65) for _ in range(300)))
    assert len(unwrapped(board.settle())) == 300
    assert stranger.ask(STATUS)[-4:] == status[-4:]


def test_text_with_lost_bytes_is_not_carried_out(board: HostBoard) -> None:
    data = bytes(range(256)) * 2 + bytes(15)
    board.ask(f"db load {len(data)}%db {data.hex()}%")
    board.set(step_us=1_000_000)
    board.feed(b"infer 1 0%")
    board.library.host_run(100_000)
    board.feed(b"db load 4%" + b"db 01020304%" * 200)
    reply = board.settle()
    assert b"e-[Bytes of the command were lost or damaged]\r\nm-ready\r\n" in reply


@settings(max_examples=200)
@example([b"\xed\xc7\x02\x01\xff\xff"], 5)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.builds(wrapped, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300)),
            st.sampled_from([b"%", b"infer 9 9%", b"db load 3%", b"\xed", b"\xed\xc7", b"db 0"]),
        ),
        max_size=8,
    ),
    st.integers(0, 300_000),
)
def test_any_bytes_are_survived(
    board_library: ctypes.CDLL, pieces: list[bytes], pause_us: int
) -> None:
    board = HostBoard(board_library)
    board.set(step_us=10, hang_step=0xFFFF, fail_step=0xFFFFFFFF, holds_back=0, byte_us=87, now=0)
    board.boot()
    for piece in pieces:
        board.feed(piece)
        board.library.host_run(pause_us)
    board.settle()
    stranger = Stranger(board)
    stranger.hello()
    inputs = some_inputs(7)
    stranger.invoke(stranger.write(inputs))
    assert stranger.outputs() == reference(inputs)
