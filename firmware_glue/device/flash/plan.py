"""Plans and carries out flashing, by the methods that a board's TOML names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edgecnn.core.errors import EdgecnnError, TargetError, UnknownNameError, UsageError
from edgecnn.core.progress import Progress, SilentProgress
from firmware_glue.device.board import METHODS, Board
from firmware_glue.device.elf import Elf
from firmware_glue.device.flash.base import (
    BoardChoice,
    FlashMethod,
    FlashOutcome,
    FlashPlan,
    ProbeMethod,
    flashing_of,
)
from firmware_glue.device.flash.formats.flat import flatten
from firmware_glue.device.flash.host import Host, this_host
from firmware_glue.device.flash.identity import LOOK_BYTES, UNKNOWN, FlashOwner, flash_owner
from firmware_glue.device.flash.mass_storage import MassStorage
from firmware_glue.device.flash.openocd import OpenOcd
from firmware_glue.device.flash.ports import probe_serial_number
from firmware_glue.device.flash.pyocd import PyOcd
from firmware_glue.device.flash.uf2_drive import Uf2Drive

T = TypeVar("T")


def methods() -> tuple[FlashMethod, ...]:
    """Every way of flashing, in the order of ``board.METHODS``; esptool would be one more."""
    return (Uf2Drive(), MassStorage(), PyOcd(), OpenOcd())


def plan_flash(
    board: Board,
    image: Elf,
    *,
    method: str | None = None,
    port: str | None = None,
    host: Host | None = None,
) -> FlashPlan:
    """What flashing ``image`` would do; calls no program and touches no drive.

    Args:
        board: its ``flashing`` says by which methods, the preferred one first.
        image: linked for the board's flash.
        method: one of the board's; None: the first whose program is installed.
        port: which board is meant, where several are plugged in: the folder of its drive, or its
            serial port (the probe's serial number is found by it).
        host: the system; None: this one.

    Raises:
        UnknownNameError: no such method.
        UsageError: the board has none of that name.
        TargetError: the board cannot be flashed, or the image does not fit its flash.
    """
    host = host or this_host()
    memory = board.memory
    flat = flatten(image, memory.flash_origin, memory.flash_bytes)
    chosen = _choose(board, method, host)
    return chosen.plan(board, flat, board_choice(board, port), host)


def carry_out(
    plan: FlashPlan, *, host: Host | None = None, progress: Progress | None = None
) -> FlashOutcome:
    """Does what the plan says, and reads flash back where the method can.

    Raises:
        TargetError, ToolError, MissingExtraError: a tool, board or right is missing, the program
            failed, or flash holds something else afterwards.
    """
    host, progress = host or this_host(), progress or SilentProgress()
    method = _named(plan.method)
    method.write(plan, host, progress)
    verified = isinstance(method, ProbeMethod)
    if isinstance(method, ProbeMethod):
        _compare(plan.image.data, method.read(plan.board, plan.bytes, plan.choice, host), plan)
    return FlashOutcome(plan.method, plan.command, plan.bytes, verified, plan.image.sha256)


def look_at_flash(board: Board, *, port: str | None = None, host: Host | None = None) -> FlashOwner:
    """Whose program the board holds, read through its probe; the program goes on running.

    Every method of the board that can read is tried, also where another one is to write: a drive
    shows no flash, but the probe behind it may be asked. What stands in the way ends up in
    :attr:`FlashOwner.reason`.

    Raises:
        TargetError: the board cannot be flashed.
    """
    host = host or this_host()
    choice = board_choice(board, port)
    data, reasons = _by_probe(
        board, host, lambda probe: probe.read(board, LOOK_BYTES, choice, host)
    )
    if data is None:
        return FlashOwner(UNKNOWN, reason="; ".join(reasons) or "its drive does not show flash")
    return flash_owner(data)


def reset_by_probe(board: Board, *, port: str | None = None, host: Host | None = None) -> str:
    """Starts the board's program again, whosever it is; the method that could.

    Raises:
        TargetError: the board cannot be flashed, or no probe can be reached.
    """
    host = host or this_host()
    choice = board_choice(board, port)

    def reset(probe: ProbeMethod) -> str:
        probe.reset(board, choice, host)
        return probe.name

    done, reasons = _by_probe(board, host, reset)
    if done is None:
        raise TargetError(
            f"'{board.name}' cannot be reset through a probe: {'; '.join(reasons)}",
            hint="press its reset button, or unplug it",
        )
    return done


def _by_probe(
    board: Board, host: Host, action: Callable[[ProbeMethod], T]
) -> tuple[T | None, list[str]]:
    """What the first probe gives that can be reached; else why each cannot."""
    reasons = []
    for method in (_named(name) for name in flashing_of(board).methods):
        if not isinstance(method, ProbeMethod):
            continue
        if method.missing(host) is not None:
            reasons.append(f"{method.name} is not installed")
            continue
        try:
            return action(method), reasons
        except EdgecnnError as error:
            reasons.append(error.message)
    return None, reasons


def board_choice(board: Board, port: str | None) -> BoardChoice:
    """Which of several boards of that kind is meant by a serial port, or by a drive's folder."""
    if port is None:
        return BoardChoice()
    if Path(port).is_dir():
        return BoardChoice(drive=Path(port).resolve())  # as the system's tables have it
    return BoardChoice(serial_number=probe_serial_number(board, port))


def _choose(board: Board, name: str | None, host: Host) -> FlashMethod:
    names = flashing_of(board).methods
    if name is None:
        ready = (name for name in names if _named(name).missing(host) is None)
        # Where nothing is installed, the plan can still be shown; carrying it out says the cure.
        return _named(next(ready, names[0]))
    if name not in METHODS:
        raise UnknownNameError("flash method", name, METHODS)
    if name not in names:
        raise UsageError(
            f"'{board.name}' is not flashed by '{name}'", hint=f"choose {' or '.join(names)}"
        )
    return _named(name)


def _named(name: str) -> FlashMethod:
    return next(method for method in methods() if method.name == name)


def _compare(wanted: bytes, found: bytes, plan: FlashPlan) -> None:
    if wanted == found:
        return
    at = next(n for n, (a, b) in enumerate(zip(wanted, found, strict=True)) if a != b)
    raise TargetError(
        f"flash of '{plan.board.name}' holds 0x{found[at]:02x} at"
        f" 0x{plan.image.origin + at:08x}, expected 0x{wanted[at]:02x}",
        hint="unplug the board, plug it in again and repeat; check that it is the board you named",
    )
