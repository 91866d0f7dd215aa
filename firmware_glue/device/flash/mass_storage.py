"""Debug probes that show a drive and take HEX or BIN files: DAPLink (micro:bit), ST-LINK (Nucleo).

A probe writes the file to flash, takes its drive away and brings it back; what went wrong it then
says in a file, FAIL.TXT (DAPLink documentation, "Drag-n-drop programming").
"""

from __future__ import annotations

import re

from edgecnn.core.errors import EdgecnnError, TargetError
from edgecnn.core.progress import Progress
from firmware_glue.device.board import Board, Flashing
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
from firmware_glue.device.flash.formats.binary import write_binary
from firmware_glue.device.flash.formats.flat import FlatImage
from firmware_glue.device.flash.formats.hex import write_hex
from firmware_glue.device.flash.host import Host

WAIT_S = 10.0
LEAVE_S = 60.0
RETURN_S = 30.0
_PROBE_NOTES = ("DETAILS.TXT", "MBED.HTM")
_FAILURE = "FAIL.TXT"
_CODE = re.compile(r"[?&]code=([0-9A-Fa-f]{8,64})")
_LABEL = re.compile(r"(?:NODE?_)(\w{4,})", re.IGNORECASE)


class MassStorage:
    """Copies one file to the probe's drive and reads the probe's verdict."""

    name = "mass-storage"

    def missing(self, host: Host) -> EdgecnnError | None:
        """Nothing is needed."""
        return None

    def plan(self, board: Board, image: FlatImage, choice: BoardChoice, host: Host) -> FlashPlan:
        """One file, copied to the drive that has the board's name."""
        flashing = flashing_of(board)
        kind = "BIN" if flashing.file == "bin" else "HEX"
        content = write_binary(image) if kind == "BIN" else write_hex(image)
        name = f"{FILE_NAME}.{kind}"
        where = str(choice.drive) if choice.drive else f"the drive {flashing.volume}"
        steps = (
            f"wait up to {WAIT_S:g} s for {where}",
            f"copy {name} ({len(content)} bytes) to it",
            f"wait up to {LEAVE_S:g} s for the drive to leave and {RETURN_S:g} s to come back",
            f"look for {_FAILURE} on it",
        )
        return FlashPlan(board, self.name, (), name, content, image, steps, choice)

    def write(self, plan: FlashPlan, host: Host, progress: Progress) -> None:
        """Copies, waits for the drive to leave and to come back, reads the verdict.

        Raises:
            TargetError: no such drive, several, another board's; or the probe says that it failed.
        """
        flashing = flashing_of(plan.board)
        if not _drives(flashing, plan.choice, host):
            progress.say(f"waiting for the drive {flashing.volume}: plug the board in")
        host.wait_until(lambda: bool(_drives(flashing, plan.choice, host)), WAIT_S)
        drive = _the_one(plan.board, plan.choice, host)
        failure, remounts = _failure(drive), _remounts(drive)
        put(drive, plan.file_name, plan.content, host)
        left = host.wait_until(
            lambda: not is_there(drive, host) or _remounts(drive) != remounts, LEAVE_S
        )
        # It may come back in another folder, where the old one is still taken.
        if left:
            host.wait_until(lambda: bool(_drives(flashing, plan.choice, host)), RETURN_S)
        back = _drives(flashing, plan.choice, host)
        if not back:
            progress.say(
                f"the drive {drive.label} has not come back, so its verdict is unknown"
                " (where drives are not mounted by themselves, that is as expected)"
            )
            return
        # A verdict of an earlier copy stays until the drive has left.
        verdict = _failure(back[0])
        if verdict and (left or verdict != failure):
            raise TargetError(
                f"the probe of '{plan.board.name}' could not write the program: {verdict}",
                hint=_cure(verdict),
            )


def _drives(flashing: Flashing, choice: BoardChoice, host: Host) -> list[Drive]:
    drives = [
        drive
        for drive in find_drives(host)
        if _same_label(drive.label, flashing.volume) or drive.path == choice.drive
    ]
    drives = [drive for drive in drives if any(read_note(drive, name) for name in _PROBE_NOTES)]
    if choice.drive is not None:
        return [drive for drive in drives if drive.path == choice.drive]
    # A DAPLink's id is its USB serial number. An ST-LINK's is not: its drive is never ruled out.
    wanted = choice.serial_number.lower()
    return [drive for drive in drives if not wanted or _daplink_id(drive).lower() in ("", wanted)]


def _same_label(label: str, volume: str) -> bool:
    """Labels have 11 letters: ST-LINKs shorten NODE_H743ZI2 to NOD_H743ZI2."""
    mine, wanted = _LABEL.fullmatch(label), _LABEL.fullmatch(volume)
    if mine and wanted:
        return mine[1].upper().startswith(wanted[1].upper())
    return label.upper() == volume.upper()


def _daplink_id(drive: Drive) -> str:
    return note_value(read_note(drive, "DETAILS.TXT"), "Unique ID")


def _unique_id(drive: Drive) -> str:
    """The board's number: in DETAILS.TXT, or in the address that MBED.HTM leads to."""
    code = _CODE.search(read_note(drive, "MBED.HTM"))
    return _daplink_id(drive) or (code[1] if code else "")


def _remounts(drive: Drive) -> str:
    return note_value(read_note(drive, "DETAILS.TXT"), "Remount count")


def _failure(drive: Drive) -> str:
    """The probe's verdict as one line; empty if there is none."""
    text = read_note(drive, _FAILURE)
    return (note_value(text, "error") or " ".join(text.split()))[:200]


def _cure(verdict: str) -> str:
    if "timed out" in verdict.lower():
        return "plug the board in again and repeat; if it happens again, use --method pyocd"
    if "reset/halt" in verdict.lower() or "connect" in verdict.lower():
        return "unplug the board for some seconds and repeat; it needs its own power on"
    return "plug the board in again and repeat, or use --method pyocd"


def _the_one(board: Board, choice: BoardChoice, host: Host) -> Drive:
    flashing = flashing_of(board)
    drives = _drives(flashing, choice, host)
    if len(drives) > 1:
        places = ", ".join(str(drive.path) for drive in drives)
        raise TargetError(
            f"{len(drives)} drives are a {flashing.volume}: {places}; expected one",
            hint="unplug the others, or give the drive's folder with --device",
        )
    if not drives:
        raise _none(flashing, host)
    unique_id = _unique_id(drives[0])
    if unique_id and flashing.drive_ids and not unique_id.startswith(flashing.drive_ids):
        raise TargetError(
            f"the drive {drives[0].path} belongs to another board than '{board.name}': its id"
            f" starts with {unique_id[:4]}, expected {' or '.join(flashing.drive_ids)}",
            hint="check the version that is printed on the board, and give it as --target",
        )
    return drives[0]


def _none(flashing: Flashing, host: Host) -> TargetError:
    labels = [drive.label for drive in find_drives(host)]
    hint = "plug the board in with a cable that carries data, and wait for its drive"
    if any(label.upper() == "MAINTENANCE" for label in labels):
        hint = "the board is in maintenance mode: plug it in again without its reset button pressed"
    elif device := find_unmounted(host, flashing.volume):
        hint = f"mount it: udisksctl mount -b {device}"
    there = f"; there is {', '.join(labels)}" if labels else ""
    return TargetError(f"no drive {flashing.volume} within {WAIT_S:g} s{there}", hint=hint)
