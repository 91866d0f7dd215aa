"""Sessions over a bad line: no hang, no wrong result is accepted, and the next session works."""

from __future__ import annotations

import ctypes
from random import Random

import pytest

from edgecnn.core.errors import TargetError
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.link.exchange import Timing
from firmware_glue.device.link.frames import LineFrame, encode_frame
from firmware_glue.device.link.messages import Request
from tests.firmware_glue.device.protocol.host_board import (
    INPUTS,
    HostBoard,
    HostLine,
    reference,
)
from tests.firmware_glue.device.protocol.noise import TroubledLine
from tests.share import long_but_for

_CHAPTERS = range(40)
_SESSIONS = 100


def client_of(line: HostLine) -> BoardClient:
    return BoardClient(line, Timing(clock=line.clock))


def some_inputs(rng: Random) -> tuple[bytes, bytes]:
    return rng.randbytes(INPUTS[0]), rng.randbytes(INPUTS[1])


def leave_behind(board: HostBoard, rng: Random) -> None:
    """A host that goes in the middle of something."""
    whole = encode_frame(LineFrame(int(Request.HELLO), rng.randrange(256), b"\x01abcd"))
    pieces = (b"na", b"db 00", b"infer 100000 0%", b"\xed", whole[:9], whole[: rng.randint(1, 16)])
    board.feed(rng.choice(pieces))
    for _ in range(rng.randint(0, 50)):
        board.turn()
        board.library.host_wait(rng.choice((0, 100, 10_000)))


def troubled_session(board: HostBoard, rng: Random) -> int:
    """Returns how many results came; each was right."""
    resets = tuple(rng.randint(1, 40) for _ in range(rng.choice((0, 0, 1, 3))))
    client = client_of(TroubledLine(board, rng, resets))
    board.set(hang_step=rng.choice((0xFFFF,) * 8 + (3,)))
    results = 0
    try:
        for _ in range(rng.randint(1, 3)):
            inputs = some_inputs(rng)
            run = client.infer(inputs, runs=rng.choice((1, 1, 2)), profile=rng.random() < 0.5)
            assert run.outputs == reference(inputs)
            results += 1
        client.memory()
        assert client.status().state in range(4)
        if rng.random() < 0.3:
            client.reset()
    except TargetError as error:
        assert error.hint
    return results


@pytest.mark.parametrize("chapter", long_but_for(_CHAPTERS, 0, 1, 2))
def test_sessions_over_a_bad_line(board_library: ctypes.CDLL, chapter: int) -> None:
    results = 0
    board = HostBoard(board_library)
    board.boot()
    for session in range(_SESSIONS):
        rng = Random(f"{chapter} {session}")
        board.set(step_us=rng.choice((20, 2000, 100_000)), byte_us=rng.choice((9, 87)), now=0)
        if rng.random() < 0.2:
            board.boot()
        leave_behind(board, rng)
        results += troubled_session(board, rng)
        leave_behind(board, rng)
        board.set(hang_step=0xFFFF)
        inputs = some_inputs(rng)
        run = client_of(HostLine(board)).infer(inputs)
        assert run.outputs == reference(inputs), "the next session works"
    assert results > _SESSIONS  # most sessions get through
