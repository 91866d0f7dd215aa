"""The drivers of the emulated boards, tried with the program of echo.c in QEMU."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import time
from collections.abc import Iterator
from functools import cache

import pytest

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.board import start_board
from firmware_glue.device.emulate.board_qemu import QemuBoard
from firmware_glue.device.toolchain import find_toolchain
from tests.firmware_glue.device.emulate.echo import Talk, build_echo, cpu_s
from tests.share import long_but_for

BOARDS = ("microbit", "netduino-plus2", "mps2-an386", "mps3-an547", "riscv-virt")
WATCHED = ("mps2-an386", "mps3-an547")
EVERY_BYTE = bytes(range(256))


@cache
def _image(name: str) -> bytes:
    board = load_board(name)
    return build_echo(board, find_toolchain(board))


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Iterator[QemuBoard]:
    board = load_board(request.param)
    program = "qemu-system-riscv32" if board.isa == "riscv" else "qemu-system-arm"
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    with QemuBoard(board, _image(request.param)) as machine:
        yield machine


def test_a_board_greets_echoes_every_byte_keeps_what_comes_while_it_computes_and_resets(
    board: QemuBoard,
) -> None:
    talk = Talk(board.line())
    talk.greeting()
    assert talk.echo(EVERY_BYTE + EVERY_BYTE[::-1]) == EVERY_BYTE + EVERY_BYTE[::-1]

    # Its ring takes 1024 bytes; of the rest QEMU holds what the board does not read.
    sent = EVERY_BYTE * 8
    talk.say(b"c\x14" + b"e" + struct.pack("<H", len(sent)) + sent)
    assert talk.hear(1) == b"c"
    assert talk.hear(len(sent)) == sent
    assert talk.lost() == 0

    # 20 million times two instructions, of a nanosecond each.
    begin, before = talk.clock(), board.executed()
    talk.compute(20)
    assert (talk.clock() - begin) % 2**32 >= 40_000
    assert board.executed() - before >= 40_000_000

    talk.say(b"r")
    assert talk.greeting() == "software"
    talk.line.close()

    again = Talk(board.line())
    assert again.echo(b"abc") == b"abc"
    board.reset()
    again.greeting()
    assert again.echo(b"xyz") == b"xyz"


def test_the_clock_goes_on_over_the_wrap_of_its_counter_and_an_idle_board_sleeps(
    board: QemuBoard,
) -> None:
    """Idle, a board's time is the host's: more than the half second of SysTick's counter."""
    talk = Talk(board.line())
    talk.greeting()
    here, begin = time.monotonic(), talk.clock()
    used = cpu_s(board.pid)
    time.sleep(1.2)
    used = cpu_s(board.pid) - used
    passed = (talk.clock() - begin) % 2**32 / 1e6
    assert 1.0 <= passed <= time.monotonic() - here
    assert used <= 0.3, "an idle board takes the host's processor"


@pytest.mark.parametrize("board", WATCHED, indirect=True)
def test_the_watchdog_ends_a_hang_and_the_next_start_tells_of_it(board: QemuBoard) -> None:
    talk = Talk(board.line())
    assert talk.greeting() == "power"
    talk.say(b"h")
    assert talk.greeting() == "watchdog"
    assert talk.echo(b"!") == b"!"


def test_connections_over_tcp_serve_as_well() -> None:
    if shutil.which("qemu-system-riscv32") is None:
        pytest.skip("qemu-system-riscv32 is not installed")
    with QemuBoard(load_board("riscv-virt"), _image("riscv-virt"), tcp=True) as machine:
        talk = Talk(machine.line())
        assert talk.greeting() == "power"
        assert talk.echo(b"ok") == b"ok"
        assert machine.executed() > 0


def test_an_emulator_that_was_killed_is_an_error_and_no_hang() -> None:
    if shutil.which("qemu-system-riscv32") is None:
        pytest.skip("qemu-system-riscv32 is not installed")
    with QemuBoard(load_board("riscv-virt"), _image("riscv-virt")) as machine:
        talk = Talk(machine.line())
        talk.greeting()
        os.kill(machine.pid, signal.SIGKILL)
        with pytest.raises(TargetError, match="gone"):
            talk.hear(1)
        with pytest.raises(ToolError, match="qemu"):
            machine.executed()


def test_qemu_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(TargetError, match="qemu-system-arm") as caught:
        start_board(load_board("microbit"), b"")
    assert "apt install" in caught.value.hint and "brew" in caught.value.hint


def test_a_board_without_an_emulator_says_so() -> None:
    with pytest.raises(TargetError, match="no emulator"):
        start_board(load_board("nucleo-l4r5zi"), b"")


def test_a_damaged_image_is_refused() -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    with pytest.raises(TargetError, match="ELF"):
        start_board(load_board("microbit"), b"\x7fELF\x01\x01 and no more")


@pytest.mark.parametrize("name", long_but_for([*BOARDS, "nucleo-f446re"], "riscv-virt"))
def test_gcc_compiles_the_drivers_without_a_warning(name: str) -> None:
    board = load_board(name)
    try:
        toolchain = find_toolchain(board, "gcc")
    except TargetError as error:
        pytest.skip(error.message)
    assert build_echo(board, toolchain)
