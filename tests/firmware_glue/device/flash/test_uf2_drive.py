"""UF2 files copied to a boot loader's drive, on each system."""

import errno
import os
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError
from firmware_glue.device.flash.base import FlashPlan
from firmware_glue.device.flash.formats.flat import flatten
from firmware_glue.device.flash.formats.uf2 import write_uf2
from firmware_glue.device.flash.host import LINUX, MACOS, WINDOWS
from firmware_glue.device.flash.plan import carry_out, plan_flash
from tests.firmware_glue.device.flash.desk import (
    MICROBIT_NOTE,
    RP2350_NOTE,
    SYSTEMS,
    UF2_NOTE,
    Desk,
    Said,
)
from tests.firmware_glue.device.flash.images import board_image

FILE = "EDGECNN.UF2"


def plan(desk: Desk, port: str | None = None) -> FlashPlan:
    board, image = board_image("pico", b"p" * 5000)
    return plan_flash(board, image, port=port, host=desk.host)


@pytest.fixture(params=SYSTEMS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    return Desk(tmp_path, request.param)


def test_the_file_is_copied_and_the_drive_leaves(desk: Desk) -> None:
    desk.plug("STICK", {"photo.jpg": "x"})
    desk.plug("MICROBIT", MICROBIT_NOTE)
    drive = desk.plug("RPI-RP2", UF2_NOTE)
    copied = []

    def leave() -> None:
        copied.append((drive / FILE).read_bytes())
        desk.unplug("RPI-RP2")

    desk.when_copied(drive / FILE, leave)
    outcome = carry_out(plan(desk), host=desk.host)
    board, image = board_image("pico", b"p" * 5000)
    flat = flatten(image, board.memory.flash_origin, board.memory.flash_bytes)
    assert copied == [write_uf2(flat, 0xE48BFF56)]
    assert (outcome.method, outcome.command, outcome.bytes) == ("uf2", (), 5000)
    assert outcome.verified is False
    assert outcome.hash == flat.sha256
    assert desk.now < 1


def test_a_drive_that_comes_late_is_waited_for(desk: Desk) -> None:
    said = Said()
    place = desk.root / "media" / "RPI-RP2"
    desk.at(12, lambda: desk.plug("RPI-RP2", UF2_NOTE))
    desk.when_copied(place / FILE, lambda: desk.unplug("RPI-RP2"))
    carry_out(plan(desk), host=desk.host, progress=said)
    assert 12 <= desk.now < 14
    assert said.lines == [
        "waiting for the drive RPI-RP2: hold the board's BOOTSEL button while you plug it in, then"
        " repeat"
    ]


def test_no_drive(desk: Desk) -> None:
    desk.plug("MICROBIT", MICROBIT_NOTE)
    with pytest.raises(TargetError) as caught:
        carry_out(plan(desk), host=desk.host)
    assert caught.value.message == "no drive of a RPI-RP2 within 30 s"
    assert "BOOTSEL" in caught.value.hint
    assert 30 <= desk.now < 31


def test_the_drive_of_another_chip_is_named(desk: Desk) -> None:
    path = desk.plug("RP2350", RP2350_NOTE)
    with pytest.raises(TargetError) as caught:
        carry_out(plan(desk), host=desk.host)
    assert caught.value.message.endswith(f"; there is {path} (RP2350)")


def test_a_drive_that_is_not_mounted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LINUX)
    desk.connect("RPI-RP2")
    with pytest.raises(TargetError) as caught:
        carry_out(plan(desk), host=desk.host)
    assert caught.value.hint == f"mount it: udisksctl mount -b {desk.device('RPI-RP2')}"


def test_two_boards(desk: Desk) -> None:
    first = desk.plug("RPI-RP2", UF2_NOTE)
    second = desk.plug("RPI-RP2 1", UF2_NOTE)
    with pytest.raises(TargetError, match="2 drives are a RPI-RP2: .*RPI-RP2 1; expected one"):
        carry_out(plan(desk), host=desk.host)
    desk.when_copied(second / FILE, lambda: desk.unplug("RPI-RP2 1"))
    carry_out(plan(desk, port=str(second)), host=desk.host)
    assert not (first / FILE).exists()


def test_a_board_that_does_not_take_the_file(desk: Desk) -> None:
    desk.plug("RPI-RP2", UF2_NOTE)
    with pytest.raises(TargetError, match="still there 15 s after the copy"):
        carry_out(plan(desk), host=desk.host)


@pytest.mark.parametrize("number", (errno.EIO, errno.ENODEV, errno.EACCES, errno.EINVAL))
def test_a_drive_that_leaves_with_the_last_block_has_taken_the_file(
    desk: Desk, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systems answer the sync with different errors then."""
    desk.plug("RPI-RP2", UF2_NOTE)

    def sync(_: int) -> None:
        desk.at(1, lambda: desk.unplug("RPI-RP2"))
        raise OSError(number, "the drive has left")

    monkeypatch.setattr(os, "fsync", sync)
    carry_out(plan(desk), host=desk.host)


@pytest.mark.parametrize(
    ("system", "number", "hint"),
    (
        (LINUX, errno.EACCES, "udisksctl mount -b"),
        (MACOS, errno.EPERM, "removable volumes"),
        (WINDOWS, errno.EACCES, "no other program uses the drive"),
        (LINUX, errno.ENOSPC, "plug it in again"),
        (LINUX, errno.EROFS, "the drive is read-only"),
        (WINDOWS, errno.EIO, "do not unplug it meanwhile"),
    ),
)
def test_a_copy_that_fails_while_the_drive_stays(
    system: str, number: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, system)
    desk.plug("RPI-RP2", UF2_NOTE)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(number, "why")))
    with pytest.raises(TargetError, match="could not be written: why") as caught:
        carry_out(plan(desk), host=desk.host)
    assert hint in caught.value.hint


def test_a_board_left_in_the_mount_table_is_no_drive(tmp_path: Path) -> None:
    """Without an automounter the entry outlives the board; its device does not."""
    desk = Desk(tmp_path, LINUX)
    drive = desk.plug("RPI-RP2", UF2_NOTE)
    desk.when_copied(drive / FILE, desk.device("RPI-RP2").unlink)
    carry_out(plan(desk), host=desk.host)
    assert desk.now < 1


def test_a_folder_with_a_space_in_its_name(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LINUX)
    drive = desk.plug("RPI-RP2", UF2_NOTE, folder="my drives")
    desk.when_copied(drive / FILE, lambda: desk.unplug("RPI-RP2"))
    carry_out(plan(desk), host=desk.host)


def test_a_system_that_shows_nothing(desk: Desk) -> None:
    (desk.root / "mounts").unlink()
    (desk.root / "labels").rmdir()
    (desk.root / "media").rmdir()
    with pytest.raises(TargetError, match="no drive"):
        carry_out(plan(desk), host=desk.host)


def test_the_plan_says_it_all_and_touches_nothing(desk: Desk) -> None:
    drive = desk.plug("RPI-RP2", UF2_NOTE)
    made = plan(desk)
    assert made.command == ()
    assert made.file_name == FILE
    assert made.bytes == 5000
    assert "INFO_UF2.TXT" in made.steps[0]
    assert made.steps[1] == f"copy {FILE} (16384 bytes) to it"
    assert sorted(path.name for path in drive.iterdir()) == ["INFO_UF2.TXT"]
    assert desk.now == 0
