"""What a way of flashing is, and what is planned and done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from edgecnn.core.errors import EdgecnnError, TargetError
from edgecnn.core.progress import Progress
from firmware_glue.device.board import Board, Flashing
from firmware_glue.device.flash.formats.flat import FlatImage
from firmware_glue.device.flash.host import Host

FILE_NAME = "EDGECNN"
"""Of 8 letters: the file systems that boards imitate know no longer names."""


@dataclass(frozen=True)
class BoardChoice:
    """Which board of several is meant: the serial number of its probe, or its drive's folder."""

    serial_number: str = ""
    drive: Path | None = None


@dataclass(frozen=True)
class FlashPlan:
    """What would be done, and with what.

    Attributes:
        method: a name of ``board.METHODS``.
        command: the program and its arguments, run in a folder with the file; empty: a copy.
        file_name, content: the file that the board or the program is given.
        image: what flash holds afterwards, from its origin on.
        steps: the plan in sentences.
    """

    board: Board
    method: str
    command: tuple[str, ...]
    file_name: str
    content: bytes = field(repr=False)
    image: FlatImage
    steps: tuple[str, ...]
    choice: BoardChoice = BoardChoice()

    @property
    def bytes(self) -> int:
        """How much flash is written."""
        return len(self.image.data)


@dataclass(frozen=True)
class FlashOutcome:
    """What was done.

    Attributes:
        bytes: how much flash was written.
        verified: flash was read back through the probe, and holds the image.
        hash: SHA-256 of the image: what the device answers for as many bytes of its flash.
    """

    method: str
    command: tuple[str, ...]
    bytes: int
    verified: bool
    hash: str


class FlashMethod(Protocol):
    """One way of flashing: find the tool, plan, carry out."""

    @property
    def name(self) -> str:
        """One of ``board.METHODS``."""

    def missing(self, host: Host) -> EdgecnnError | None:
        """What has to be installed first; None if nothing."""

    def plan(self, board: Board, image: FlatImage, choice: BoardChoice, host: Host) -> FlashPlan:
        """What would be done; calls no program and touches no drive."""

    def write(self, plan: FlashPlan, host: Host, progress: Progress) -> None:
        """Does it."""


@runtime_checkable
class ProbeMethod(FlashMethod, Protocol):
    """A way through a debug probe, which can also read flash and reset the chip."""

    def read(self, board: Board, size: int, choice: BoardChoice, host: Host) -> bytes:
        """The first ``size`` bytes of flash, the program left running."""

    def reset(self, board: Board, choice: BoardChoice, host: Host) -> None:
        """Starts the program again."""


def flashing_of(board: Board) -> Flashing:
    """How ``board`` is flashed.

    Raises:
        TargetError: nothing is known of it, as for bare cores and boards that are only emulated.
    """
    if board.flashing is None:
        raise TargetError(
            f"'{board.name}' cannot be flashed: no way is known",
            hint="use --emulate, or add a [flashing] table to a board file of your own",
        )
    return board.flashing
