"""Boot loaders that show a drive and take UF2 files: RP2040, RP2350."""

from __future__ import annotations

from edgecnn.core.errors import EdgecnnError, TargetError
from edgecnn.core.progress import Progress
from firmware_glue.device.board import Board
from firmware_glue.device.flash.base import FILE_NAME, BoardChoice, FlashPlan, flashing_of
from firmware_glue.device.flash.drives import (
    Drive,
    find_drives,
    find_unmounted,
    is_there,
    note_value,
    put,
    read_note,
)
from firmware_glue.device.flash.formats.flat import FlatImage
from firmware_glue.device.flash.formats.uf2 import write_uf2
from firmware_glue.device.flash.host import Host

NOTE = "INFO_UF2.TXT"
WAIT_S = 30.0
LEAVE_S = 15.0
_HINT = "hold the board's BOOTSEL button while you plug it in, then repeat"


class Uf2Drive:
    """Copies one UF2 file; the boot loader writes flash and starts the program."""

    name = "uf2"

    def missing(self, host: Host) -> EdgecnnError | None:
        """Nothing is needed."""
        return None

    def plan(self, board: Board, image: FlatImage, choice: BoardChoice, host: Host) -> FlashPlan:
        """One file, copied to the drive that carries the board's id."""
        flashing = flashing_of(board)
        name, content = f"{FILE_NAME}.UF2", write_uf2(image, flashing.uf2_family)
        where = str(choice.drive) if choice.drive else f"the drive {flashing.volume}"
        steps = (
            f"wait up to {WAIT_S:g} s for {where} ({NOTE} has to name {flashing.volume})",
            f"copy {name} ({len(content)} bytes) to it",
            f"wait up to {LEAVE_S:g} s for the drive to leave: the board starts the program",
        )
        return FlashPlan(board, self.name, (), name, content, image, steps, choice)

    def write(self, plan: FlashPlan, host: Host, progress: Progress) -> None:
        """Waits for the drive, copies, waits until it leaves.

        Raises:
            TargetError: no such drive, several of them, or it did not take the file.
        """
        volume = flashing_of(plan.board).volume
        if not _drives(volume, plan.choice, host):
            progress.say(f"waiting for the drive {volume}: {_HINT}")
        host.wait_until(lambda: bool(_drives(volume, plan.choice, host)), WAIT_S)
        drive = _the_one(volume, plan.choice, host)
        put(drive, plan.file_name, plan.content, host)
        if not host.wait_until(lambda: not is_there(drive, host), LEAVE_S):
            raise TargetError(
                f"the drive {drive.path} is still there {LEAVE_S:g} s after the copy; expected the"
                " board to start the program",
                hint="unplug the board and repeat; if it happens again, try another USB cable",
            )


def _drives(volume: str, choice: BoardChoice, host: Host) -> list[Drive]:
    """UF2 drives of the board's kind."""
    drives = [drive for drive in find_drives(host) if _board_id(drive) == volume.upper()]
    return [drive for drive in drives if choice.drive in (None, drive.path)]


def _board_id(drive: Drive) -> str:
    """The id in the boot loader's note (its lines: UF2 specification, "INFO_UF2.TXT")."""
    return note_value(read_note(drive, NOTE), "Board-ID").upper()


def _the_one(volume: str, choice: BoardChoice, host: Host) -> Drive:
    drives = _drives(volume, choice, host)
    if len(drives) == 1:
        return drives[0]
    if drives:
        places = ", ".join(str(drive.path) for drive in drives)
        raise TargetError(
            f"{len(drives)} drives are a {volume}: {places}; expected one",
            hint="unplug the others, or give the drive's folder with --device",
        )
    others = [
        f"{drive.path} ({board_id})"
        for drive in find_drives(host)
        if (board_id := _board_id(drive))
    ]
    found = f"; there is {', '.join(others)}" if others else ""
    device = find_unmounted(host, volume)
    hint = f"mount it: udisksctl mount -b {device}" if device else _HINT
    raise TargetError(f"no drive of a {volume} within {WAIT_S:g} s{found}", hint=hint)
