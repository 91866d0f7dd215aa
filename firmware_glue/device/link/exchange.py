"""One request and its reply, over a line that may lose, change and invent bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.core.errors import TargetError
from firmware_glue.device.link.base import Line
from firmware_glue.device.link.frames import FrameReader, LineFrame, encode_frame
from firmware_glue.device.link.messages import REPLY, Notice, Refusal, Request

ATTEMPTS = 12
"""How often a request is sent before the line is given up."""
REPLY_S = 1.0
SILENCE_S = 60.0
"""How long a board may stay at the same step of the model."""
_FIRST_POLL_S, _LAST_POLL_S = 0.25, 2.0


class SessionLostError(Exception):
    """The board has started anew, or was taken over by text commands, or is still at work."""


class RequestRefusedError(Exception):
    """The board will not do it.

    Attributes:
        code: one of :class:`Refusal`, or a number that is unknown here.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with code {code}")
        self.code = code


@dataclass(frozen=True)
class Timing:
    """How long to wait.

    Attributes:
        reply_s: until a request is sent again.
        silence_s: until a board that computes, and comes no further, is taken for dead.
        attempts: how often a request is sent that takes no time.
        clock: seconds, from any start.
    """

    reply_s: float = REPLY_S
    silence_s: float = SILENCE_S
    attempts: int = ATTEMPTS
    clock: Callable[[], float] = time.monotonic


class Exchange:
    """Sends requests, one at a time; a reply counts only if its check and its number are right."""

    def __init__(self, line: Line, timing: Timing) -> None:
        self.line = line
        self._timing = timing
        self._reader = FrameReader()
        self._sequence = 0

    def request(self, kind: Request, payload: bytes = b"") -> bytes:
        """Sends a request that is answered at once; returns the reply's payload.

        Raises:
            SessionLostError: HELLO has to come first.
            RequestRefusedError: the board will not do it.
            TargetError: the board does not answer, or the line is gone.
        """
        frame = self._frame(kind, payload)
        for _ in range(self._timing.attempts):
            self.line.write(encode_frame(frame))
            reply = self._reply_to(frame, self._timing.reply_s)
            if reply is not None and reply.type != Notice.WAIT:
                return reply.payload
        raise self.no_answer(f"{self._timing.attempts} times")

    def long_request(self, kind: Request, payload: bytes) -> bytes:
        """Sends a request that takes its time, and asks again until it is done.

        Raises:
            SessionLostError: HELLO has to come first.
            RequestRefusedError: the board will not do it.
            TargetError: the board does not answer, or the line is gone.
        """
        frame, poll_s, progress = self._frame(kind, payload), _FIRST_POLL_S, b""
        unchanged_since = self._timing.clock()
        while self._timing.clock() - unchanged_since <= self._timing.silence_s:
            self.line.write(encode_frame(frame))
            reply = self._reply_to(frame, poll_s)
            if reply is None:
                poll_s = min(poll_s * 1.5, _LAST_POLL_S)
            elif reply.type != Notice.WAIT:
                return reply.payload
            else:
                if reply.payload != progress:
                    progress, unchanged_since = reply.payload, self._timing.clock()
                finished = self._reply_to(frame, poll_s)
                if finished is not None and finished.type != Notice.WAIT:
                    return finished.payload
                poll_s = min(poll_s * 1.5, _LAST_POLL_S)
        raise self.no_answer(f"for {self._timing.silence_s:.0f} s")

    def no_answer(self, asked: str) -> TargetError:
        """The error for a board that is not there."""
        return TargetError(
            f"no board answers on {self.line.description} (asked {asked})",
            hint="is it the right port, is the board powered, and was edgecnn's program flashed"
            " (edgecnn flash)? A reset of the board may help",
        )

    def _frame(self, kind: Request, payload: bytes) -> LineFrame:
        self._sequence = (self._sequence + 1) & 0xFF
        return LineFrame(int(kind), self._sequence, payload)

    def _reply_to(self, request: LineFrame, timeout_s: float) -> LineFrame | None:
        """The reply, or WAIT; None: none came, or the board asks for the request again."""
        deadline = self._timing.clock() + timeout_s
        while True:
            left = deadline - self._timing.clock()
            data = self.line.read(max(left, 0.0))
            frames = self._reader.feed(data) if data else self._reader.cut()
            again = self._reader.damaged
            for frame in frames:
                if frame.type == Notice.NAK:
                    again = again or _is_asked_again(frame, request)
                elif frame.sequence == request.sequence and self._answers(frame, request):
                    return frame
            if again or (left <= 0.0 and not data):
                return None
            if left <= 0.0 and data and deadline + timeout_s < self._timing.clock():
                return None  # noise without end

    @staticmethod
    def _answers(frame: LineFrame, request: LineFrame) -> bool:
        if frame.type == Notice.ERROR and len(frame.payload) == 2:
            kind, code = frame.payload
            if kind != request.type:
                return False
            if code in (Refusal.NO_SESSION, Refusal.BUSY):
                raise SessionLostError
            raise RequestRefusedError(code)
        return frame.type in (request.type | REPLY, int(Notice.WAIT))


def _is_asked_again(nak: LineFrame, request: LineFrame) -> bool:
    """Whether the board wants this request again: its own number, or whatever was lost."""
    if len(nak.payload) != 2:
        return False
    return nak.payload[1] == 0 or nak.sequence == request.sequence
