"""Choosing a method, what a plan says, and looking at flash before it is overwritten."""

import os
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError, UnknownNameError, UsageError
from firmware_glue.device.board import METHODS
from firmware_glue.device.board_file import board_names, load_board
from firmware_glue.device.flash import plan as module
from firmware_glue.device.flash.host import LINUX, Host
from firmware_glue.device.flash.identity import EMPTY, FOREIGN, OURS, UNKNOWN
from firmware_glue.device.flash.plan import (
    board_choice,
    look_at_flash,
    methods,
    plan_flash,
    reset_by_probe,
)
from firmware_glue.device.flash.ports import SerialPort
from tests.firmware_glue.device.flash import recorded
from tests.firmware_glue.device.flash.fake_probe import FakeProbe
from tests.firmware_glue.device.flash.images import board_image, elf
from tests.firmware_glue.device.flash.test_owner import identity

FLASHED = tuple(name for name in board_names() if load_board(name).flashing)
posix = pytest.mark.skipif(os.name != "posix", reason="the fake programs are scripts")


def host(*installed: str) -> Host:
    return Host(
        LINUX,
        mounts=Path("/nonexistent"),
        labels=Path("/nonexistent"),
        usb=Path("/nonexistent"),
        which=lambda name: f"/usr/bin/{name}" if name in installed else None,
    )


def test_every_method_has_one_file() -> None:
    assert tuple(method.name for method in methods()) == METHODS


@pytest.mark.parametrize("name", FLASHED)
def test_every_board_has_a_plan_for_each_of_its_methods(name: str) -> None:
    """Its TOML holds all that the method needs; nothing is run."""
    board, image = board_image(name, b"x" * 3000)
    assert board.flashing is not None
    for method in board.flashing.methods:
        made = plan_flash(board, image, method=method, host=host())
        assert made.method == method
        assert made.bytes == 3000
        assert len(made.steps) >= 3
        assert made.content
        assert (made.command == ()) == (method in ("uf2", "mass-storage"))
        assert made.image.data == b"x" * 3000


@pytest.mark.parametrize(
    ("installed", "method"),
    (
        (("openocd", "pyocd"), "openocd"),
        (("pyocd",), "pyocd"),
        ((), "mass-storage"),
    ),
)
def test_the_first_method_that_is_installed(
    installed: tuple[str, ...], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_glue.device.flash.pyocd.find_spec", lambda name: None)
    assert plan_flash(*board_image("nucleo-l4r5zi"), host=host(*installed)).method == method


def test_without_any_program_the_plan_is_still_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_glue.device.flash.pyocd.find_spec", lambda name: None)
    made = plan_flash(*board_image("netduino-plus2"), host=host())
    assert made.command[:2] == ("pyocd", "flash")


def test_methods_that_a_board_lacks() -> None:
    with pytest.raises(UsageError) as caught:
        plan_flash(*board_image("pico"), method="mass-storage", host=host())
    assert caught.value.hint == "choose uf2 or pyocd or openocd"
    with pytest.raises(UnknownNameError, match="unknown flash method 'openod'"):
        plan_flash(*board_image("pico"), method="openod", host=host())


def test_a_bare_core_cannot_be_flashed() -> None:
    board, image = board_image("cortex-m4")
    with pytest.raises(TargetError, match="'cortex-m4' cannot be flashed"):
        plan_flash(board, image, host=host())
    with pytest.raises(TargetError, match="'cortex-m4' cannot be flashed"):
        look_at_flash(board, host=host())


def test_an_image_for_other_flash_is_refused() -> None:
    board, _ = board_image("pico")
    with pytest.raises(TargetError, match="outside the board's flash"):
        plan_flash(board, elf((0x08000000, b"stm32")), host=host())


def test_which_board_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = (
        SerialPort("/dev/ttyACM3", "0d28:0204", "99003601"),
        SerialPort("/dev/ttyACM4", "2e8a:000a", "E660"),
        SerialPort("/dev/ttyUSB0", "0403:6001", "FTDI"),
    )
    monkeypatch.setattr("firmware_glue.device.flash.ports.list_ports", lambda: ports)
    microbit, pico = load_board("microbit"), load_board("pico")
    assert board_choice(microbit, "/dev/ttyACM3").serial_number == "99003601"
    # The Pico's own port, an adapter, no port at all: none says which probe it is.
    assert board_choice(pico, "/dev/ttyACM4").serial_number == ""
    assert board_choice(microbit, "/dev/ttyUSB0").serial_number == ""
    assert board_choice(microbit, "tcp://localhost:5555").serial_number == ""
    assert board_choice(microbit, None).serial_number == ""
    assert board_choice(pico, str(tmp_path)).drive == tmp_path
    made = plan_flash(*board_image("microbit"), method="pyocd", port="/dev/ttyACM3", host=host())
    assert made.command[-3:] == ("--uid", "99003601", "edgecnn.hex")


@posix
@pytest.mark.parametrize(
    ("flash", "kind"),
    (
        (b"v" * 256 + identity("microbit"), OURS),
        (b"", EMPTY),
        (b"MicroPython", FOREIGN),
    ),
)
def test_flash_is_looked_at_through_the_probe(
    flash: bytes, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a drive is what is written to."""
    FakeProbe(tmp_path, monkeypatch).flash(flash)
    assert look_at_flash(load_board("microbit"), host=host("pyocd")).kind == kind


@posix
def test_the_second_program_is_asked_where_the_first_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = FakeProbe(tmp_path, monkeypatch)
    probe.flash(identity())
    probe.answers({"savemem": (recorded.PYOCD_NO_TARGET, 1)})
    owner = look_at_flash(load_board("microbit"), host=host("pyocd", "openocd"))
    assert owner.kind == OURS
    assert len(probe.calls()) == 2


def test_flash_that_nobody_can_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_glue.device.flash.pyocd.find_spec", lambda name: None)
    owner = look_at_flash(load_board("pico"), host=host())
    assert owner.kind == UNKNOWN
    assert owner.reason == "pyocd is not installed; openocd is not installed"


@posix
def test_a_chip_that_cannot_be_read_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = FakeProbe(tmp_path, monkeypatch)
    probe.answers({"savemem": (recorded.PYOCD_LOCKED, 1), "dump_image": ("x", 1)})
    owner = look_at_flash(load_board("microbit-v2"), host=host("pyocd", "openocd"))
    assert owner.kind == UNKNOWN
    assert owner.reason == (
        "pyocd: the chip is locked against reading; openocd failed (exit code 1)"
    )


@posix
def test_a_reset_through_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = FakeProbe(tmp_path, monkeypatch)
    probe.answers({"reset --target": (recorded.PYOCD_NO_PROBE, 1)})
    both = host("pyocd", "openocd")
    assert reset_by_probe(load_board("microbit"), host=both) == "openocd"
    probe.answers({"reset": ("Error: open failed\n", 1)})
    with pytest.raises(TargetError) as caught:
        reset_by_probe(load_board("microbit"), host=both)
    assert caught.value.message == (
        "'microbit' cannot be reset through a probe: pyocd: no debug probe was found;"
        " openocd: no debug probe was found"
    )


def test_this_machine() -> None:
    """The real host: nothing is plugged in that we know of, and looking for it hurts nobody."""
    from firmware_glue.device.flash.drives import find_drives

    assert isinstance(find_drives(module.this_host()), tuple)
