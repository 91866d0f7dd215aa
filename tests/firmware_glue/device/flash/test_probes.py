"""pyOCD and OpenOCD as programs: what they are called with, and what their failures mean."""

import os
import sys
from pathlib import Path

import pytest

from edgecnn.core.errors import EdgecnnError, MissingExtraError, TargetError, ToolError
from firmware_glue.device.flash import probe_program
from firmware_glue.device.flash.base import BoardChoice
from firmware_glue.device.flash.cures import closed_probe, explain
from firmware_glue.device.flash.host import LINUX, MACOS, WINDOWS, Host
from firmware_glue.device.flash.openocd import OpenOcd
from firmware_glue.device.flash.plan import carry_out, plan_flash
from firmware_glue.device.flash.pyocd import PyOcd
from tests.firmware_glue.device.flash import recorded
from tests.firmware_glue.device.flash.fake_probe import FakeProbe
from tests.firmware_glue.device.flash.images import board_image

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake programs are scripts")
DATA = bytes(range(256)) * 20
DONE = {
    "pyocd": {"flash ": (recorded.PYOCD_DONE, 0)},
    "openocd": {"program ": (recorded.OPENOCD_DONE, 0)},
}
METHODS = ("pyocd", "openocd")
LINUX_HOST = Host(LINUX, usb=Path("/nonexistent"))


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProbe:
    return FakeProbe(tmp_path, monkeypatch)


@pytest.mark.parametrize("method", METHODS)
def test_flash_is_written_and_read_back(probe: FakeProbe, method: str) -> None:
    probe.answers(DONE[method])
    made = plan_flash(*board_image("microbit", DATA), method=method, host=LINUX_HOST)
    outcome = carry_out(made, host=LINUX_HOST)
    assert outcome.verified is True
    assert outcome.bytes == len(DATA)
    assert outcome.command == made.command
    assert (probe.state / "flash.bin").read_bytes()[: len(DATA)] == DATA
    write, read = probe.calls()
    assert [method, *write["arguments"]] == list(made.command)
    assert write["files"] == ["edgecnn.hex"]
    assert read["files"] == []


def test_what_pyocd_is_called_with(probe: FakeProbe) -> None:
    probe.answers(DONE["pyocd"])
    board, image = board_image("microbit", DATA)
    choice = BoardChoice(serial_number="99003601")
    made = PyOcd().plan(board, plan_flash(board, image).image, choice, LINUX_HOST)
    carry_out(made, host=LINUX_HOST)
    PyOcd().reset(board, BoardChoice(), LINUX_HOST)
    where = ["--target", "nrf51822", "-W"]
    assert [call["arguments"] for call in probe.calls()] == [
        ["flash", *where, "--uid", "99003601", "edgecnn.hex"],
        # Attached, so that the program goes on; a locked chip is not unlocked by erasing it.
        ["commander", *where, "--uid", "99003601", "-M", "attach", "-O", "auto_unlock=false",
         "-O", "resume_on_disconnect=true", "-c", "savemem 0x00000000 5120 flash.bin"],
        ["reset", *where],
    ]  # fmt: skip


def test_what_openocd_is_called_with(probe: FakeProbe) -> None:
    probe.answers(DONE["openocd"])
    board, image = board_image("nucleo-l4r5zi", DATA)
    choice = BoardChoice(serial_number="066FFF51")
    made = OpenOcd().plan(board, plan_flash(board, image).image, choice, LINUX_HOST)
    carry_out(made, host=LINUX_HOST)
    OpenOcd().reset(board, BoardChoice(), LINUX_HOST)
    interface, target = ["-f", "interface/stlink.cfg"], ["-f", "target/stm32l4x.cfg"]
    ports = ["-c", "gdb_port disabled; tcl_port disabled; telnet_port disabled"]
    start = [*interface, "-c", "adapter serial 066FFF51", *target, *ports]
    assert [call["arguments"] for call in probe.calls()] == [
        [*start, "-c", "program edgecnn.hex verify reset exit"],
        [*start, "-c", "init; dump_image flash.bin 0x08000000 5120; shutdown"],
        [*interface, *target, *ports, "-c", "init; reset run; shutdown"],
    ]


@pytest.mark.parametrize("method", METHODS)
def test_flash_that_holds_something_else_afterwards(probe: FakeProbe, method: str) -> None:
    """A probe that claims to have written: what it reads back is believed, not what it says."""
    probe.answers(DONE[method])
    probe.ignore_writes()
    probe.flash(DATA[:300] + b"\x00")
    made = plan_flash(*board_image("nucleo-f446re", DATA), method=method, host=LINUX_HOST)
    with pytest.raises(TargetError) as caught:
        carry_out(made, host=LINUX_HOST)
    assert caught.value.message == (
        "flash of 'nucleo-f446re' holds 0x00 at 0x0800012c, expected 0x2c"
    )


@pytest.mark.parametrize("method", METHODS)
def test_less_flash_than_asked_for(probe: FakeProbe, method: str) -> None:
    probe.answers(DONE[method])
    (probe.state / "flash.bin").write_bytes(b"")
    probe.ignore_writes()
    made = plan_flash(*board_image("microbit", DATA), method=method, host=LINUX_HOST)
    with pytest.raises(TargetError, match=rf"{method} read 0 bytes of flash, expected 5120"):
        carry_out(made, host=LINUX_HOST)


def test_a_complaint_about_another_device_is_no_failure(probe: FakeProbe) -> None:
    probe.answers({"program ": (recorded.OPENOCD_DONE_BESIDES, 0)})
    made = plan_flash(*board_image("nucleo-l4r5zi", DATA), method="openocd", host=LINUX_HOST)
    assert carry_out(made, host=LINUX_HOST).verified


@pytest.mark.parametrize(
    ("method", "text"),
    (("pyocd", recorded.PYOCD_NO_REGION), ("openocd", "** Programming Finished **\n")),
)
def test_exit_code_0_is_not_believed(probe: FakeProbe, method: str, text: str) -> None:
    probe.answers({"edgecnn.hex": (text, 0)})
    made = plan_flash(*board_image("microbit", DATA), method=method, host=LINUX_HOST)
    with pytest.raises(EdgecnnError) as caught:
        carry_out(made, host=LINUX_HOST)
    assert len(probe.calls()) == 1
    if method == "pyocd":
        assert caught.value.message == "pyocd: the program lies where the tool knows no flash"


NO_PROBE, NO_RIGHT = "no debug probe was found", "may not be opened by this user"
CASES = (
    ("pyocd", recorded.PYOCD_NO_PROBE, NO_PROBE, "plug the board in"),
    ("pyocd", recorded.PYOCD_NO_SUCH_PROBE, NO_PROBE, "plug the board in"),
    ("pyocd", recorded.PYOCD_NO_RIGHT, NO_RIGHT, "udev/rules.d"),
    ("pyocd", recorded.PYOCD_NO_TARGET, "does not know the part 'stm32l4r5zitx'",
     "pyocd pack install stm32l4r5zitx"),
    ("pyocd", recorded.PYOCD_NO_ACK, "does not reach the chip", "power"),
    ("pyocd", recorded.PYOCD_FAULT, "does not reach the chip", "power"),
    ("pyocd", recorded.PYOCD_LOCKED, "locked against reading", "erase --chip"),
    ("pyocd", recorded.PYOCD_SEVERAL, "several debug probes", "--device"),
    ("openocd", recorded.OPENOCD_NO_STLINK, NO_PROBE, "plug the board in"),
    ("openocd", recorded.OPENOCD_NO_DAP, NO_PROBE, "plug the board in"),
    ("openocd", recorded.OPENOCD_NO_RIGHT, NO_RIGHT, "plugdev"),
    ("openocd", recorded.OPENOCD_NO_HID, NO_RIGHT, "plugdev"),
    ("openocd", recorded.OPENOCD_NO_FILE, "no configuration 'target/rp2350.cfg'", "newer OpenOCD"),
    ("openocd", recorded.OPENOCD_NO_TARGET, "does not reach the chip", "power"),
    ("openocd", recorded.OPENOCD_NO_CHIP, "does not reach the chip", "power"),
    ("openocd", recorded.OPENOCD_BUSY, "another program uses", "close"),
    ("openocd", recorded.OPENOCD_VERIFY_FAILED, "does not hold what was written", "repeat"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "text", "meaning", "cure"), CASES)
def test_failures_and_their_cures(
    probe: FakeProbe, method: str, text: str, meaning: str, cure: str
) -> None:
    probe.answers({"edgecnn.hex": (text, 1)})
    made = plan_flash(*board_image("microbit", DATA), method=method, host=LINUX_HOST)
    with pytest.raises(TargetError) as caught:
        carry_out(made, host=LINUX_HOST)
    assert meaning in caught.value.message
    assert cure in caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint
    assert set(caught.value.details) <= {line.rstrip() for line in text.splitlines()}


@pytest.mark.parametrize(
    ("system", "text", "cure"),
    (
        (WINDOWS, recorded.PYOCD_NO_PROBE, "Zadig"),
        (WINDOWS, recorded.OPENOCD_NO_RIGHT, "WinUSB"),
        (WINDOWS, recorded.OPENOCD_NO_DRIVER, "STSW-LINK009"),
        (MACOS, recorded.OPENOCD_NO_RIGHT, "macOS needs no driver"),
        (MACOS, recorded.PYOCD_NO_PROBE, "plug the board in"),
        (LINUX, recorded.PYOCD_NO_LIBUSB, "pip install libusb-package"),
    ),
)
def test_the_cure_is_that_of_the_system(system: str, text: str, cure: str) -> None:
    error = explain("tool", 1, text, Host(system, usb=Path("/nonexistent")))
    assert cure in error.hint
    assert system != WINDOWS or "udev" not in error.hint


def test_an_unknown_failure_shows_its_last_lines() -> None:
    error = explain("pyocd", 7, "one\ntwo\n[====    ]  40%\nthree\n", LINUX_HOST)
    assert isinstance(error, ToolError)
    assert error.message == "pyocd failed (exit code 7)"
    assert error.details[-1] == "three"


def test_colours_and_control_characters_stay_out() -> None:
    error = explain("pyocd", 1, "\x1b[31mone\x1b[0m\x07\ntwo\x9b\n", LINUX_HOST)
    assert error.details == ("one", "two")


def usb_device(root: Path, vendor: str, mode: int) -> None:
    device = root / "usb" / "1-1"
    device.mkdir(parents=True)
    for name, text in (
        ("idVendor", vendor),
        ("idProduct", "0204"),
        ("busnum", "1"),
        ("devnum", "7"),
    ):
        (device / name).write_text(text + "\n")
    node = root / "nodes" / "001" / "007"
    node.parent.mkdir(parents=True)
    node.touch()
    node.chmod(mode)


def test_a_probe_that_is_there_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both programs say "no probe" then; the device's file tells what it is."""
    usb_device(tmp_path, "0d28", 0o644)
    # root may open anything
    monkeypatch.setattr(os, "access", lambda path, mode: bool(Path(path).stat().st_mode & 0o002))
    host = Host(LINUX, usb=tmp_path / "usb", usb_nodes=tmp_path / "nodes")
    assert closed_probe(host) == "0d28:0204"
    error = explain("openocd", 1, recorded.OPENOCD_NO_DAP, host)
    assert error.message == "openocd: the debug probe 0d28:0204 may not be opened by this user"
    assert "plugdev" in error.hint
    (tmp_path / "nodes" / "001" / "007").chmod(0o666)
    assert closed_probe(host) is None
    assert NO_PROBE in explain("openocd", 1, recorded.OPENOCD_NO_DAP, host).message


def test_other_devices_and_odd_ones_are_no_probes(tmp_path: Path) -> None:
    usb_device(tmp_path, "046d", 0o000)
    (tmp_path / "usb" / "2-0").mkdir()
    (tmp_path / "usb" / "file").write_text("x")
    assert closed_probe(Host(LINUX, usb=tmp_path / "usb", usb_nodes=tmp_path / "nodes")) is None
    assert closed_probe(Host(MACOS)) is None


@pytest.mark.parametrize("method", METHODS)
def test_a_program_that_hangs_is_stopped(
    probe: FakeProbe, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe.answers({"edgecnn.hex": ("sleep", 0)})
    monkeypatch.setattr(probe_program, "BASE_S", 0.5)
    made = plan_flash(*board_image("microbit", DATA), method=method, host=LINUX_HOST)
    with pytest.raises(ToolError, match=rf"{method} failed \(timed out\)"):
        carry_out(made, host=LINUX_HOST)


def test_a_program_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    host = Host(LINUX, which=lambda name: f"/usr/bin/{name}")
    with pytest.raises(ToolError) as caught:
        OpenOcd().read(board_image("microbit")[0], 4, BoardChoice(), host)
    assert caught.value.hint == "install openocd again"


@pytest.mark.parametrize(
    ("system", "hint"),
    ((LINUX, "apt install openocd"), (MACOS, "brew install"), (WINDOWS, "https://openocd.org")),
)
def test_openocd_is_not_installed(system: str, hint: str) -> None:
    host = Host(system, which=lambda name: None)
    made = plan_flash(*board_image("nucleo-l4r5zi"), method="openocd", host=host)
    with pytest.raises(TargetError, match="needs 'openocd', which is not installed") as caught:
        carry_out(made, host=host)
    assert hint in caught.value.hint


def test_pyocd_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(LINUX, which=lambda name: None)
    board, image = board_image("microbit")
    module = sys.modules[PyOcd.__module__]
    made = plan_flash(board, image, method="pyocd", host=host)
    assert made.command[:4] == (sys.executable, "-m", "pyocd", "flash")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    made = plan_flash(board, image, method="pyocd", host=host)
    assert made.command[0] == "pyocd"
    for action in (
        lambda: carry_out(made, host=host),
        lambda: PyOcd().read(board, 4, BoardChoice(), host),
        lambda: PyOcd().reset(board, BoardChoice(), host),
    ):
        with pytest.raises(MissingExtraError) as caught:
            action()
        assert caught.value.extra == "flash"


@pytest.mark.long
@pytest.mark.parametrize("method", (PyOcd(), OpenOcd()))
def test_the_real_programs_understand_the_command(method: PyOcd | OpenOcd) -> None:
    """Read only, and from a probe that nobody has: nothing that is plugged in is touched."""
    if method.missing(LINUX_HOST) is not None:
        pytest.skip(f"no {method.name}")
    choice = BoardChoice(serial_number="no-such-probe-edgecnn")
    with pytest.raises(TargetError) as caught:
        method.read(board_image("microbit")[0], 64, choice, LINUX_HOST)
    assert caught.value.message == f"{method.name}: {NO_PROBE}"


def test_more_flash_may_take_longer() -> None:
    assert probe_program.probe_timeout_s(1 << 20) > probe_program.probe_timeout_s(4096) + 300
