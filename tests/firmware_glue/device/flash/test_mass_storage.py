"""HEX and BIN files copied to a probe's drive, and the probe's verdict."""

import io
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intelhex import IntelHex

from edgecnn.core.errors import TargetError
from firmware_glue.device.flash.base import BoardChoice
from firmware_glue.device.flash.drives import Drive, note_value, read_note
from firmware_glue.device.flash.host import LINUX, MACOS
from firmware_glue.device.flash.mass_storage import _failure, _unique_id
from firmware_glue.device.flash.plan import carry_out, plan_flash
from firmware_glue.device.flash.uf2_drive import _board_id
from tests.firmware_glue.device.flash.desk import (
    DETAILS,
    MICROBIT_NOTE,
    NUCLEO_NOTE,
    SYSTEMS,
    UF2_NOTE,
    Desk,
    Said,
)
from tests.firmware_glue.device.flash.images import board_image

FILE = "EDGECNN.HEX"
TIMED_OUT = "error: The transfer timed out.\r\ntype: transient, user\r\n"
V2_NOTE = {"DETAILS.TXT": DETAILS.replace("Unique ID: 9900", "Unique ID: 9904")}


@pytest.fixture(params=SYSTEMS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    return Desk(tmp_path, request.param)


def flash(desk: Desk, board: str = "microbit", port: str | None = None) -> Said:
    made = plan_flash(*board_image(board), method="mass-storage", port=port, host=desk.host)
    said = Said()
    carry_out(made, host=desk.host, progress=said)
    return said


def remount(desk: Desk, label: str, notes: dict[str, str], away_s: float = 2) -> None:
    """What a probe does with a file: it takes its drive away and brings it back without it."""
    path = desk.drives[label]
    name = next(path for path in path.iterdir() if path.name.startswith("EDGECNN"))
    name.unlink()
    desk.unplug(label)
    desk.at(away_s, lambda: desk.plug(label, notes))


def test_a_micro_bit_takes_the_file(desk: Desk) -> None:
    drive = desk.plug("MICROBIT", MICROBIT_NOTE)
    got = []

    def take() -> None:
        got.append((drive / FILE).read_text())
        remount(desk, "MICROBIT", MICROBIT_NOTE)

    desk.when_copied(drive / FILE, take)
    assert flash(desk).lines == []
    assert IntelHex(io.StringIO(got[0])).tobinstr() == b"program"
    assert desk.now < 4


def test_a_nucleo_takes_a_binary(desk: Desk) -> None:
    drive = desk.plug("NODE_L4R5ZI", NUCLEO_NOTE)
    got = []

    def take() -> None:
        got.append((drive / "EDGECNN.BIN").read_bytes())
        remount(desk, "NODE_L4R5ZI", NUCLEO_NOTE)

    desk.when_copied(drive / "EDGECNN.BIN", take)
    flash(desk, "nucleo-l4r5zi")
    assert got == [b"program"]


def test_a_shortened_label_is_the_same_board(desk: Desk) -> None:
    drive = desk.plug("NOD_H743ZI2", NUCLEO_NOTE)
    desk.when_copied(drive / "EDGECNN.BIN", lambda: remount(desk, "NOD_H743ZI2", NUCLEO_NOTE))
    flash(desk, "nucleo-h743zi")


@pytest.mark.parametrize(
    ("text", "verdict", "hint"),
    (
        (TIMED_OUT, "The transfer timed out.", "--method pyocd"),
        (
            "error: The interface firmware FAILED to reset/halt the target MCU\ntype: target\n",
            "The interface firmware FAILED to reset/halt the target MCU",
            "power",
        ),
        ("The transfer timed out.            \n", "The transfer timed out.", "--method pyocd"),
        ("\x1b[31merror\x00 nonsense\x07" * 99, "[31merror nonsense", "repeat"),
    ),
)
def test_the_probes_verdict_is_the_error(desk: Desk, text: str, verdict: str, hint: str) -> None:
    drive = desk.plug("MICROBIT", MICROBIT_NOTE)
    notes = MICROBIT_NOTE | {"FAIL.TXT": text}
    desk.when_copied(drive / FILE, lambda: remount(desk, "MICROBIT", notes))
    with pytest.raises(TargetError) as caught:
        flash(desk)
    message = caught.value.message
    assert message.startswith(f"the probe of 'microbit' could not write the program: {verdict}")
    assert len(message) < 300
    assert message.isprintable()
    assert hint in caught.value.hint


def test_an_old_verdict_is_not_this_ones(desk: Desk) -> None:
    drive = desk.plug("MICROBIT", MICROBIT_NOTE | {"FAIL.TXT": TIMED_OUT})

    def take() -> None:
        (drive / "FAIL.TXT").unlink()
        remount(desk, "MICROBIT", MICROBIT_NOTE)

    desk.when_copied(drive / FILE, take)
    flash(desk)


def test_the_same_verdict_again_after_the_drive_came_back(desk: Desk) -> None:
    notes = MICROBIT_NOTE | {"FAIL.TXT": TIMED_OUT}
    drive = desk.plug("MICROBIT", notes)
    desk.when_copied(drive / FILE, lambda: remount(desk, "MICROBIT", notes))
    with pytest.raises(TargetError, match="timed out"):
        flash(desk)


def test_a_drive_that_is_back_before_anyone_looked(desk: Desk) -> None:
    """Its count of remounts tells."""
    drive = desk.plug("MICROBIT", MICROBIT_NOTE)
    after = {"DETAILS.TXT": DETAILS.replace("count: 2", "count: 3"), "FAIL.TXT": TIMED_OUT}
    desk.when_copied(drive / FILE, lambda: desk.plug("MICROBIT", after))
    with pytest.raises(TargetError, match="timed out"):
        flash(desk)
    assert desk.now < 1


def test_a_drive_that_comes_back_in_another_folder(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LINUX)
    drive = desk.plug("MICROBIT", MICROBIT_NOTE)
    notes = MICROBIT_NOTE | {"FAIL.TXT": TIMED_OUT}

    def move() -> None:
        desk.unplug("MICROBIT")
        desk.at(2, lambda: desk.plug("MICROBIT", notes, folder="MICROBIT1"))

    desk.when_copied(drive / FILE, move)
    with pytest.raises(TargetError, match="timed out"):
        flash(desk)


def test_a_drive_that_does_not_come_back(desk: Desk) -> None:
    drive = desk.plug("MICROBIT", MICROBIT_NOTE)
    desk.when_copied(drive / FILE, lambda: desk.unplug("MICROBIT"))
    (line,) = flash(desk).lines
    assert "has not come back, so its verdict is unknown" in line


def test_a_drive_that_never_leaves_and_says_nothing_is_no_error(desk: Desk) -> None:
    """ST-LINKs of some versions stay; the device's own hash is what counts then."""
    desk.plug("NODE_L4R5ZI", NUCLEO_NOTE)
    flash(desk, "nucleo-l4r5zi")
    assert 60 <= desk.now < 61


def test_the_other_micro_bit_is_refused(desk: Desk) -> None:
    """Both have a drive MICROBIT; a program of the wrong one would not start."""
    path = desk.plug("MICROBIT", V2_NOTE)
    with pytest.raises(TargetError) as caught:
        flash(desk, "microbit")
    assert caught.value.message == (
        f"the drive {path} belongs to another board than 'microbit': its id starts with 9904,"
        " expected 9900 or 9901"
    )
    assert not (path / FILE).exists()
    desk.when_copied(path / FILE, lambda: remount(desk, "MICROBIT", V2_NOTE))
    flash(desk, "microbit-v2")


def test_one_of_two_micro_bits(desk: Desk) -> None:
    desk.plug("MICROBIT", MICROBIT_NOTE)
    second = desk.root / "media" / "second"
    desk.plug("MICROBIT ", V2_NOTE, folder="second")
    with pytest.raises(TargetError, match="belongs to another board"):
        flash(desk, port=str(second))


def test_two_drives_of_a_kind(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LINUX)
    desk.plug("MICROBIT", MICROBIT_NOTE)
    desk.plug("microbit", V2_NOTE)
    with pytest.raises(TargetError, match="2 drives are a MICROBIT: .*; expected one"):
        flash(desk)


def test_the_probes_number_chooses_among_drives(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LINUX)
    desk.plug("MICROBIT", MICROBIT_NOTE)
    other = {"DETAILS.TXT": DETAILS.replace("9900360136424e45", "9900000000000001")}
    second = desk.plug("microbit", other)
    made = plan_flash(*board_image("microbit"), host=desk.host)
    number = "9900000000000001004F3016000000620000000097969901"
    desk.when_copied(second / FILE, lambda: remount(desk, "microbit", other))
    carry_out(replace(made, choice=BoardChoice(serial_number=number)), host=desk.host)
    assert desk.now < 4
    wrong = replace(made, choice=BoardChoice(serial_number="77"))
    with pytest.raises(TargetError, match="no drive MICROBIT"):
        carry_out(wrong, host=desk.host)


def test_an_st_link_is_not_chosen_by_its_number(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LINUX)
    drive = desk.plug("NODE_L4R5ZI", NUCLEO_NOTE)
    made = plan_flash(*board_image("nucleo-l4r5zi"), method="mass-storage", host=desk.host)
    desk.when_copied(drive / "EDGECNN.BIN", lambda: remount(desk, "NODE_L4R5ZI", NUCLEO_NOTE))
    carry_out(replace(made, choice=BoardChoice(serial_number="066FFF51")), host=desk.host)
    assert desk.now < 4


def test_no_drive_and_what_there_is(desk: Desk) -> None:
    desk.plug("RPI-RP2", UF2_NOTE)
    with pytest.raises(TargetError) as caught:
        flash(desk)
    assert caught.value.message == "no drive MICROBIT within 10 s; there is RPI-RP2"
    assert "cable" in caught.value.hint


def test_a_stick_of_that_name_is_no_probe(desk: Desk) -> None:
    desk.plug("MICROBIT", {"photo.jpg": "x"})
    with pytest.raises(TargetError, match="no drive MICROBIT"):
        flash(desk)


def test_maintenance_mode(desk: Desk) -> None:
    desk.plug("MAINTENANCE", MICROBIT_NOTE)
    with pytest.raises(TargetError) as caught:
        flash(desk)
    assert "maintenance mode" in caught.value.hint


def test_a_drive_that_is_not_mounted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LINUX)
    desk.connect("MICROBIT")
    with pytest.raises(TargetError) as caught:
        flash(desk)
    assert caught.value.hint == f"mount it: udisksctl mount -b {desk.device('MICROBIT')}"


def test_the_number_of_a_nucleo_is_in_a_link(tmp_path: Path) -> None:
    drive = Drive(Desk(tmp_path, MACOS).plug("NODE_L4R5ZI", NUCLEO_NOTE), "NODE_L4R5ZI")
    assert _unique_id(drive) == "078102212947620D23A00BB1"
    assert read_note(drive, "details.txt").startswith("Version: 0221")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=9000),
        st.text(string.printable, max_size=300).map(lambda text: b"error: " + text.encode()),
        st.lists(st.sampled_from((b"Board-ID", b":", b"\n", b"Unique ID", b"\xff", b"\0"))).map(
            b"".join
        ),
    )
)
def test_any_bytes_in_a_note(tmp_path: Path, raw: bytes) -> None:
    """Drives are not trusted: printable text of bounded length comes out, whatever goes in."""
    for name in ("FAIL.TXT", "INFO_UF2.TXT", "DETAILS.TXT", "MBED.HTM"):
        (tmp_path / name).write_bytes(raw)
    drive = Drive(tmp_path, "ANY")
    for text in (_failure(drive), _board_id(drive), _unique_id(drive), note_value("x", "y")):
        assert text.isprintable()
        assert len(text) <= 200


def test_notes_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "FAIL.TXT").mkdir()
    assert read_note(Drive(tmp_path, "ANY"), "FAIL.TXT") == ""
    assert read_note(Drive(tmp_path / "gone", "ANY"), "FAIL.TXT") == ""
