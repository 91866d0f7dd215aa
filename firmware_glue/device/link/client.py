"""A board at the other end of a line: what it is, inferences, memory, hash of its flash."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.core.errors import TargetError
from firmware_glue.device.link.base import Line
from firmware_glue.device.link.exchange import (
    Exchange,
    RequestRefusedError,
    SessionLostError,
    Timing,
)
from firmware_glue.device.link.messages import (
    BoardInfo,
    BoardMemory,
    BoardStatus,
    Refusal,
    Request,
    invoke_payload,
    parse_hello,
    parse_memory,
    parse_status,
    span_payload,
    unexpected,
)

_TRIES = 4
"""How often an inference is begun anew because the board was reset, or data arrived changed."""
_NONCE_BYTES = 4


@dataclass(frozen=True)
class BoardRun:
    """Inferences on one set of inputs.

    Attributes:
        outputs: bytes of each output after the last inference.
        run_us: microseconds inside the model's steps, for each inference, by the board's clock.
        step_us: the same for each step of the last inference; empty: not asked for.
    """

    outputs: tuple[bytes, ...]
    run_us: tuple[int, ...]
    step_us: tuple[int, ...]


class _ChangedError(Exception):
    """Data arrived changed, although each frame was right: something else used the board."""


class BoardClient:
    """Speaks with a board in frames. One thread; one client for a line.

    Args:
        line: closed by whoever opened it.
        timing: how long to wait.
    """

    def __init__(self, line: Line, timing: Timing | None = None) -> None:
        self._exchange = Exchange(line, timing or Timing())
        self._info: BoardInfo | None = None

    def hello(self) -> BoardInfo:
        """Opens a session; returns what the board says of itself.

        Raises:
            TargetError: no board answers, or it speaks another version of the protocol.
        """
        for _ in range(_TRIES):
            nonce = os.urandom(_NONCE_BYTES)
            payload = bytes((1,)) + nonce
            try:
                info = parse_hello(self._exchange.request(Request.HELLO, payload), nonce)
            except (SessionLostError, RequestRefusedError) as error:
                raise unexpected("HELLO was refused") from error
            if info is not None:
                self._info = info
                return info
        raise unexpected("HELLO was answered for another host: is another program on the line?")

    def infer(
        self,
        inputs: Sequence[bytes],
        *,
        runs: int = 1,
        profile: bool = False,
        keep_state: bool = False,
    ) -> BoardRun:
        """Runs the model on ``inputs``, each run from the same ones.

        Args:
            inputs: bytes of each input, in the model's order.
            runs: how many inferences, at least one.
            profile: ask for the time of each step.
            keep_state: models that remember go on from the inference before.

        Raises:
            TargetError: wrong inputs, no answer, the model failed or hung, or the board was reset
                again and again.
        """
        given, expected = tuple(map(len, inputs)), self._known().inputs
        if given != expected or runs < 1:
            raise TargetError(
                f"inputs of {list(given)} bytes for {runs} runs; the board's model takes"
                f" {list(expected)}",
                hint="one array per input, in the model's order and dtypes, and at least one run",
            )
        for _ in range(1 if keep_state else _TRIES):  # what it remembered is lost, or has moved on
            try:
                return self._infer(inputs, runs, profile, keep_state)
            except SessionLostError:
                self._again()
            except _ChangedError:
                continue
        if keep_state:
            raise TargetError(
                "the board lost the inference, and what the model remembered of earlier ones",
                hint="begin the sequence of inferences again",
            )
        raise TargetError(
            f"the board lost the inference {_TRIES} times: it was reset, or the line changed data",
            hint="check its power and cable, and that no other program uses the line",
        )

    def memory(self) -> BoardMemory:
        """Returns the memory in use.

        Raises:
            TargetError: no answer.
        """
        return parse_memory(self._in_session(Request.MEMORY, b""))

    def status(self) -> BoardStatus:
        """Returns how far the board is.

        Raises:
            TargetError: no answer.
        """
        return parse_status(self._in_session(Request.STATUS, b""))

    def flash_hash(self, size: int) -> str:
        """Returns the SHA-256 of the image's first ``size`` bytes in flash, in hexadecimal.

        Raises:
            TargetError: no answer, or flash has less.
        """
        digest = self._in_session(Request.HASH, struct.pack("<I", size), long=True)
        if len(digest) != 32:
            raise unexpected(f"a hash of {len(digest)} bytes")
        return digest.hex()

    def reset(self) -> None:
        """Resets the board. It greets anew; the session is over.

        Raises:
            TargetError: no answer.
        """
        for _ in range(_TRIES):
            self._known()
            self._info = None  # what comes next says HELLO first
            try:
                self._exchange.request(Request.RESET)
                return
            except SessionLostError:  # or the reply was lost: once more does no harm
                continue
            except RequestRefusedError as error:
                raise _refused(error) from error
        raise unexpected("it forgets the session again and again")

    def _known(self) -> BoardInfo:
        return self._info or self.hello()

    def _in_session(self, kind: Request, payload: bytes, *, long: bool = False) -> bytes:
        self._known()
        for _ in range(_TRIES):
            try:
                if long:
                    return self._exchange.long_request(kind, payload)
                return self._exchange.request(kind, payload)
            except SessionLostError:
                self._again()
            except RequestRefusedError as error:
                raise _refused(error) from error
        raise unexpected("it forgets the session again and again")

    def _again(self) -> None:
        """Opens the session anew; what hung is said, and another model is noticed."""
        before, info = self._info, self.hello()
        if info.reset_cause == "watchdog" and info.hung_step is not None:
            raise TargetError(
                f"the watchdog reset the board: step {info.hung_step} of the model did not end",
                hint="the step's name is in the compiled C (edgecnn compile); please report it",
            )
        if before is not None and before.model_sha256 != info.model_sha256:
            raise TargetError(
                "the board has been flashed with another model in between",
                hint="run the command again",
            )

    def _infer(
        self, inputs: Sequence[bytes], runs: int, profile: bool, keep_state: bool
    ) -> BoardRun:
        """Raises SessionLostError and _ChangedError: to be begun anew."""
        try:
            for index, data in enumerate(inputs):
                self._write(index, data)
            crc = zlib.crc32(b"".join(inputs))
            run_us = []
            for _ in range(runs):
                wanted = invoke_payload(crc, runs=1, profile=profile, keep_state=keep_state)
                status = parse_status(self._exchange.long_request(Request.INVOKE, wanted))
                run_us.append(status.last_us)
            outputs = tuple(
                self._read(index, size) for index, size in enumerate(self._known().outputs)
            )
            if zlib.crc32(b"".join(outputs)) != status.outputs_crc:
                raise _ChangedError
            return BoardRun(outputs, tuple(run_us), self._steps() if profile else ())
        except RequestRefusedError as error:
            if error.code == Refusal.INPUT:
                raise _ChangedError from error
            raise _refused(error) from error

    def _write(self, index: int, data: bytes) -> None:
        room = self._known().max_payload - 8
        for offset in range(0, len(data), room):
            part = data[offset : offset + room]
            self._exchange.request(Request.WRITE, span_payload(index, offset, len(part)) + part)

    def _read(self, index: int, size: int) -> bytes:
        room, parts = self._known().max_payload, []
        for offset in range(0, size, room):
            count = min(room, size - offset)
            part = self._exchange.request(Request.READ, span_payload(index, offset, count))
            if len(part) != count:
                raise unexpected(f"{len(part)} bytes of an output instead of {count}")
            parts.append(part)
        return b"".join(parts)

    def _steps(self) -> tuple[int, ...]:
        info = self._known()
        times: list[int] = []
        room = info.max_payload // 4
        for first in range(0, info.steps, room):
            count = min(room, info.steps - first)
            part = self._exchange.request(Request.PROFILE, struct.pack("<HH", first, count))
            if len(part) != 4 * count:
                raise unexpected(f"{len(part)} bytes of step times instead of {4 * count}")
            times += struct.unpack(f"<{count}I", part)
        return tuple(times)


def _refused(error: RequestRefusedError) -> TargetError:
    if error.code == Refusal.MODEL:
        return TargetError(
            "the model returned an error on the board", hint="please report it with the model"
        )
    name = next((code.name for code in Refusal if code == error.code), str(error.code))
    return TargetError(
        f"the board refuses the request ({name})",
        hint="flash it again with this version of edgecnn (edgecnn flash)",
    )
