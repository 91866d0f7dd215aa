"""What requests and replies carry: the payloads of docs/protocol.md."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from edgecnn.core.errors import TargetError

PROTOCOL_VERSION = 1
NO_STEP = 0xFFFF
REPLY = 0x80
"""Added to a request's type."""


class Request(IntEnum):
    """Types of requests."""

    HELLO = 0x01
    WRITE = 0x02
    READ = 0x03
    INVOKE = 0x04
    STATUS = 0x05
    MEMORY = 0x06
    PROFILE = 0x07
    HASH = 0x08
    RESET = 0x09


class Notice(IntEnum):
    """Types of replies that are not the request's own."""

    WAIT = 0xFD
    ERROR = 0xFE
    NAK = 0xFF


class Refusal(IntEnum):
    """Why a board refuses a request."""

    NO_SESSION = 1
    UNKNOWN = 2
    LENGTH = 3
    RANGE = 4
    BUSY = 5
    INPUT = 6
    MODEL = 7


RESET_CAUSES = ("unknown", "power", "pin", "software", "watchdog")


@dataclass(frozen=True)
class BoardInfo:
    """What a board says of itself.

    Attributes:
        protocol: version of the protocol.
        firmware: version of the program.
        board: name of the board that it was made for.
        model_sha256: of the .tflite, in hexadecimal.
        reset_cause: one of :data:`RESET_CAUSES`.
        hung_step: the step of the model that ran when the watchdog reset the board; None: none.
        inputs, outputs: bytes of each.
        steps: of the model.
        max_payload: bytes that a frame can carry.
        ring_bytes: bytes that the board can hold while it computes.
    """

    protocol: int
    firmware: str
    board: str
    model_id: str
    model_sha256: str
    reset_cause: str
    hung_step: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: int
    max_payload: int
    ring_bytes: int


@dataclass(frozen=True)
class BoardStatus:
    """How far the board is with its inferences.

    Attributes:
        state: 0 idle, 1 at work, 2 done, 3 the model returned an error.
        step: the step that is next.
        runs: inferences that are done.
        last_us, total_us: microseconds inside the model's steps.
        outputs_crc: CRC-32 of all outputs, if done.
        lost_bytes: bytes that found no room since the start.
    """

    state: int
    step: int
    runs: int
    last_us: int
    total_us: int
    outputs_crc: int
    lost_bytes: int


@dataclass(frozen=True)
class BoardMemory:
    """Memory of a running board, in bytes.

    Attributes:
        arena_bytes: the model's memory regions.
        static_bytes: other variables.
        stack_bytes: kept for the stack.
        stack_used_bytes: the most of it that was in use since the start.
    """

    arena_bytes: int
    static_bytes: int
    stack_bytes: int
    stack_used_bytes: int


_HELLO = struct.Struct("<BBH4sHHHBB32s")
_STATUS = struct.Struct("<BBHIIIII")


def unexpected(what: str) -> TargetError:
    """The error for a reply that does not mean anything."""
    return TargetError(
        f"the board's answer makes no sense: {what}",
        hint="flash it again with this version of edgecnn (edgecnn flash)",
    )


def parse_hello(payload: bytes, nonce: bytes) -> BoardInfo | None:
    """Reads the reply to HELLO; None: it answers another host's.

    Raises:
        TargetError: it is malformed, or the board speaks another version.
    """
    if payload and payload[0] != PROTOCOL_VERSION:
        raise TargetError(
            f"the board speaks version {payload[0]} of the protocol; this is {PROTOCOL_VERSION}",
            hint="flash it again with this version of edgecnn (edgecnn flash)",
        )
    if len(payload) < _HELLO.size:
        raise unexpected(f"HELLO of {len(payload)} bytes")
    fields = _HELLO.unpack_from(payload)
    _, cause, hung, echo, max_payload, ring, steps, inputs, outputs, sha256 = fields
    if echo != nonce:
        return None
    at = _HELLO.size + 4 * (inputs + outputs)
    if len(payload) < at:
        raise unexpected("HELLO ends among the tensors")
    sizes = struct.unpack_from(f"<{inputs + outputs}I", payload, _HELLO.size)
    names = []
    for _ in range(3):
        length = payload[at] if at < len(payload) else 256
        text = payload[at + 1 : at + 1 + length]
        if len(text) != length or not all(0x20 <= byte < 0x7F for byte in text):
            raise unexpected("HELLO ends among the names, or they are no text")
        names.append(text.decode("ascii"))
        at += 1 + length
    if max_payload < 16:
        raise unexpected(f"payloads of at most {max_payload} bytes")
    return BoardInfo(
        protocol=payload[0], firmware=names[2], board=names[0], model_id=names[1],
        model_sha256=sha256.hex(), reset_cause=RESET_CAUSES[cause if cause < 5 else 0],
        hung_step=None if hung == NO_STEP else hung, inputs=sizes[:inputs],
        outputs=sizes[inputs:], steps=steps, max_payload=max_payload, ring_bytes=ring,
    )  # fmt: skip


def parse_status(payload: bytes) -> BoardStatus:
    """Reads the reply to STATUS, INVOKE, and WAIT.

    Raises:
        TargetError: it is malformed.
    """
    if len(payload) != _STATUS.size:
        raise unexpected(f"a status of {len(payload)} bytes")
    state, _, step, runs, last_us, total_us, crc, lost = _STATUS.unpack(payload)
    return BoardStatus(state, step, runs, last_us, total_us, crc, lost)


def parse_memory(payload: bytes) -> BoardMemory:
    """Reads the reply to MEMORY.

    Raises:
        TargetError: it is malformed.
    """
    if len(payload) != 16:
        raise unexpected(f"memory figures of {len(payload)} bytes")
    return BoardMemory(*struct.unpack("<4I", payload))


def span_payload(index: int, offset: int, count: int) -> bytes:
    """The payload of READ, and the beginning of WRITE's."""
    return struct.pack("<BBHI", index, 0, count, offset)


def invoke_payload(inputs_crc: int, *, runs: int, profile: bool, keep_state: bool) -> bytes:
    """The payload of INVOKE."""
    return struct.pack("<HBBI", runs, profile | keep_state << 1, 0, inputs_crc)
