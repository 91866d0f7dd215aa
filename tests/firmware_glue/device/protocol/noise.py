"""Lines that lose, change, repeat and invent bytes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.firmware_glue.device.protocol.host_board import PIN, HostBoard, HostLine

_PIECES = (
    b"%",
    b"\xed",
    b"\xed\xc7",
    b"name%",
    b"db 00",
    b"infer 1 0%",
    b"\x00\xff",
    b"m-ready\r\n",
)


@dataclass(frozen=True)
class Noise:
    """What happens to a chunk of bytes on its way.

    Attributes:
        change, lose, repeat, invent: how likely, for each chunk.
    """

    random: Random
    change: float = 0.0
    lose: float = 0.0
    repeat: float = 0.0
    invent: float = 0.0

    def __call__(self, data: bytes) -> bytes:
        rng, out = self.random, bytearray(data)
        if out and rng.random() < self.change:
            for _ in range(rng.randint(1, 3)):
                out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        if out and rng.random() < self.lose:
            start = rng.randrange(len(out))
            del out[start : start + rng.choice((1, 1, 2, 5, 100))]
        if out and rng.random() < self.repeat:
            start = rng.randrange(len(out))
            end = start + rng.choice((1, 12, 300))
            out[end:end] = out[start:end]
        if rng.random() < self.invent:
            at = rng.randint(0, len(out))
            out[at:at] = rng.choice((*_PIECES, rng.randbytes(rng.randint(1, 40))))
        return bytes(out)


def some_noise(rng: Random) -> tuple[Noise, Noise]:
    """Noise down and up: from none to one in four chunks."""
    level = rng.choice((0.0, 0.02, 0.1, 0.25))
    kinds = ("change", "lose", "repeat", "invent")

    def one() -> Noise:
        return Noise(rng, **{kind: level * rng.choice((0, 0, 1)) for kind in kinds})

    return one(), one()


class TroubledLine(HostLine):
    """A noisy line to a board that may be reset, or hang, at any time.

    Args:
        resets: after so many reads the board is reset.
    """

    def __init__(self, board: HostBoard, rng: Random, resets: tuple[int, ...] = ()) -> None:
        down, up = some_noise(rng)
        super().__init__(board, down, up)
        self._resets, self._reads = resets, 0

    def read(self, timeout_s: float) -> bytes:
        self._reads += 1
        if self._reads in self._resets:
            self.board.boot(PIN)
        return super().read(timeout_s)
