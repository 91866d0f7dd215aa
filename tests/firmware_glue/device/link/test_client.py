"""Our client against the firmware's C: what it returns, and its words when something is wrong."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import TargetError
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.link.exchange import Timing
from firmware_glue.device.link.frames import FrameReader, LineFrame, encode_frame
from firmware_glue.device.link.messages import BoardMemory, Request
from tests.firmware_glue.device.link.test_frames import FRAMES
from tests.firmware_glue.device.protocol.host_board import (
    FLASH,
    INPUTS,
    OUTPUTS,
    SHA256,
    STEPS,
    HostBoard,
    HostLine,
    HostModel,
    build,
    reference,
)

DATA = tuple(bytes(range(7, 7 + size % 249)) * 3 for size in INPUTS)
DATA = tuple((data * 9)[:size] for data, size in zip(DATA, INPUTS, strict=True))


def client_of(line: HostLine) -> BoardClient:
    return BoardClient(line, Timing(clock=line.clock))


@pytest.fixture
def client(board: HostBoard) -> BoardClient:
    return client_of(HostLine(board))


def test_what_a_board_says_of_itself(client: BoardClient) -> None:
    info = client.hello()
    assert (info.protocol, info.firmware, info.board) == (1, "edgecnn 1.2.3", "testboard")
    assert (info.model_id, info.model_sha256) == ("kws01", SHA256.hex())
    assert (info.reset_cause, info.hung_step) == ("power", None)
    assert (info.inputs, info.outputs, info.steps) == (INPUTS, OUTPUTS, STEPS)
    assert (info.max_payload, info.ring_bytes) == (256, 1024)


def test_inferences(client: BoardClient) -> None:
    run = client.infer(DATA, runs=3, profile=True)
    assert run.outputs == reference(DATA)
    assert len(run.run_us) == 3 and len(run.step_us) == STEPS
    assert sum(run.step_us) == run.run_us[-1]
    assert client.infer(DATA).step_us == ()
    client.infer(DATA, runs=2, keep_state=True)
    assert client.infer(DATA, keep_state=True).outputs == reference(DATA, 4)


def test_an_inference_that_takes_minutes(client: BoardClient, board: HostBoard) -> None:
    board.set(step_us=20_000_000)
    assert client.infer(DATA).outputs == reference(DATA)


def test_memory_status_and_hash(client: BoardClient) -> None:
    assert client.memory() == BoardMemory(sum(INPUTS) + sum(OUTPUTS), 116, 256, 96)
    client.infer(DATA)
    assert (client.status().state, client.status().runs, client.status().lost_bytes) == (2, 1, 0)
    assert client.flash_hash(60000) == hashlib.sha256(FLASH[:60000]).hexdigest()
    with pytest.raises(TargetError, match="refuses the request .RANGE."):
        client.flash_hash(65537)


def test_reset(client: BoardClient, board: HostBoard) -> None:
    for _ in range(2):
        client.reset()
        assert client.hello().reset_cause == "software"
    board.ask("name%")  # ends the session; the reset comes all the same
    boots = board.boots
    client.reset()
    assert board.boots > boots


def test_a_board_that_was_reset_in_between(client: BoardClient, board: HostBoard) -> None:
    client.hello()
    for cause in (1, 2, 3):
        board.boot(cause)
        assert client.infer(DATA).outputs == reference(DATA)
    board.ask("name%")
    assert client.memory().stack_bytes == 256


def test_what_a_model_remembers_is_not_made_up(client: BoardClient, board: HostBoard) -> None:
    client.infer(DATA, keep_state=True)
    board.boot()
    with pytest.raises(TargetError, match="what the model remembered"):
        client.infer(DATA, keep_state=True)


def test_a_step_that_hangs_is_named(client: BoardClient, board: HostBoard) -> None:
    board.set(hang_step=3)
    with pytest.raises(TargetError, match="step 3 of the model did not end"):
        client.infer(DATA)
    board.set(hang_step=0xFFFF)
    assert client.hello().hung_step == 3
    assert client.infer(DATA).outputs == reference(DATA)


def test_a_model_that_fails(client: BoardClient, board: HostBoard) -> None:
    board.set(fail_step=1)
    with pytest.raises(TargetError, match="the model returned an error"):
        client.infer(DATA)


def test_wrong_inputs(client: BoardClient) -> None:
    for wrong in ((), (b"",), (DATA[0], b""), (*DATA, b"")):
        with pytest.raises(TargetError, match=r"takes \[490, 37\]"):
            client.infer(wrong)
    with pytest.raises(TargetError, match="for 0 runs"):
        client.infer(DATA, runs=0)


@pytest.mark.parametrize(("kind", "times"), [(0x83, 1), (0x83, 1000), (0x02, 1), (0x02, 1000)])
def test_tensors_are_checked_as_a_whole(board: HostBoard, kind: int, times: int) -> None:
    """Frames that are right each, with other data in them: as if another program used the board."""
    left = [times]

    def change(data: bytes) -> bytes:
        frames = FrameReader().feed(data)
        for at, frame in enumerate(frames):
            if frame.type == kind and left[0]:
                left[0] -= 1
                payload = frame.payload[:-1] + bytes((frame.payload[-1] ^ 1,))
                frames[at] = LineFrame(frame.type, frame.sequence, payload)
        return b"".join(map(encode_frame, frames))

    line = HostLine(board, down=change, up=change)
    if times == 1:
        assert client_of(line).infer(DATA).outputs == reference(DATA)
    else:
        with pytest.raises(TargetError, match="lost the inference 4 times"):
            client_of(line).infer(DATA)


def test_replies_that_come_late_and_again(tmp_path: Path) -> None:
    """Each reply comes a second time behind the next one: none is taken for another request's."""
    inputs, outputs = (1200, 3), (1111, 777)
    board = HostBoard(build(tmp_path, HostModel(inputs, outputs)))
    board.boot()
    board.take()
    last = [b""]

    def late(data: bytes) -> bytes:
        last[0], before = data, last[0]
        return before + data

    given = (bytes(i * i & 0xFF for i in range(1200)), b"abc")
    client = client_of(HostLine(board, up=late))
    before = board.get("invocations")
    assert client.infer(given, runs=2).outputs == reference(given, 1, outputs)
    assert board.get("invocations") - before == 2, "at once, and not begun anew"


def test_nobody_answers(board: HostBoard) -> None:
    line = HostLine(board, down=lambda data: b"")
    with pytest.raises(TargetError) as caught:
        client_of(line).hello()
    assert "no board answers on memory" in caught.value.message
    assert "edgecnn flash" in caught.value.hint


def test_a_board_that_dies_while_it_computes(client: BoardClient, board: HostBoard) -> None:
    client.hello()
    board.set(hang_step=2)
    board.watchdog_us = 1 << 40
    with pytest.raises(TargetError, match="no board answers on memory .asked for 60 s"):
        client.infer(DATA)
    board.watchdog_us = 8_000_000


class _Answers:
    """A line to a board that answers every request with one payload."""

    description = "made up"

    def __init__(self, reply: Callable[[LineFrame], LineFrame]) -> None:
        self._reply, self._pending, self._reader = reply, b"", FrameReader()
        self._now = 0.0

    def clock(self) -> float:
        return self._now

    def read(self, timeout_s: float) -> bytes:
        data, self._pending = self._pending, b""
        self._now += 0.0 if data else timeout_s
        return data

    def write(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            self._pending += encode_frame(self._reply(frame))

    def close(self) -> None:
        pass


def answer(kind: int, payload: bytes) -> Callable[[LineFrame], LineFrame]:
    return lambda frame: LineFrame(kind or frame.type | 0x80, frame.sequence, payload)


HELLO = struct.pack("<BBH4sHHHBB32s", 1, 9, 0xFFFF, b"echo", 256, 1024, 1, 1, 1, bytes(32))
NONSENSE = {
    "version 2 of the protocol": b"\x02",
    "HELLO of 0 bytes": b"",
    "HELLO of 47 bytes": HELLO[:47],
    "HELLO ends among the tensors": HELLO + bytes(7),
    "HELLO ends among the names": HELLO + bytes(8) + b"\x02a",
    "or they are no text": HELLO + bytes(8) + b"\x01\xff\x00\x00",
    "payloads of at most 3 bytes": HELLO.replace(b"\x00\x01\x00\x04", b"\x03\x00\x00\x04")
    + bytes(11),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_answers_that_make_no_sense(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", lambda count: b"echo")
    with pytest.raises(TargetError) as caught:
        BoardClient(_Answers(answer(0, NONSENSE[what]))).hello()
    assert what in caught.value.message and "edgecnn flash" in caught.value.hint


def test_an_answer_for_another_host() -> None:
    good = HELLO + bytes(8) + b"\x01a\x01b\x01c"
    with pytest.raises(TargetError, match="for another host"):
        BoardClient(_Answers(answer(0, good))).hello()


def test_nonsense_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", lambda count: b"echo")
    good = HELLO + bytes(8) + b"\x01a\x01b\x01c"

    def reply(frame: LineFrame) -> LineFrame:
        return LineFrame(frame.type | 0x80, frame.sequence, good if frame.type == 1 else b"?")

    client = BoardClient(_Answers(reply))
    for use in (client.memory, client.status, lambda: client.flash_hash(1)):
        with pytest.raises(TargetError, match="makes no sense"):
            use()
    refusing = BoardClient(
        _Answers(lambda frame: LineFrame(0xFE, frame.sequence, bytes((frame.type, 9))))
    )
    with pytest.raises(TargetError, match="HELLO was refused"):
        refusing.hello()


def test_a_board_flashed_anew_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", lambda count: b"echo")
    names, hellos = bytes(8) + b"\x01a\x01b\x01c", []

    def reply(frame: LineFrame) -> LineFrame:
        if frame.type != Request.HELLO:
            return LineFrame(0xFE, frame.sequence, bytes((frame.type, 1)))
        hellos.append(frame)
        return LineFrame(0x81, frame.sequence, HELLO[:-32] + bytes([len(hellos)]) * 32 + names)

    with pytest.raises(TargetError, match="flashed with another model"):
        BoardClient(_Answers(reply)).memory()


class _Babble:
    """A line with any bytes on it; each read takes its time by a clock of its own."""

    description = "babble"

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self.now = chunks, 0.0

    def read(self, timeout_s: float) -> bytes:
        data = next(self._chunks, b"")
        self.now += 0.001 if data else timeout_s
        return data

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


def give_up(line: _Babble) -> None:
    client = BoardClient(line, Timing(clock=lambda: line.now))
    for use in (client.hello, client.memory, lambda: client.flash_hash(1), client.reset):
        with pytest.raises(TargetError) as caught:
            use()
        assert caught.value.hint


@settings(max_examples=50)
@given(st.lists(st.one_of(st.binary(max_size=60), FRAMES.map(encode_frame)), max_size=20))
def test_any_bytes_from_the_board_are_survived(chunks: list[bytes]) -> None:
    give_up(_Babble(iter(chunks)))


def test_a_board_that_comes_no_further_is_given_up() -> None:
    """It says for ever that it is at work: with another status each time, and with the same."""
    good, times = HELLO + bytes(8) + b"\x01a\x01b\x01c", [0]

    def reply(frame: LineFrame) -> LineFrame:
        if frame.type == Request.HELLO:
            return LineFrame(0x81, frame.sequence, good.replace(b"echo", frame.payload[1:]))
        times[0] += 1
        status = bytes((1, 8, 0, 0, min(times[0], 200))) + bytes(19)
        return LineFrame(0xFD, frame.sequence, status)

    line = _Answers(reply)
    with pytest.raises(TargetError, match="no board answers on made up .asked for 60 s"):
        BoardClient(line, Timing(clock=line.clock)).flash_hash(9)
    assert times[0] > 200


def test_noise_without_end_is_given_up() -> None:
    rng = Random(5)
    give_up(_Babble(iter(lambda: rng.randbytes(30), b"")))
    give_up(_Babble(iter(lambda: encode_frame(LineFrame(0xFF, 0, b"\3\0")), b"")))
    give_up(
        _Babble(iter(lambda: encode_frame(LineFrame(0xFD, rng.randrange(256), bytes(24))), b""))
    )
